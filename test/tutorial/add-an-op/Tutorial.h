//===- Tutorial.h - a dialect with one op -----------------------*- C++ -*-===//
// What docs/tutorial/2-add-an-op.md builds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_TUTORIAL_ADD_AN_OP_TUTORIAL_H
#define FTC_TEST_TUTORIAL_ADD_AN_OP_TUTORIAL_H

#include "dialects/FT/IR/FT.h"

#include "test/tutorial/Tutorial.h.inc"

#define GET_OP_CLASSES
#include "test/tutorial/TutorialOps.h.inc"

#endif
