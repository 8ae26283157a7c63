//===- Checkpoint.cpp - what a run needs to go on --------------------------===//
// training_state.safetensors and training_state.json.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Checkpoint.h"

#include "ftc/Mutants.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/ObjectReader.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/Support/SafetensorsWriter.h"

#include <algorithm>
#include <map>

namespace ftc::trainer {

namespace {

/// Whether a checkpoint has the tensor: what training changes, and what an adapter's seed or file
/// gave. Accumulators are zero between steps; shadows follow.
bool isState(const ftc_tensor_info &tensor) {
  return tensor.role == FTC_TRAINABLE || tensor.role == FTC_MOMENT1 ||
         FTC_MUTATE("second-moments-lost", tensor.role == FTC_MOMENT2, false) ||
         (tensor.role == FTC_TABLE && tensor.is_adapter);
}

std::vector<int64_t> memoryShape(const ftc_tensor_info &tensor) {
  return {tensor.shape, tensor.shape + tensor.rank};
}

constexpr uint64_t kPiece = uint64_t{1} << 22;

} // namespace

Status writeState(const Package &package, const Instance &instance, const std::string &directory) {
  std::map<std::string, const ftc_tensor_info *> byName;
  std::vector<TensorDeclaration> declarations;
  for (const ftc_tensor_info &tensor : package.tensors())
    if (isState(tensor)) {
      std::optional<DType> dtype = storedDType(tensor.dtype);
      if (!dtype)
        return makeError(package.path(), "tensor " + quoted(tensor.name, 200) +
                                             " has a type that cannot be saved; compile again");
      byName[tensor.name] = &tensor;
      declarations.push_back({tensor.name, *dtype, memoryShape(tensor)});
    }
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(joinPath(directory, kStateTensors), std::move(declarations));
  if (!writer)
    return writer.takeError();
  std::vector<float> buffer(kPiece / sizeof(float));
  for (const TensorDeclaration &declaration : writer->order()) {
    const ftc_tensor_info &tensor = *byName[declaration.name];
    for (uint64_t offset = 0; offset < tensor.bytes; offset += kPiece) {
      size_t count = static_cast<size_t>(std::min(kPiece, tensor.bytes - offset));
      if (Status s = instance.read(tensor.name, offset, buffer.data(), count); !s)
        return s;
      if (tensor.role == FTC_TRAINABLE)
        if (Status s =
                checkFinite(package, tensor, DType::F32, buffer.data(), count / sizeof(float));
            !s)
          return s;
      if (Status s = writer->write(declaration.name, buffer.data(), count); !s)
        return s;
    }
  }
  return writer->finish();
}

Status readState(const Package &package, Instance &instance, const std::string &directory) {
  std::string path = joinPath(directory, kStateTensors);
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  size_t wanted = 0;
  for (const ftc_tensor_info &tensor : package.tensors()) {
    if (!isState(tensor))
      continue;
    ++wanted;
    const TensorView *saved = file->find(tensor.name);
    if (!saved)
      return makeError(path, "has no tensor " + quoted(tensor.name, 200) + ", which " +
                                 package.path() +
                                 " trains; resume with the package that it was "
                                 "saved with");
    if (saved->dtype != storedDType(tensor.dtype) || saved->shape != memoryShape(tensor))
      return makeError(path, "tensor " + quoted(tensor.name, 200) + " is " + saved->typeString() +
                                 ", and that of " + package.path() + " is " +
                                 shapeString(memoryShape(tensor)) +
                                 "; resume with the package that it was saved with");
    if (Status s = instance.write(tensor.name, saved->data, saved->bytes); !s)
      return s;
  }
  if (wanted == file->tensors().size())
    return Status::ok();
  for (const TensorView &saved : file->tensors()) {
    bool isKnown = false;
    for (const ftc_tensor_info &tensor : package.tensors())
      isKnown |= isState(tensor) && saved.name == tensor.name;
    if (!isKnown)
      return makeError(path, "has the tensor " + quoted(saved.name, 200) + ", which " +
                                 package.path() +
                                 " does not train; resume with the package that "
                                 "it was saved with");
  }
  return Status::ok();
}

Status writeCounters(const RunCounters &counters, const RunIdentity &identity,
                     const std::string &directory) {
  auto orNull = [](const auto &value) { return value ? json::Value(*value) : json::Value(); };
  json::Value object = json::Value::object();
  object.set("format", 1)
      .set("step", counters.step)
      .set("epoch", counters.epoch)
      .set("batches_done", counters.batchesDone)
      .set("first_loss", counters.firstLoss)
      .set("loss_sum", counters.lossSum)
      .set("loss_since_log", counters.lossSinceLog)
      .set("steps_since_log", counters.stepsSinceLog)
      .set("steps_with_rate", counters.stepsWithRate)
      .set("gradients_seen", counters.gradientsSeen)
      .set("eval_loss", orNull(counters.evalLoss))
      .set("best_loss", orNull(counters.bestLoss))
      .set("best_step", orNull(counters.bestStep))
      .set("saved_best", orNull(counters.savedBest))
      .set("total_steps", identity.totalSteps)
      .set("package", identity.package)
      .set("weights", identity.weights)
      .set("data", identity.data)
      .set("threads", identity.threads)
      .set("choices", identity.choices)
      .set("config", identity.config);
  return writeFileAtomically(joinPath(directory, kStateCounters), json::dump(object, 2) + '\n');
}

namespace {

/// Reads members one after the other; the first error stays.
class Members {
public:
  Members(const json::Value &value, const std::string &path) : reader(value, path) {}

