//===- TrainConfigUnsupported.cpp - keys that others have ------------------===//
// Keys of transformers and TRL that ftc refuses, ignores, or knows by a newer name.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainConfigTable.h"

namespace ftc::detail {

namespace {

const char kData[] = "the data decide: JSONL with input_ids and labels, or text";
const char kWhere[] = "a flag of the command decides";
const char kHub[] = "nothing is uploaded";
const char kTorch[] = "it steers PyTorch, which is not used";
const char kReports[] = "use --metrics for a record of each step";

const ForeignKey foreignKeys[] = {
    // Refused unless neutral.
    {"fp16", "false null",
     "f16 training is not supported until loss scaling exists; use 'bf16: true' or leave it out"},
    {"fp16_full_eval", "false null", "evaluation runs in the compute type of training"},
    {"bf16_full_eval", "false null", "evaluation runs in the compute type of training"},
    {"tf32", "false null", "products of f32 are computed in f32"},
    {"label_smoothing_factor", "0 null", "label smoothing is not supported"},
    {"neftune_noise_alpha", "null", "NEFTune noise is not supported"},
    {"optim_args", "null \"\"", "AdamW's settings are adam_beta1, adam_beta2 and adam_epsilon"},
    {"optim_target_modules", "null", "it belongs to optimizers that ftc does not have"},
    {"loss_type", "null \"nll\" \"chunked_nll\"", "only the cross-entropy of tokens is supported"},
    {"completion_only_loss", "false null", kData},
    {"assistant_only_loss", "false null", kData},
    {"group_by_length", "false null", "batches are filled in the order of a shuffled epoch"},
    {"train_sampling_strategy", "\"random\" null", "batches follow a shuffled epoch"},
    {"dataloader_drop_last", "false null", "the last batch of an epoch is used"},
    {"average_tokens_across_devices", "true null", "the loss is the mean over all tokens"},
    {"auto_find_batch_size", "false null", "the batch is compiled in; use memory_budget"},
    {"greater_is_better", "false null", "the metric is a loss, which is better the smaller it is"},
    {"save_only_model", "false null", "a checkpoint always holds what --resume needs"},
    {"save_safetensors", "true null", "weights are saved as safetensors only"},
    {"ignore_data_skip", "false null", "a resumed run continues where its data stopped"},
    {"resume_from_checkpoint", "false null", "use the flag --resume"},
    {"eval_on_start", "false null", "use ftc evaluate before training"},
    {"eval_delay", "0 null", "evaluation begins at the first interval"},
    {"push_to_hub", "false null", kHub},
    {"deepspeed", "null \"\"", "use mesh and memory_budget"},
    {"fsdp", "false null \"\" []", "use mesh"},
    {"fsdp_config", "null {} \"\"", "use mesh"},
    {"parallelism_config", "null", "use mesh"},
    {"model_init_kwargs", "null {}", "set attn_implementation and quantization as keys here"},
    {"dataset_text_field", "\"text\" null", "the field of JSONL data is 'text'"},
    {"dataset_kwargs", "null {}", kData},
    {"chat_template_path", "null", kData},
    {"eos_token", "null", kData},
    {"debug", "\"\" [] null", "use ftc inspect and the flags of ftc compile"},
    // Without effect.
    {"output_dir", nullptr, kWhere},
    {"overwrite_output_dir", nullptr, "a directory that is not empty is never overwritten"},
    {"run_name", nullptr, kReports},
    {"project", nullptr, kReports},
    {"trackio_space_id", nullptr, kReports},
    {"log_level", nullptr, kReports},
    {"log_level_replica", nullptr, kReports},
    {"log_on_each_node", nullptr, kReports},
    {"logging_nan_inf_filter", nullptr, "a loss that is not finite is never hidden"},
    {"include_num_input_tokens_seen", nullptr, "tokens are always counted"},
    {"include_tokens_per_second", nullptr, "tokens are always counted"},
    {"disable_tqdm", nullptr, "the progress line shows on terminals only"},
    {"skip_memory_metrics", nullptr, "memory is planned and printed"},
    {"do_train", nullptr, kWhere},
    {"do_eval", nullptr, kWhere},
    {"do_predict", nullptr, kWhere},
    {"use_cpu", nullptr, "the package has one target; see ftc compile --target"},
    {"no_cuda", nullptr, "the package has one target; see ftc compile --target"},
    {"local_rank", nullptr, "use mesh"},
    {"ddp_backend", nullptr, "use mesh"},
    {"ddp_timeout", nullptr, "use mesh"},
    {"ddp_find_unused_parameters", nullptr, "use mesh"},
    {"ddp_bucket_cap_mb", nullptr, "use mesh"},
    {"ddp_broadcast_buffers", nullptr, "use mesh"},
    {"accelerator_config", nullptr, kTorch},
    {"torch_compile", nullptr, kTorch},
    {"torch_compile_backend", nullptr, kTorch},
    {"torch_compile_mode", nullptr, kTorch},
    {"torch_empty_cache_steps", nullptr, kTorch},
    {"full_determinism", nullptr, "the same input gives the same bytes"},
    {"use_liger_kernel", nullptr, "fused kernels are always used"},
    {"liger_kernel_config", nullptr, "fused kernels are always used"},
    {"use_cache", nullptr, "training keeps no cache of keys and values"},
    {"activation_offloading", nullptr, "use memory_budget"},
    {"gradient_checkpointing_kwargs", nullptr, "gradient_checkpointing has no variants"},
    {"per_device_eval_batch_size", nullptr, "evaluation uses the compiled batch"},
    {"eval_accumulation_steps", nullptr, "evaluation keeps no predictions"},
    {"eval_do_concat_batches", nullptr, "evaluation keeps no predictions"},
    {"eval_use_gather_object", nullptr, "evaluation keeps no predictions"},
    {"prediction_loss_only", nullptr, "evaluation computes the loss only"},
    {"include_for_metrics", nullptr, "evaluation computes the loss only"},
    {"batch_eval_metrics", nullptr, "evaluation computes the loss only"},
    {"save_on_each_node", nullptr, "one process saves"},
    {"enable_jit_checkpoint", nullptr, "SIGTERM always saves a checkpoint"},
    {"restore_callback_states_from_checkpoint", nullptr, "there are no callbacks"},
    {"dataloader_num_workers", nullptr, "the data reader has no worker processes"},
    {"dataloader_pin_memory", nullptr, "the data reader has no worker processes"},
    {"dataloader_persistent_workers", nullptr, "the data reader has no worker processes"},
    {"dataloader_prefetch_factor", nullptr, "the data reader has no worker processes"},
    {"dataset_num_proc", nullptr, "the data reader has no worker processes"},
    {"remove_unused_columns", nullptr, kData},
    {"label_names", nullptr, kData},
    {"length_column_name", nullptr, kData},
    {"shuffle_dataset", nullptr, "every epoch is shuffled by data_seed"},
    {"packing_strategy", nullptr, "packing is first-fit in data order"},
    {"eval_packing", nullptr, "evaluation packs as training does"},
    {"padding_free", nullptr, "no padding is ever computed"},
    {"pad_to_multiple_of", nullptr, "no padding is ever computed"},
    {"truncation_mode", nullptr, "longer sequences are split"},
    {"hub_token", nullptr, kHub},
    {"hub_private_repo", nullptr, kHub},
    {"hub_model_id", nullptr, kHub},
    {"hub_strategy", nullptr, kHub},
    {"hub_always_push", nullptr, kHub},
    {"hub_revision", nullptr, kHub},
};

struct Alias {
  const char *deprecated;
  const char *present;
};
const Alias aliases[] = {
    {"max_seq_length", "max_length"},
    {"evaluation_strategy", "eval_strategy"},
    {"per_gpu_train_batch_size", "per_device_train_batch_size"},
};

} // namespace

const ForeignKey *findForeignKey(std::string_view name) {
  for (const ForeignKey &key : foreignKeys)
    if (name == key.name)
      return &key;
  return nullptr;
}

bool isNeutral(const ForeignKey &key, const json::Value &value) {
  std::string text = json::dump(value);
  if (std::optional<double> number = value.asDouble(); number && *number == 0)
    text = "0";
  std::string_view rest = key.neutral;
  while (!rest.empty()) {
    size_t space = rest.find(' ');
    if (rest.substr(0, space) == text)
      return true;
    rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  }
  return false;
}

std::string_view presentName(std::string_view deprecated) {
  for (const Alias &alias : aliases)
    if (deprecated == alias.deprecated)
      return alias.present;
  return {};
}

} // namespace ftc::detail
