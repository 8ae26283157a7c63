//===- MLIRHeaders.cpp - owns the precompiled form of MLIRHeaders.h -------===//
// Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
