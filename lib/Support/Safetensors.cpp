//===- Safetensors.cpp - strict reader of one safetensors file -------------===//
// The whole header is checked before any tensor is handed out.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Safetensors.h"

#include "ftc/Support/JsonMembers.h"

#include <algorithm>

namespace ftc {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000; // the reference implementation's limit
constexpr size_t kMaxRank = 64;
constexpr size_t kShownRank = 16; // in messages

using json::Member;
using json::Value;

/// A header entry before its place in the file is checked.
struct Entry {
  TensorView view;
  uint64_t begin = 0;
  uint64_t end = 0;
  json::Position at;
};

class HeaderReader {
public:
  HeaderReader(const MappedFile &file) : file(file) {}

  Result<std::vector<TensorView>> read(std::map<std::string, std::string> &metadata) {
    if (file.size() < 8)
      return makeError(file.path(), "has " + std::to_string(file.size()) +
                                        " bytes; a safetensors file begins with 8 bytes of length");
    uint64_t headerBytes = 0;
    for (int i = 7; i >= 0; --i)
      headerBytes = headerBytes << 8 | file.data()[i];
    if (headerBytes > kMaxHeaderBytes)
      return makeError(file.path(), "the header's length is " + std::to_string(headerBytes) +
                                        " bytes; at most 100000000 are allowed (is this a "
                                        "safetensors file?)");
    if (headerBytes > file.size() - 8)
      return makeError(file.path(), "the header's length is " + std::to_string(headerBytes) +
                                        " bytes, but only " + std::to_string(file.size() - 8) +
                                        " follow; the file is cut short");
    std::string_view header(reinterpret_cast<const char *>(file.data() + 8), headerBytes);
    if (header.substr(0, 1) != "{")
      return makeError(file.path(), "the header does not start with '{'; it must be a JSON object");
    json::ParseOptions options;
    options.maxBytes = kMaxHeaderBytes;
    std::vector<Entry> entries;
    std::optional<json::Position> metadataAt;
    bool ownError = false;
    // A header of a million tensors, as values, would be twenty times its text.
    Result<Value> root =
        json::parseMembers(header, file.path(), options, [&](Member &&member) -> Status {
          Status read = Status::ok();
          if (member.key != "__metadata__")
            read = readEntry(member, entries);
          else if (metadataAt)
            read = givenTwice(member.key, *metadataAt, member.keyPosition);
          else
            read = readMetadata(member, metadata);
          metadataAt = member.key == "__metadata__" ? member.keyPosition : metadataAt;
          ownError = !read;
          return read;
        });
    if (!root && ownError)
      return root.takeError();
    if (!root)
      return root.takeError().note("the position is within the header, which starts at byte 8");
    return placeEntries(std::move(entries), 8 + headerBytes);
  }

private:
  Error errorAt(json::Position at, std::string message) {
    return makeError(place(file.path(), at.line, at.column), std::move(message));
  }

  Error givenTwice(const std::string &key, json::Position first, json::Position again) {
    return errorAt(again, "key " + quoted(key) + " is given twice; remove one of the two")
        .note(place(file.path(), first.line, first.column) + ": first given here");
  }

  Status readMetadata(const Member &member, std::map<std::string, std::string> &metadata) {
    if (!member.value.isObject())
      return errorAt(member.value.position(), "'__metadata__' must be an object of strings");
    for (const Member &item : member.value.members()) {
      const std::string *text = item.value.asString();
      if (!text)
        return errorAt(item.value.position(), "'__metadata__': " + quoted(item.key) + " is " +
                                                  json::describe(item.value.kind()) +
                                                  "; it must be a string");
      metadata.emplace(item.key, *text);
    }
    return Status::ok();
  }

