//===- Session.h - owners of packages and instances ------------------------===//
// The C interface of the runtime with lifetimes and Results.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_SESSION_H
#define FTC_TRAINER_SESSION_H

#include "ftc/Support/DType.h"
#include "ftc/Support/TrainConfig.h"
#include "ftc/runtime.h"

#include <memory>

namespace ftc::trainer {

/// A text file that a trained model carries.
struct PackageFile {
  std::string name;
  std::string text;
};

/// A loaded package.
class Package {
public:
  static Result<Package> load(const std::string &path);

  const ftc_package_info &info() const { return details; }
  const std::vector<ftc_tensor_info> &tensors() const { return tensorList; }
  Result<std::vector<PackageFile>> files() const;
  /// Beginnings of the names of tensors of the model that are not the package's.
  std::vector<std::string> leftAlone() const;
  /// The training configuration it was compiled with.
  Result<TrainConfig> trainConfig() const;
  std::string inspectJson() const;
  const std::string &path() const { return name; }
  const ftc_package *handle() const { return owned.get(); }

  /// Elements and bytes of all tensors of a role.
  int64_t elements(ftc_role role) const;
  uint64_t bytes(ftc_role role) const;

private:
  struct Free {
    void operator()(ftc_package *package) const { ftc_package_free(package); }
  };
  Package() = default;

  std::string name;
  std::unique_ptr<ftc_package, Free> owned;
  ftc_package_info details{};
  std::vector<ftc_tensor_info> tensorList;
};

/// An instance of a package, which must outlive it.
class Instance {
public:
  static Result<Instance> create(const Package &package, int threads);
  /// Fails where the machine has less memory than an instance and its weights will take.
  static Status checkMemory(const Package &package, int threads);

  Status bindDirectory(const std::string &directory);
  Status initState(uint64_t seed);
  Status loadAdapter(const std::string &directory);
  /// Predicted tokens of a batch.
  Result<int64_t> items(const ftc_batch &batch) const;
  /// Operations that a training step needs for a batch.
  Result<double> flops(const ftc_batch &batch) const;
  /// Operations a second that the machine reaches, measured for about `seconds`.
  Result<double> measurePeak(double seconds);
  Result<ftc_result> run(const char *entry, const ftc_batch *batch, const ftc_run &arguments);
  /// Bytes of a tensor from `offset` on.
  Status read(const char *tensor, uint64_t offset, void *data, size_t bytes) const;
  /// Writes a whole tensor of the state.
  Status write(const char *tensor, const void *data, size_t bytes);
  uint64_t bytes() const { return ftc_instance_bytes(owned.get()); }
  /// What the bits of a step depend on beside its inputs, as JSON.
  std::string choices() const { return ftc_instance_choices(owned.get()); }

private:
  struct Free {
    void operator()(ftc_instance *instance) const { ftc_instance_free(instance); }
  };
  Instance() = default;

  std::unique_ptr<ftc_instance, Free> owned;
};

/// Where the state of an instance comes from.
struct StartOptions {
  std::string weights;        ///< model directory
  std::string adapterWeights; ///< adapter directory; empty: the initial state
  int threads = 0;            ///< 0: all that the process may use
  uint64_t seed = 0;
};

/// Sees that there is enough memory, creates an instance, binds the model, initializes the state,
/// loads the adapter.
Result<Instance> startInstance(const Package &package, const StartOptions &options);

/// A tensor of the files that training writes.
struct FileTensor {
  std::string key;
  std::vector<int64_t> shape;
  uint64_t offset = 0, bytes = 0; ///< within the package's tensor
};
/// Those that a tensor of the package is written as: the parts of a model's weight, or itself.
/// `tensor`: one of package.tensors().
std::vector<FileTensor> fileTensors(const Package &package, const ftc_tensor_info &tensor);

/// The element type under the name of safetensors; nothing for one that it does not have.
std::optional<DType> storedDType(ftc_dtype dtype);

/// Fails where a value of a trainable tensor is not finite, or would not be as `written`: such
/// weights are not saved.
Status checkFinite(const Package &package, const ftc_tensor_info &tensor, DType written,
                   const float *values, size_t count);

/// The shape of a trainable tensor, and of its gradient, in files.
std::vector<int64_t> fileShape(const ftc_tensor_info &tensor);
/// Turns `values`, which a trainable tensor or its gradient holds, into what files hold.
void toFileOrder(const ftc_tensor_info &tensor, std::vector<float> &values);

/// The arguments of one run, from the configuration.
ftc_run runArguments(const TrainConfig &config, int64_t step, double learningRate, double invItems);

/// `threads`, or for 0 the processors that this process may use.
int effectiveThreads(int threads);

/// An Error from the runtime's message: its first line, and its other lines as notes.
Error errorFromRuntime(const ftc_error &error);

} // namespace ftc::trainer

#endif // FTC_TRAINER_SESSION_H
