//===- HostProducts.h - matrix products by cuBLASLt ------------------------===//
// Plans made before the first run, within a declared workspace, of fixed results.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// cuBLASLt is column-major, and a row-major matrix is its transpose read column-major. So the
// row-major C = op(A) op(B) is passed as C^T = op(B)^T op(A)^T: the operands change places and keep
// their leading dimensions and transposition. A bias then runs along C's columns, as wanted.
//
// Determinism: the same library on the same kind of device gives the same bits, because no plan
// splits the contraction over blocks (no reduction scheme is allowed), and the workspace is ours.
//
// Graph capture: prepare() makes every plan and the workspace; run() only enqueues. The scalars are
// read from the host when a run is captured, and never change.
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_HOSTPRODUCTS_H
#define FTC_KERNELS_CUDA_HOSTPRODUCTS_H

#include "ftc/Kernels/CUDA/HostMemory.h"

#include <vector>

namespace ftc::cuda {

enum class DType { f32, bf16 };

/// Launches for listed tokens (docs/kernels.md) do whole multiples of this, of `rows` that there
/// are: at most 16 sizes, so that products of each can have a plan.
inline long long rowUnit(long long rows) {
  constexpr long long multiple = 64, sizes = 16;
  long long unit = (rows + sizes * multiple - 1) / (sizes * multiple) * multiple;
  return unit > 0 ? unit : multiple;
}

/// Of `rows` listed tokens from `first` on, how many a launch does where `predicting` tokens
/// predict something: those up to the last one that does, at least the first of the list, and some
/// behind them, for which it computes zeros.
inline long long listedRows(long long predicting, long long first, long long rows) {
  long long wanted = predicting - first, unit = rowUnit(rows);
  if (first == 0 && wanted < 1)
    wanted = 1;
  if (wanted <= 0)
    return 0;
  wanted = (wanted + unit - 1) / unit * unit;
  return wanted < rows ? wanted : rows;
}

/// C[m,n] = scale op(A)[m,k] op(B)[k,n] (+ C where `accumulate`) (+ bias[n] in each row), row-major
/// with leading dimensions in elements; op is the transpose where the flag is set. A and B have one
/// type; C has theirs or f32. All is computed in f32 (never TF32).
struct Product {
  long long m = 0, n = 0, k = 0;
  bool transposeA = false, transposeB = false;
  long long lda = 0, ldb = 0, ldc = 0;
  DType a = DType::f32, b = DType::f32, c = DType::f32;
  float scale = 1;
  bool accumulate = false;
  const void *bias = nullptr; ///< device memory of C's type, or null
  unsigned alignment = 16;    ///< bytes: every A, B and C that it runs on is at a multiple of this
  bool listed = false;        ///< also runs on fewer rows of A, as listedRows says

  /// A's rows as stored.
  long long rows() const { return transposeA ? k : m; }
  Product withRows(long long count) const {
    Product part = *this;
    (transposeA ? part.k : part.m) = count;
    return part;
  }
};

/// `128x64x32 of bf16 to f32`
inline std::string productString(const Product &product) {
  static const char *const names[] = {"f32", "bf16"};
  std::string text = std::to_string(product.m) + 'x' + std::to_string(product.n) + 'x' +
                     std::to_string(product.k) + " of " + names[static_cast<int>(product.a)];
  if (product.b != product.a)
    text += std::string(" and ") + names[static_cast<int>(product.b)];
  return text + " to " + names[static_cast<int>(product.c)];
}

/// The products of a program and the workspace that they share; for one stream at a time.
class Products {
public:
  Products() = default;
  Products(const Products &) = delete;
  Products &operator=(const Products &) = delete;
  ~Products() {
    for (Plan &plan : plans)
      destroy(plan);
    if (handle)
      (void)library->destroy(handle);
  }

  /// `workspaceBytes`: the most that any product may use, allocated here. A program without
  /// products need not open them.
  Status open(const Device &device, uint64_t workspaceBytes, Stream stream) {
    if (Status status = load(library); !status)
      return status;
    if (int error = library->create(&handle))
      return failed(error, "cannot start");
    return workspace.allocate(device, workspaceBytes, "the workspace of products", stream);
  }

  /// Answers the product's number for `run`.
  int add(const Product &product) {
    numbers.push_back(plans.size());
    if (product.listed)
      for (long long rows = rowUnit(product.rows()); rows < product.rows();
           rows += rowUnit(product.rows()))
        plans.emplace_back().product = product.withRows(rows);
    plans.emplace_back().product = product;
    return static_cast<int>(numbers.size() - 1);
  }

  /// Makes the plans of all products. After it nothing is allocated.
  Status prepare() {
    for (Plan &plan : plans)
      if (Status status = prepare(plan); !status)
        return status;
    return Status();
  }

  /// Enqueues a product. 0, or an error number for `describe`.
  int run(int index, const void *a, const void *b, void *c, Stream stream) const {
    size_t next = static_cast<size_t>(index) + 1;
    return run(plans[(next < numbers.size() ? numbers[next] : plans.size()) - 1], a, b, c, stream);
  }

  /// Enqueues a listed product of as many rows of A as listedRows answered.
  int run(int index, const void *a, const void *b, void *c, Stream stream, long long rows) const {
    size_t first = numbers[static_cast<size_t>(index)];
    const Product &smallest = plans[first].product;
    return rows == 0 ? 0
                     : run(plans[first + static_cast<size_t>((rows - 1) / smallest.rows())], a, b,
                           c, stream);
  }

