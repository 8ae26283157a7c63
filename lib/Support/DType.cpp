//===- DType.cpp - element types and bulk conversions ----------------------===//
// One table of names and sizes; conversions that tolerate misaligned memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/DType.h"

#include <iterator>

namespace ftc {

namespace {

struct Row {
  DType dtype;
  const char *name;
  unsigned bits;
};

const Row rows[] = {
    {DType::BOOL, "BOOL", 8},
    {DType::F4, "F4", 4},
    {DType::F6_E2M3, "F6_E2M3", 6},
    {DType::F6_E3M2, "F6_E3M2", 6},
    {DType::U8, "U8", 8},
    {DType::I8, "I8", 8},
    {DType::F8_E5M2, "F8_E5M2", 8},
    {DType::F8_E4M3, "F8_E4M3", 8},
    {DType::F8_E8M0, "F8_E8M0", 8},
    {DType::F8_E4M3FNUZ, "F8_E4M3FNUZ", 8},
    {DType::F8_E5M2FNUZ, "F8_E5M2FNUZ", 8},
    {DType::I16, "I16", 16},
    {DType::U16, "U16", 16},
    {DType::F16, "F16", 16},
    {DType::BF16, "BF16", 16},
    {DType::I32, "I32", 32},
    {DType::U32, "U32", 32},
    {DType::F32, "F32", 32},
    {DType::C64, "C64", 64},
    {DType::F64, "F64", 64},
    {DType::I64, "I64", 64},
    {DType::U64, "U64", 64},
};
static_assert(std::size(rows) == static_cast<size_t>(DType::U64) + 1);

const Row &rowOf(DType dtype) { return rows[static_cast<size_t>(dtype)]; }

template <class Element, class Convert>
void widen(const void *source, float *destination, size_t count, Convert convert) {
  const char *bytes = static_cast<const char *>(source);
  for (size_t i = 0; i < count; ++i) {
    Element element;
    std::memcpy(&element, bytes + i * sizeof(Element), sizeof(Element));
    destination[i] = convert(element);
  }
}

template <class Element, class Convert>
void narrow(const float *source, void *destination, size_t count, Convert convert) {
  char *bytes = static_cast<char *>(destination);
  for (size_t i = 0; i < count; ++i) {
    Element element = convert(source[i]);
    std::memcpy(bytes + i * sizeof(Element), &element, sizeof(Element));
  }
}

Error notConvertible(DType dtype) {
  return makeError("", std::string("dtype ") + dtypeName(dtype) +
                           " cannot be converted; F16, BF16, F32 and F64 can");
}

} // namespace

const char *dtypeName(DType dtype) { return rowOf(dtype).name; }
unsigned dtypeBits(DType dtype) { return rowOf(dtype).bits; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (const Row &row : rows)
    if (name == row.name)
      return row.dtype;
  return std::nullopt;
}

bool isConvertibleFloat(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 || dtype == DType::F64;
}

Status convertToF32(DType dtype, const void *source, float *destination, size_t count) {
  if (!isConvertibleFloat(dtype))
    return notConvertible(dtype);
  if (count == 0)
    return Status::ok();
  if (dtype == DType::F32)
    std::memcpy(destination, source, count * sizeof(float));
  else if (dtype == DType::BF16)
    widen<uint16_t>(source, destination, count, bf16ToF32);
  else if (dtype == DType::F16)
    widen<uint16_t>(source, destination, count, f16ToF32);
  else
    widen<double>(source, destination, count,
                  [](double value) { return static_cast<float>(value); });
  return Status::ok();
}

Status convertFromF32(DType dtype, const float *source, void *destination, size_t count) {
  if (!isConvertibleFloat(dtype))
    return notConvertible(dtype);
  if (count == 0)
    return Status::ok();
  if (dtype == DType::F32)
    std::memcpy(destination, source, count * sizeof(float));
  else if (dtype == DType::BF16)
    narrow<uint16_t>(source, destination, count, f32ToBf16);
  else if (dtype == DType::F16)
    narrow<uint16_t>(source, destination, count, f32ToF16);
  else
    narrow<double>(source, destination, count, [](float value) { return double{value}; });
  return Status::ok();
}

} // namespace ftc
