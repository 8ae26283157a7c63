# Trains golden cases for four steps and compares what was saved with what training began with.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: moved.py GOLDEN SCRATCH FTC CASE..."""

import json
import os
import struct
import subprocess
import sys


def tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    payload = data[8 + length:]
    return {name: payload[slice(*entry["data_offsets"])] for name, entry in header.items()}


def main():
    golden, scratch, ftc, *cases = sys.argv[1:]
    for case in cases:
        folder = os.path.join(golden, case)
        model, adapter = (os.path.join(folder, name) for name in ("model", "adapter"))
        full = not os.path.isdir(adapter)
        package, output = (os.path.join(scratch, case + end) for end in (".ftp", ""))
        subprocess.run([ftc, "compile", "--model", model, "--adapter", "none" if full else adapter, "--train",
                        os.path.join(folder, "train.yaml"), "-o", package], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([ftc, "train", package, "--weights", model, "--data", os.path.join(folder, "data.jsonl"),
                        "--output", output, "--max-steps", "4", *([] if full else ["--adapter-weights", adapter])],
                       check=True, stdout=subprocess.DEVNULL)
        name = "model.safetensors" if full else "adapter_model.safetensors"
        before, after = tensors(os.path.join(model if full else adapter, name)), tensors(os.path.join(output, name))
        trained = set(tensors(os.path.join(folder, "expected.safetensors"))) - {"loss"}
        if missing := trained - set(before) | trained - set(after):
            sys.exit(f"{case}: no tensor {sorted(missing)[0]}")
        if still := [tensor for tensor in sorted(trained) if before[tensor] == after[tensor]]:
            sys.exit(f"{case}: {len(still)} of {len(trained)} trained tensors are as before, the first {still[0]}")
        print(f"{case}: all {len(trained)} trained tensors have moved")


main()
