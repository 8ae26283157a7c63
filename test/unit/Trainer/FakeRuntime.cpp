//===- FakeRuntime.cpp - a runtime for testing the training loop -----------===//
// Every function of ftc/runtime.h over a unigram model.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FakeRuntime.h"

#include "ftc/Support/Safetensors.h"
#include "ftc/Support/TrainConfig.h"
#include "ftc/runtime.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <limits>

using namespace ftc;

std::string test::FakePackage::text() const {
  json::Value config = trainConfig;
  config.set("per_device_train_batch_size", batch).set("max_length", maxLength);
  Result<TrainConfig> resolved = TrainConfig::fromValue(config, "fake", nullptr);
  json::Value object = json::Value::object();
  object.set("vocab", vocab)
      .set("batch", batch)
      .set("max_length", maxLength)
      .set("max_segments", maxSegments)
      .set("writes_model", writesModel)
      .set("dtype", dtype)
      .set("nan_at_step", nanAtStep)
      .set("signal_at_step", signalAtStep)
      .set("signal", signal)
      .set("changes_base_at_step", changesBaseAtStep)
      .set("loses_gradient", losesGradient)
      .set("lacks_memory", lacksMemory)
      .set("train_config", resolved ? resolved->toValue() : json::Value());
  return json::dump(object);
}

struct ftc_package {
  ftc_package_info info{};
  std::string train, configName, configText;
  int64_t vectorShape[1]{}, scaleShape[2] = {2, 2};
  int64_t nanAtStep = 0, signalAtStep = 0, signal = 0, changesBaseAtStep = 0;
  bool lacksMemory = false, losesGradient = false;
};

struct ftc_instance {
  const ftc_package *package = nullptr;
  std::vector<float> logits, gradient, moment;
  uint16_t scale[4]{};
  bool bound = false, initialized = false;
};

namespace {

ftc_code fail(ftc_error *error, ftc_code code, const std::string &message) {
  if (error) {
    error->code = code;
    std::snprintf(error->message, sizeof error->message, "%s", message.c_str());
  }
  return code;
}

/// The last position of each segment, and whether the batch is one.
bool segmentEnds(const ftc_package &package, const ftc_batch &batch, std::vector<int64_t> &ends) {
  const ftc_package_info &info = package.info;
  int64_t tokens = batch.rows * batch.length;
  if (batch.struct_size != sizeof batch || tokens < 1 || tokens > info.tokens)
    return false;
  if (batch.rank == 2) {
    for (int64_t row = 1; row <= batch.rows; ++row)
      ends.push_back(row * batch.length);
  } else {
    if (!batch.cu_seqlens || batch.cu_seqlens[0] != 0 ||
        batch.cu_seqlens[batch.segments] != batch.length)
      return false;
    for (int64_t i = 1; i <= batch.segments; ++i) {
      if (batch.cu_seqlens[i] <= batch.cu_seqlens[i - 1])
        return false;
      ends.push_back(batch.cu_seqlens[i]);
    }
  }
  for (int64_t i = 0; i < tokens; ++i)
    if (batch.input_ids[i] < 0 || batch.input_ids[i] >= info.vocab || batch.labels[i] >= info.vocab)
      return false;
  return static_cast<int64_t>(ends.size()) <= info.max_segments;
}

/// The targets of a batch: labels shifted inside each segment, without the ignored ones.
bool targetsOf(const ftc_package &package, const ftc_batch &batch, std::vector<int32_t> &targets) {
  std::vector<int64_t> ends;
  if (!segmentEnds(package, batch, ends))
    return false;
  int64_t begin = 0;
  for (int64_t end : ends) {
    for (int64_t i = begin + 1; i < end; ++i)
      if (batch.labels[i] != -100)
        targets.push_back(batch.labels[i]);
    begin = end;
  }
  return true;
}

} // namespace

