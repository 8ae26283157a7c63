//===- Yaml.h - YAML into the same value tree as JSON ----------------------===//
// The YAML 1.2 core schema without anchors, tags and multiple documents.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_YAML_H
#define FTC_SUPPORT_YAML_H

#include "ftc/Support/Json.h"

namespace ftc {

/// Parses one YAML document. Plain scalars resolve by the 1.2 core schema (YAML 1.2.2, 10.3.2):
/// null ~, true/false, integers (decimal, 0o, 0x), floats (`1e-4` included: PyYAML reads that one
/// as a string, HF's users do not mean it); quoted and block scalars are strings; `yes` and `no`
/// are strings. Refused with a message: anchors, aliases, tags, merge keys, several documents, keys
/// that are not scalars, duplicate keys (both positions named), `.inf` and `.nan`, integers beyond
/// 64 bits, depth over the limit, invalid UTF-8. An empty text is null.
Result<json::Value> parseYaml(std::string_view text, std::string_view file,
                              const json::ParseOptions &options = {});

/// Reads a config file: strict JSON when the name ends in `.json`, YAML otherwise.
Result<json::Value> loadConfigFile(const std::string &path, const json::ParseOptions &options = {});

} // namespace ftc

#endif // FTC_SUPPORT_YAML_H
