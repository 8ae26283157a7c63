//===- LaunchInterpreterTest.cpp - launches on memory as planned ----------===//
// What an entry point computes by hand-made plans: right ones, and each way of being wrong. That
// every family means what the ft ops mean is shown in test/unit/Pipelines/LaunchTest.cpp.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Interpreter/LaunchInterpreter.h"
#include "Program.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

using namespace mlir;
using namespace ftc;
using namespace ftc::ft::test;

namespace {
const std::string kKernels = R"mlir(
launch.kernel @double map [#launch.arg<read element memref<?xf32>>,
                           #launch.arg<write element memref<?xf32>>] {
^bb0(%x: f32):
  %y = arith.addf %x, %x : f32
  launch.yield %y : f32
}
launch.kernel @embed embedding [#launch.arg<read whole memref<?xi32>>,
                                #launch.arg<read whole memref<3x2xf32>>,
                                #launch.arg<write element memref<?x2xf32>>]
launch.state @w : memref<3x2xf32> role(base) init("file") key("w")
)mlir";

struct Outcome {
  std::vector<double> loss; ///< empty where the run has failed
  std::string diagnostics;
};

/// Runs @e: the kernels above, and an entry point with this body.
Outcome run(const std::string &arena, const std::string &body, launch::Buffers inputs = {},
            ft::State state = {{"w", {{3, 2}, {1, 2, 3, 4, 5, 6}}}}) {
  Program program(kKernels + "launch.entry @e " + arena + " {\n" + body + "\n}\n");
  auto entry = program.module->lookupSymbol<launch::EntryOp>("e");
  if (!entry)
    return {};
  auto outputs = launch::runEntry(*program.module, entry, inputs, state);
  Outcome outcome{{}, program.context.takeDiagnostics()};
  if (succeeded(outputs))
    outcome.loss = (*outputs)["loss"].data;
  return outcome;
}

const char *const kTwoDoublings = R"mlir(
  %a = launch.input "a" AT_A : memref<4xf32>
  %b = launch.alloc "b" AT_B : memref<4xf32>
  %c = launch.alloc "c" AT_C : memref<4xf32>
  launch.launch @double site("s") grid(4) cost(0, 0) (%a, %b) : memref<4xf32>, memref<4xf32>
  launch.launch @double site("s") grid(4) cost(0, 0) (%b, %c) : memref<4xf32>, memref<4xf32>
  launch.output "loss", %c : memref<4xf32>
)mlir";

std::string at(std::string a, std::string b, std::string c) {
  std::string text = kTwoDoublings;
  for (auto [name, offset] : {std::pair("AT_A", a), std::pair("AT_B", b), std::pair("AT_C", c)})
    text.replace(text.find(name), 4, offset.empty() ? "" : "at(" + offset + ")");
  return text;
}

const launch::Buffers kInputs = {{"a", {{4}, {1, 2, 3, 4.000000001}}}};
} // namespace

TEST(LaunchInterpreter, KeepsDoublesWhateverTheStorage) {
  std::vector<double> expected = {4, 8, 12, 16.000000004};
  EXPECT_EQ(run("", at("", "", ""), kInputs).loss, expected);
  EXPECT_EQ(run("arena(192)", at("0", "64", "128"), kInputs).loss, expected);
  // The input has been read when the second launch writes.
  EXPECT_EQ(run("arena(128)", at("0", "64", "0"), kInputs).loss, expected);
}

/// Doubles %a into %b, %b into %c, and %a into %b again; buffers of 80 bytes.
std::string threeDoublings(const char *b, const char *c) {
  return llvm::formatv(R"mlir(
  %a = launch.input "a" at(0) : memref<20xf32>
  %b = launch.alloc "b" at({0}) : memref<20xf32>
  %c = launch.alloc "c" at({1}) : memref<20xf32>
  launch.launch @double site("s") grid(20) cost(0, 0) (%a, %b) : memref<20xf32>, memref<20xf32>
  launch.launch @double site("s") grid(20) cost(0, 0) (%b, %c) : memref<20xf32>, memref<20xf32>
  launch.launch @double site("s") grid(20) cost(0, 0) (%a, %b) : memref<20xf32>, memref<20xf32>
  launch.output "loss", %b : memref<20xf32>)mlir",
                       b, c);
}