extern "C" {

uint32_t ftc_abi_version(void) { return FTC_ABI_VERSION; }

ftc_code ftc_package_load(const char *path, ftc_package **result, ftc_error *error) {
  Result<json::Value> value = json::parseFile(path);
  if (!value)
    return fail(error, FTC_INVALID_PACKAGE,
                value.error().str() + "\nnote: this is the fake runtime");
  auto number = [&](const char *key) { return *value->find(key)->asInt64(); };
  auto *package = new ftc_package;
  package->train = json::dump(*value->find("train_config"));
  package->nanAtStep = number("nan_at_step");
  package->signalAtStep = number("signal_at_step");
  package->signal = number("signal");
  package->changesBaseAtStep = number("changes_base_at_step");
  package->losesGradient = *value->find("loses_gradient")->asBool();
  package->lacksMemory = *value->find("lacks_memory")->asBool();
  bool isModel = *value->find("writes_model")->asBool();
  package->configName = isModel ? "config.json" : "adapter_config.json";
  package->configText = "{\"dtype\": " + json::dump(*value->find("dtype")) + "}\n";
  package->vectorShape[0] = number("vocab");
  package->info = {"fake",
                   "any",
                   number("batch") * number("max_length"),
                   number("max_segments"),
                   number("batch"),
                   number("max_length"),
                   number("vocab"),
                   isModel,
                   package->train.c_str(),
                   4,
                   1,
                   0,
                   0};
  *result = package;
  return FTC_OK;
}

ftc_code ftc_package_load_memory(const void *, size_t, ftc_package **, ftc_error *error) {
  return fail(error, FTC_UNSUPPORTED, "the fake runtime loads from files");
}

void ftc_package_free(ftc_package *package) { delete package; }

void ftc_package_get_info(const ftc_package *package, ftc_package_info *info) {
  *info = package->info;
}

const char *ftc_package_inspect_json(const ftc_package *) {
  return R"({"target": "fake", "arch": "any", "tokens": 8})";
}

ftc_code ftc_package_file(const ftc_package *package, size_t index, const char **name,
                          const char **text) {
  if (index != 0)
    return FTC_INVALID_ARGUMENT;
  *name = package->configName.c_str();
  *text = package->configText.c_str();
  return FTC_OK;
}

const char *ftc_package_left_alone(const ftc_package *, size_t) { return nullptr; }

ftc_code ftc_package_tensor(const ftc_package *package, size_t index, ftc_tensor_info *info) {
  uint64_t bytes = static_cast<uint64_t>(package->info.vocab) * sizeof(float);
  const char *key = package->info.writes_model ? "logits" : "base_model.model.logits";
  *info = {};
  info->name = info->key = "logits";
  info->dtype = FTC_F32;
  info->rank = 1;
  info->shape = package->vectorShape;
  info->bytes = bytes;
  info->owner = -1;
  if (index == 0) {
    info->name = info->key = "scale";
    info->role = FTC_BASE;
    info->dtype = FTC_BF16;
    info->rank = 2;
    info->shape = package->scaleShape;
    info->bytes = 8;
  } else if (index == 1) {
    info->key = key;
    info->role = FTC_TRAINABLE;
    info->is_adapter = 1;
  } else {
    info->name = info->key = index == 2 ? "logits.grad" : "logits.moment1";
    info->role = index == 2 ? FTC_ACCUMULATOR : FTC_MOMENT1;
    info->owner = 1;
  }
  return index < 4 ? FTC_OK : FTC_INVALID_ARGUMENT;
}

const char *ftc_package_tensor_part(const ftc_package *, size_t, size_t) { return nullptr; }

ftc_code ftc_memory_check(const ftc_package *package, const ftc_options *, ftc_error *error) {
  return package->lacksMemory ? fail(error, FTC_OUT_OF_MEMORY, "fake: needs 2 bytes, but has 1")
                              : FTC_OK;
}

ftc_code ftc_instance_create(const ftc_package *package, const ftc_options *, ftc_instance **result,
                             ftc_error *) {
  auto *instance = new ftc_instance;
  instance->package = package;
  instance->logits.resize(static_cast<size_t>(package->info.vocab));
  instance->gradient.resize(instance->logits.size());
  instance->moment.resize(instance->logits.size());
  *result = instance;
  return FTC_OK;
}

void ftc_instance_free(ftc_instance *instance) { delete instance; }

ftc_code ftc_bind_directory(ftc_instance *instance, const char *directory, ftc_error *error) {
  Result<SafetensorsDirectory> files = SafetensorsDirectory::open(directory);
  if (!files)
    return fail(error, FTC_INVALID_FILE, files.error().str());
  const TensorView *scale = files->find("scale"), *logits = files->find("logits");
  if (!scale || scale->bytes != sizeof instance->scale)
    return fail(error, FTC_INVALID_FILE, std::string(directory) + ": no tensor 'scale'");
  std::memcpy(instance->scale, scale->data, sizeof instance->scale);
  if (instance->package->info.writes_model && logits) {
    Result<std::vector<float>> values = logits->toF32();
    instance->logits = *values;
  }
  instance->bound = true;
  return FTC_OK;
}

ftc_code ftc_bind_tensor(ftc_instance *, const char *, ftc_dtype, size_t, const int64_t *,
                         const void *, ftc_error *error) {
  return fail(error, FTC_UNSUPPORTED, "the fake runtime binds directories");
}

ftc_code ftc_init_state(ftc_instance *instance, uint64_t seed, ftc_error *) {
  if (!instance->package->info.writes_model)
    for (size_t i = 0; i < instance->logits.size(); ++i)
      instance->logits[i] = static_cast<float>((seed + i) % 3);
  instance->initialized = true;
  return FTC_OK;
}

ftc_code ftc_load_adapter(ftc_instance *instance, const char *directory, ftc_error *error) {
  Result<SafetensorsDirectory> files = SafetensorsDirectory::open(directory);
  if (!files)
    return fail(error, FTC_INVALID_FILE, files.error().str());
  const TensorView *logits = files->find("base_model.model.logits");
  if (!logits)
    return fail(error, FTC_INVALID_FILE, std::string(directory) + ": no logits");
  instance->logits = *logits->toF32();
  return FTC_OK;
}

ftc_code ftc_state_read_range(const ftc_instance *instance, const char *name, uint64_t offset,
                              void *data, size_t bytes, ftc_error *error) {
  std::string which = name;
  const void *source = which == "scale"            ? static_cast<const void *>(instance->scale)
                       : which == "logits"         ? instance->logits.data()
                       : which == "logits.moment1" ? instance->moment.data()
                                                   : instance->gradient.data();
  size_t size = which == "scale" ? sizeof instance->scale : instance->logits.size() * sizeof(float);
  if (offset > size || bytes > size - offset)
    return fail(error, FTC_INVALID_ARGUMENT, which + ": wrong size");
  std::memcpy(data, static_cast<const char *>(source) + offset, bytes);
  return FTC_OK;
}

ftc_code ftc_state_read(const ftc_instance *instance, const char *name, void *data, size_t bytes,
                        ftc_error *error) {
  return ftc_state_read_range(instance, name, 0, data, bytes, error);
}

ftc_code ftc_state_write(ftc_instance *instance, const char *name, const void *data, size_t bytes,
                         ftc_error *error) {
  std::string which = name;
  std::vector<float> &target = which == "logits" ? instance->logits : instance->moment;
  if (bytes != target.size() * sizeof(float))
    return fail(error, FTC_INVALID_ARGUMENT, which + ": wrong size");
  std::memcpy(target.data(), data, bytes);
  return FTC_OK;
}

ftc_code ftc_batch_items(const ftc_instance *instance, const ftc_batch *batch, int64_t *items,
                         ftc_error *error) {
  std::vector<int32_t> targets;
  if (!targetsOf(*instance->package, *batch, targets))
    return fail(error, FTC_INVALID_ARGUMENT, "batch: not a batch of this package");
  *items = static_cast<int64_t>(targets.size());
  return FTC_OK;
}

ftc_code ftc_batch_flops(const ftc_instance *instance, const ftc_batch *batch, double *flops,
                         ftc_error *error) {
  int64_t items = 0;
  if (ftc_code code = ftc_batch_items(instance, batch, &items, error))
    return code;
  *flops = 6.0 * static_cast<double>(instance->package->info.vocab * items);
  return FTC_OK;
}

ftc_code ftc_measure_peak(ftc_instance *, double, double *flops_per_second, ftc_error *) {
  *flops_per_second = 1e9;
  return FTC_OK;
}

ftc_code ftc_run_entry(ftc_instance *instance, const char *entry, const ftc_batch *batch,
                       const ftc_run *run, ftc_result *result, ftc_error *error) {
  if (!instance->bound || !instance->initialized)
    return fail(error, FTC_NOT_BOUND, "run before everything was bound");
  std::vector<int32_t> targets;
  if (!batch || run->struct_size != sizeof *run || !targetsOf(*instance->package, *batch, targets))
    return fail(error, FTC_INVALID_ARGUMENT, "batch: not a batch of this package");
  std::string name = entry;
  const ftc_package &package = *instance->package;
  std::vector<float> &logits = instance->logits, &gradient = instance->gradient;
  if (name == "gradients")
    std::fill(gradient.begin(), gradient.end(), 0.0f);

  double top = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float logit : logits)
    sum += std::exp(logit - top);
  double logSum = top + std::log(sum), loss = 0;
  for (int32_t target : targets) {
    loss += (logSum - logits[static_cast<size_t>(target)]) * run->inv_items;
    for (size_t i = 0; name != "evaluate" && i < logits.size(); ++i)
      gradient[i] += static_cast<float>(
          (std::exp(logits[i] - logSum) - (static_cast<int32_t>(i) == target)) * run->inv_items);
  }
  if (name != "evaluate" && run->step == instance->package->nanAtStep)
    loss = std::numeric_limits<double>::quiet_NaN();
  if (name == "train_step" && run->step == package.signalAtStep)
    std::raise(static_cast<int>(package.signal));
  if (name == "train_step" && run->step == package.changesBaseAtStep)
    ++instance->scale[2];
  *result = {loss, 0};
  if (name == "train_step") {
    double squares = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (!package.losesGradient)
        instance->moment[i] = 0.5f * instance->moment[i] + 0.5f * gradient[i];
      squares += double(gradient[i]) * gradient[i];
      logits[i] -= static_cast<float>(run->learning_rate * gradient[i]);
      gradient[i] = 0;
    }
    result->grad_norm = std::sqrt(squares);
  }
  return FTC_OK;
}

uint64_t ftc_instance_bytes(const ftc_instance *instance) {
  return 2 * instance->logits.size() * sizeof(float);
}

const char *ftc_instance_choices(const ftc_instance *) { return R"({"processor": "fake"})"; }

} // extern "C"