  uint64_t bytes() const { return workspace.size(); }

  /// The bytes of the algorithms that cuBLASLt chose: with the same ones on the same device, a
  /// product has the same bits.
  std::string algorithms() const {
    std::string all;
    for (const Plan &plan : plans)
      all.append(reinterpret_cast<const char *>(&plan.algorithm), sizeof plan.algorithm);
    return all;
  }

private:
  /// `first` and `second` are cuBLASLt's A and B: our B and A.
  struct Plan {
    Product product;
    blas::Operation operation = nullptr;
    blas::Layout first = nullptr, second = nullptr, result = nullptr;
    blas::Algorithm algorithm = {};
  };

  int run(const Plan &plan, const void *a, const void *b, void *c, Stream stream) const {
    const Product &product = plan.product;
    uintptr_t bits = reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) |
                     reinterpret_cast<uintptr_t>(c);
    if (bits % product.alignment != 0)
      return blasErrors + blas::invalidValue;
    float beta = product.accumulate ? 1.0f : 0.0f;
    int error = library->matmul(handle, plan.operation, &product.scale, b, plan.first, a,
                                plan.second, &beta, c, plan.result, c, plan.result, &plan.algorithm,
                                workspace.data(), workspace.size(), stream);
    return error ? blasErrors + error : 0;
  }

  Status failed(int error, const std::string &what) const {
    return Status(Fault::internal,
                  "libcublasLt.so.13: " + what + ": " + describe(blasErrors + error));
  }

  void destroy(Plan &plan) const {
    for (blas::Layout layout : {plan.first, plan.second, plan.result})
      if (layout)
        (void)library->layoutDestroy(layout);
    if (plan.operation)
      (void)library->operationDestroy(plan.operation);
  }

  static int typeOf(DType type) { return type == DType::f32 ? blas::real32F : blas::real16BF; }

  Status prepare(Plan &plan) {
    const Product &product = plan.product;
    if (product.a != product.b || (product.c != product.a && product.c != DType::f32))
      return Status(Fault::invalid,
                    "a product " + productString(product) +
                        ": cuBLASLt has operands of one type, and a result of that or f32");
    if (plan.operation)
      return Status();
    int error = describeProduct(plan);
    if (!error)
      error = chooseAlgorithm(plan);
    return error
               ? failed(error, "has no plan for a product " + productString(product) + " within " +
                                   std::to_string(workspace.size()) + " bytes of workspace")
               : Status();
  }

  int describeProduct(Plan &plan) const {
    const Product &product = plan.product;
    struct Matrix {
      blas::Layout *layout;
      DType type;
      long long rows, columns, ld; ///< row-major, as stored
    };
    const Matrix matrices[] = {{&plan.first, product.b, product.transposeB ? product.n : product.k,
                                product.transposeB ? product.k : product.n, product.ldb},
                               {&plan.second, product.a, product.transposeA ? product.k : product.m,
                                product.transposeA ? product.m : product.k, product.lda},
                               {&plan.result, product.c, product.m, product.n, product.ldc}};
    int error = 0;
    for (const Matrix &matrix : matrices)
      if (!error)
        error = library->layoutCreate(matrix.layout, typeOf(matrix.type),
                                      static_cast<uint64_t>(matrix.columns),
                                      static_cast<uint64_t>(matrix.rows), matrix.ld);
    if (!error)
      error = library->operationCreate(&plan.operation, blas::compute32F, blas::real32F);
    auto set = [&](int attribute, const auto &value) {
      if (!error)
        error = library->operationSet(plan.operation, attribute, static_cast<const void *>(&value),
                                      sizeof value);
    };
    set(blas::transposeA, int32_t{product.transposeB});
    set(blas::transposeB, int32_t{product.transposeA});
    if (product.bias) {
      set(blas::epilogue, int32_t{blas::epilogueBias});
      set(blas::biasPointer, product.bias);
    }
    return error;
  }

  /// The library's first choice. A cache of measured choices would answer here.
  int chooseAlgorithm(Plan &plan) const {
    blas::Preference preference = nullptr;
    int error = library->preferenceCreate(&preference);
    auto set = [&](int attribute, const auto &value) {
      if (!error)
        error = library->preferenceSet(preference, attribute, &value, sizeof value);
    };
    set(blas::maxWorkspaceBytes, uint64_t{workspace.size()});
    set(blas::reductionSchemes, uint32_t{0});
    for (int attribute : {blas::alignmentA, blas::alignmentB, blas::alignmentC, blas::alignmentD})
      set(attribute, uint32_t{plan.product.alignment});
    blas::Candidate candidate = {};
    int found = 0;
    if (!error)
      error = library->heuristic(handle, plan.operation, plan.first, plan.second, plan.result,
                                 plan.result, preference, 1, &candidate, &found);
    if (!error)
      error = found < 1 ? blas::notSupported : candidate.status;
    plan.algorithm = candidate.algorithm;
    if (preference)
      (void)library->preferenceDestroy(preference);
    return error;
  }

  const BlasLt *library = nullptr;
  blas::Handle handle = nullptr;
  DeviceMemory workspace;
  std::vector<Plan> plans;     ///< of a listed product one behind the other, by rows
  std::vector<size_t> numbers; ///< by product: the first of its plans
};

} // namespace ftc::cuda

#endif // FTC_KERNELS_CUDA_HOSTPRODUCTS_H
