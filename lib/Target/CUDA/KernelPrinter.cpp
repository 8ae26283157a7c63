//===- KernelPrinter.cpp - one kernel as CUDA C++ -------------------------===//
// One function per family chooses the launch shape and prints the call of the family's template.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelPrinter.h"

#include "AttentionShape.h"
#include "ScalarPrinter.h"
#include "dialects/Launch/IR/KernelChecks.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cuda;
using launch::Access;
using launch::Family;
using launch::Indexing;
using launch::KernelOp;

std::string cuda::elementName(Type type) {
  if (type.isBF16())
    return "ftc::bf16";
  if (type.isF16())
    return "ftc::f16";
  return type.isInteger(32) ? "int" : "float";
}

std::string cuda::printedName(KernelOp kernel, bool batched) {
  return kernel.getSymName().str() + (batched ? "_batched" : "");
}

// What the templates declare: rowReduceShared, colReduceShared, crossEntropyShared.
static int64_t rowReduceShared(int64_t threads) { return threads; }
static int64_t colReduceShared(int64_t threads) { return threads * 4; }
static int64_t crossEntropyShared(int64_t threads) { return threads / 32 * 8; }

namespace {
std::string number(int64_t value) { return std::to_string(value); }
std::string boolean(bool value) { return value ? "true" : "false"; }

class Printer {
public:
  Printer(KernelOp kernel, bool batched, StringRef comment)
      : kernel(kernel), batched(batched), comment(comment) {}

  FailureOr<PrintedKernel> print() {
    nameArguments();
    if (failed(printFamily()))
      return failure();
    printed.text = structure + comment.str() + signature() + structureEnd();
    return std::move(printed);
  }

private:
  //===-- Arguments -------------------------------------------------------===//

  launch::ArgAttr arg(unsigned index) { return kernel.getArg(index); }
  static bool reads(launch::ArgAttr arg) { return arg.getAccess() != Access::write; }
  static bool writes(launch::ArgAttr arg) { return arg.getAccess() != Access::read; }
  Type element(unsigned index) { return arg(index).getType().getElementType(); }
  int64_t size(unsigned index, unsigned dimension) {
    return arg(index).getType().getDimSize(dimension);
  }

  /// x0, x1 for what is read, y0 for what is written, u0 for what is both; row0, column0, scalar0.
  void nameArguments() {
    llvm::StringMap<unsigned> counts;
    for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
      StringRef prefix = "";
      switch (arg(i).getIndexing()) {
      case Indexing::element:
      case Indexing::whole:
        prefix = arg(i).getAccess() == Access::read    ? "x"
                 : arg(i).getAccess() == Access::write ? "y"
                                                       : "u";
        break;
      case Indexing::row:
        prefix = "row";
        break;
      case Indexing::column:
        prefix = "column";
        break;
      case Indexing::scalar:
        prefix = "scalar";
        break;
      }
      names.push_back(prefix.str() + number(counts[prefix]++));
    }
  }

  /// Names with a meaning, for families whose arguments have one.
  void nameArguments(std::initializer_list<StringRef> given) {
    for (auto [name, meaning] : llvm::zip(names, given))
      name = meaning.str();
  }

  std::string pointerType(unsigned index) {
    return std::string(writes(arg(index)) ? "" : "const ") + elementName(element(index)) + " *";
  }

  /// "ftc::read(x0)": how a stream template is to use an argument.
  std::string stream(unsigned index) {
    static constexpr const char *access[] = {"read", "write", "update"};
    static constexpr const char *indexing[] = {"", "Row", "Column", "Scalar", ""};
    return std::string("ftc::") + access[(int)arg(index).getAccess()] +
           indexing[(int)arg(index).getIndexing()] + "(" + names[index] + ")";
  }
  std::vector<std::string> streams() {
    std::vector<std::string> list;
    for (unsigned i = 0; i < names.size(); ++i)
      list.push_back(stream(i));
    return list;
  }

  /// "  ftc::FUNCTION<TEMPLATE>(FIRST, ARGUMENTS);"
  void setCall(StringRef function, std::initializer_list<std::string> parameters, StringRef first,
               const std::vector<std::string> &arguments) {
    std::vector<std::string> all = {first.str()};
    llvm::append_range(all, arguments);
    std::string head = ("  ftc::" + function + "<").str();
    call = wrapped(head + llvm::join(parameters, ", ") + ">(", all, ");",
                   static_cast<unsigned>(head.size() - 1));
  }

  //===-- The kernel around the call --------------------------------------===//

