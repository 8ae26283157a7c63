# The functions with which a room declares its libraries, programs and generated files.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

include_guard(GLOBAL)

# Everything that is generated (TableGen, FlatBuffers). Every library waits for it: generating all of
# it takes under a second, and no room then has to list whose headers it includes.
add_custom_target(ftc-generated)

# The flags of a target of ours. EXCEPTIONS keeps exceptions on (for code that calls a throwing
# library); nothing may leave that target as an exception.
function(ftc_configure_target name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "MLIR;EXCEPTIONS" "" "")
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  # SYSTEM, since nobody can mend a warning in a generated file.
  target_include_directories(${name} SYSTEM PUBLIC
                             "${PROJECT_BINARY_DIR}" "${PROJECT_BINARY_DIR}/include")
  # An override that ignores a parameter of its interface is ordinary in MLIR.
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-unused-parameter)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
                           -Wimplicit-fallthrough)
  endif()
  if(FTC_ENABLE_WERROR)
    target_compile_options(${name} PRIVATE -Werror)
  endif()
  if(NOT arg_EXCEPTIONS)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
  endif()
  if(arg_MLIR)
    if(NOT TARGET ftc-mlir)
      message(FATAL_ERROR "${name}: uses MLIR, and so must stand below FTC_BUILD_COMPILER")
    endif()
    target_link_libraries(${name} PUBLIC ftc-mlir)
    if(TARGET ftc-mlir-pch AND NOT arg_EXCEPTIONS AND NOT name STREQUAL "ftc-mlir-pch")
      target_precompile_headers(${name} REUSE_FROM ftc-mlir-pch)
    endif()
  endif()
  add_dependencies(${name} ftc-generated)
endfunction()

# ftc_add_library(NAME source... [LINK library...] [MLIR] [EXCEPTIONS])
# A static archive. LINK is public. MLIR gives it the headers of MLIR, their precompiled form, and
# the shared libraries MLIR and LLVM.
function(ftc_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "MLIR;EXCEPTIONS" "" "LINK")
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  ftc_forward_flags(flags)
  ftc_configure_target(${name} ${flags})
  target_link_libraries(${name} PUBLIC ${arg_LINK})
endfunction()

# ftc_add_tool(NAME source... [LINK library...] [MLIR] [EXCEPTIONS])
# A program in <build>/bin. Its sources see FTC_HAS_COMPILER as 0 or 1.
function(ftc_add_tool name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "MLIR;EXCEPTIONS" "" "LINK")
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  ftc_forward_flags(flags)
  ftc_configure_target(${name} ${flags})
  target_compile_definitions(${name} PRIVATE FTC_HAS_COMPILER=$<BOOL:${FTC_BUILD_COMPILER}>)
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  install(TARGETS ${name} RUNTIME)
endfunction()

# The flags of the calling function's arguments, as words again.
macro(ftc_forward_flags out)
  set(${out})
  foreach(flag IN ITEMS MLIR EXCEPTIONS)
    if(arg_${flag})
      list(APPEND ${out} ${flag})
    endif()
  endforeach()
endmacro()

# ftc_add_tablegen(TARGET file.td [INTO folder] "out.inc -gen-option..."...)
# Runs mlir-tblgen once per string. Outputs go to the binary folder of this room, or to <build>/INTO.
function(ftc_add_tablegen target td)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "INTO" "")
  set(folder "${CMAKE_CURRENT_BINARY_DIR}")
  if(arg_INTO)
    set(folder "${PROJECT_BINARY_DIR}/${arg_INTO}")
    file(MAKE_DIRECTORY "${folder}")
  endif()
  cmake_path(ABSOLUTE_PATH td BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  list(TRANSFORM MLIR_INCLUDE_DIRS PREPEND "-I" OUTPUT_VARIABLE includes)
  set(outputs)
  foreach(spec IN LISTS arg_UNPARSED_ARGUMENTS)
    separate_arguments(words UNIX_COMMAND "${spec}")
    list(POP_FRONT words file)
    set(output "${folder}/${file}")
    add_custom_command(
      OUTPUT "${output}"
      COMMAND "${MLIR_TABLEGEN_EXE}" ${words} "-I${PROJECT_SOURCE_DIR}"
              "-I${PROJECT_SOURCE_DIR}/include" ${includes} "${td}" --write-if-changed
              -o "${output}" -d "${output}.d"
      DEPENDS "${td}"
      DEPFILE "${output}.d"
      COMMENT "Generating ${file}"
      VERBATIM)
    list(APPEND outputs "${output}")
  endforeach()
  add_custom_target(${target} DEPENDS ${outputs})
  add_dependencies(ftc-generated ${target})
endfunction()

# ftc_add_schema(TARGET file.fbs [INTO folder] [flatc option...])
# Runs flatc on a schema; X_generated.h goes to <build>/INTO (default include/ftc/Package).
function(ftc_add_schema target schema)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "INTO" "")
  if(NOT arg_INTO)
    set(arg_INTO include/ftc/Package)
  endif()
  find_program(FTC_FLATC flatc REQUIRED)
  cmake_path(ABSOLUTE_PATH schema BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  cmake_path(GET schema STEM stem)
  set(folder "${PROJECT_BINARY_DIR}/${arg_INTO}")
  set(outputs "${folder}/${stem}_generated.h")
  if("--bfbs-gen-embed" IN_LIST arg_UNPARSED_ARGUMENTS)
    list(APPEND outputs "${folder}/${stem}_bfbs_generated.h")
  endif()
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND "${FTC_FLATC}" --cpp --cpp-std c++17 ${arg_UNPARSED_ARGUMENTS} -o "${folder}" "${schema}"
    DEPENDS "${schema}"
    COMMENT "Generating ${stem}_generated.h"
    VERBATIM)
  add_custom_target(${target} DEPENDS ${outputs})
  add_dependencies(ftc-generated ${target})
endfunction()
