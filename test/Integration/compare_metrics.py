# Compares the losses and gradient norms of two metrics files, step by step.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: compare_metrics.py A.jsonl B.jsonl RELATIVE"""

import json
import sys


def main():
    first, second = ([json.loads(line) for line in open(path, encoding="utf-8")] for path in sys.argv[1:3])
    tolerance = float(sys.argv[3])
    if not first or len(first) != len(second):
        sys.exit(f"{len(first)} and {len(second)} steps: expected as many, and some")
    for a, b in zip(first, second):
        for key in ("loss", "grad_norm", "learning_rate"):
            if abs(a[key] - b[key]) > tolerance * abs(a[key]):
                sys.exit(f"step {a['step']}: {key} is {a[key]} and {b[key]}")
    print(f"{len(first)} steps agree")


main()