  Status readEntry(const Member &member, std::vector<Entry> &entries) {
    std::string subject = "tensor " + quoted(member.key);
    if (member.key.find('\0') != std::string::npos)
      return errorAt(member.keyPosition, subject + ": the name has a NUL character");
    if (!member.value.isObject())
      return errorAt(member.value.position(), subject + " must be an object with dtype, shape and "
                                                        "data_offsets");
    const Value *dtype = nullptr, *shape = nullptr, *offsets = nullptr;
    for (const Member &field : member.value.members()) {
      if (field.key == "dtype")
        dtype = &field.value;
      else if (field.key == "shape")
        shape = &field.value;
      else if (field.key == "data_offsets")
        offsets = &field.value;
      else
        return errorAt(field.keyPosition, subject + ": unknown field " + quoted(field.key) +
                                              "; dtype, shape and data_offsets are the fields");
    }
    if (!dtype || !shape || !offsets)
      return errorAt(member.value.position(), subject + ": '" +
                                                  (!dtype   ? "dtype"
                                                   : !shape ? "shape"
                                                            : "data_offsets") +
                                                  "' is missing");
    entries.emplace_back();
    Entry &entry = entries.back();
    entry.view.name = member.key;
    entry.at = member.keyPosition;

    const std::string *typeName = dtype->asString();
    std::optional<DType> known = typeName ? dtypeFromName(*typeName) : std::nullopt;
    if (!known)
      return errorAt(dtype->position(),
                     subject + ": unknown dtype " +
                         (typeName ? quoted(*typeName) : json::describe(dtype->kind())) +
                         "; safetensors names such as 'F32' and 'BF16' are expected");
    entry.view.dtype = *known;

    if (!shape->isArray() || shape->elements().size() > kMaxRank)
      return errorAt(shape->position(), subject + ": shape must be an array of at most " +
                                            std::to_string(kMaxRank) + " dimensions");
    for (const Value &dimension : shape->elements()) {
      std::optional<int64_t> size = dimension.asInt64();
      if (!size || *size < 0)
        return errorAt(dimension.position(),
                       subject + ": a dimension must be an integer of at least 0");
      entry.view.shape.push_back(*size);
    }

    const Value::Array &pair = offsets->elements();
    std::optional<uint64_t> begin, end;
    if (pair.size() == 2) {
      begin = pair[0].asUInt64();
      end = pair[1].asUInt64();
    }
    if (!begin || !end || *end < *begin)
      return errorAt(offsets->position(),
                     subject +
                         ": data_offsets must be two integers [begin, end] with begin <= end");
    entry.begin = *begin;
    entry.end = *end;

    std::optional<uint64_t> bytes = tensorBytes(entry.view.dtype, entry.view.shape);
    if (!bytes)
      return errorAt(shape->position(), subject + ": the size of " + entry.view.typeString() +
                                            " overflows 64 bits or does not fill whole bytes");
    if (*bytes != entry.end - entry.begin)
      return errorAt(offsets->position(), subject + ": " + entry.view.typeString() + " has " +
                                              std::to_string(*bytes) +
                                              " bytes, but data_offsets span " +
                                              std::to_string(entry.end - entry.begin));
    entry.view.bytes = *bytes;
    return Status::ok();
  }

  /// Sorts the entries by name, and finds the first in the file whose name an earlier one has.
  Status sortByName(std::vector<Entry> &entries) {
    auto isBefore = [](json::Position a, json::Position b) {
      return a.line != b.line ? a.line < b.line : a.column < b.column;
    };
    std::sort(entries.begin(), entries.end(), [&](const Entry &a, const Entry &b) {
      int order = a.view.name.compare(b.view.name);
      return order != 0 ? order < 0 : isBefore(a.at, b.at);
    });
    const Entry *first = nullptr, *again = nullptr;
    for (size_t i = 1; i < entries.size(); ++i)
      if (entries[i - 1].view.name == entries[i].view.name &&
          (!again || isBefore(entries[i].at, again->at))) {
        first = &entries[i - 1];
        again = &entries[i];
      }
    return again ? Status(givenTwice(again->view.name, first->at, again->at)) : Status::ok();
  }

  Result<std::vector<TensorView>> placeEntries(std::vector<Entry> entries, uint64_t dataStart) {
    if (Status s = sortByName(entries); !s)
      return s.takeError();
    std::vector<Entry *> byPlace;
    byPlace.reserve(entries.size());
    for (Entry &entry : entries)
      byPlace.push_back(&entry);
    std::sort(byPlace.begin(), byPlace.end(), [](const Entry *a, const Entry *b) {
      return a->begin != b->begin ? a->begin < b->begin
             : a->end != b->end   ? a->end < b->end
                                  : a < b;
    });
    uint64_t reached = 0, dataBytes = file.size() - dataStart;
    for (Entry *entry : byPlace) {
      auto fails = [&](std::string what) {
        return errorAt(entry->at, "tensor " + quoted(entry->view.name) + ": " + std::move(what));
      };
      if (entry->begin != reached)
        return fails("its data begins at " + std::to_string(entry->begin) + ", but " +
                     std::to_string(reached) + " is the end of what precedes it; tensors may " +
                     "neither overlap nor leave gaps");
      if (entry->end > dataBytes)
        return fails("its data ends at " + std::to_string(entry->end) + ", but the file has " +
                     std::to_string(dataBytes) + " bytes of data; the file is cut short");
      if (entry->view.bytes)
        entry->view.data = file.data() + dataStart + entry->begin;
      reached = entry->end;
    }
    if (reached != dataBytes)
      return makeError(file.path(), "has " + std::to_string(dataBytes) +
                                        " bytes of data, but its " + "tensors take " +
                                        std::to_string(reached) + "; they must be equal");
    std::vector<TensorView> views;
    views.reserve(entries.size());
    for (Entry &entry : entries)
      views.push_back(std::move(entry.view));
    return views;
  }

