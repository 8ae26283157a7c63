//===- CublasLt.cpp - a stand-in for libcublasLt.so.13 ---------------------===//
// The interface of cuBLASLt over plain loops; strict where the library trusts its caller.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"
#include "stand-ins/StandIn.h"
#include "stand-ins/Work.h"
#include "stand-ins/cublaslt/Problem.h"

#include <cstring>
#include <mutex>
#include <set>

using namespace standin;
using namespace standin::cublaslt;

namespace {

struct Handle {};

/// cublasLtMatmulPreference_t, with the library's defaults.
struct Preference {
  uint64_t maxWorkspace = 0;
  uint32_t reductionSchemes = ~0u;
  uint32_t alignment[4] = {256, 256, 256, 256}; // A, B, C, D
};

/// What cublasLtMatmulAlgo_t holds here: for which problem it was made and what it demands.
struct Algo {
  uint64_t magic;
  uint64_t m, n, k;
  uint64_t workspace;
  uint16_t alignment[4];
  uint64_t types; // A and D, and the operations
  uint64_t unused;
};
static_assert(sizeof(Algo) == 64, "cublasLtMatmulAlgo_t has 64 bytes");
constexpr uint64_t algoMagic = 0x6674632d616c676fu;
constexpr size_t workspaceBytes = 4096; // of the first algorithm; the second needs none
constexpr size_t workspaceAlignment = 256;

struct HeuristicResult {
  Algo algo;
  size_t workspaceSize;
  int state;
  float wavesCount;
  int reserved[4];
};

/// The descriptors that are alive, of one type.
template <typename T> class Live {
public:
  T *add(T *object) {
    std::lock_guard<std::mutex> lock(mutex);
    all.insert(object);
    return object;
  }
  bool has(const void *object) const {
    std::lock_guard<std::mutex> lock(mutex);
    return all.count(static_cast<T *>(const_cast<void *>(object)));
  }
  bool remove(void *object) {
    std::lock_guard<std::mutex> lock(mutex);
    if (!all.erase(static_cast<T *>(object)))
      return false;
    delete static_cast<T *>(object);
    return true;
  }

private:
  mutable std::mutex mutex;
  std::set<T *> all;
};

template <typename T> Live<T> &live() {
  static auto *all = new Live<T>;
  return *all;
}

template <typename T> int destroy(const char *function, void *object) {
  if (!object || live<T>().remove(object))
    return Success;
  return refuse(function, InvalidValue, "no such object, or destroyed already");
}

/// Copies an attribute in, with its exact size.
template <typename T> int set(const char *function, T &field, const void *value, size_t bytes) {
  if (!value || bytes != sizeof(T))
    return refuse(function, InvalidValue,
                  "an attribute of " + std::to_string(bytes) + " bytes; it has " +
                      std::to_string(sizeof(T)));
  std::memcpy(&field, value, sizeof(T));
  return Success;
}

/// An attribute that may only keep its default.
template <typename T>
int keep(const char *function, int attribute, T standard, const void *value, size_t bytes) {
  T given;
  if (int result = set(function, given, value, bytes))
    return result;
  if (given == standard)
    return Success;
  return refuse(function, NotSupported,
                "attribute " + std::to_string(attribute) + " with a value that is not the default");
}

int unknown(const char *function, int attribute) {
  return refuse(function, InvalidValue,
                "attribute " + std::to_string(attribute) + ", which the stand-in does not know");
}

bool areAlive(const void *operation, std::initializer_list<const void *> layouts) {
  if (!live<MatmulDesc>().has(operation))
    return false;
  for (const void *layout : layouts)
    if (!live<Layout>().has(layout))
      return false;
  return true;
}

Algo makeAlgo(const Problem &problem, const Preference &preference, size_t workspace) {
  Algo algo = {};
  algo.magic = algoMagic;
  algo.m = problem.m();
  algo.n = problem.n();
  algo.k = problem.k();
  algo.workspace = workspace;
  for (int i = 0; i < 4; ++i)
    algo.alignment[i] = static_cast<uint16_t>(preference.alignment[i]);
  algo.types = problem.a.type | problem.d.type << 8 | uint64_t(problem.operation.transposeA) << 16 |
               uint64_t(problem.operation.transposeB) << 24;
  return algo;
}

/// The algorithm is one that the heuristic gave for this problem.
bool fits(const Algo &algo, const Problem &problem) {
  Algo mine = makeAlgo(problem, {}, algo.workspace);
  return algo.magic == algoMagic && algo.m == mine.m && algo.n == mine.n && algo.k == mine.k &&
         algo.types == mine.types;
}

/// "" or what is wrong with a pointer to device memory.
std::string pointerMistake(const char *name, const void *pointer, size_t bytes, size_t alignment) {
  if (reinterpret_cast<uintptr_t>(pointer) % alignment)
    return std::string(name) + " is not aligned to the " + std::to_string(alignment) +
           " bytes that the preference promised";
  if (!ftc_on_cpu::isRegistered(pointer, bytes))
    return std::string(name) + ": its " + std::to_string(bytes) +
           " bytes are not in one piece of device memory";
  return "";
}

bool overlap(const void *a, size_t bytesA, const void *b, size_t bytesB) {
  uintptr_t first = reinterpret_cast<uintptr_t>(a), second = reinterpret_cast<uintptr_t>(b);
  return first < second + bytesB && second < first + bytesA;
}

bool sameLayout(const Layout &a, const Layout &b) {
  return a.type == b.type && a.ld == b.ld && a.order == b.order;
}

struct Operands {
  const void *a, *b, *c;
  void *d;
  void *workspace;
  size_t workspaceBytes;
  float beta;
};

std::string operandMistake(const Problem &problem, const Operands &operands, const Algo &algo) {
  size_t bytesD = problem.d.bytes();
  std::string what = pointerMistake("A", operands.a, problem.a.bytes(), algo.alignment[0]);
  if (what.empty())
    what = pointerMistake("B", operands.b, problem.b.bytes(), algo.alignment[1]);
  if (what.empty() && operands.beta != 0)
    what = pointerMistake("C", operands.c, problem.c.bytes(), algo.alignment[2]);
  if (what.empty())
    what = pointerMistake("D", operands.d, bytesD, algo.alignment[3]);
  if (!what.empty())
    return what;
  if (overlap(operands.a, problem.a.bytes(), operands.d, bytesD) ||
      overlap(operands.b, problem.b.bytes(), operands.d, bytesD))
    return "D overlaps an operand";
  bool reads = operands.beta != 0;
  if (reads && operands.c == operands.d && !sameLayout(problem.c, problem.d))
    return "C and D are one matrix with two layouts";
  if (reads && operands.c != operands.d &&
      overlap(operands.c, problem.c.bytes(), operands.d, bytesD))
    return "C and D overlap";
  if (problem.operation.epilogue == Bias)
    what = pointerMistake("the bias", problem.operation.bias,
                          problem.m() * problem.d.elementBytes(), problem.d.elementBytes());
  if (what.empty() && algo.workspace > operands.workspaceBytes)
    return "a workspace of " + std::to_string(operands.workspaceBytes) +
           " bytes; the algorithm needs " + std::to_string(algo.workspace);
  if (what.empty() && algo.workspace)
    what = pointerMistake("the workspace", operands.workspace, operands.workspaceBytes,
                          workspaceAlignment);
  return what;
}

} // namespace

