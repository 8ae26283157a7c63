//===- Program.cpp - a module under test ----------------------------------===//
// Parsing, kept diagnostics, host values by hand.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Program.h"

#include "dialects/Launch/IR/Launch.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;
using namespace ftc::ft::test;

static DialectRegistry makeRegistry(bool models) {
  DialectRegistry registry;
  registry.insert<FTDialect, launch::LaunchDialect, arith::ArithDialect, func::FuncDialect,
                  math::MathDialect, memref::MemRefDialect>();
  if (models)
    registerEvaluationModels(registry);
  return registry;
}

Context::Context(bool models)
    : context(makeRegistry(models), MLIRContext::Threading::DISABLED),
      handler(&context, [this](Diagnostic &diagnostic) {
        diagnostics += diagnostic.str() + "\n";
        return success();
      }) {
  context.loadAllAvailableDialects();
}

Program::Program(StringRef text, bool models)
    : context(models), module(parseSourceString<ModuleOp>(text, context.get())) {
  std::string errors = context.takeDiagnostics();
  if (!module) {
    ADD_FAILURE() << errors << text.str();
    module = ModuleOp::create(UnknownLoc::get(context.get()));
  }
}

std::string test::functionOf(StringRef arguments, StringRef op, ArrayRef<StringRef> results) {
  std::string names;
  for (size_t i = 0; i < results.size(); ++i)
    names += (i ? ", %r" : "%r") + std::to_string(i);
  return llvm::formatv("func.func @f({0}) -> ({1:$[, ]}) {{\n  {2} = {3}\n  return {2} : {1:$[, "
                       "]}\n}\n",
                       arguments, llvm::make_range(results.begin(), results.end()), names, op);
}

HostValue test::scalar(double value) { return {{}, {value}}; }

HostValue test::vector(std::vector<double> elements) {
  return {{static_cast<int64_t>(elements.size())}, std::move(elements)};
}

HostValue test::matrix(int64_t rows, int64_t columns, std::vector<double> elements) {
  EXPECT_EQ(rows * columns, static_cast<int64_t>(elements.size()));
  return {{rows, columns}, std::move(elements)};
}

HostValue test::segments(int64_t tokens, ArrayRef<int64_t> cuSeqlens, ArrayRef<int64_t> positions) {
  std::optional<HostValue> value = makeSegments(tokens, cuSeqlens, positions);
  EXPECT_TRUE(value.has_value());
  return value ? *value : HostValue();
}

void test::expectNear(const HostValue &actual, const HostValue &expected, double tolerance,
                      StringRef what) {
  ASSERT_EQ(actual.shape, expected.shape) << what.str();
  ASSERT_EQ(actual.data.size(), expected.data.size()) << what.str();
  for (size_t i = 0; i < actual.data.size(); ++i)
    EXPECT_NEAR(actual.data[i], expected.data[i],
                tolerance * std::max(1.0, std::abs(expected.data[i])))
        << what.str() << " element " << i;
}