  const MappedFile &file;
};

template <class Element> void appendIntegers(const TensorView &view, std::vector<int64_t> &out) {
  const char *bytes = static_cast<const char *>(view.data);
  for (size_t i = 0; i < out.size(); ++i) {
    Element element;
    std::memcpy(&element, bytes + i * sizeof(Element), sizeof(Element));
    out[i] = static_cast<int64_t>(element);
  }
}

} // namespace

std::string shapeString(const std::vector<int64_t> &shape) {
  std::string text = "[";
  size_t shown = std::min(shape.size(), kShownRank);
  for (size_t i = 0; i < shown; ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  if (shown < shape.size())
    text += ", ... " + std::to_string(shape.size()) + " dimensions";
  return text + "]";
}

std::optional<uint64_t> tensorBytes(DType dtype, const std::vector<int64_t> &shape) {
  uint64_t product = 1;
  for (int64_t dimension : shape)
    if (dimension < 0 ||
        __builtin_mul_overflow(product, static_cast<uint64_t>(dimension), &product))
      return std::nullopt;
  uint64_t bits = 0;
  if (product > static_cast<uint64_t>(INT64_MAX) ||
      __builtin_mul_overflow(product, uint64_t{dtypeBits(dtype)}, &bits) || bits % 8 != 0)
    return std::nullopt;
  return bits / 8;
}

int64_t TensorView::elements() const {
  int64_t product = 1;
  for (int64_t dimension : shape)
    product *= dimension;
  return product;
}

std::string TensorView::typeString() const {
  return std::string(dtypeName(dtype)) + ' ' + shapeString(shape);
}

bool TensorView::isAligned() const {
  unsigned alignment = std::max(1u, dtype == DType::C64 ? 4u : dtypeBytes(dtype));
  return reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

Result<std::vector<float>> TensorView::toF32() const {
  std::vector<float> values(static_cast<size_t>(isConvertibleFloat(dtype) ? elements() : 0));
  if (Status s = convertToF32(dtype, data, values.data(), values.size()); !s)
    return makeError("", "tensor " + quoted(name) + ": " + s.error().message);
  return values;
}

Result<std::vector<int64_t>> TensorView::toInt64() const {
  std::vector<int64_t> values;
  auto fill = [&](auto element) {
    values.resize(static_cast<size_t>(elements()));
    appendIntegers<decltype(element)>(*this, values);
  };
  switch (dtype) {
  case DType::BOOL:
  case DType::U8:
    fill(uint8_t{});
    break;
  case DType::I8:
    fill(int8_t{});
    break;
  case DType::I16:
    fill(int16_t{});
    break;
  case DType::U16:
    fill(uint16_t{});
    break;
  case DType::I32:
    fill(int32_t{});
    break;
  case DType::U32:
    fill(uint32_t{});
    break;
  case DType::I64:
    fill(int64_t{});
    break;
  default:
    return makeError("", "tensor " + quoted(name) + " has dtype " + dtypeName(dtype) +
                             "; an integer dtype up to I64 is expected");
  }
  return values;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  SafetensorsFile file(std::move(*mapped));
  Result<std::vector<TensorView>> views = HeaderReader(file.file).read(file.meta);
  if (!views)
    return views.takeError();
  file.views = std::move(*views);
  return file;
}

const TensorView *SafetensorsFile::find(std::string_view name) const {
  auto found = std::lower_bound(
      views.begin(), views.end(), name,
      [](const TensorView &view, std::string_view key) { return view.name < key; });
  return found != views.end() && found->name == name ? &*found : nullptr;
}

} // namespace ftc