STAND_IN size_t cublasLtGetVersion() { return 130100; }

STAND_IN const char *cublasLtGetStatusName(int status) {
  switch (status) {
  case Success:
    return "CUBLAS_STATUS_SUCCESS";
  case NotInitialized:
    return "CUBLAS_STATUS_NOT_INITIALIZED";
  case InvalidValue:
    return "CUBLAS_STATUS_INVALID_VALUE";
  case NotSupported:
    return "CUBLAS_STATUS_NOT_SUPPORTED";
  default:
    return "CUBLAS_STATUS unknown";
  }
}
STAND_IN const char *cublasLtGetStatusString(int status) { return cublasLtGetStatusName(status); }

STAND_IN int cublasLtCreate(void **handle) {
  if (!handle)
    return refuse("cublasLtCreate", InvalidValue, "a null pointer");
  *handle = live<Handle>().add(new Handle);
  return Success;
}
STAND_IN int cublasLtDestroy(void *handle) { return destroy<Handle>("cublasLtDestroy", handle); }

STAND_IN int cublasLtMatmulDescCreate(void **operation, int computeType, int scaleType) {
  if (!operation)
    return refuse("cublasLtMatmulDescCreate", InvalidValue, "a null pointer");
  *operation = live<MatmulDesc>().add(new MatmulDesc{computeType, scaleType});
  return Success;
}
STAND_IN int cublasLtMatmulDescDestroy(void *operation) {
  return destroy<MatmulDesc>("cublasLtMatmulDescDestroy", operation);
}

