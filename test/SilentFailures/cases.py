# Golden cases (test/golden) as these tests train them.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import collections
import json
import os

Case = collections.namedtuple("Case", "model adapter")


def golden_case(golden, name, scratch):
    """The case NAME or bf16:NAME (adapter None: full fine-tuning), and a new folder for it in scratch."""
    model, adapter = (os.path.join(golden, name.split(":")[-1], kind) for kind in ("model", "adapter"))
    folder = os.path.join(scratch, name.replace(":", "-"))
    os.mkdir(folder)
    return Case(model, adapter if os.path.isdir(adapter) else None), folder


def data_for(case, rows, path):
    """Writes the token ids of the lines of `rows`, within the case's vocabulary; returns the path."""
    with open(os.path.join(case.model, "config.json"), encoding="utf-8") as file:
        vocabulary = json.load(file)["vocab_size"]
    with open(rows, encoding="utf-8") as source, open(path, "w", encoding="utf-8") as file:
        for line in source:
            ids = [token % vocabulary for token in json.loads(line)["input_ids"]]
            file.write(json.dumps({"input_ids": ids}) + "\n")
    return path
