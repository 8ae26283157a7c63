/*===- SharedTest.c - libftc.so from C -----------------------------*- C -*-===//
// The library loads, answers, and reports an error, in a program that knows only the header.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===*/
#include "ftc/runtime.h"

#include <stdio.h>
#include <string.h>

int main(void) {
  if (ftc_abi_version() != FTC_ABI_VERSION) {
    fprintf(stderr, "ftc_abi_version() is %u, the header's %u\n", ftc_abi_version(),
            FTC_ABI_VERSION);
    return 1;
  }
  ftc_package *package = NULL;
  ftc_error error;
  ftc_code code = ftc_package_load("no-such-file.ftp", &package, &error);
  if (code != FTC_INVALID_PACKAGE || error.code != code || package ||
      strncmp(error.message, "no-such-file.ftp: ", 18) != 0) {
    fprintf(stderr, "code %d, message %s\n", (int)code, error.message);
    return 1;
  }
  ftc_package_free(NULL);
  ftc_instance_free(NULL);
  return 0;
}
