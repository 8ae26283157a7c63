# What a package keeps for the backward against the formula.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check_saved.py CONFIG.json ADAPTERS LAYERS RANK OUTSIDE INSPECT.json: bytes kept for the backward against docs/memory-curve.md.

ADAPTERS of rank RANK in each of the LAYERS uppermost layers; with OUTSIDE 1 what is kept outside of layers counts
as allowed, 4 hidden + 4 bytes. Prints the ratio; above 1.02 the exit status is 1.
"""

import json
import sys


def main():
    config_path, adapters, layers, rank, outside, inspect_path = sys.argv[1:]
    with open(config_path, encoding="utf-8") as file:
        config = json.load(file)
    with open(inspect_path, encoding="utf-8") as file:
        package = json.load(file)
    heads = config["num_attention_heads"]
    hidden = config["hidden_size"]
    head_dim = config.get("head_dim") or hidden // heads
    query, key = heads * head_dim, config["num_key_value_heads"] * head_dim
    layer = (4 * hidden + 4 * query + 4 * key + 4 * config["intermediate_size"] + 4 * heads + 8
             + 2 * int(rank) * int(adapters))
    allowed = layer * int(layers) + int(outside) * (4 * hidden + 4)
    kept = package["memory"]["saved_activations"] / package["tokens"]
    print(f"{kept:.0f} of {allowed} bytes a token, {kept / allowed:.4f}")
    return kept > 1.02 * allowed


sys.exit(main())
