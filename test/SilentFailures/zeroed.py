# Copies a model directory; tensors whose name ends so are all zero in the copy.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: zeroed.py MODEL COPY ENDING"""

import json
import os
import shutil
import struct
import sys


def main():
    source, copy, ending = sys.argv[1:]
    shutil.copytree(source, copy)
    path = os.path.join(copy, "model.safetensors")
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        chosen = [entry for name, entry in header.items() if name.endswith(ending)]
        assert chosen, f"{path}: no tensor's name ends with {ending}"
        for entry in chosen:
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            file.write(bytes(end - begin))


main()
