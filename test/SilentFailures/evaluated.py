# Trains cases with an evaluation at the end, and evaluates what was saved.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: evaluated.py FTC GOLDEN DATA SCRATCH [bf16:|rounded:]CASE..."""

import json
import os
import subprocess
import sys

from cases import data_for, golden_case

CONFIG = {"per_device_train_batch_size": 2, "max_length": 16, "learning_rate": 0.01, "lr_scheduler_type": "constant",
          "max_steps": 6, "eval_steps": 3}


def main():
    ftc, golden, rows, scratch, *names = sys.argv[1:]
    for name in names:
        case, folder = golden_case(golden, name, scratch)
        data = data_for(case, rows, os.path.join(folder, "data.jsonl"))
        config, package, output = (os.path.join(folder, file) for file in ("train.json", "step.ftp", "out"))
        with open(config, "w", encoding="utf-8") as file:
            json.dump({**CONFIG, "bf16": name.startswith("bf16:")}, file)

        def run(*command):
            return subprocess.run([ftc, *command], check=True, stdout=subprocess.PIPE).stdout

        run("compile", "--model", case.model, "--adapter", case.adapter or "none", "--train", config, "-o", package)
        run("train", package, "--weights", case.model, "--data", data, "--eval-data", data, "--output", output,
            *(["--adapter-weights", case.adapter] if case.adapter else []))
        with open(os.path.join(output, "trainer_state.json"), encoding="utf-8") as file:
            trained = [entry["eval_loss"] for entry in json.load(file)["log_history"] if "eval_loss" in entry]
        weights = ["--weights", case.model, "--adapter-weights", output] if case.adapter else ["--weights", output]
        saved = json.loads(run("evaluate", package, *weights, "--data", data))["loss"]
        if len(trained) != 2 or trained[0] == trained[1]:
            sys.exit(f"{name}: evaluation losses {trained}: expected two that differ")
        if name.startswith("rounded:") and saved != trained[-1] and abs(saved - trained[-1]) <= 1e-3 * saved:
            print(f"{name}: loss {trained[-1]!r}, saved {saved!r}: rounded")
            continue
        if saved != trained[-1]:
            sys.exit(f"{name}: the last evaluation of the run gave {trained[-1]!r}, what it saved gives {saved!r}")
        print(f"{name}: loss {trained[-1]!r}, saved {saved!r}: the same bits")


main()
