//===- Native.h - a compiled case through the C interface -------*- C++ -*-===//
// A package in memory, and instances that take and give the interpreter's state.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PIPELINES_NATIVE_H
#define FTC_TEST_UNIT_PIPELINES_NATIVE_H

#include "Experiment.h"

#include <memory>

namespace ftc::test {

struct FreePackage {
  void operator()(ftc_package *package) const { ftc_package_free(package); }
};
struct FreeInstance {
  void operator()(ftc_instance *instance) const { ftc_instance_free(instance); }
};

/// A loaded package; null where it could not be loaded, which is reported.
using PackagePtr = std::unique_ptr<ftc_package, FreePackage>;
PackagePtr loadPackage(const std::vector<uint8_t> &bytes);

/// A batch as the C interface takes it.
struct BatchArrays {
  BatchArrays(const Experiment &program, const Data &data, Layout layout, uint64_t padSeed = 3);
  ftc_batch view() const;

  int32_t rank = 1;
  int64_t rows = 1, length = 0;
  std::vector<int32_t> ids, labels, positions, bounds, mask;
};

/// One instance. Everything that fails is reported.
class Native {
public:
  /// Binds the base tensors to a copy of `state`'s, and writes the others.
  Native(const ftc_package *package, const ft::State &state, int threads = 1);

  /// Writes every tensor that is neither base nor table.
  void write(const ft::State &state);
  /// Every tensor as numbers.
  ft::State read() const;
  /// Every tensor as bytes, with its name.
  std::map<std::string, std::vector<uint8_t>> bytes() const;
  /// The caller's memory that the base tensors are bound to.
  const std::map<std::string, std::vector<uint8_t>> &bound() const { return base; }

  /// `batch` may be null, for `update`.
  ftc_result run(const char *entry, const BatchArrays *batch, const ftc_run &step);
  /// Why the run is refused for its arguments; reports one that is not.
  std::string refusal(const char *entry, const BatchArrays &batch, const ftc_run &step);

private:
  std::vector<ftc_tensor_info> tensors;
  std::map<std::string, std::vector<uint8_t>> base;
  std::unique_ptr<ftc_instance, FreeInstance> instance;
};

} // namespace ftc::test

#endif
