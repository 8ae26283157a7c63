//===- AttentionTiles.cpp - matrices of attention as f32 ------------------===//
// Text for templates: tiles in scratch of the arguments that are not f32.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Attention.h"

#include "llvm/Support/FormatVariadic.h"

#include <numeric>

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;

namespace {
/// What templates call rows of queries, and of keys.
struct Names {
  StringRef pairBegin, pairCount, begin, end, column, at, pitch;
};
constexpr Names kNames[] = {
    {"%r0", "%rows", "%q0", "%q1", "%column", "%q_at", "%width"},
    {"%k0", "%keys", "%first_key", "%key_end", "%key_column", "%k_at", "%key_width"}};
} // namespace

static std::string text(Type type) { return llvm::formatv("{0}", type); }

static std::string vectorType(const AttentionSizes &sizes, Type element) {
  return text(VectorType::get({std::gcd(sizes.headDim, kScoreLanes)}, element));
}

std::string HeadTiles::declare(StringRef name, Rows rows) {
  int64_t count = rows == Queries ? sizes.queryTile : sizes.keyTile;
  floats = llvm::alignTo(floats, kScoreLanes);
  std::string type = llvm::formatv("memref<{0}x{1}xf32, strided<[{1}, 1], offset: {2}>>", count,
                                   sizes.headDim, floats);
  declarations += llvm::formatv(
      "%{0}_tile_at = arith.constant {1} : index\n"
      "%{0}_tile = memref.reinterpret_cast %scratch to offset: [{1}], sizes: [{2}, {3}], "
      "strides: [{3}, 1] : memref<f32> to {4}\n",
      name, floats, count, sizes.headDim, type);
  floats += count * sizes.headDim;
  return type;
}

std::string HeadTiles::loops(StringRef first, StringRef last, Rows rows, StringRef body) const {
  return llvm::formatv("scf.for %x_row = {0} to {1} step %c1 {{\n"
                       "  %tile_row = arith.subi %x_row, {0} : index\n"
                       "  scf.for %tile_column = %c0 to %head_dim step %v_lanes {{\n"
                       "    %x_column = arith.addi {2}, %tile_column : index\n"
                       "{3}  }\n}\n",
                       first, last, kNames[rows].column, body);
}

void HeadTiles::addInput(unsigned argument, StringRef name, Rows rows) {
  const Names &names = kNames[rows];
  MemRefType type = kernel.getArg(argument).getType();
  Type element = type.getElementType();
  std::string upper = name.upper(), load, tile;
  if (element.isF32()) {
    tile = llvm::formatv("%{0}_base, {1}, {2}", name, names.at, names.pitch);
  } else {
    std::string tileType = declare(name, rows);
    Type f32 = Float32Type::get(type.getContext());
    std::string body =
        llvm::formatv("%narrow = vector.load %{0}[%x_row, %x_column] : {1}, {2}\n"
                      "%wide = arith.extf %narrow : {2} to {3}\n"
                      "vector.store %wide, %{0}_tile[%tile_row, %tile_column] : {4}, {3}\n",
                      name, type, vectorType(sizes, element), vectorType(sizes, f32), tileType);
    load = llvm::formatv("%{0}_end = arith.addi {1}, {2} : index\n{3}", name, names.pairBegin,
                         names.pairCount,
                         loops(names.pairBegin, ("%" + name + "_end").str(), rows, body));
    tile = llvm::formatv("%scratch, %{0}_tile_at, %head_dim", name);
  }
  values.push_back({upper + "_LOAD", load});
  values.push_back({upper + "_TILE", tile});
}

void HeadTiles::addOutput(unsigned argument, StringRef name, Rows rows) {
  const Names &names = kNames[rows];
  MemRefType type = kernel.getArg(argument).getType();
  Type element = type.getElementType();
  std::string wide = vectorType(sizes, Float32Type::get(type.getContext())), upper = name.upper();
  auto set = [&](StringRef part, std::string value) {
    values.push_back({upper + part.str(), std::move(value)});
  };
  bool inPlace = element.isF32();
  std::string sums = "%" + name.str() + (inPlace ? "" : "_tile"),
              sumsType = inPlace ? text(type) : declare(name, rows);
  set("", sums);
  set("_TYPE", sumsType);
  set("_ROW", inPlace ? "%c0" : names.begin.str());
  set("_COLUMN", inPlace ? names.column.str() : "%c0");
  set("_ZERO",
      loops(names.begin, names.end, rows,
            llvm::formatv("vector.store %zero_out, {0}[{1}] : {2}, {3}\n", sums,
                          inPlace ? "%x_row, %x_column" : "%tile_row, %tile_column", sumsType, wide)
                .str()));
  if (inPlace) {
    set("_PAIR", "");
    set("_TILE", llvm::formatv("%{0}_base, {1}, {2}", name, names.at, names.pitch));
    set("_STORE", "");
    return;
  }
  set("_PAIR", llvm::formatv("%{0}_pair_row = arith.subi {1}, {2} : index\n"
                             "%{0}_pair_at = arith.muli %{0}_pair_row, %head_dim : index\n"
                             "%{0}_at = arith.addi %{0}_pair_at, %{0}_tile_at : index\n",
                             name, names.pairBegin, names.begin));
  set("_TILE", llvm::formatv("%scratch, %{0}_at, %head_dim", name));
  set("_STORE", loops(names.begin, names.end, rows,
                      llvm::formatv("%wide = vector.load {0}[%tile_row, %tile_column] : {1}, {2}\n"
                                    "%narrow = arith.truncf %wide : {2} to {3}\n"
                                    "vector.store %narrow, %{4}[%x_row, %x_column] : {5}, {3}\n",
                                    sums, sumsType, wide, vectorType(sizes, element), name, type)
                          .str()));
}
