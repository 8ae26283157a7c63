//===- Texts.h - a random program as a user would give it -------*- C++ -*-===//
// The configs and the batches of a program.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_RANDOM_TEXTS_H
#define FTC_TEST_RANDOM_TEXTS_H

#include "../unit/Pipelines/Experiment.h"
#include "Program.h"

namespace ftc::test {

/// Configs, options of passes and batch layout; nothing is left out of the pipeline.
Case caseOf(const Program &program);

/// One of the two batches of a program, 0 or 1. The first predicts something.
Data batchOf(const Program &program, int index);

/// The run values of a step: `items` are the predicted tokens that it is over.
ftc_run runOf(const Program &program, double items, int64_t stepsAgo);

/// The passes that the second compilation leaves out.
std::vector<std::string> withoutOf(const Program &program);

} // namespace ftc::test

#endif
