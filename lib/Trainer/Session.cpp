//===- Session.cpp - owners of packages and instances ----------------------===//
// Calls of the C interface turned into Results.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Session.h"

#include "AdapterFit.h"
#include "ftc/Mutants.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include <sched.h>

namespace ftc::trainer {

namespace {

std::string_view withoutPrefix(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix ? text.substr(prefix.size()) : text;
}

Status statusOf(ftc_code code, const ftc_error &error) {
  if (code == FTC_OK)
    return Status::ok();
  return errorFromRuntime(error);
}

} // namespace

Error errorFromRuntime(const ftc_error &error) {
  std::string_view rest(error.message, ::strnlen(error.message, sizeof error.message));
  Error result;
  for (bool isFirst = true; isFirst || !rest.empty(); isFirst = false) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (isFirst)
      result.message = withoutPrefix(line, "error: ");
    else if (!line.empty())
      result.notes.emplace_back(withoutPrefix(line, "note: "));
  }
  if (result.message.empty())
    result.message = "the runtime failed with code " + std::to_string(error.code);
  return result;
}

Result<Package> Package::load(const std::string &path) {
  Package package;
  package.name = path;
  ftc_error error{};
  ftc_package *raw = nullptr;
  if (Status s = statusOf(ftc_package_load(path.c_str(), &raw, &error), error); !s)
    return s.takeError();
  package.owned.reset(raw);
  ftc_package_get_info(raw, &package.details);
  for (size_t i = 0; i < package.details.tensors; ++i) {
    ftc_tensor_info tensor{};
    if (ftc_package_tensor(raw, i, &tensor) != FTC_OK)
      return makeError(path, "tensor " + std::to_string(i) + " cannot be read; compile again");
    package.tensorList.push_back(tensor);
  }
  return package;
}

Result<std::vector<PackageFile>> Package::files() const {
  std::vector<PackageFile> list;
  for (size_t i = 0; i < details.files; ++i) {
    const char *fileName = nullptr, *text = nullptr;
    if (ftc_package_file(owned.get(), i, &fileName, &text) != FTC_OK || !fileName || !text)
      return makeError(name, "file " + std::to_string(i) + " cannot be read; compile again");
    PackageFile file{fileName, text};
    // The name becomes a path in the output directory.
    if (file.name.empty() || file.name.find('/') != std::string::npos || file.name[0] == '.')
      return makeError(name, "carries a file named " + quoted(file.name) +
                                 "; a plain name is right: compile again");
    list.push_back(std::move(file));
  }
  return list;
}

std::vector<std::string> Package::leftAlone() const {
  std::vector<std::string> list;
  while (const char *beginning = ftc_package_left_alone(owned.get(), list.size()))
    list.emplace_back(beginning);
  return list;
}

Result<TrainConfig> Package::trainConfig() const {
  std::string where = name + " (training configuration)";
  Result<json::Value> value =
      json::parse(details.train_config ? details.train_config : "null", where);
  if (!value)
    return value.takeError();
  Result<TrainConfig> config = TrainConfig::fromValue(*value, where, nullptr);
  if (config)
    config->places.clear();
  return config;
}

std::string Package::inspectJson() const {
  const char *text = ftc_package_inspect_json(owned.get());
  return text ? text : "";
}

int64_t Package::elements(ftc_role role) const {
  int64_t sum = 0;
  for (const ftc_tensor_info &tensor : tensorList) {
    int64_t count = 1;
    for (size_t d = 0; d < tensor.rank; ++d)
      count *= tensor.shape[d];
    sum += tensor.role == role ? count : 0;
  }
  return sum;
}

uint64_t Package::bytes(ftc_role role) const {
  uint64_t sum = 0;
  for (const ftc_tensor_info &tensor : tensorList)
    sum += tensor.role == role ? tensor.bytes : 0;
  return sum;
}

Result<Instance> Instance::create(const Package &package, int threads) {
  ftc_options options{};
  options.struct_size = sizeof options;
  options.threads = threads;
  ftc_error error{};
  ftc_instance *raw = nullptr;
  Instance instance;
  if (Status s = statusOf(ftc_instance_create(package.handle(), &options, &raw, &error), error); !s)
    return s.takeError();
  instance.owned.reset(raw);
  return instance;
}

Status Instance::checkMemory(const Package &package, int threads) {
  ftc_options options{};
  options.struct_size = sizeof options;
  options.threads = threads;
  ftc_error error{};
  return statusOf(ftc_memory_check(package.handle(), &options, &error), error);
}

Status Instance::bindDirectory(const std::string &directory) {
  ftc_error error{};
  return statusOf(ftc_bind_directory(owned.get(), directory.c_str(), &error), error);
}

Status Instance::initState(uint64_t seed) {
  ftc_error error{};
  return statusOf(ftc_init_state(owned.get(), seed, &error), error);
}

Status Instance::loadAdapter(const std::string &directory) {
  ftc_error error{};
  return statusOf(ftc_load_adapter(owned.get(), directory.c_str(), &error), error);
}

Result<int64_t> Instance::items(const ftc_batch &batch) const {
  ftc_error error{};
  int64_t items = 0;
  if (Status s = statusOf(ftc_batch_items(owned.get(), &batch, &items, &error), error); !s)
    return s.takeError();
  return items;
}

Result<double> Instance::flops(const ftc_batch &batch) const {
  ftc_error error{};
  double flops = 0;
  if (Status s = statusOf(ftc_batch_flops(owned.get(), &batch, &flops, &error), error); !s)
    return s.takeError();
  return flops;
}

