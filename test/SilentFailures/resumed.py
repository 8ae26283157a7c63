# Trains cases without a stop, then goes on from each checkpoint, and compares all that is left.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: resumed.py FTC GOLDEN DATA SCRATCH [bf16:]CASE..."""

import json
import os
import shutil
import subprocess
import sys

from cases import data_for, golden_case

CONFIG = {"per_device_train_batch_size": 2, "max_length": 16, "gradient_accumulation_steps": 2, "learning_rate": 0.005,
          "lr_scheduler_type": "cosine", "warmup_steps": 2, "weight_decay": 0.1, "max_steps": 10, "logging_steps": 3,
          "save_steps": 1}
STEPS = (3, 4, 6, 8, 9)


def contents(folder):
    """The bytes of every file below, without what a clock decides."""
    result = {}
    for top, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(top, file)
            with open(path, "rb") as stream:
                data = stream.read()
            if file == "metrics.jsonl":
                lines = [json.loads(line) for line in data.decode().splitlines()]
                data = [[line.get(key) for key in ("step", "loss", "grad_norm", "learning_rate")] for line in lines]
            result[os.path.relpath(path, folder)] = data
    return result


def main():
    ftc, golden, rows, scratch, *names = sys.argv[1:]
    for name in names:
        case, folder = golden_case(golden, name, scratch)
        config, data, package, whole = (os.path.join(folder, file)
                                        for file in ("train.json", "data.jsonl", "step.ftp", "whole"))
        data_for(case, rows, data)
        with open(config, "w", encoding="utf-8") as file:
            json.dump({**CONFIG, "bf16": name.startswith("bf16:")}, file)
        subprocess.run([ftc, "compile", "--model", case.model, "--adapter", case.adapter or "none", "--train", config,
                        "-o", package], check=True, stdout=subprocess.DEVNULL)

        def train(output, *flags):
            done = subprocess.run([ftc, "train", package, "--weights", case.model, "--data", data, "--output", output,
                                   *flags], check=False, capture_output=True, text=True)
            if done.returncode or "warning" in done.stderr:
                sys.exit(f"{name}: {done.stderr}")

        # The path of the output is part of what is written.
        train(whole)
        expected = contents(whole)
        kept = os.path.join(folder, "kept")
        os.rename(whole, kept)
        for step in STEPS:
            os.mkdir(whole)
            for saved in range(1, step + 1):
                shutil.copytree(os.path.join(kept, f"checkpoint-{saved}"), os.path.join(whole, f"checkpoint-{saved}"))
            shutil.copy(os.path.join(kept, "metrics.jsonl"), whole)
            train(whole, "--resume")
            found = contents(whole)
            if set(found) != set(expected):
                sys.exit(f"{name}: from step {step}: other files: {sorted(set(found) ^ set(expected))}")
            if other := [file for file in sorted(expected) if found[file] != expected[file]]:
                sys.exit(f"{name}: from step {step}: {', '.join(other)} differ")
            shutil.rmtree(whole)
        print(f"{name.replace(':', ' ')}: from {' '.join(map(str, STEPS))}: the same bits")


main()
