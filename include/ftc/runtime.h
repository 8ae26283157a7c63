/*===- runtime.h - the C interface of ftc's runtime ---------------*- C -*-===//
// Load a package, bind weights, run entry points, read and write state.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===*/
#ifndef FTC_RUNTIME_H
#define FTC_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every function that can fail returns an ftc_code and, where `error` is not null, writes a message
   of one line (plus notes on lines of their own) that says where, what, and what would be right.
   A package is immutable and may be shared by threads; an instance is used by one thread at a time,
   and any number of instances may run at once. Strings returned live as long as their object. */

typedef enum ftc_code {
  FTC_OK = 0,
  FTC_INVALID_PACKAGE = 1,  /* damaged, of another version, or for another target */
  FTC_INVALID_ARGUMENT = 2, /* null, unknown name, wrong shape, type or size */
  FTC_INVALID_FILE = 3,     /* weights or adapter files missing, damaged or misshapen */
  FTC_NOT_BOUND = 4,        /* run before every base tensor was bound and the state initialized */
  FTC_OUT_OF_MEMORY = 5,
  FTC_UNSUPPORTED = 6, /* this machine lacks what the package needs */
  FTC_INTERNAL = 7
} ftc_code;

typedef struct ftc_error {
  ftc_code code;
  char message[2048];
} ftc_error;

typedef struct ftc_package ftc_package;
typedef struct ftc_instance ftc_instance;

/* The version of this interface; ftc_abi_version() is the library's. */
#define FTC_ABI_VERSION 1
uint32_t ftc_abi_version(void);

/*--- Packages ---------------------------------------------------------------------------------*/

/* Reads and verifies a package: identifier, version, checksum, structure, every index, offset and
   size. Nothing of it is believed before. */
ftc_code ftc_package_load(const char *path, ftc_package **package, ftc_error *error);
ftc_code ftc_package_load_memory(const void *data, size_t bytes, ftc_package **package,
                                 ftc_error *error);
void ftc_package_free(ftc_package *package);

typedef struct ftc_package_info {
  const char *target, *arch;
  int64_t tokens, max_segments, batch, max_length, vocab;
  int32_t writes_model;     /* 0: training saves a PEFT adapter; 1: a Hugging Face model */
  const char *train_config; /* resolved training config, JSON */
  size_t tensors, files;
  /* Of an adapter with virtual tokens: how many stand before each segment, beside `tokens`, and
     whether the last of them predicts the segment's first label. */
  int64_t virtual_tokens;
  int32_t virtual_predicts;
} ftc_package_info;
void ftc_package_get_info(const ftc_package *package, ftc_package_info *info);

/* What `ftc inspect --json` prints. Owned by the package. */
const char *ftc_package_inspect_json(const ftc_package *package);

/* A text file that a trained model carries beside its weights (adapter_config.json, ...). */
ftc_code ftc_package_file(const ftc_package *package, size_t index, const char **name,
                          const char **text);

/* Beginnings of the names of tensors in the model's files that are not the package's: a trained
   model has them as they were. NULL behind the last. */
const char *ftc_package_left_alone(const ftc_package *package, size_t index);

typedef enum ftc_dtype { FTC_F32 = 0, FTC_BF16 = 1, FTC_F16 = 2, FTC_I32 = 3 } ftc_dtype;
typedef enum ftc_role {
  FTC_BASE = 0,
  FTC_TRAINABLE = 1,
  FTC_MOMENT1 = 2,
  FTC_MOMENT2 = 3,
  FTC_ACCUMULATOR = 4,
  FTC_TABLE = 5,
  FTC_SHADOW = 6 /* a trainable tensor in the dtype that products compute with */
} ftc_role;