TEST(LaunchInterpreter, OverlapsChangeWhatIsRead) {
  launch::Buffers inputs = {{"a", {{20}, std::vector<double>(20)}}};
  std::iota(inputs["a"].data.begin(), inputs["a"].data.end(), 1);
  std::vector<double> expected = inputs["a"].data;
  for (double &element : expected)
    element *= 2;
  EXPECT_EQ(run("arena(512)", threeDoublings("128", "256"), inputs).loss, expected);
  // %c lies on the last four elements of %a.
  std::copy_n(std::vector<double>{8, 16, 24, 32}.begin(), 4, expected.begin() + 16);
  EXPECT_EQ(run("arena(512)", threeDoublings("192", "64"), inputs).loss, expected);
}

TEST(LaunchInterpreter, WhatNobodyWroteIsNotANumber) {
  Outcome outcome = run("", R"mlir(
  %a = launch.alloc "a" : memref<1xf32>
  launch.output "loss", %a : memref<1xf32>)mlir");
  ASSERT_EQ(outcome.loss.size(), 1u);
  EXPECT_TRUE(std::isnan(outcome.loss[0]));
}

TEST(LaunchInterpreter, ReadsAndWritesState) {
  std::string body = R"mlir(
  %w = launch.ref @w : memref<3x2xf32>
  %row = launch.view %w[4] : memref<3x2xf32> -> memref<2xf32>
  %into = launch.view %w[0] : memref<3x2xf32> -> memref<2xf32>
  launch.launch @double site("s") grid(2) cost(0, 0) (%row, %into) : memref<2xf32>, memref<2xf32>
  )mlir";
  Program program(kKernels + "launch.entry @e {\n" + body + "\n}\n");
  ft::State state = {{"w", {{3, 2}, {1, 2, 3, 4, 5, 6}}}};
  auto entry = program.module->lookupSymbol<launch::EntryOp>("e");
  ASSERT_TRUE(succeeded(launch::runEntry(*program.module, entry, {}, state)));
  EXPECT_EQ(state["w"].data, (std::vector<double>{10, 12, 3, 4, 5, 6}));
}

TEST(LaunchInterpreter, RefusesWhatHasNoMeaning) {
  launch::Buffers twenty = {{"a", {{20}, std::vector<double>(20, 1)}}};
  EXPECT_NE(run("arena(512)", threeDoublings("64", "256"), twenty)
                .diagnostics.find("'launch.launch' op at site \"s\" has operands 0 and 1 on the "
                                  "same bytes, and one is written"),
            std::string::npos);
  // More arena than the interpreter takes.
  EXPECT_NE(run("arena(134217728)", threeDoublings("67108928", "64"), twenty)
                .diagnostics.find("has a buffer at byte 67108928 of 80 bytes in an arena of "
                                  "67108864"),
            std::string::npos);
  EXPECT_NE(run("", at("", "", "")).diagnostics.find("is given no value for a"), std::string::npos);
  EXPECT_NE(run("", at("", "", ""), {{"a", {{3}, {1, 2, 3}}}})
                .diagnostics.find("is given 3 numbers for a; expected 4"),
            std::string::npos);
  const char *embed = R"mlir(
  %ids = launch.input "ids" : memref<1xi32>
  %w = launch.ref @w : memref<3x2xf32>
  %y = launch.alloc "y" : memref<1x2xf32>
  launch.launch @embed site("s") grid(1) cost(0, 0) (%ids, %w, %y)
    : memref<1xi32>, memref<3x2xf32>, memref<1x2xf32>
  launch.output "loss", %y : memref<1x2xf32>)mlir";
  EXPECT_EQ(run("", embed, {{"ids", {{1}, {2}}}}).loss, (std::vector<double>{5, 6}));
  EXPECT_NE(
      run("", embed, {{"ids", {{1}, {3}}}}).diagnostics.find("reads id 3 of a table of 3 rows"),
      std::string::npos);
  EXPECT_NE(run("", embed, {{"ids", {{1}, {0}}}}, {}).diagnostics.find("is given no value for w"),
            std::string::npos);
}

