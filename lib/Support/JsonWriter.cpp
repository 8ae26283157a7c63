//===- JsonWriter.cpp - deterministic text of a JSON value -----------------===//
// Compact or indented output; doubles as their shortest round-trip text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Json.h"

#include "Unicode.h"

#include <charconv>
#include <cmath>

namespace ftc::json {

namespace {

void writeString(std::string &out, std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < text.size();) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    size_t length = utf8SequenceLength(text.substr(i, 4));
    switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      if (c < 0x20) {
        out += "\\u00";
        out += digits[c >> 4];
        out += digits[c & 15];
      } else if (length == 0) {
        out += "\xEF\xBF\xBD";
      } else {
        out += text.substr(i, length);
      }
    }
    i += length == 0 ? 1 : length;
  }
  out += '"';
}

class Writer {
public:
  Writer(std::string &out, unsigned indent) : out(out), indent(indent) {}

  void write(const Value &value, unsigned depth) {
    switch (value.kind()) {
    case Kind::Null:
      out += "null";
      return;
    case Kind::Bool:
      out += *value.asBool() ? "true" : "false";
      return;
    case Kind::Int:
      out += std::to_string(*value.asInt64());
      return;
    case Kind::UInt:
      out += std::to_string(*value.asUInt64());
      return;
    case Kind::Double:
      out += formatDouble(*value.asDouble());
      return;
    case Kind::String:
      writeString(out, *value.asString());
      return;
    case Kind::Array:
      writeArray(value.elements(), depth);
      return;
    case Kind::Object:
      writeObject(value.members(), depth);
      return;
    }
  }

private:
  void writeArray(const Value::Array &elements, unsigned depth) {
    out += '[';
    for (size_t i = 0; i < elements.size(); ++i) {
      separate(i, depth + 1);
      write(elements[i], depth + 1);
    }
    close(elements.empty(), depth);
    out += ']';
  }

  void writeObject(const std::vector<Member> &members, unsigned depth) {
    out += '{';
    for (size_t i = 0; i < members.size(); ++i) {
      separate(i, depth + 1);
      writeString(out, members[i].key);
      out += indent ? ": " : ":";
      write(members[i].value, depth + 1);
    }
    close(members.empty(), depth);
    out += '}';
  }

  void separate(size_t index, unsigned depth) {
    if (index)
      out += ',';
    newline(depth);
  }
  void close(bool empty, unsigned depth) {
    if (!empty)
      newline(depth);
  }
  void newline(unsigned depth) {
    if (indent) {
      out += '\n';
      out.append(size_t{indent} * depth, ' ');
    }
  }

  std::string &out;
  unsigned indent;
};

} // namespace

std::string formatDouble(double value) {
  if (!std::isfinite(value))
    return "null";
  char buffer[32];
  std::to_chars_result end = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end.ptr);
  if (text.find_first_of(".e") == std::string::npos)
    text += ".0";
  return text;
}

std::string dump(const Value &value, unsigned indent) {
  std::string out;
  Writer(out, indent).write(value, 0);
  return out;
}

} // namespace ftc::json