typedef struct ftc_tensor_info {
  const char *name; /* symbol: the state-dict key in the model */
  const char *key;  /* name in checkpoints (PEFT's for adapters) */
  ftc_role role;
  ftc_dtype dtype; /* as stored */
  size_t rank;
  const int64_t *shape;
  uint64_t bytes;
  int64_t owner;      /* moments, accumulators, shadows: index of their trainable tensor; else -1 */
  int32_t is_adapter; /* 1: stands in adapter_model.safetensors, trainable or (FTC_TABLE) frozen */
  ftc_dtype saved;    /* trainable: what an adapter's file holds it in */
  /* trainable: an adapter's file holds the transpose of a matrix with so many rows in memory; 0: as
     it is. Where `transposed_shape`, `shape` is the file's, else the one in memory. */
  int64_t transposed;
  int32_t transposed_shape;
  size_t parts; /* tensors in the model's weights that are its rows, or 0 where it is one of them */
  const char *saved_as; /* base: its name in an adapter's file, which holds it too; else NULL */
} ftc_tensor_info;
ftc_code ftc_package_tensor(const ftc_package *package, size_t index, ftc_tensor_info *info);
/* The name of a part; NULL where there is none. Owned by the package. */
const char *ftc_package_tensor_part(const ftc_package *package, size_t index, size_t part);

/*--- Instances --------------------------------------------------------------------------------*/

typedef struct ftc_options {
  uint32_t struct_size; /* sizeof(ftc_options) */
  int32_t threads;      /* of target "cpu"; 0: as many as the process may use */
} ftc_options;

/* Whether this machine has what an instance will take: base tensors (which are mapped), arena,
   state, and the scratch of each thread, against the least of the memory that the system has
   available, the limits of the control groups that the process is in and of the process itself
   (RLIMIT_AS, RLIMIT_DATA), each less what is in use. If not, FTC_OUT_OF_MEMORY with both numbers.
   With FTC_AVAILABLE_MEMORY=SIZE (`24GiB`) that is taken instead. Nothing is allocated. A GPU is
   asked when the instance is created. */
ftc_code ftc_memory_check(const ftc_package *package, const ftc_options *options, ftc_error *error);

/* Allocates arena, state and scratch, all that a step will ever need; loads the code. The package
   must outlive the instance. A package of target "cuda" takes the GPU of the calling thread's CUDA
   context or, without one, the first, and allocates its base tensors there too. Its libraries are
   loaded now: libcuda.so.1; libcublasLt.so.13 for products; libnvrtc.so.13 where no cubin fits the
   GPU. FTC_CUDA_LIBRARY_PATH names folders (separated by ':') that are searched first. With
   FTC_CUDA_SYNC=1 it waits for each launch, so that an error names the one that failed. */
ftc_code ftc_instance_create(const ftc_package *package, const ftc_options *options,
                             ftc_instance **instance, ftc_error *error);
void ftc_instance_free(ftc_instance *instance);

/* Binds every base tensor, and fills trainable tensors that start from the model's weights, from a
   model directory (model.safetensors, or an index and its shards), memory-mapped. A tensor whose
   file type is not the package's is converted where that loses nothing, else refused. */
ftc_code ftc_bind_directory(ftc_instance *instance, const char *directory, ftc_error *error);

/* Binds one base tensor to the caller's memory, or fills a trainable one from it. For a base tensor
   the memory must stay valid and unchanged, and start at a multiple of its element size; a GPU
   copies it. */
ftc_code ftc_bind_tensor(ftc_instance *instance, const char *name, ftc_dtype dtype, size_t rank,
                         const int64_t *shape, const void *data, ftc_error *error);

/* Initializes trainable tensors that do not come from files (adapters, by PEFT's rules, from
   `seed`), zeroes moments and accumulators, fills tables. */
ftc_code ftc_init_state(ftc_instance *instance, uint64_t seed, ftc_error *error);

/* Reads trainable tensors and an adapter's frozen ones from adapter_model.safetensors in
   `directory`: every one must be there, with its shape, and no other. */
ftc_code ftc_load_adapter(ftc_instance *instance, const char *directory, ftc_error *error);

/* Copies a tensor (any role; by name) out of or into the instance. `bytes` must be its size. Base
   tensors can be read once bound, not written; shadows follow their trainable tensors and are not
   written either. */
ftc_code ftc_state_read(const ftc_instance *instance, const char *name, void *data, size_t bytes,
                        ftc_error *error);
/* Copies `bytes` from the tensor's byte `offset` on; both must lie within it. */
ftc_code ftc_state_read_range(const ftc_instance *instance, const char *name, uint64_t offset,
                              void *data, size_t bytes, ftc_error *error);
