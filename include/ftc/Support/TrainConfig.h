//===- TrainConfig.h - the training configuration --------------------------===//
// Keys of transformers.TrainingArguments and TRL's SFTConfig, and a few of our own.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_TRAINCONFIG_H
#define FTC_SUPPORT_TRAINCONFIG_H

#include "ftc/Support/Json.h"

#include <map>

namespace ftc {

/// A number of optimizer steps, or below 1 a share of all steps (as transformers reads
/// `logging_steps`, `save_steps`, `eval_steps` and `warmup_steps`).
struct StepCount {
  double value = 0;

  bool isRatio() const { return value > 0 && value < 1; }
  /// The steps of a run of `totalSteps`: a share is rounded up.
  int64_t resolve(int64_t totalSteps) const;
  bool operator==(const StepCount &other) const { return value == other.value; }
};

/// One axis of the device grid, `tp=2`.
struct MeshAxis {
  std::string name;
  int64_t size = 1;
  bool operator==(const MeshAxis &other) const { return name == other.name && size == other.size; }
};
using Mesh = std::vector<MeshAxis>;

/// A size in bytes; 0 means none was given.
struct ByteSize {
  uint64_t bytes = 0;
  bool operator==(const ByteSize &other) const { return bytes == other.bytes; }
};

/// `24GiB`, `512MiB`, `10GB`, `1.5GiB`, `1048576`: binary and decimal units, a plain number is
/// bytes.
Result<ByteSize> parseByteSize(std::string_view text, std::string where);
/// `tp=2,dp=2`
Result<Mesh> parseMesh(std::string_view text, std::string where);
std::string meshString(const Mesh &mesh);

/// The resolved training configuration. Defaults are transformers' (TrainingArguments) and, for
/// `max_length` and `packing`, TRL's. A member that TrainConfig.cpp marks as compile-time is fixed
/// in the package; all others may change from run to run.
struct TrainConfig {
  // Shape of a step: compile-time.
  int64_t perDeviceTrainBatchSize = 8;
  int64_t maxLength = 1024; ///< tokens of one row; T = batch x maxLength
  int64_t maxSegments = 0;  ///< segments of T at most; 0: derived by the compiler
  bool bf16 = false;        ///< compute dtype bf16, else f32
  std::string optim = "adamw_torch";
  bool gradientCheckpointing = false;
  std::string attnImplementation; ///< empty: our choice
  std::string loss = "cross_entropy";
  Mesh mesh;                          ///< empty: one device
  ByteSize memoryBudget;              ///< 0: no limit
  std::vector<std::string> trainable; ///< regular expressions over parameter names; empty: all
  json::Value quantization;           ///< BitsAndBytesConfig's keys, or null

  // Optimization: arguments of a step.
  double learningRate = 5e-5;
  std::string lrSchedulerType = "linear";
  json::Value lrSchedulerKwargs; ///< a mapping (LrScheduler.h), or null
  StepCount warmupSteps{0};
  double warmupRatio = 0; ///< used when warmupSteps is 0
  double weightDecay = 0;
  double adamBeta1 = 0.9;
  double adamBeta2 = 0.999;
  double adamEpsilon = 1e-8;
  double maxGradNorm = 1.0; ///< 0: no clipping
  int64_t gradientAccumulationSteps = 1;

  // The run.
  int64_t seed = 42;
  std::optional<int64_t> dataSeed; ///< absent: seed
  int64_t maxSteps = -1;           ///< -1: numTrainEpochs decides
  double numTrainEpochs = 3.0;
  bool packing = false;
  std::string loggingStrategy = "steps"; ///< no, steps, epoch
  StepCount loggingSteps{500};
  bool loggingFirstStep = false;
  std::string saveStrategy = "steps"; ///< no, steps, epoch, best
  StepCount saveSteps{500};
  std::optional<int64_t> saveTotalLimit;
  std::string evalStrategy = "no";    ///< no, steps, epoch; `steps` when only eval_steps is given
  std::optional<StepCount> evalSteps; ///< absent: loggingSteps
  std::vector<std::string> reportTo; ///< names as transformers has them; `tensorboard`, `all` count
  std::string loggingDir;            ///< of TensorBoard's event files; empty: OUT/runs
  bool loadBestModelAtEnd = false;   ///< the result is the checkpoint with the least loss
  std::string metricForBestModel;    ///< loss, eval_loss; empty: none is recorded

  /// Steps of linear warmup in a run of `totalSteps`, by warmupSteps, else warmupRatio (both as
  /// TrainingArguments.get_warmup_steps).
  int64_t warmupStepsFor(int64_t totalSteps) const;
  /// Whether event files for TensorBoard are asked for.
  bool reportsToTensorBoard() const;
  int64_t effectiveDataSeed() const { return dataSeed ? *dataSeed : seed; }
  /// Whether a step may update a parameter as soon as its gradient is known: no norm of all
  /// gradients is waited for, and no other micro-batch.
  bool updatesInBackward() const { return maxGradNorm == 0 && gradientAccumulationSteps == 1; }
  /// Tokens of one micro-batch: perDeviceTrainBatchSize x maxLength.
  int64_t tokensPerStep() const { return perDeviceTrainBatchSize * maxLength; }

  /// Defaults overlaid with the members of `value` (an object, or null for none). Unknown keys and
  /// keys without effect here become warnings (`FILE:LINE:COL: ...`); a key that transformers or
  /// TRL has and we do not support is an error unless its value is neutral.
  static Result<TrainConfig> fromValue(const json::Value &value, const std::string &file,
                                       std::vector<std::string> *warnings);
  /// The same over this configuration: what `value` gives replaces, the rest stays.
  Status merge(const json::Value &value, const std::string &file,
               std::vector<std::string> *warnings);

  /// Every key with its value in table order: fromValue(toValue()) is the same configuration.
  json::Value toValue() const;
  /// One `key: value` line for each key, YAML that reads back to the same configuration.
  std::string printResolved() const;

  /// Where a key was given (`FILE:LINE:COL`), empty when it has its default.
  std::string whereOf(std::string_view key) const;

  /// Key -> place, for whereOf.
  std::map<std::string, std::string, std::less<>> places;
};

/// Sets one key from `key=value`; the value is YAML (`--set bf16=true`, `--set trainable=[a, b]`).
Status applySet(TrainConfig &config, std::string_view assignment,
                std::vector<std::string> *warnings = nullptr);

/// A compile-time key on which two configurations differ.
struct ConfigDifference {
  std::string key;
  std::string left;
  std::string right;
};
/// The first compile-time key, in table order, that differs. `optim` is compared by family: names
/// of one optimizer (adamw_torch, adamw_torch_fused) are equal.
std::optional<ConfigDifference> firstCompileTimeDifference(const TrainConfig &left,
                                                           const TrainConfig &right);

/// The names of all supported keys in table order, and whether a key is compile-time.
std::vector<std::string_view> trainConfigKeys();
bool isCompileTimeKey(std::string_view key);

} // namespace ftc

#endif // FTC_SUPPORT_TRAINCONFIG_H
