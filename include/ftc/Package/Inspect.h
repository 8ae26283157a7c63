//===- Inspect.h - a package as JSON and as text ---------------------------===//
// What `ftc inspect` shows: memory, entry points, kernels, passes, provenance.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PACKAGE_INSPECT_H
#define FTC_PACKAGE_INSPECT_H

#include "ftc/Package/Package.h"

#include <string>

namespace ftc {

/// One JSON object. Sizes in bytes. A kernel's `count`, `flops` and `bytes` are those of one
/// `train_step` (of the first entry point, where there is no such); `launches` has the count of
/// each entry point. A kernel of CUDA has its launch shape too (threads, items, shared_bytes, and
/// of that entry point's largest launch blocks and batch), the package `cuda` (sources, cubins,
/// product workspace). Same package, same text.
std::string inspectJson(const Package &package);

/// The same for people: tables of at most 100 columns, sizes in binary units.
std::string inspectText(const Package &package);

/// `1.50 GiB`, `64 B`
std::string humanBytes(uint64_t bytes);

} // namespace ftc

#endif // FTC_PACKAGE_INSPECT_H