ftc_code ftc_state_write(ftc_instance *instance, const char *name, const void *data, size_t bytes,
                         ftc_error *error);

/*--- Running ----------------------------------------------------------------------------------*/

/* One batch of at most `tokens` tokens (design: batches and loss).
   rank 1: packed `[length]`; segments from cu_seqlens (segments + 1 rising numbers from 0 to
   length) or, without them, wherever position_ids is 0, or one. rank 2: `[rows, length]`, a row is
   a segment, zeros of attention_mask at either end of a row are dropped, holes are an error.
   Labels are unshifted; -100 is no target. The rest of the step's tokens is dead. */
typedef struct ftc_batch {
  uint32_t struct_size; /* sizeof(ftc_batch) */
  int32_t rank;
  int64_t rows, length;
  const int32_t *input_ids;
  const int32_t *labels;
  const int32_t *position_ids;   /* may be null */
  const int32_t *cu_seqlens;     /* may be null; rank 1 only */
  int64_t segments;              /* of cu_seqlens */
  const int32_t *attention_mask; /* may be null; rank 2 only */
} ftc_batch;

/* How many tokens of a batch are predicted: what inv_items is one over. Checks the batch. */
ftc_code ftc_batch_items(const ftc_instance *instance, const ftc_batch *batch, int64_t *items,
                         ftc_error *error);

/* The operations (a multiply-add is two) that a training step needs for a batch: the products of
   forward and backward and attention's, for the batch's own tokens, logits for those that predict.
   What the backward repeats counts once; elementwise work and the optimizer do not count. Checks
   the batch. */
ftc_code ftc_batch_flops(const ftc_instance *instance, const ftc_batch *batch, double *flops,
                         ftc_error *error);

/* The most operations a second that the instance's threads, or its GPU, reach here in products of
   the type that the package computes with, by the library that steps use: measured for about
   `seconds` (above 0, at most 60). Not within a step: it works in the arena, or where that is small
   in a few MiB that are given back. */
ftc_code ftc_measure_peak(ftc_instance *instance, double seconds, double *flops_per_second,
                          ftc_error *error);

/* What changes between steps. */
typedef struct ftc_run {
  uint32_t struct_size; /* sizeof(ftc_run) */
  int64_t step;         /* optimizer step, from 1: bias corrections */
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  double max_grad_norm; /* 0 or less: no clipping */
  double inv_items;     /* one over the predicted tokens of the accumulated batch */
  uint64_t seed;        /* of random draws (dropout): they follow from it, step and micro_batch */
  int64_t micro_batch;  /* which of the accumulated batches this is, from 0 and below 2^24 */
} ftc_run;

typedef struct ftc_result {
  double loss;      /* this batch's share: sum over its predicted tokens times inv_items */
  double grad_norm; /* before clipping; of entry points that update */
} ftc_result;

/* Entry points: "train_step" (accumulate this batch, clip, update, zero the accumulators),
   "accumulate", "update" (takes no batch), "evaluate", "gradients" (leaves this batch's gradients
   in the accumulators, whatever was there). `batch` may be null for "update" alone. No allocation
   after the first call. A package without accumulators updates each parameter as soon as its
   gradient is known: it has no "accumulate" and no "update", max_grad_norm above 0 is an error, and
   "gradients" leaves gradients in the first moments, so that training does not go on from there. */
ftc_code ftc_run_entry(ftc_instance *instance, const char *entry, const ftc_batch *batch,
                       const ftc_run *run, ftc_result *result, ftc_error *error);

/* Bytes that the instance allocated, as planned by the package: arena + state + scratch; on a GPU
   also base tensors, tables of batched launches and pinned memory of the host. */
uint64_t ftc_instance_bytes(const ftc_instance *instance);

/* What the bits of a step's results depend on beside package, weights, state and batch: one line of
   JSON that names the processor or GPU, the library and what it chose. The number of threads is not
   in it: it changes no bit. Owned by the instance. */
const char *ftc_instance_choices(const ftc_instance *instance);

#ifdef __cplusplus
}
#endif

#endif
