# Compile and link options that every target of ftc shares.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

include_guard(GLOBAL)

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()

# One code model for libraries and programs: a precompiled header serves both.
add_compile_options(-fPIC)

# No path of the building machine in a message (debug info keeps its paths).
add_compile_options("-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")

if(FTC_MUTANTS)
  add_compile_definitions(FTC_MUTANTS)
endif()

if(FTC_SANITIZE)
  add_compile_options(-fsanitize=${FTC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FTC_SANITIZE})
endif()

# ccache sees through a precompiled header only with this sloppiness.
find_program(FTC_CCACHE ccache)
mark_as_advanced(FTC_CCACHE)
if(FTC_CCACHE)
  foreach(language IN ITEMS C CXX)
    if(NOT CMAKE_${language}_COMPILER_LAUNCHER OR CMAKE_${language}_COMPILER_LAUNCHER STREQUAL "ccache")
      set(CMAKE_${language}_COMPILER_LAUNCHER
          "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${FTC_CCACHE}")
    endif()
  endforeach()
endif()

find_package(Threads REQUIRED)
