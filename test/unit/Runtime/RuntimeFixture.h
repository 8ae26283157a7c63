//===- RuntimeFixture.h - the toy package through the C interface ----------===//
// Loading, binding and running it, and what it should answer, by plain loops in double.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_RUNTIME_RUNTIMEFIXTURE_H
#define FTC_TEST_UNIT_RUNTIME_RUNTIMEFIXTURE_H

#include "../Package/TestPackage.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Json.h"
#include "ftc/Support/SafetensorsWriter.h"
#include "ftc/runtime.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace ftc::test {

inline std::vector<uint8_t> testKernels() {
  Result<std::string> bytes = readFile(FTC_TEST_KERNELS);
  EXPECT_TRUE(bytes) << bytes.error().str();
  return bytes ? std::vector<uint8_t>(bytes->begin(), bytes->end()) : std::vector<uint8_t>();
}

struct FreePackage {
  void operator()(ftc_package *package) const { ftc_package_free(package); }
};
struct FreeInstance {
  void operator()(ftc_instance *instance) const { ftc_instance_free(instance); }
};
using PackagePtr = std::unique_ptr<ftc_package, FreePackage>;
using InstancePtr = std::unique_ptr<ftc_instance, FreeInstance>;

inline PackagePtr load(const package::PackageT &content) {
  std::vector<uint8_t> file = finishPackage(content);
  ftc_package *package = nullptr;
  ftc_error error;
  EXPECT_EQ(ftc_package_load_memory(file.data(), file.size(), &package, &error), FTC_OK)
      << error.message;
  return PackagePtr(package);
}

inline InstancePtr instanceOf(const PackagePtr &package, int threads) {
  ftc_options options = {sizeof options, threads};
  ftc_instance *instance = nullptr;
  ftc_error error;
  EXPECT_EQ(ftc_instance_create(package.get(), &options, &instance, &error), FTC_OK)
      << error.message;
  return InstancePtr(instance);
}

inline std::vector<float> toyTable() {
  std::vector<float> table(Toy::vocab * Toy::width);
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = 0.125f * float(int(i * 7 % 23) - 11);
  return table;
}

inline void bindToy(const InstancePtr &instance, const std::vector<float> &table,
                    uint64_t seed = 3) {
  ftc_error error;
  const int64_t shape[] = {Toy::vocab, Toy::width};
  ASSERT_EQ(ftc_bind_tensor(instance.get(), "table", FTC_F32, 2, shape, table.data(), &error),
            FTC_OK)
      << error.message;
  ASSERT_EQ(ftc_init_state(instance.get(), seed, &error), FTC_OK) << error.message;
}

inline std::vector<float> readTensor(const InstancePtr &instance, const char *name, size_t count) {
  std::vector<float> values(count);
  ftc_error error;
  EXPECT_EQ(ftc_state_read(instance.get(), name, values.data(), count * 4, &error), FTC_OK)
      << error.message;
  return values;
}

/// A packed batch of two segments, 9 and 8 tokens.
struct ToyBatch {
  std::vector<int32_t> ids, labels, segments = {0, 9, 17};

  explicit ToyBatch(unsigned salt = 0) {
    for (int i = 0; i < 17; ++i) {
      ids.push_back(int32_t((i * 5 + salt) % Toy::vocab));
      labels.push_back(i % 6 == 4 ? -100 : int32_t((i * 3 + salt) % Toy::vocab));
    }
  }

  ftc_batch view() const {
    ftc_batch batch = {};
    batch.struct_size = sizeof batch;
    batch.rank = 1;
    batch.length = int64_t(ids.size());
    batch.input_ids = ids.data();
    batch.labels = labels.data();
    batch.cu_seqlens = segments.data();
    batch.segments = int64_t(segments.size()) - 1;
    return batch;
  }
};

inline ftc_run toyRun(int64_t step, double invItems) {
  ftc_run run = {};
  run.struct_size = sizeof run;
  run.step = step;
  run.learning_rate = 0.05;
  run.beta1 = 0.9;
  run.beta2 = 0.999;
  run.epsilon = 1e-8;
  run.max_grad_norm = 1.0;
  run.inv_items = invItems;
  return run;
}

inline int64_t itemsOf(const InstancePtr &instance, const ftc_batch &batch) {
  int64_t items = -1;
  ftc_error error;
  EXPECT_EQ(ftc_batch_items(instance.get(), &batch, &items, &error), FTC_OK) << error.message;
  return items;
}

/// Loss and gradient of the toy, in double, by its definition.
struct Expected {
  double loss = 0;
  std::vector<double> gradient = std::vector<double>(Toy::width);
};

inline Expected expectedOf(const ToyBatch &batch, const std::vector<float> &table,
                           const std::vector<float> &w, double invItems) {
  Expected expected;
  for (size_t s = 0; s + 1 < batch.segments.size(); ++s)
    for (int t = batch.segments[s]; t + 1 < batch.segments[s + 1]; ++t) {
      int32_t target = batch.labels[size_t(t) + 1];
      if (target == -100)
        continue;
      const float *row = table.data() + batch.ids[size_t(t)] * Toy::width;
      double y = 0;
      for (size_t j = 0; j < Toy::width; ++j)
        y += double(row[j]) * double(w[j]);
      double d = y - target;
      expected.loss += d * d * invItems;
      for (size_t j = 0; j < Toy::width; ++j)
        expected.gradient[j] += 2 * d * invItems * double(row[j]);
    }
  return expected;
}

class TempDirectory {
public:
  TempDirectory() {
    std::string pattern = ::testing::TempDir() + "ftc-runtime-XXXXXX";
    if (::mkdtemp(pattern.data()))
      root = pattern;
  }
  ~TempDirectory() {
    if (!root.empty()) {
      EXPECT_TRUE(removeTree(root));
    }
  }
  const std::string &path() const { return root; }

  /// Writes f32 values as tensors of one file.
  struct Entry {
    TensorDeclaration declaration;
    std::vector<float> values;
  };
  void write(const std::string &name, const std::vector<Entry> &entries) const {
    std::vector<TensorDeclaration> declarations;
    for (const Entry &entry : entries)
      declarations.push_back(entry.declaration);
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(joinPath(root, name), declarations);
    ASSERT_TRUE(writer) << writer.error().str();
    for (const Entry &entry : entries) {
      Status status =
          writer->writeF32(entry.declaration.name, entry.values.data(), entry.values.size());
      ASSERT_TRUE(status) << status.error().str();
    }
    Status status = writer->finish();
    ASSERT_TRUE(status) << status.error().str();
  }

private:
  std::string root;
};

} // namespace ftc::test

#endif // FTC_TEST_UNIT_RUNTIME_RUNTIMEFIXTURE_H
