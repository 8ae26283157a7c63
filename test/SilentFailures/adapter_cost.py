# What a step with DoRA does beside one with LoRA, by the packages' plans.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: adapter_cost.py FTC MODELS SCRATCH"""

import json
import os
import subprocess
import sys

# Most of DoRA's figure over LoRA's: operations, bytes moved, memory, launches.
BOUNDS = {512: (1.02, 1.55, 1.1, 1.8), 2048: (1.01, 1.5, 1.1, 1.8)}


def figures(ftc, models, scratch, name, dora, length):
    adapter, config, package = (os.path.join(scratch, f"{name}-{length}{end}") for end in ("", ".yaml", ".ftp"))
    os.mkdir(adapter)
    with open(os.path.join(models, "lora-all-linear", "adapter_config.json"), encoding="utf-8") as file:
        settings = json.load(file)
    with open(os.path.join(adapter, "adapter_config.json"), "w", encoding="utf-8") as file:
        json.dump({**settings, "use_dora": dora}, file)
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"per_device_train_batch_size: 1\nmax_length: {length}\n")
    subprocess.run([ftc, "compile", "--model", os.path.join(models, "SmolLM2-135M"), "--adapter", adapter, "--train",
                    config, "-o", package], check=True, stdout=subprocess.DEVNULL)
    plan = json.loads(subprocess.run([ftc, "inspect", package, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    step = next(entry for entry in plan["entry_points"] if entry["name"] == "train_step")
    return step["flops"], step["bytes"], plan["memory"]["peak"], step["launches"]


def main():
    ftc, models, scratch = sys.argv[1:]
    failed = False
    for length, bounds in BOUNDS.items():
        lora, dora = (figures(ftc, models, scratch, name, name == "dora", length) for name in ("lora", "dora"))
        ratios = [ours / theirs for ours, theirs in zip(dora, lora)]
        good = all(1 < ratio <= bound for ratio, bound in zip(ratios, bounds))
        failed |= not good
        print(f"{length} tokens: DoRA beside LoRA: " + ", ".join(
            f"{ratio:.3f} of the {what} (at most {bound})"
            for what, ratio, bound in zip(("operations", "bytes moved", "memory", "launches"), ratios, bounds)) +
            (": within the bounds" if good else ": OUT OF BOUNDS"))
    return failed


sys.exit(main())
