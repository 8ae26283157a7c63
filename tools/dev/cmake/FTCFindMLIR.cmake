# Finds MLIR, LLVM and lld, and wraps them as the one target `ftc-mlir`.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

include_guard(GLOBAL)

if(NOT CMAKE_PREFIX_PATH AND EXISTS /usr/lib/llvm-22/lib/cmake/mlir)
  set(CMAKE_PREFIX_PATH /usr/lib/llvm-22)
endif()
find_package(MLIR 22.1 REQUIRED CONFIG)
find_package(LLD REQUIRED CONFIG)

list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
# HandleLLVMOptions is left out on purpose: it changes flags for whole directories, warnings first.
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# One string of several -D words, which CMake would take for a single definition.
separate_arguments(definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")

# The shared libraries only: static archives of MLIR beside them would register everything twice.
add_library(ftc-mlir INTERFACE)
target_include_directories(ftc-mlir SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_compile_definitions(ftc-mlir INTERFACE ${definitions})
target_link_libraries(ftc-mlir INTERFACE MLIR LLVM)

if(FTC_ENABLE_PCH)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # A time stamp in the precompiled header would make every ccache lookup a miss.
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
  endif()
  ftc_add_library(ftc-mlir-pch "${CMAKE_CURRENT_LIST_DIR}/MLIRHeaders.cpp" MLIR)
  target_precompile_headers(ftc-mlir-pch PRIVATE "${CMAKE_CURRENT_LIST_DIR}/MLIRHeaders.h")
endif()