STAND_IN int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value,
                                            size_t bytes) {
  const char *function = "cublasLtMatmulDescSetAttribute";
  if (!live<MatmulDesc>().has(handle))
    return refuse(function, InvalidValue, "no such descriptor");
  auto *operation = static_cast<MatmulDesc *>(handle);
  switch (attribute) {
  case DescComputeType:
    return set(function, operation->computeType, value, bytes);
  case DescScaleType:
    return set(function, operation->scaleType, value, bytes);
  case DescPointerMode:
    return keep(function, attribute, int32_t(Host), value, bytes);
  case DescTransposeA:
    return set(function, operation->transposeA, value, bytes);
  case DescTransposeB:
    return set(function, operation->transposeB, value, bytes);
  case DescTransposeC:
    return keep(function, attribute, int32_t(OpN), value, bytes);
  case DescEpilogue:
    return set(function, operation->epilogue, value, bytes);
  case DescBiasPointer:
    return set(function, operation->bias, value, bytes);
  case DescBiasType:
    return set(function, operation->biasType, value, bytes);
  default:
    return unknown(function, attribute);
  }
}

STAND_IN int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns,
                                        int64_t ld) {
  if (!layout)
    return refuse("cublasLtMatrixLayoutCreate", InvalidValue, "a null pointer");
  *layout = live<Layout>().add(new Layout{static_cast<uint32_t>(type), rows, columns, ld});
  return Success;
}
STAND_IN int cublasLtMatrixLayoutDestroy(void *layout) {
  return destroy<Layout>("cublasLtMatrixLayoutDestroy", layout);
}

STAND_IN int cublasLtMatrixLayoutSetAttribute(void *handle, int attribute, const void *value,
                                              size_t bytes) {
  const char *function = "cublasLtMatrixLayoutSetAttribute";
  if (!live<Layout>().has(handle))
    return refuse(function, InvalidValue, "no such layout");
  auto *layout = static_cast<Layout *>(handle);
  switch (attribute) {
  case LayoutType:
    return set(function, layout->type, value, bytes);
  case LayoutOrder:
    return set(function, layout->order, value, bytes);
  case LayoutRows:
    return set(function, layout->rows, value, bytes);
  case LayoutColumns:
    return set(function, layout->columns, value, bytes);
  case LayoutLd:
    return set(function, layout->ld, value, bytes);
  case LayoutBatchCount:
    return keep(function, attribute, int32_t(1), value, bytes);
  default:
    return unknown(function, attribute);
  }
}

STAND_IN int cublasLtMatmulPreferenceCreate(void **preference) {
  if (!preference)
    return refuse("cublasLtMatmulPreferenceCreate", InvalidValue, "a null pointer");
  *preference = live<Preference>().add(new Preference);
  return Success;
}
STAND_IN int cublasLtMatmulPreferenceDestroy(void *preference) {
  return destroy<Preference>("cublasLtMatmulPreferenceDestroy", preference);
}

STAND_IN int cublasLtMatmulPreferenceSetAttribute(void *handle, int attribute, const void *value,
                                                  size_t bytes) {
  const char *function = "cublasLtMatmulPreferenceSetAttribute";
  if (!live<Preference>().has(handle))
    return refuse(function, InvalidValue, "no such preference");
  auto *preference = static_cast<Preference *>(handle);
  switch (attribute) {
  case PreferMaxWorkspace:
    return set(function, preference->maxWorkspace, value, bytes);
  case PreferReductionSchemes:
    return set(function, preference->reductionSchemes, value, bytes);
  case PreferAlignmentA:
  case PreferAlignmentB:
  case PreferAlignmentC:
  case PreferAlignmentD: {
    uint32_t alignment = 0;
    if (int result = set(function, alignment, value, bytes))
      return result;
    if (!alignment || alignment > 256 || alignment & (alignment - 1))
      return refuse(function, InvalidValue,
                    "an alignment of " + std::to_string(alignment) +
                        "; it is a power of two, at most 256 here");
    preference->alignment[attribute - PreferAlignmentA] = alignment;
    return Success;
  }
  default:
    return unknown(function, attribute);
  }
}

