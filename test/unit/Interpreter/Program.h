//===- Program.h - a module under test --------------------------*- C++ -*-===//
// MLIR text that is parsed, run by the interpreter, and whose diagnostics are kept.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_INTERPRETER_PROGRAM_H
#define FTC_TEST_UNIT_INTERPRETER_PROGRAM_H

#include "ftc/Interpreter/Interpreter.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace ftc::ft::test {

/// A context with the ft dialect and its evaluation models, that keeps diagnostics as text.
class Context {
public:
  explicit Context(bool models = true);
  mlir::MLIRContext *get() { return &context; }
  /// Messages since the last call, one a line.
  std::string takeDiagnostics() { return std::move(diagnostics); }

private:
  mlir::MLIRContext context;
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler;
};

/// A verified module in a context of its own. A text that does not parse is a test failure.
class Program {
public:
  explicit Program(llvm::StringRef text, bool models = true);

  mlir::func::FuncOp function(llvm::StringRef name) {
    return module->lookupSymbol<mlir::func::FuncOp>(name);
  }
  /// Runs a function on `state`.
  mlir::FailureOr<llvm::SmallVector<HostValue>> run(llvm::StringRef name,
                                                    llvm::ArrayRef<HostValue> args) {
    return Interpreter(*module).runFunction(function(name), args, state);
  }

  Context context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  State state;
};

/// `func.func @f(arguments) -> (results)` around one op, given without its results.
std::string functionOf(llvm::StringRef arguments, llvm::StringRef op,
                       llvm::ArrayRef<llvm::StringRef> results);

HostValue scalar(double value);
HostValue vector(std::vector<double> elements);
HostValue matrix(int64_t rows, int64_t columns, std::vector<double> elements);
/// Segments that are right by construction; see makeSegments.
HostValue segments(int64_t tokens, llvm::ArrayRef<int64_t> cuSeqlens,
                   llvm::ArrayRef<int64_t> positions = {});

/// Expects equal shapes, and elements that differ by at most `tolerance` times the larger of 1 and
/// the expected number.
void expectNear(const HostValue &actual, const HostValue &expected, double tolerance,
                llvm::StringRef what = "");

} // namespace ftc::ft::test

#endif
