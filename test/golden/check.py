#!/usr/bin/env python3
# check.py: compares gradients and training losses with the golden ones. Python's standard library only.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Exit 0: they agree. 1: they do not, or a file is wrong (one line on stderr for each reason). 2: wrong usage.
"""check.py gradients EXPECTED.safetensors ACTUAL.safetensors
check.py losses LOSSES.json METRICS.jsonl

Tolerances are relative: loss 1e-6; each gradient ||a - e|| / ||e|| 2e-5; training losses 1e-4, gradient norms 1e-3,
learning rates 1e-6."""

import argparse
import array
import json
import math
import struct
import sys

LOSS = 1e-6
GRADIENT = 2e-5
TRAINING_LOSS = 1e-4
GRAD_NORM = 1e-3
LEARNING_RATE = 1e-6


class Failure(Exception):
    """The comparison fails; each argument is one line that says why."""


def read_safetensors(path):
    """Returns {name: (shape, array of float)}; refuses what is not a whole file of F32 tensors."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}")
    if len(data) < 8:
        raise Failure(f"{path}: {len(data)} bytes are too few for a safetensors file")
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8:
        raise Failure(f"{path}: header of {length} bytes in a file of {len(data)}")
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"))
        if not isinstance(header, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise Failure(f"{path}: the header is not JSON: {error}")
    payload = memoryview(data)[8 + length :]
    tensors, spans = {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape, (begin, end) = entry["dtype"], list(entry["shape"]), entry["data_offsets"]
            if not all(isinstance(number, int) for number in (*shape, begin, end)):
                raise ValueError
        except (TypeError, KeyError, ValueError):
            raise Failure(f"{path}: {name}: needs dtype, shape and data_offsets")
        if dtype != "F32":
            raise Failure(f"{path}: {name}: dtype {dtype}, should be F32")
        if not 0 <= begin <= end <= len(payload) or end - begin != 4 * math.prod(shape):
            raise Failure(f"{path}: {name}: offsets [{begin}, {end}] do not hold shape {shape}")
        values = array.array("f")
        assert values.itemsize == 4
        values.frombytes(payload[begin:end])
        if sys.byteorder == "big":
            values.byteswap()
        tensors[name] = (shape, values)
        spans.append((begin, end))
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise Failure(f"{path}: the tensors do not tile the data at byte {position}")
        position = end
    if position != len(payload):
        raise Failure(f"{path}: {len(payload) - position} bytes after the last tensor")
    return tensors


def norm(values):
    return math.sqrt(math.fsum(v * v for v in values))


def relative(actual, expected):
    if not math.isfinite(actual):
        return math.inf
    if expected == 0:
        return 0.0 if actual == 0 else math.inf
    return abs(actual - expected) / abs(expected)


def check_gradients(expected_path, actual_path):
    """Returns the line to print; raises Failure with every reason at once."""
    expected, actual = read_safetensors(expected_path), read_safetensors(actual_path)
    if "loss" not in expected:
        raise Failure(f"{expected_path}: no tensor 'loss'")
    reasons, worst = [], (-1.0, "no gradient")
    for name in sorted(set(actual) - set(expected)):
        reasons.append(f"{name}: not among the expected tensors")
    for name, (shape, reference) in sorted(expected.items()):
        if name not in actual:
            reasons.append(f"{name}: missing")
            continue
        actual_shape, values = actual[name]
        if actual_shape != shape:
            reasons.append(f"{name}: shape {actual_shape}, should be {shape}")
            continue
        if name == "loss":
            off = relative(values[0], reference[0])
            if not off <= LOSS:
                reasons.append(f"loss: {values[0]!r}, should be {reference[0]!r} (off by {off:.2e} > {LOSS:g})")
            loss_off = off
            continue
        if all(map(math.isfinite, values)):
            distance, size = norm([a - e for a, e in zip(values, reference)]), norm(reference)
            off = distance / size if size else (0.0 if distance == 0 else math.inf)
        else:
            off = math.inf
        worst = max(worst, (off, name))
        if not off <= GRADIENT:
            size, length = norm(reference), norm(values)
            reasons.append(f"{name}: off by {off:.2e} > {GRADIENT:g} (norm {length:.6g}, should be {size:.6g})")
    if reasons:
        raise Failure(*reasons)
    return f"loss off by {loss_off:.1e}; {len(expected) - 1} gradients, worst {worst[1]} off by {worst[0]:.1e}"


def read_losses(path):
    try:
        with open(path, encoding="utf-8") as file:
            expected = json.load(file)
        columns = [expected[key] for key in ("losses", "grad_norms", "learning_rates")]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}")
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path}: needs losses, grad_norms and learning_rates: {error}")
    if len({len(column) for column in columns}) != 1:
        raise Failure(f"{path}: losses, grad_norms and learning_rates differ in length")
    return columns


def read_metrics(path):
    """The JSON objects that have a `loss`, in file order."""
    steps = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        entry = json.loads(line)
                        if not isinstance(entry, dict):
                            raise ValueError("not an object")
                    except ValueError as error:
                        raise Failure(f"{path}:{number}: not a JSON object: {error}")
                    if "loss" in entry:
                        steps.append((number, entry))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}")
    return steps


def check_losses(losses_path, metrics_path):
    losses, norms, rates = read_losses(losses_path)
    steps = read_metrics(metrics_path)
    if len(steps) != len(losses):
        raise Failure(f"{metrics_path}: {len(steps)} steps with a loss, should be {len(losses)}")
    reasons = []
    worst = {}
    for index, (number, entry) in enumerate(steps):
        if entry.get("step") != index + 1:
            reasons.append(f"{metrics_path}:{number}: step {entry.get('step')}, should be {index + 1}")
        for key, expected, limit in (
            ("loss", losses[index], TRAINING_LOSS),
            ("grad_norm", norms[index], GRAD_NORM),
            ("learning_rate", rates[index], LEARNING_RATE),
        ):
            value = entry.get(key)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                reasons.append(f"{metrics_path}:{number}: {key}: {value!r} is not a number")
                continue
            off = relative(value, expected)
            worst[key] = max(worst.get(key, 0.0), off)
            if not off <= limit:
                reasons.append(
                    f"{metrics_path}:{number}: {key} {value!r}, should be {expected!r} (off by {off:.2e} > {limit:g})"
                )
    if reasons:
        raise Failure(*reasons)
    return f"{len(losses)} steps; worst " + ", ".join(f"{key} off by {off:.1e}" for key, off in worst.items())


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, files in (("gradients", ("EXPECTED", "ACTUAL")), ("losses", ("LOSSES", "METRICS"))):
        command = commands.add_parser(name)
        for file in files:
            command.add_argument(file)
    options = vars(parser.parse_args(arguments))
    try:
        if options["command"] == "gradients":
            print("ok:", check_gradients(options["EXPECTED"], options["ACTUAL"]))
        else:
            print("ok:", check_losses(options["LOSSES"], options["METRICS"]))
    except Failure as failure:
        for reason in failure.args:
            print("failed:", reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