  std::string signature() {
    std::string head = "FTC_KERNEL(" + printedName(kernel, batched) + ", ";
    std::vector<std::string> parameters = {number(printed.threads)};
    if (batched) {
      llvm::append_range(parameters, std::initializer_list<std::string>{
                                         "const ftc::BatchItem *batch",
                                         "const long long *firstBlock", "long long count"});
      std::string text =
          wrapped(head, parameters, ") {\n", 11) +
          "  const long long item = ftc::batchIndex(firstBlock, count, blockIdx.x);\n"
          "  const long long block = blockIdx.x - firstBlock[item];\n"
          "  const long long grid = batch[item].grid;\n";
      for (unsigned i = 0; i < names.size(); ++i)
        text += "  " + pointerType(i) + names[i] + " = ftc::batchArgument<" +
                elementName(element(i)) + ">(batch[item], " + number(i) + ");\n";
      return text + call + "\n";
    }
    for (unsigned i = 0; i < names.size(); ++i)
      parameters.push_back(pointerType(i) + "__restrict__ " + names[i]);
    parameters.emplace_back("long long grid");
    return wrapped(head, parameters, ") {\n", 11) + "  const long long block = blockIdx.x;\n" +
           (usesGrid ? "" : "  (void)grid;\n") + call + "\n";
  }
  static std::string structureEnd() { return "}\n"; }

  /// `struct NAME_body { ... };`: the scalar regions. Printed once, with the plain kernel or with
  /// the batched one where there is no plain one.
  void beginBody(StringRef constants = "") {
    structure = "struct " + printedName(kernel, batched) + "_body {\n" + constants.str();
  }
  LogicalResult addFunction(unsigned region, StringRef head, const std::vector<std::string> &inputs,
                            const std::vector<std::string> &results) {
    FailureOr<std::string> body = printRegion(kernel.getBodies()[region], inputs, results, "    ");
    if (failed(body))
      return failure();
    // A parameter that the body does not use has no name.
    std::string text = head.str();
    for (StringRef name : {"in", "sum", "row"}) {
      size_t at = text.find(("*" + name + ",").str());
      if (at == std::string::npos)
        at = text.find(("const float *" + name + ")").str());
      if (at != std::string::npos && !StringRef(*body).contains((name + "[").str()))
        text.erase(text.find('*', at) + 1, name.size());
    }
    structure += "  static FTC_DEVICE " + text + " {\n" + *body + "  }\n";
    return success();
  }
  std::string bodyName() { return printedName(kernel, batched) + "_body"; }

  static std::vector<std::string> elements(StringRef array, unsigned count) {
    std::vector<std::string> names;
    for (unsigned i = 0; i < count; ++i)
      names.push_back((array + "[" + Twine(i) + "]").str());
    return names;
  }
  static std::vector<std::string> joined(std::vector<std::string> a,
                                         const std::vector<std::string> &b) {
    llvm::append_range(a, b);
    return a;
  }
  unsigned count(llvm::function_ref<bool(launch::ArgAttr)> wanted) {
    unsigned result = 0;
    for (unsigned i = 0; i < kernel.getNumArgs(); ++i)
      result += wanted(arg(i));
    return result;
  }
  unsigned yielded(unsigned region) {
    return kernel.getBodies()[region].front().getTerminator()->getNumOperands();
  }

  //===-- Families --------------------------------------------------------===//

  LogicalResult printFamily() {
    switch (kernel.getFamily()) {
    case Family::map:
      return printMap();
    case Family::row_reduce:
      return printRowReduce();
    case Family::col_reduce:
      return printColReduce();
    case Family::rope:
      return printRope();
    case Family::embedding:
      return printEmbedding();
    case Family::embedding_grad:
      return printEmbeddingGrad();
    case Family::cross_entropy:
      return printCrossEntropy();
    case Family::attention:
    case Family::attention_grad_query:
    case Family::attention_grad_key_value:
      return printAttention();
    case Family::attention_delta:
      return printAttentionDelta();
    case Family::gemm:
      break;
    }
    return kernel.emitOpError("of family ")
           << launch::stringifyFamily(kernel.getFamily()) << " has no code on the cuda target";
  }