STAND_IN int cublasLtMatmulAlgoGetHeuristic(void *handle, void *operation, void *a, void *b,
                                            void *c, void *d, void *preferred, int requested,
                                            HeuristicResult *results, int *found) {
  const char *function = "cublasLtMatmulAlgoGetHeuristic";
  if (!live<Handle>().has(handle))
    return refuse(function, NotInitialized, "no such handle");
  if (!areAlive(operation, {a, b, c, d}) || !live<Preference>().has(preferred))
    return refuse(function, InvalidValue, "a descriptor that does not exist");
  if (requested < 1 || !results || !found)
    return refuse(function, InvalidValue, "no results are requested");
  *found = 0;
  Problem problem{*static_cast<MatmulDesc *>(operation), *static_cast<Layout *>(a),
                  *static_cast<Layout *>(b), *static_cast<Layout *>(c), *static_cast<Layout *>(d)};
  const auto &preference = *static_cast<Preference *>(preferred);
  std::string what;
  if (Status status = check(problem, what))
    return refuse(function, status, what);
  for (size_t workspace : {workspaceBytes, size_t(0)}) {
    if (workspace > preference.maxWorkspace || *found == requested)
      continue;
    HeuristicResult &result = results[(*found)++];
    result = {};
    result.algo = makeAlgo(problem, preference, workspace);
    result.workspaceSize = workspace;
    result.wavesCount = 1.0f;
  }
  return Success;
}

STAND_IN int cublasLtMatmulAlgoCheck(void *handle, void *operation, void *a, void *b, void *c,
                                     void *d, const Algo *algo, HeuristicResult *result) {
  const char *function = "cublasLtMatmulAlgoCheck";
  if (!live<Handle>().has(handle))
    return refuse(function, NotInitialized, "no such handle");
  if (!areAlive(operation, {a, b, c, d}) || !algo || !result)
    return refuse(function, InvalidValue, "a descriptor that does not exist");
  Problem problem{*static_cast<MatmulDesc *>(operation), *static_cast<Layout *>(a),
                  *static_cast<Layout *>(b), *static_cast<Layout *>(c), *static_cast<Layout *>(d)};
  std::string what;
  if (Status status = check(problem, what))
    return refuse(function, status, what);
  if (!fits(*algo, problem))
    return NotSupported; // what callers ask for
  *result = {};
  result->algo = *algo;
  result->workspaceSize = algo->workspace;
  return Success;
}

STAND_IN int cublasLtMatmul(void *handle, void *operation, const void *alpha, const void *a,
                            void *layoutA, const void *b, void *layoutB, const void *beta,
                            const void *c, void *layoutC, void *d, void *layoutD, const Algo *algo,
                            void *workspace, size_t workspaceSize, void *stream) {
  const char *function = "cublasLtMatmul";
  if (!live<Handle>().has(handle))
    return refuse(function, NotInitialized, "no such handle");
  if (!areAlive(operation, {layoutA, layoutB, layoutC, layoutD}) || !alpha || !beta)
    return refuse(function, InvalidValue, "a descriptor that does not exist, or a null pointer");
  Problem problem{*static_cast<MatmulDesc *>(operation), *static_cast<Layout *>(layoutA),
                  *static_cast<Layout *>(layoutB), *static_cast<Layout *>(layoutC),
                  *static_cast<Layout *>(layoutD)};
  std::string what;
  if (Status status = check(problem, what))
    return refuse(function, status, what);
  if (algo && !fits(*algo, problem))
    return refuse(function, InvalidValue, "an algorithm of another problem");
  // Without an algorithm the library chooses one that needs no workspace and any alignment.
  Preference any;
  for (uint32_t &alignment : any.alignment)
    alignment = static_cast<uint32_t>(problem.a.elementBytes());
  Algo chosen = algo ? *algo : makeAlgo(problem, any, 0);
  float scale, accumulate;
  if (ftc_on_cpu::isRegistered(alpha, 1) || ftc_on_cpu::isRegistered(beta, 1))
    return refuse(function, InvalidValue, "alpha or beta in device memory; the mode is the host's");
  std::memcpy(&scale, alpha, sizeof scale);
  std::memcpy(&accumulate, beta, sizeof accumulate);
  Operands operands{a, b, c, d, workspace, workspaceSize, accumulate};
  what = operandMistake(problem, operands, chosen);
  if (!what.empty())
    return refuse(function, InvalidValue, what);
  // The descriptors may go away before the work is done.
  return Work::instance().enqueue(stream, [=, description = problem.operation, la = problem.a,
                                           lb = problem.b, lc = problem.c, ld = problem.d] {
    multiply({description, la, lb, lc, ld}, scale, a, b, accumulate, c, d);
    if (chosen.workspace)
      std::memset(workspace, 0xff, chosen.workspace); // nobody may keep anything there
    return int(Success);
  });
}