// A kernel that a hand has written may say anything; the verifier looks at regions only.
TEST(LaunchInterpreter, RefusesKernelsThatAreNone) {
  auto diagnose = [](const std::string &kernel, const std::string &operands, int64_t grid) {
    std::string buffers, names, types;
    for (char operand : operands) {
      std::string type = operand == 'v' ? "memref<4xf32>" : "memref<4x4xf32>";
      if (operand == 'i')
        type = "memref<4xi32>";
      std::string name = "%b" + std::to_string(buffers.size());
      buffers += name + " = launch.input \"" + operand + "\" : " + type + "\n";
      names += (names.empty() ? "" : ", ") + name;
      types += (types.empty() ? "" : ", ") + type;
    }
    Program program("launch.kernel @k " + kernel + "\nlaunch.entry @e {\n" + buffers +
                    "launch.launch @k site(\"s\") grid(" + std::to_string(grid) + ") cost(0, 0) (" +
                    names + ") : " + types + "\n}\n");
    auto entry = program.module->lookupSymbol<launch::EntryOp>("e");
    if (!entry)
      return std::string("does not parse");
    std::vector<double> numbers(16, 1);
    ft::State state;
    launch::Buffers inputs = {
        {"m", {{4, 4}, numbers}}, {"v", {{4}, {1, 1, 1, 1}}}, {"i", {{4}, {9, 9, 9, 9}}}};
    EXPECT_TRUE(failed(launch::runEntry(*program.module, entry, inputs, state)));
    return program.context.takeDiagnostics();
  };
  const std::string matrix = "memref<4x4xf32>", vector = "memref<4xf32>";
  auto arg = [](const char *access, const std::string &type) {
    return "#launch.arg<" + std::string(access) + " whole " + type + ">";
  };
  auto expect = [](const std::string &actual, const char *what) {
    EXPECT_NE(actual.find(what), std::string::npos) << actual;
  };
  expect(diagnose("gemm [" + arg("write", matrix) + "]", "m", 1),
         "has 1 arguments and 0 regions, which is no kernel of family gemm");
  expect(diagnose("gemm [" + arg("read", matrix) + ", " + arg("read", vector) + ", " +
                      arg("write", matrix) + "]",
                  "mvm", 1),
         "of family gemm reaches behind the end of operand 1");
  expect(diagnose("attention_delta [" + arg("read", matrix) + ", " + arg("read", matrix) + ", " +
                      arg("write", matrix) + "]",
                  "mmm", 1000000000),
         "is run on a grid of 1000000000, more than any of its operands has elements");
  expect(diagnose("attention_grad_key_value [" + arg("read", matrix) + ", " + arg("read", matrix) +
                      ", " + arg("read", matrix) + ", " + arg("read", matrix) + ", " +
                      arg("read", matrix) + ", " + arg("read", matrix) + ", " +
                      arg("read", "memref<4xi32>") + ", " + arg("read", "memref<4xi32>") + ", " +
                      arg("write", matrix) + "] params {has_key = true}",
                  "mmmmmmiim", 4),
         "reads a segment bound at token 0 that is not within its 4 tokens");
  expect(diagnose("cross_entropy [" + arg("readwrite", matrix) + ", " +
                      arg("read", "memref<4xi32>") + "] params {gradient = true}",
                  "mi", 4),
         "has not the arguments that gradient and loss say");
}

