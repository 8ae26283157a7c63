#!/usr/bin/env python3
# Writes schedules.json: learning rates of transformers' get_scheduler, for ScheduleTest.cpp.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""schedules.py: needs torch and transformers (test/golden/requirements.txt).

Each row: the schedule with its keywords, rate, warmup and total, and the rates of steps 1 to total as the
optimizer had them, each the shortest text that reads back to the same double."""

import json
import os

import torch
from transformers import SchedulerType, get_scheduler

ROWS = [
    ("linear", {}),
    ("cosine", {}), ("cosine", {"num_cycles": 1.25}),
    ("constant", {}), ("constant_with_warmup", {}),
    ("cosine_with_restarts", {}), ("cosine_with_restarts", {"num_cycles": 3}),
    ("polynomial", {}), ("polynomial", {"power": 2, "lr_end": 1e-5}), ("polynomial", {"power": 0.5, "lr_end": 0.0}),
    ("inverse_sqrt", {}), ("inverse_sqrt", {"timescale": 7}),
    ("cosine_with_min_lr", {"min_lr": 3e-5}), ("cosine_with_min_lr", {"min_lr_rate": 0.1, "num_cycles": 0.75}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", {"min_lr": 1e-5, "warmup_lr_rate": 0.05}),
    ("warmup_stable_decay", {"num_decay_steps": 6}),
    ("warmup_stable_decay", {"num_decay_steps": 5, "num_stable_steps": 4, "min_lr_ratio": 0.1,
                             "warmup_type": "cosine", "decay_type": "1-sqrt"}),
    ("warmup_stable_decay", {"num_decay_steps": 30, "warmup_type": "1-sqrt", "decay_type": "linear"}),
    ("warmup_stable_decay", {"num_decay_steps": 9, "num_cycles": 1.0, "min_lr_ratio": 0.02}),
]
SHAPES = [(2e-4, 4, 23), (0.00031, 0, 11), (5e-5, 13, 14)]


def rates(name, keywords, rate, warmup, total):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total,
                             scheduler_specific_kwargs=keywords)
    result = []
    for _ in range(total):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return result


def main():
    # What depends on the losses of the run is no function of the step.
    covered = {name for name, _ in ROWS} | {"reduce_lr_on_plateau", "greedy"}
    assert covered == {kind.value for kind in SchedulerType}, covered ^ {kind.value for kind in SchedulerType}
    lines = []
    for name, keywords in ROWS:
        for rate, warmup, total in SHAPES:
            lines.append(json.dumps({"lr_scheduler_type": name, "lr_scheduler_kwargs": keywords or None,
                                     "learning_rate": rate, "warmup_steps": warmup, "max_steps": total,
                                     "rates": rates(name, keywords, rate, warmup, total)}))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[" + ",\n ".join(lines) + "]\n")


main()