  void take(const char *name, int64_t &number, int64_t min = 0) {
    take(reader.getInt(name, min), number);
  }
  void take(const char *name, double &number) { take(reader.getDouble(name), number); }
  void take(const char *name, bool &flag) { take(reader.getBool(name), flag); }
  void take(const char *name, std::string &text) { take(reader.getString(name), text); }
  void take(const char *name, std::optional<double> &number) {
    take(reader.getOptionalDouble(name), number);
  }
  void take(const char *name, std::optional<int64_t> &number) {
    take(reader.getOptionalInt(name, 1), number);
  }
  void takeObject(const char *name, json::Value &value) {
    Result<const json::Value *> found = reader.getObject(name);
    if (found)
      value = **found;
    else if (!failure)
      failure = found.takeError();
  }
  std::optional<Error> failure;

private:
  template <class T> void take(Result<T> value, T &target) {
    if (value)
      target = *std::move(value);
    else if (!failure)
      failure = value.takeError();
  }
  json::ObjectReader reader;
};

} // namespace

Result<SavedRun> readCounters(const std::string &directory) {
  std::string path = joinPath(directory, kStateCounters);
  Result<json::Value> value = json::parseFile(path);
  if (!value)
    return value.takeError();
  Members members(*value, path);
  SavedRun saved;
  RunCounters &counters = saved.counters;
  RunIdentity &identity = saved.identity;
  int64_t format = 0;
  members.take("format", format, 1);
  members.take("step", counters.step, 1);
  members.take("epoch", counters.epoch);
  members.take("batches_done", counters.batchesDone);
  members.take("first_loss", counters.firstLoss);
  members.take("loss_sum", counters.lossSum);
  members.take("loss_since_log", counters.lossSinceLog);
  members.take("steps_since_log", counters.stepsSinceLog);
  members.take("steps_with_rate", counters.stepsWithRate);
  members.take("gradients_seen", counters.gradientsSeen);
  members.take("eval_loss", counters.evalLoss);
  members.take("best_loss", counters.bestLoss);
  members.take("best_step", counters.bestStep);
  members.take("saved_best", counters.savedBest);
  members.take("total_steps", identity.totalSteps, 1);
  members.take("package", identity.package);
  members.take("weights", identity.weights);
  members.take("data", identity.data);
  members.take("threads", identity.threads, 1);
  members.takeObject("choices", identity.choices);
  members.takeObject("config", identity.config);
  if (members.failure)
    return *std::move(members.failure);
  if (format != 1)
    return makeError(path, "is of format " + std::to_string(format) +
                               ", and this ftc reads format 1; resume with the ftc that saved it");
  return saved;
}

namespace {

/// Whether learning rates depend on the number of all steps.
bool ratesDependOnTheEnd(const json::Value &config) {
  auto member = [&](const char *name) {
    const json::Value *value = config.find(name);
    return value ? *value : json::Value();
  };
  const json::Value schedule = member("lr_scheduler_type");
  if (schedule == json::Value("constant"))
    return false;
  if (schedule != json::Value("constant_with_warmup") && schedule != json::Value("inverse_sqrt"))
    return true;
  // A warmup that is a share of all steps.
  const double steps = member("warmup_steps").asDouble().value_or(0);
  return (steps > 0 && steps < 1) ||
         (steps == 0 && member("warmup_ratio").asDouble().value_or(0) > 0);
}

} // namespace

std::vector<std::string> RunIdentity::differences(const RunIdentity &before) const {
  std::vector<std::string> lines;
  if (package != before.package)
    lines.push_back("the package is another one");
  if (data != before.data)
    lines.push_back("the training data are others: it goes on at the same place of the new ones");
  if (choices != before.choices)
    for (const json::Member &member : choices.members()) {
      const json::Value *was = before.choices.find(member.key);
      if (!was || *was != member.value)
        lines.push_back("the machine's " + quoted(member.key) + " is " + json::dump(member.value) +
                        (was ? ", and was " + json::dump(*was) : ", and was none"));
    }
  for (const json::Member &member : config.members()) {
    const std::string &key = member.key;
    auto begins = [&](const char *prefix) { return key.rfind(prefix, 0) == 0; };
    if (begins("logging_") || begins("save_") || begins("eval_") || begins("report_to") ||
        key == "load_best_model_at_end" || key == "metric_for_best_model" || key == "max_steps" ||
        key == "num_train_epochs" || isCompileTimeKey(key))
      continue; // without effect on the steps, or told as the horizon or the package
    const json::Value *was = before.config.find(key);
    if (!was || *was != member.value)
      lines.push_back(quoted(key) + " is " + json::dump(member.value) +
                      (was ? ", and was " + json::dump(*was) : ", and was none"));
  }
  if (totalSteps != before.totalSteps && ratesDependOnTheEnd(config))
    lines.push_back("the schedule ends at step " + std::to_string(totalSteps) + ", and ended at " +
                    std::to_string(before.totalSteps));
  return lines;
}

} // namespace ftc::trainer
