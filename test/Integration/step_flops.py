# The operations that a step needs, by the shapes of a model of Llama's or Gemma 2's kind alone.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: step_flops.py CONFIG.json METRICS.jsonl RANK LENGTH...

RANK: of LoRA on q_proj and v_proj; 0: full fine-tuning of a model with tied embeddings. LENGTH: of
each sequence of the step, of which every token but the first is predicted. Each step of the metrics
must have exactly these operations.
"""

import json
import sys


def products(config, rank, rows, predicted):
    """Matrix products of forward and backward, a multiply-add being two."""
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    width = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    q, k, o, mlp = 2 * hidden * width, 2 * hidden * keys, 2 * width * hidden, 6 * hidden * inner
    head = 2 * hidden * config["vocab_size"]
    layer = q + 2 * k + o + mlp
    if rank == 0:
        # Forward, gradient of the input, gradient of the weight.
        return 3 * (layers * layer * rows + head * predicted)
    down, up = 2 * hidden * rank, {"q": 2 * rank * width, "v": 2 * rank * keys}
    adapters = 2 * down + up["q"] + up["v"]
    forward = layer + adapters
    # The first layer's input needs no gradient: what leads to it alone is left out.
    backward = layer + 2 * adapters
    first = o + mlp + 2 * adapters - 2 * down
    return rows * (layers * forward + (layers - 1) * backward + first) + 2 * head * predicted


def attention(config, rank, lengths):
    total = 0
    for layer in range(config["num_hidden_layers"]):
        types = config.get("layer_types") or ["full_attention"] * config["num_hidden_layers"]
        window = config["sliding_window"] if types[layer] == "sliding_attention" else 0
        # Scores and values; gradients of scores, query, key (but of the first layer with an adapter) and value.
        count = 5 if rank and layer == 0 else 6
        for length in lengths:
            pairs = (2 * length - window) * window if window and window < length else length * length
            total += count * pairs * config["num_attention_heads"] * config["head_dim"]
    return total


def main():
    config = json.load(open(sys.argv[1], encoding="utf-8"))
    rank, lengths = int(sys.argv[3]), [int(word) for word in sys.argv[4:]]
    rows, predicted = sum(lengths), sum(lengths) - len(lengths)
    expected = products(config, rank, rows, predicted) + attention(config, rank, lengths)
    steps = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
    if not steps:
        sys.exit("no steps")
    for step in steps:
        if step["flops"] != expected:
            sys.exit(f"step {step['step']}: {step['flops']} operations, by the formula {expected}")
    print(f"{len(steps)} steps of {expected} operations")


main()
