//===- ReadDump.cpp - IR from a file, and MLIR's diagnostics as errors ------===//
// What MLIR's parser has no bound for is refused before it sees the text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ReadDump.h"

#include "ftc/Pipelines/RunPasses.h"
#include "ftc/Support/Json.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ftc;

//===-- Diagnostics -------------------------------------------------------===//

/// A location as a user knows it: a file position of a dump, or a site.
static std::string placeOf(Location location) {
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return place(file.getFilename().str(), file.getLine(), file.getColumn());
  if (auto name = dyn_cast<NameLoc>(location))
    return name.getName().str();
  if (auto fused = dyn_cast<FusedLoc>(location); fused && !fused.getLocations().empty())
    return placeOf(fused.getLocations().front());
  return "";
}

/// One line that a person reads: MLIR's texts may hold printed operations.
static std::string lineOf(const Diagnostic &diagnostic) {
  constexpr size_t longest = 400;
  std::string text = diagnostic.str();
  for (char &c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
      c = ' ';
  if (text.size() > longest)
    text = text.substr(0, longest) + "...";
  return text;
}

DiagnosticCollector::DiagnosticCollector(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        // Told by ftc in its own words.
        if (StringRef(diagnostic.str()).starts_with(kReproducerDiagnostic))
          return success();
        std::string text = lineOf(diagnostic);
        std::string where = placeOf(diagnostic.getLocation());
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
          Error &error = errors.emplace_back(makeError(where, text));
          for (Diagnostic &note : diagnostic.getNotes())
            error.note(lineOf(note));
        } else if (diagnostic.getSeverity() == DiagnosticSeverity::Warning) {
          warnings.push_back(where.empty() ? text : where + ": " + text);
        }
        return success();
      }) {}

Error DiagnosticCollector::takeError(const std::string &otherwise) {
  if (errors.empty())
    return makeError("ftc compile", otherwise);
  Error first = std::move(errors.front());
  constexpr size_t most = 10;
  for (size_t i = 1; i < errors.size() && i < most; ++i)
    first.note(errors[i].str());
  if (errors.size() > most)
    first.note("and " + std::to_string(errors.size() - most) + " more");
  errors.clear();
  return first;
}

void DiagnosticCollector::printWarnings() {
  for (const std::string &warning : warnings)
    llvm::errs() << formatWarning(warning);
  warnings.clear();
}

//===-- Text of IR --------------------------------------------------------===//

std::string ftc::unreadable(StringRef text) {
  constexpr unsigned deepest = 128;
  constexpr size_t longestAffine = 1024, longestNumber = 256;
  if (text.starts_with("ML\xefR"))
    return "is MLIR bytecode; expected the text that ftc and ft-opt print";
  unsigned depth = 0, depthAtAffine = 0;
  size_t affine = StringRef::npos, digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    digits = llvm::isDigit(c) ? digits + 1 : 0;
    if (digits > longestNumber)
      return "a number has more than " + std::to_string(longestNumber) + " digits";
    if (affine != StringRef::npos && i - affine > longestAffine)
      return "an affine expression has more than " + std::to_string(longestAffine) + " characters";
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i)
        i += text[i] == '\\';
    } else if (c == '/' && i + 1 < text.size() && text[i + 1] == '/') {
      i = text.find('\n', i);
      if (i == StringRef::npos)
        break;
    } else if (c == '(' || c == '[' || c == '{' || c == '<') {
      StringRef before = c == '<' ? text.substr(0, i).rtrim() : StringRef();
      if (affine == StringRef::npos &&
          (before.ends_with("affine_map") || before.ends_with("affine_set"))) {
        affine = i;
        depthAtAffine = depth;
      }
      if (++depth > deepest)
        return "brackets nest deeper than " + std::to_string(deepest) +
               "; expected IR that ftc printed";
    } else if (c == ')' || c == ']' || c == '}' ||
               (c == '>' && (i == 0 || text[i - 1] != '-') && text.substr(i + 1, 1) != "=")) {
      depth -= depth > 0;
      if (depth <= depthAtAffine)
        affine = StringRef::npos;
    }
  }
  return "";
}

//===-- Dumps -------------------------------------------------------------===//

Result<OwningOpRef<ModuleOp>> ftc::readDump(MLIRContext &context, const std::string &path,
                                            DiagnosticCollector &diagnostics) {
  Result<std::string> text = readFile(path, uint64_t{1} << 30);
  if (!text)
    return text.takeError();
  if (std::string why = unreadable(*text); !why.empty())
    return makeError(path, why);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(*text, ParserConfig(&context), path);
  if (!module)
    return diagnostics.takeError("the IR could not be parsed");
  return module;
}