Result<double> Instance::measurePeak(double seconds) {
  ftc_error error{};
  double peak = 0;
  if (Status s = statusOf(ftc_measure_peak(owned.get(), seconds, &peak, &error), error); !s)
    return s.takeError();
  return peak;
}

Result<ftc_result> Instance::run(const char *entry, const ftc_batch *batch,
                                 const ftc_run &arguments) {
  ftc_error error{};
  ftc_result result{};
  if (Status s =
          statusOf(ftc_run_entry(owned.get(), entry, batch, &arguments, &result, &error), error);
      !s)
    return s.takeError();
  return result;
}

Result<Instance> startInstance(const Package &package, const StartOptions &options) {
  if (!options.adapterWeights.empty() && package.info().writes_model)
    return makeError("--adapter-weights",
                     package.path() + " trains the model itself and has no adapter; give the "
                                      "trained model's directory as --weights");
  if (!options.adapterWeights.empty())
    if (Status s = checkAdapterConfig(package, options.adapterWeights); !s)
      return s.takeError();
  if (Status s = Instance::checkMemory(package, options.threads); !s)
    return s.takeError();
  Result<Instance> instance = Instance::create(package, options.threads);
  if (!instance)
    return instance;
  if (Status s = instance->bindDirectory(options.weights); !s)
    return s.takeError();
  if (Status s = instance->initState(options.seed); !s)
    return s.takeError();
  if (!options.adapterWeights.empty())
    if (Status s = instance->loadAdapter(options.adapterWeights); !s)
      return s.takeError();
  return instance;
}

Status Instance::read(const char *tensor, uint64_t offset, void *data, size_t bytes) const {
  ftc_error error{};
  return statusOf(ftc_state_read_range(owned.get(), tensor, offset, data, bytes, &error), error);
}

Status Instance::write(const char *tensor, const void *data, size_t bytes) {
  ftc_error error{};
  return statusOf(ftc_state_write(owned.get(), tensor, data, bytes, &error), error);
}

std::vector<FileTensor> fileTensors(const Package &package, const ftc_tensor_info &tensor) {
  if (!package.info().writes_model || tensor.parts == 0)
    return {{tensor.key, fileShape(tensor), 0, tensor.bytes}};
  auto index = static_cast<size_t>(&tensor - package.tensors().data());
  int64_t rows = 1, columns = tensor.shape[tensor.rank - 1];
  for (size_t d = 0; d + 1 < tensor.rank; ++d)
    rows *= tensor.shape[d];
  std::vector<FileTensor> files;
  for (size_t part = 0; part < tensor.parts; ++part)
    files.push_back({ftc_package_tensor_part(package.handle(), index, part),
                     {rows / static_cast<int64_t>(tensor.parts), columns},
                     part * (tensor.bytes / tensor.parts),
                     tensor.bytes / tensor.parts});
  return files;
}

std::optional<DType> storedDType(ftc_dtype dtype) {
  switch (dtype) {
  case FTC_F32:
    return DType::F32;
  case FTC_BF16:
    return DType::BF16;
  case FTC_F16:
    return DType::F16;
  case FTC_I32:
    return DType::I32;
  }
  return std::nullopt;
}

Status checkFinite(const Package &package, const ftc_tensor_info &tensor, DType written,
                   const float *values, size_t count) {
  // What rounds to f16's infinity; NaN is not below it either.
  const float bound = written == DType::F16 ? 65520.0f : std::numeric_limits<float>::infinity();
  bool finite = true, fits = true;
  for (size_t i = 0; i < count; ++i) {
    finite &= std::isfinite(values[i]);
    fits &= std::fabs(values[i]) < bound;
  }
  if (finite && fits)
    return Status::ok();
  return makeError(package.path(),
                   "the trained " + quoted(tensor.key, 200) +
                       (finite ? " has values beyond the range of float16, the model's dtype"
                               : " has values that are not finite") +
                       "; it is not saved")
      .note("a lower learning_rate, warmup_steps, or max_grad_norm may help");
}

std::vector<int64_t> fileShape(const ftc_tensor_info &tensor) {
  std::vector<int64_t> shape(tensor.shape, tensor.shape + tensor.rank);
  if (tensor.transposed && !tensor.transposed_shape)
    std::swap(shape[0], shape[1]);
  return shape;
}

void toFileOrder(const ftc_tensor_info &tensor, std::vector<float> &values) {
  if (!tensor.transposed)
    return;
  auto rows = static_cast<size_t>(tensor.transposed), columns = values.size() / rows;
  std::vector<float> turned(rows * columns);
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column)
      turned[column * rows + row] = values[row * columns + column];
  values = std::move(turned);
}

ftc_run runArguments(const TrainConfig &config, int64_t step, double learningRate,
                     double invItems) {
  ftc_run run{};
  run.struct_size = sizeof run;
  run.step = step;
  run.learning_rate = learningRate;
  run.beta1 = config.adamBeta1;
  run.beta2 = config.adamBeta2;
  run.epsilon = config.adamEpsilon;
  run.weight_decay = config.weightDecay;
  run.max_grad_norm = config.maxGradNorm;
  run.inv_items = invItems;
  run.seed = static_cast<uint64_t>(config.seed);
  return run;
}

int effectiveThreads(int threads) {
  if (threads > 0)
    return threads;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

} // namespace ftc::trainer
