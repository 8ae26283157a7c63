# Trains one package with one key after the other changed.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: keys.py FTC CASE DATA SCRATCH"""

import hashlib
import json
import os
import subprocess
import sys

from cases import data_for, golden_case

COMPILED = {"per_device_train_batch_size", "max_length", "max_segments", "bf16", "optim", "gradient_checkpointing",
            "attn_implementation", "loss", "mesh", "memory_budget", "trainable", "quantization"}
# Each with what must be set beside it to matter.
STEPS = {"learning_rate": 0.02, "lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"power": 2.0}, "warmup_steps": 3,
         "warmup_ratio": 0.5, "weight_decay": 0.5, "adam_beta1": 0.5, "adam_beta2": 0.9, "adam_epsilon": 0.01,
         "max_grad_norm": 0.01, "gradient_accumulation_steps": 2, "seed": 7, "data_seed": 7, "max_steps": 4,
         "num_train_epochs": 1.0}
BESIDE = {"lr_scheduler_kwargs": ["lr_scheduler_type=polynomial"], "num_train_epochs": ["max_steps=-1"]}
OTHERS = {"packing": True, "logging_strategy": "epoch", "logging_steps": 1, "logging_first_step": True,
          "save_strategy": "epoch", "save_steps": 2, "save_total_limit": 1, "eval_strategy": "epoch", "eval_steps": 2,
          "load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "report_to": "none", "logging_dir": None}
WITH_EVALUATION = {"load_best_model_at_end": ["save_steps=2", "eval_steps=2"]}


def main():
    ftc, folder, rows, scratch = sys.argv[1:]
    case, work = golden_case(os.path.dirname(folder), os.path.basename(folder), scratch)
    data = data_for(case, rows, os.path.join(work, "data.jsonl"))
    config, package = os.path.join(work, "train.json"), os.path.join(work, "step.ftp")
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"per_device_train_batch_size": 2, "max_length": 16, "learning_rate": 0.01, "max_steps": 6}, file)
    subprocess.run([ftc, "compile", "--model", case.model, "--adapter", case.adapter, "--train", config, "-o", package],
                   check=True, stdout=subprocess.DEVNULL)

    def digest():
        with open(package, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def train(name, *sets):
        output = os.path.join(work, name)
        command = [ftc, "train", package, "--weights", case.model, "--data", data, "--eval-data", data, "--output", output]
        done = subprocess.run([*command, *(word for each in sets for word in ("--set", each))], check=False,
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr}")
        with open(os.path.join(output, "metrics.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return [(line["loss"], line["learning_rate"]) for line in lines if "loss" in line]

    before = digest()
    inspected = subprocess.run([ftc, "inspect", package, "--json"], check=True, stdout=subprocess.PIPE).stdout
    known = set(json.loads(inspected)["train_config"])
    if unknown := known - COMPILED - set(STEPS) - set(OTHERS):
        sys.exit(f"keys that this test does not know: {sorted(unknown)}")
    for key in sorted(STEPS):
        beside = BESIDE.get(key, [])
        if train(f"{key}-as-it-is", *beside) == train(key, *beside, f"{key}={json.dumps(STEPS[key])}"):
            sys.exit(f"{key}: {STEPS[key]} changes nothing")
    print("keys that change the steps:", *sorted(STEPS))
    plain = train("plain")
    others = sorted(set(OTHERS) & known)
    for key in others:
        if train(key, *WITH_EVALUATION.get(key, []), f"{key}={json.dumps(OTHERS[key])}") != plain:
            sys.exit(f"{key}: {OTHERS[key]} changes the steps")
    print("keys that change what is told or saved:", *others)
    if digest() != before:
        sys.exit("the package has changed")
    print("the package is as it was")


main()
