//===- SchemaText.h - the text of package.fbs ------------------------------===//
// What schemaHash() is the hash of.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PACKAGE_SCHEMATEXT_H
#define FTC_PACKAGE_SCHEMATEXT_H

#include <string_view>

namespace ftc {

std::string_view packageSchemaText();

} // namespace ftc

#endif // FTC_PACKAGE_SCHEMATEXT_H
