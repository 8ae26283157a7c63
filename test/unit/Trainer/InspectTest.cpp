//===- InspectTest.cpp - a package's report as text ------------------------===//
// Every part of the report, and a report that lacks them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Inspect.h"

#include "gtest/gtest.h"

namespace ftc {
namespace {

TEST(Inspect, ShowsEveryPart) {
  Result<json::Value> report = json::parse(R"({
    "target": "cpu", "arch": "x86-64-v3", "tokens": 1024,
    "entry_points": [{"name": "train_step", "launches": 1234}, {"name": "update", "launches": 5}],
    "memory": {"parameters": 1048576, "arena": 512, "peak": 1049088,
               "peak_at": {"entry_point": "train_step", "launch": 7, "site": "lm_head"}},
    "kernels": [{"name": "k0", "count": 3, "family": "map", "flops": 6000, "bytes": 2048}],
    "passes": [{"name": "ft-prune-graph", "statistics": {"pruned": 12, "kept": 3},
                "remarks": ["no gradient of 'x' is asked for"]}, {"name": "cse", "statistics": {}}],
    "collectives": [{"kind": "all_reduce", "bytes": 4096, "where": "q_proj"}]})",
                                           "report");
  ASSERT_TRUE(static_cast<bool>(report)) << report.error().str();
  EXPECT_EQ(packageText(*report),
            "cpu x86-64-v3, 1,024 tokens a step\n"
            "\n"
            "  entry point  launches\n"
            "  train_step      1,234\n"
            "  update              5\n"
            "\n"
            "  memory         size\n"
            "  parameters  1.0 MiB\n"
            "  arena         512 B\n"
            "  peak        1.0 MiB\n"
            "  the peak is at entry_point train_step, launch 7, site lm_head\n"
            "\n"
            "  kernel  count  family  flops  bytes\n"
            "  k0          3  map     6,000  2,048\n"
            "\n"
            "  collective     size  where\n"
            "  all_reduce  4.0 KiB  q_proj\n"
            "\n"
            "  passes\n"
            "  ft-prune-graph: pruned 12, kept 3\n"
            "    no gradient of 'x' is asked for\n"
            "  cse\n");
}

TEST(Inspect, TakesAReportThatLacksParts) {
  EXPECT_EQ(packageText(json::Value::object()), "- -, - tokens a step\n"
                                                "\n  entry point  launches\n"
                                                "\n  memory  size\n"
                                                "\n  kernel  count  family  flops  bytes\n");
}

} // namespace
} // namespace ftc
