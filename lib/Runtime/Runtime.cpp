//===- Runtime.cpp - the C interface ---------------------------------------===//
// Null checks, conversion of types, and errors into the caller's buffer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/runtime.h"

#include "Instance.h"
#include "ftc/Package/Inspect.h"

#include <algorithm>
#include <cstring>
#include <mutex>

struct ftc_package {
  std::unique_ptr<ftc::Package> package;
  mutable std::once_flag inspected;
  mutable std::string inspection;
};

struct ftc_instance {
  std::unique_ptr<ftc::Instance> instance;
  std::string choices;
};

namespace {

using ftc::Error;
using ftc::Outcome;

ftc_code report(ftc_code code, const Error &failure, ftc_error *error) {
  if (!error)
    return code;
  std::string text = failure.str();
  for (const std::string &note : failure.notes)
    text += "\nnote: " + note;
  error->code = code;
  size_t length = std::min(text.size(), sizeof error->message - 1);
  // Not within a character of UTF-8.
  while (length > 0 && length < text.size() &&
         (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
    --length;
  std::memcpy(error->message, text.data(), length);
  error->message[length] = '\0';
  return code;
}

ftc_code report(const Outcome &outcome, ftc_error *error) {
  if (!outcome)
    return report(outcome.code(), outcome.error(), error);
  if (error) {
    error->code = FTC_OK;
    error->message[0] = '\0';
  }
  return FTC_OK;
}

ftc_code null(const char *argument, ftc_error *error) {
  return report(FTC_INVALID_ARGUMENT, ftc::makeError(argument, "is null"), error);
}

Outcome checkOptions(const ftc_options *options) {
  if (!options || options->struct_size >= sizeof(ftc_options))
    return Outcome::ok();
  return ftc::invalidArgument("options", "struct_size is " + std::to_string(options->struct_size) +
                                             ", not sizeof(ftc_options)");
}

ftc_code finishLoad(ftc::Result<std::unique_ptr<ftc::Package>> loaded, ftc_package **package,
                    ftc_error *error) {
  if (!loaded)
    return report(FTC_INVALID_PACKAGE, loaded.error(), error);
  *package = new ftc_package();
  (*package)->package = *std::move(loaded);
  return report(Outcome::ok(), error);
}

ftc_dtype cDType(ftc::package::DType dtype) {
  switch (dtype) {
  case ftc::package::DType::f32:
    return FTC_F32;
  case ftc::package::DType::bf16:
    return FTC_BF16;
  case ftc::package::DType::f16:
    return FTC_F16;
  case ftc::package::DType::i32:
    return FTC_I32;
  }
  return FTC_F32;
}

static_assert(int(FTC_BASE) == int(ftc::package::Role::base) &&
                  int(FTC_TRAINABLE) == int(ftc::package::Role::trainable) &&
                  int(FTC_MOMENT1) == int(ftc::package::Role::moment1) &&
                  int(FTC_MOMENT2) == int(ftc::package::Role::moment2) &&
                  int(FTC_ACCUMULATOR) == int(ftc::package::Role::accumulator) &&
                  int(FTC_TABLE) == int(ftc::package::Role::table) &&
                  int(FTC_SHADOW) == int(ftc::package::Role::shadow),
              "the numbers of roles are those of the schema");

} // namespace

extern "C" {

uint32_t ftc_abi_version(void) { return FTC_ABI_VERSION; }

ftc_code ftc_package_load(const char *path, ftc_package **package, ftc_error *error) {
  if (!path || !package)
    return null(path ? "package" : "path", error);
  *package = nullptr;
  return finishLoad(ftc::Package::open(path), package, error);
}

ftc_code ftc_package_load_memory(const void *data, size_t bytes, ftc_package **package,
                                 ftc_error *error) {
  if (!data || !package)
    return null(data ? "package" : "data", error);
  *package = nullptr;
  return finishLoad(ftc::Package::fromMemory(data, bytes), package, error);
}

void ftc_package_free(ftc_package *package) { delete package; }

void ftc_package_get_info(const ftc_package *package, ftc_package_info *info) {
  if (!info)
    return;
  *info = {};
  if (!package)
    return;
  const ftc::package::Package &root = package->package->root();
  info->target = root.target()->c_str();
  info->arch = root.arch()->c_str();
  info->virtual_tokens = root.virtual_tokens();
  info->virtual_predicts = root.virtual_predicts();
  info->tokens = root.tokens() - root.virtual_tokens() * root.max_segments();
  info->max_segments = root.max_segments();
  info->batch = root.batch();
  info->max_length = root.max_length();
  info->vocab = root.vocab();
  info->writes_model = root.output() == ftc::package::Output::huggingface_model;
  info->train_config = root.train_config()->c_str();
  info->tensors = root.tensors()->size();
  info->files = root.files()->size();
}

const char *ftc_package_inspect_json(const ftc_package *package) {
  if (!package)
    return nullptr;
  std::call_once(package->inspected,
                 [&] { package->inspection = ftc::inspectJson(*package->package); });
  return package->inspection.c_str();
}

ftc_code ftc_package_file(const ftc_package *package, size_t index, const char **name,
                          const char **text) {
  if (!package || !name || !text || index >= package->package->root().files()->size())
    return FTC_INVALID_ARGUMENT;
  const ftc::package::File &file =
      *package->package->root().files()->Get(static_cast<flatbuffers::uoffset_t>(index));
  *name = file.name()->c_str();
  *text = file.text()->c_str();
  return FTC_OK;
}

const char *ftc_package_left_alone(const ftc_package *package, size_t index) {
  const auto *names = package ? package->package->root().left_alone() : nullptr;
  if (!names || index >= names->size())
    return nullptr;
  return names->Get(static_cast<flatbuffers::uoffset_t>(index))->c_str();
}

ftc_code ftc_package_tensor(const ftc_package *package, size_t index, ftc_tensor_info *info) {
  if (!package || !info || index >= package->package->root().tensors()->size())
    return FTC_INVALID_ARGUMENT;
  const ftc::package::Tensor &tensor =
      *package->package->root().tensors()->Get(static_cast<flatbuffers::uoffset_t>(index));
  info->name = tensor.name()->c_str();
  info->key = tensor.key()->c_str();
  info->role = static_cast<ftc_role>(tensor.role());
  info->dtype = cDType(tensor.dtype());
  info->rank = tensor.shape()->size();
  info->shape = tensor.shape()->data();
  info->bytes = tensor.bytes();
  info->owner = tensor.owner();
  info->is_adapter = ftc::isAdapterTensor(tensor);
  info->saved = cDType(tensor.saved());
  info->transposed_shape = tensor.transposed_rows() > 0;
  info->transposed = !tensor.transposed()           ? 0
                     : tensor.transposed_rows() > 0 ? tensor.transposed_rows()
                                                    : tensor.shape()->Get(0);
  info->parts = tensor.sources() ? tensor.sources()->size() : 0;
  info->saved_as = tensor.saved_as() ? tensor.saved_as()->c_str() : nullptr;
  return FTC_OK;
}

const char *ftc_package_tensor_part(const ftc_package *package, size_t index, size_t part) {
  ftc_tensor_info info;
  if (ftc_package_tensor(package, index, &info) != FTC_OK || part >= info.parts)
    return nullptr;
  const ftc::package::Tensor &tensor =
      *package->package->root().tensors()->Get(static_cast<flatbuffers::uoffset_t>(index));
  return tensor.sources()->Get(static_cast<flatbuffers::uoffset_t>(part))->c_str();
}

ftc_code ftc_memory_check(const ftc_package *package, const ftc_options *options,
                          ftc_error *error) {
  if (!package)
    return null("package", error);
  if (Outcome outcome = checkOptions(options); !outcome)
    return report(outcome, error);
  return report(ftc::Instance::checkMemory(*package->package, options ? options->threads : 0),
                error);
}

ftc_code ftc_instance_create(const ftc_package *package, const ftc_options *options,
                             ftc_instance **instance, ftc_error *error) {
  if (!package || !instance)
    return null(package ? "instance" : "package", error);
  *instance = nullptr;
  if (Outcome outcome = checkOptions(options); !outcome)
    return report(outcome, error);
  std::unique_ptr<ftc::Instance> created;
  Outcome outcome =
      ftc::Instance::create(*package->package, options ? options->threads : 0, created);
  if (outcome) {
    *instance = new ftc_instance();
    (*instance)->instance = std::move(created);
    (*instance)->choices = (*instance)->instance->choices();
  }
  return report(outcome, error);
}

void ftc_instance_free(ftc_instance *instance) { delete instance; }

ftc_code ftc_bind_directory(ftc_instance *instance, const char *directory, ftc_error *error) {
  if (!instance || !directory)
    return null(instance ? "directory" : "instance", error);
  return report(instance->instance->bindDirectory(directory), error);
}

ftc_code ftc_bind_tensor(ftc_instance *instance, const char *name, ftc_dtype dtype, size_t rank,
                         const int64_t *shape, const void *data, ftc_error *error) {
  if (!instance || !name || !data || (rank > 0 && !shape))
    return null(!instance ? "instance" : !name ? "name" : !data ? "data" : "shape", error);
  ftc::package::DType type;
  switch (dtype) {
  case FTC_F32:
    type = ftc::package::DType::f32;
    break;
  case FTC_BF16:
    type = ftc::package::DType::bf16;
    break;
  case FTC_F16:
    type = ftc::package::DType::f16;
    break;
  case FTC_I32:
    type = ftc::package::DType::i32;
    break;
  default:
    return report(FTC_INVALID_ARGUMENT,
                  ftc::makeError("dtype", "has the unknown value " + std::to_string(int(dtype))),
                  error);
  }
  // More dimensions than any tensor has would only be copied to be refused.
  std::vector<int64_t> dimensions(shape, shape + std::min<size_t>(rank, 64));
  return report(instance->instance->bindTensor(name, type, dimensions, data), error);
}

ftc_code ftc_init_state(ftc_instance *instance, uint64_t seed, ftc_error *error) {
  if (!instance)
    return null("instance", error);
  return report(instance->instance->initState(seed), error);
}

ftc_code ftc_load_adapter(ftc_instance *instance, const char *directory, ftc_error *error) {
  if (!instance || !directory)
    return null(instance ? "directory" : "instance", error);
  return report(instance->instance->loadAdapter(directory), error);
}

ftc_code ftc_state_read(const ftc_instance *instance, const char *name, void *data, size_t bytes,
                        ftc_error *error) {
  if (!instance || !name || !data)
    return null(!instance ? "instance" : !name ? "name" : "data", error);
  return report(instance->instance->readState(name, data, bytes), error);
}

ftc_code ftc_state_read_range(const ftc_instance *instance, const char *name, uint64_t offset,
                              void *data, size_t bytes, ftc_error *error) {
  if (!instance || !name || !data)
    return null(!instance ? "instance" : !name ? "name" : "data", error);
  return report(instance->instance->readRange(name, offset, data, bytes), error);
}

ftc_code ftc_state_write(ftc_instance *instance, const char *name, const void *data, size_t bytes,
                         ftc_error *error) {
  if (!instance || !name || !data)
    return null(!instance ? "instance" : !name ? "name" : "data", error);
  return report(instance->instance->writeState(name, data, bytes), error);
}

ftc_code ftc_batch_items(const ftc_instance *instance, const ftc_batch *batch, int64_t *items,
                         ftc_error *error) {
  if (!instance || !batch || !items)
    return null(!instance ? "instance" : !batch ? "batch" : "items", error);
  return report(instance->instance->batchItems(*batch, *items), error);
}

ftc_code ftc_batch_flops(const ftc_instance *instance, const ftc_batch *batch, double *flops,
                         ftc_error *error) {
  if (!instance || !batch || !flops)
    return null(!instance ? "instance" : !batch ? "batch" : "flops", error);
  return report(instance->instance->batchFlops(*batch, *flops), error);
}

ftc_code ftc_measure_peak(ftc_instance *instance, double seconds, double *flops_per_second,
                          ftc_error *error) {
  if (!instance || !flops_per_second)
    return null(!instance ? "instance" : "flops_per_second", error);
  if (!(seconds > 0 && seconds <= 60))
    return report(Outcome(FTC_INVALID_ARGUMENT,
                          ftc::makeError("seconds", "must be above 0 and at most 60, got " +
                                                        std::to_string(seconds))),
                  error);
  return report(instance->instance->measurePeak(seconds, *flops_per_second), error);
}

ftc_code ftc_run_entry(ftc_instance *instance, const char *entry, const ftc_batch *batch,
                       const ftc_run *run, ftc_result *result, ftc_error *error) {
  if (!instance || !entry || !run)
    return null(!instance ? "instance" : !entry ? "entry" : "run", error);
  return report(instance->instance->runEntry(entry, batch, *run, result), error);
}

uint64_t ftc_instance_bytes(const ftc_instance *instance) {
  return instance ? instance->instance->bytes() : 0;
}

const char *ftc_instance_choices(const ftc_instance *instance) {
  return instance ? instance->choices.c_str() : nullptr;
}

} // extern "C"
