# Writes OUTPUT: {"NAME", R"ftc(TEXT)ftc"}, for each of the HEADERS (paths, separated by ;).
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set(text "")
foreach(header IN LISTS HEADERS)
  get_filename_component(name "${header}" NAME)
  file(READ "${header}" content)
  string(APPEND text "{\"${name}\", R\"ftc(${content})ftc\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}")