TEST(LaunchInterpreter, TargetsAreTheNextLabelsOfTheSegment) {
  std::vector<ft::HostValue> arguments = {vector({1, 2, 3, 4, 5}), vector({10, 11, 12, 13, 14}),
                                          segments(5, {0, 3, 4}), vector({0})};
  launch::Buffers inputs = launch::makeInputs(arguments);
  EXPECT_EQ(inputs["targets"].data, (std::vector<double>{11, 12, -100, -100, -100}));
  EXPECT_EQ(inputs["loss_rows"].data, (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(inputs["segment_end"].data, (std::vector<double>{3, 3, 3, 4, 4}));
  EXPECT_EQ(inputs["positions"].data, (std::vector<double>{0, 1, 2, 0, 0}));
}

TEST(LaunchInterpreter, RowsThatPredictStandFirst) {
  std::vector<ft::HostValue> arguments = {vector({1, 2, 3, 4, 5, 6}),
                                          vector({10, -100, 12, 13, -100, 15}),
                                          segments(6, {0, 3, 6}), vector({0})};
  launch::Buffers inputs = launch::makeInputs(arguments);
  EXPECT_EQ(inputs["loss_rows"].data, (std::vector<double>{1, 4, 0, 2, 3, 5}));
  EXPECT_EQ(inputs["targets"].data, (std::vector<double>{12, 15, -100, -100, -100, -100}));
}

// As few rows as may be: those that predict, one where none does. What is left out keeps its value.
TEST(LaunchInterpreter, LeavesOutRowsThatPredictNothing) {
  Program program(R"mlir(
launch.kernel @put scatter [#launch.arg<read row memref<?xi32>>, #launch.arg<read element memref<?x1xf32>>,
  #launch.arg<readwrite whole memref<4x1xf32>>]
launch.kernel @dot gemm [#launch.arg<read whole memref<2x1xf32>>, #launch.arg<read whole memref<2x1xf32>>,
  #launch.arg<readwrite whole memref<1x1xf32>>] params {transpose_a = true}
launch.entry @e {
  %rows = launch.input "loss_rows" : memref<4xi32>
  %targets = launch.input "targets" : memref<4xi32>
  %x = launch.input "x" : memref<2x1xf32>
  %y = launch.input "y" : memref<4x1xf32>
  %z = launch.input "z" : memref<1x1xf32>
  %first = launch.view %rows[0] : memref<4xi32> -> memref<2xi32>
  %second = launch.view %rows[2] : memref<4xi32> -> memref<2xi32>
  launch.launch @put site("s") grid(2) rows(0) cost(0, 0) (%first, %x, %y) : memref<2xi32>, memref<2x1xf32>, memref<4x1xf32>
  launch.launch @dot site("s") grid(1) rows(0) cost(0, 0) (%x, %x, %z) : memref<2x1xf32>, memref<2x1xf32>, memref<1x1xf32>
  launch.launch @put site("s") grid(2) rows(2) cost(0, 0) (%second, %x, %y) : memref<2xi32>, memref<2x1xf32>, memref<4x1xf32>
  launch.launch @dot site("s") grid(1) rows(2) cost(0, 0) (%x, %x, %z) : memref<2x1xf32>, memref<2x1xf32>, memref<1x1xf32>
  launch.output "y", %y : memref<4x1xf32>
  launch.output "z", %z : memref<1x1xf32>
}
)mlir");
  auto entry = program.module->lookupSymbol<launch::EntryOp>("e");
  ASSERT_TRUE(entry);
  struct {
    int predicting;
    std::vector<double> y;
    double z;
  } cases[] = {{0, {9, 9, 9, 3}, 100 + 9},
               {1, {9, 9, 9, 3}, 100 + 9},
               {2, {9, 9, 5, 3}, 100 + 9 + 25},
               {3, {9, 3, 5, 3}, 100 + 9 + 25 + 9},
               {4, {5, 3, 5, 3}, 100 + 2 * (9 + 25)}};
  for (const auto &one : cases) {
    std::vector<double> targets(4, -100);
    std::fill_n(targets.begin(), one.predicting, 7);
    launch::Buffers inputs = {{"loss_rows", vector({3, 2, 1, 0})},
                              {"targets", vector(targets)},
                              {"x", {{2, 1}, {3, 5}}},
                              {"y", {{4, 1}, {9, 9, 9, 9}}},
                              {"z", {{1, 1}, {100}}}};
    ft::State state;
    auto outputs = launch::runEntry(*program.module, entry, inputs, state);
    ASSERT_TRUE(succeeded(outputs)) << program.context.takeDiagnostics();
    EXPECT_EQ((*outputs)["y"].data, one.y) << one.predicting;
    EXPECT_EQ((*outputs)["z"].data[0], one.z) << one.predicting;
  }
}