  /// Columns of a kernel over rows; 0 where none of its arguments has any.
  int64_t columns() {
    for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
      MemRefType type = arg(i).getType();
      if (arg(i).getIndexing() == Indexing::element && type.getRank() == 2)
        return type.getDimSize(1);
      if (arg(i).getIndexing() == Indexing::column)
        return type.getDimSize(0);
    }
    return 0;
  }

  LogicalResult printMap() {
    printed.header = "Map.h";
    beginBody();
    if (failed(addFunction(0, "void element(const float *in, float *out)",
                           elements("in", count(reads)), elements("out", count(writes)))))
      return failure();
    structure += "};\n";
    constexpr int64_t perThread = 8;
    bool rows = false;
    for (unsigned i = 0; i < kernel.getNumArgs(); ++i)
      rows |= arg(i).getIndexing() == Indexing::row || arg(i).getIndexing() == Indexing::column;
    if (!rows) {
      printed.items = printed.threads * perThread;
      setCall("map", {bodyName(), number(printed.threads)}, "block, grid", streams());
      return success();
    }
    int64_t width = std::max<int64_t>(columns(), 1);
    printed.items = std::max<int64_t>(1, printed.threads * perThread / width);
    setCall("mapRows", {bodyName(), number(printed.threads), number(width), number(printed.items)},
            "block, grid", streams());
    return success();
  }

  LogicalResult printRowReduce() {
    printed.header = "RowReduce.h";
    unsigned terms = yielded(0), rows = yielded(1), reading = count(reads);
    unsigned byRow = count([](launch::ArgAttr arg) {
      return reads(arg) &&
             (arg.getIndexing() == Indexing::row || arg.getIndexing() == Indexing::scalar);
    });
    beginBody("  static constexpr int terms = " + number(terms) + ", rows = " + number(rows) +
              ";\n");
    if (failed(addFunction(0, "void term(const float *in, float *term)", elements("in", reading),
                           elements("term", terms))) ||
        failed(addFunction(1, "void finish(const float *in, const float *sum, float *row)",
                           joined(elements("in", byRow), elements("sum", terms)),
                           elements("row", rows))) ||
        failed(addFunction(2, "void element(const float *in, const float *row, float *out)",
                           joined(elements("in", reading), elements("row", rows)),
                           elements("out", count(writes)))))
      return failure();
    structure += "};\n";
    // Sixteen elements a thread keep a row in registers, and several rows under way; a warp at
    // least, for its shuffles.
    int64_t width = std::max<int64_t>(columns(), 1);
    int64_t perRow = std::clamp<int64_t>(llvm::PowerOf2Ceil(llvm::divideCeil(width, 16)), 32, 512);
    int64_t rowsPerBlock = std::max<int64_t>(1, 256 / perRow);
    printed.threads = perRow * rowsPerBlock;
    printed.items = rowsPerBlock;
    printed.sharedBytes = rowReduceShared(printed.threads);
    setCall("rowReduce", {bodyName(), number(printed.threads), number(width), number(rowsPerBlock)},
            "block, grid", streams());
    return success();
  }

  LogicalResult printColReduce() {
    printed.header = "ColReduce.h";
    unsigned last = kernel.getNumArgs() - 1;
    beginBody();
    if (failed(addFunction(0, "float term(const float *in)",
                           elements("in", count(reads) - reads(arg(last))), {"return"})))
      return failure();
    structure += "};\n";
    int64_t rows = 1;
    for (unsigned i = 0; i < last; ++i)
      if (arg(i).getIndexing() == Indexing::element || arg(i).getIndexing() == Indexing::row)
        rows = size(i, 0);
    printed.threads = 512;
    printed.items = 32;
    printed.sharedBytes = colReduceShared(printed.threads);
    usesGrid = false;
    setCall("colReduce", {bodyName(), number(printed.threads), number(rows), number(size(last, 0))},
            "block", streams());
    return success();
  }

  /// What a family's arguments must be, in order: "float", "f32" or "i32", and the shape (-1: any
  /// static size).
  struct Expected {
    StringRef what, element;
    SmallVector<int64_t, 2> shape;
    bool written = false;
  };
  LogicalResult expect(ArrayRef<Expected> arguments) {
    std::string list;
    for (const Expected &argument : arguments)
      list += (list.empty() ? "" : ", ") + argument.what.str();
    if (failed(launch::expectArgs(kernel, arguments.size(), list)))
      return failure();
    for (auto [index, argument] : llvm::enumerate(arguments))
      if (failed(launch::expectArg(kernel, index, argument.what, argument.element, argument.shape,
                                   argument.written)))
        return failure();
    return success();
  }
  static constexpr int64_t grid = ShapedType::kDynamic, any = -1;

  /// A positive parameter, which divides the columns of an argument.
  LogicalResult expectHeads(unsigned index) {
    int64_t headDim = kernel.getIntParam("head_dim");
    if (headDim > 0 && size(index, 1) % headDim == 0)
      return success();
    return kernel.emitOpError("has heads of ")
           << headDim << " columns, and argument " << index << " has " << size(index, 1)
           << "; expected a divisor";
  }

  LogicalResult printRope() {
    printed.header = "Rope.h";
    bool inPlace = kernel.getNumArgs() == 4;
    unsigned table = inPlace ? 1 : 2;
    std::vector<Expected> expected = {{"x", "float", {grid, any}, inPlace}};
    if (!inPlace)
      expected.push_back({"y", "float", {grid, any}, true});
    for (StringRef name : {"cos", "sin"})
      expected.push_back({name, "f32", {any, any}});
    expected.push_back({"positions", "i32", {grid}});
    if (failed(expect(expected)) || failed(expectHeads(0)))
      return failure();
    if (2 * size(table, 1) > kernel.getIntParam("head_dim"))
      return kernel.emitOpError("has tables wider than half a head");
    inPlace ? nameArguments({"x", "cosines", "sines", "positions"})
            : nameArguments({"x", "y", "cosines", "sines", "positions"});
    printed.threads = 128;
    std::vector<std::string> arguments = {inPlace ? "ftc::update(x)" : "ftc::read(x)"};
    if (!inPlace)
      arguments.emplace_back("ftc::write(y)");
    for (const char *name : {"cosines", "sines", "positions"})
      arguments.emplace_back(name);
    setCall("rope",
            {number(printed.threads), number(kernel.getIntParam("head_dim")),
             number(size(table, 1)), number(size(0, 1)), boolean(kernel.getIntParam("transposed"))},
            "block, grid", arguments);
    return success();
  }

  LogicalResult printEmbedding() {
    printed.header = "Embedding.h";
    if (failed(expect({{"ids", "i32", {grid}},
                       {"table", "float", {any, any}},
                       {"out", "float", {grid, any}, true}})))
      return failure();
    nameArguments({"ids", "table", "out"});
    printed.threads = 128;
    setCall("embedding", {number(printed.threads), number(size(1, 1))}, "block, grid", names);
    return success();
  }

  LogicalResult printEmbeddingGrad() {
    printed.header = "Embedding.h";
    if (failed(expect({{"ids", "i32", {any}},
                       {"grad", "float", {any, any}},
                       {"out", "float", {any, any}, true}})))
      return failure();
    nameArguments({"ids", "grad", "out"});
    printed.threads = printed.items = 32;
    usesGrid = false;
    setCall("embeddingGrad",
            {number(printed.threads), number(size(0, 0)), number(size(1, 1)), number(size(2, 0)),
             boolean(arg(2).getAccess() == Access::readwrite)},
            "block", names);
    return success();
  }

  LogicalResult printCrossEntropy() {
    printed.header = "CrossEntropy.h";
    bool gradient = kernel.getIntParam("gradient"), loss = kernel.getIntParam("loss");
    gradient ? nameArguments({"logits", "targets", "invItems", "seed", "nll"})
             : nameArguments({"logits", "targets", "nll"});
    std::vector<Expected> expected = {{"logits", "float", {grid, any}, gradient},
                                      {"targets", "i32", {grid}}};
    if (gradient)
      for (StringRef name : {"inv_items", "grad"})
        expected.push_back({name, "f32", {}});
    if (loss)
      expected.push_back({"nll", "f32", {grid}, true});
    if (failed(expect(expected)))
      return failure();
    int64_t vocabulary = size(0, 1);
    printed.threads =
        std::clamp<int64_t>(llvm::PowerOf2Ceil(llvm::divideCeil(vocabulary, 8)), 32, 512);
    printed.sharedBytes = crossEntropyShared(printed.threads);
    setCall("crossEntropy",
            {number(printed.threads), number(vocabulary), boolean(gradient), boolean(loss)},
            "block, grid", names);
    return success();
  }

  /// The block's own tile is the launch's, which its grid counts; the tile that it visits is free.
  LogicalResult printAttention() {
    Family family = kernel.getFamily();
    bool forward = family == Family::attention, byKey = family == Family::attention_grad_key_value;
    printed.header = forward ? "Attention.h" : "AttentionGrad.h";
    std::vector<Expected> expected;
    for (StringRef name : {"q", "k", "v"})
      expected.push_back({name, "float", {any, any}});
    if (!forward)
      expected.push_back({"grad", "float", {any, any}});
    if (!forward)
      for (StringRef name : {"lse", "delta"})
        expected.push_back({name, "f32", {any, any}});
    expected.push_back({"segment_begin", "i32", {any}});
    if (forward) {
      expected.push_back({"out", "float", {any, any}, true});
      expected.push_back({"lse", "f32", {any, any}, true});
    } else if (!byKey) {
      expected.push_back({"dq", "float", {any, any}, true});
    } else {
      expected.push_back({"segment_end", "i32", {any}});
      for (StringRef name : {"key", "value"})
        if (kernel.getIntParam(("has_" + name).str()))
          expected.push_back({name == "key" ? "dk" : "dv", "float", {any, any}, true});
    }
    if (failed(expect(expected)) || failed(expectHeads(0)) || failed(expectHeads(1)))
      return failure();
    for (StringRef name : {"query_tile", "key_tile"})
      if (kernel.getIntParam(name) < 1 || kernel.getIntParam(name) > 1024)
        return kernel.emitOpError("has ")
               << name << " " << kernel.getIntParam(name) << "; expected 1 to 1024";
    forward ? nameArguments({"q", "k", "v", "segmentBegin", "out", "lse"})
    : byKey ? nameArguments({"q", "k", "v", "grad", "lse", "delta", "segmentBegin", "segmentEnd"})
            : nameArguments({"q", "k", "v", "grad", "lse", "delta", "segmentBegin", "dq"});
    if (byKey && kernel.getNumArgs() > 8) {
      bool key = kernel.getIntParam("has_key");
      names[8] = key ? "dk" : "dv";
      if (kernel.getNumArgs() > 9)
        names[9] = "dv";
    }
    int64_t headDim = kernel.getIntParam("head_dim"), tokens = size(0, 0);
    int64_t queryTile = kernel.getIntParam("query_tile"), keyTile = kernel.getIntParam("key_tile");
    AttentionFamily member = forward ? AttentionFamily::forward
                             : byKey ? AttentionFamily::gradKeyValue
                                     : AttentionFamily::gradQuery;
    AttentionShape shape = chooseAttentionShape(member, element(0).isBF16(), (int)headDim);
    (byKey ? shape.keyTile : shape.queryTile) = (int)(byKey ? keyTile : queryTile);
    constexpr int64_t mostShared = 163 * 1024; // of the first architecture that we name
    while (shape.sharedBytes() > mostShared && (byKey ? shape.queryTile : shape.keyTile) > 4)
      (byKey ? shape.queryTile : shape.keyTile) /= 2;
    if (!shape.isValid() || shape.sharedBytes() > mostShared)
      return kernel.emitOpError("has heads of ")
             << headDim << " columns and tiles of " << (byKey ? keyTile : queryTile)
             << " rows, which the cuda target has no shared memory or threads for";
    printed.threads = shape.threads();
    printed.sharedBytes = shape.sharedBytes();
    usesGrid = false;
    static constexpr const char *functions[] = {"attention", "attentionGradQuery",
                                                "attentionGradKeyValue"};
    std::string sizes = elementName(element(0)) + ", " + number(size(0, 1) / headDim) + ", " +
                        number(size(1, 1) / headDim) + ", " + number(headDim) + ", " +
                        number(shape.queryTile) + ", " + number(shape.keyTile) + ", " +
                        number(tokens);
    if (byKey)
      sizes += ", " + boolean(kernel.getIntParam("has_key")) + ", " +
               boolean(kernel.getIntParam("has_value"));
    setCall(functions[(int)shape.family], {sizes},
            "block, " + floatLiteral(static_cast<float>(kernel.getFloatParam("scale", 1.0))),
            names);
    return success();
  }

  LogicalResult printAttentionDelta() {
    printed.header = "AttentionGrad.h";
    if (failed(expect({{"out", "float", {any, any}},
                       {"grad", "float", {any, any}},
                       {"delta", "f32", {any, any}, true}})))
      return failure();
    if (failed(expectHeads(0)))
      return failure();
    nameArguments({"out", "grad", "delta"});
    int64_t headDim = kernel.getIntParam("head_dim");
    int64_t heads = size(0, 1) / headDim;
    AttentionDeltaShape shape{element(0).isBF16(), (int)heads, (int)headDim};
    printed.threads = shape.threads();
    printed.items = shape.rows();
    setCall("attentionDelta", {elementName(element(0)), number(heads), number(headDim)},
            "block, grid", names);
    return success();
  }

  KernelOp kernel;
  bool batched;
  StringRef comment;
  PrintedKernel printed;
  std::vector<std::string> names;
  std::string structure, call;
  bool usesGrid = true;
};
} // namespace

FailureOr<PrintedKernel> cuda::printKernel(KernelOp kernel, bool batched, StringRef comment) {
  return Printer(kernel, batched, comment).print();
}
