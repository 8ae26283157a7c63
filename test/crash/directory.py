# What must hold of the output directory of a run, whenever that ends. Sums are taken here anew.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import ctypes
import json
import os
import re

# Has seconds and memory in it; its steps are compared.
METRICS = "metrics.jsonl"
# The last file of a result that appears.
LAST = "trainer_state.json"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def snapshot(folder):
    """Relative path -> bytes of every file below `folder` but the metrics."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(base, name)
            key = os.path.relpath(path, folder)
            if key != METRICS:
                found[key] = None if os.path.isdir(path) else read(path)
    return found


def metrics(folder):
    """What the metrics say that does not depend on the clock, line by line."""
    timed = ("tokens_per_second", "step_seconds", "mfu")
    lines = read(os.path.join(folder, METRICS)).decode().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


def checkpoints(folder):
    """The steps of the checkpoints by name."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(int(name[11:]) for name in names if re.fullmatch(r"checkpoint-\d+", name))


def temporary(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(name for name in names if ".tmp-" in name)


def published(log, executed_last):
    """The checkpoints that the logged calls leave; the last call was made or was not."""
    lines = log.splitlines()
    if not executed_last:
        lines = lines[:-1]
    steps = set()
    for line in lines:
        match = re.fullmatch(r"\d+ rename (\S+) -> (\S+)", line)
        if match:
            for path, change in zip(match.groups(), (steps.discard, steps.add)):
                name = re.fullmatch(r"out/checkpoint-(\d+)", path)
                if name:
                    change(int(name[1]))
    return steps


class Checker:
    def __init__(self, shim, reference):
        self.crc32c = ctypes.CDLL(shim).crash_crc32c
        self.crc32c.argtypes, self.crc32c.restype = [ctypes.c_char_p, ctypes.c_size_t], ctypes.c_uint32
        self.reference = reference  # relative path -> bytes

    def faults_of_checkpoint(self, folder, step):
        """Why a checkpoint is not whole."""
        where = "checkpoint-%d: " % step
        path = os.path.join(folder, "checkpoint-%d" % step)
        try:
            manifest = json.loads(read(os.path.join(path, "MANIFEST.json")))
        except (OSError, ValueError) as error:
            yield where + "manifest: %s" % error
            return
        if manifest["step"] != step:
            yield where + "manifest of step %d" % manifest["step"]
        listed = {entry["name"] for entry in manifest["files"]}
        there = set(os.listdir(path)) - {"MANIFEST.json"}
        if listed != there or not listed:
            yield where + "the manifest lists %s, there are %s" % (sorted(listed), sorted(there))
        for entry in manifest["files"]:
            if entry["name"] in there:
                data = read(os.path.join(path, entry["name"]))
                crc = "%08x" % self.crc32c(data, len(data))
                if len(data) != entry["bytes"] or crc != entry["crc32c"]:
                    yield where + "%s has %d bytes and sum %s, listed are %d and %s" % (
                        entry["name"], len(data), crc, entry["bytes"], entry["crc32c"])

    def faults(self, folder, expected):
        """Of a directory that a run left behind somewhere; `expected` checkpoints must be there."""
        steps = checkpoints(folder)
        for step in steps:
            yield from self.faults_of_checkpoint(folder, step)
        if not expected <= set(steps):
            yield "saved were %s, there are %s" % (sorted(expected), steps)
        # A result is there whole or without its last file.
        if os.path.exists(os.path.join(folder, LAST)):
            for key, content in self.reference.items():
                if "/" not in key and not key.startswith("checkpoint-"):
                    path = os.path.join(folder, key)
                    if not os.path.exists(path) or read(path) != content:
                        yield "the result's %s differs or is missing" % key

    def differences(self, folder, ended_by_signals=False):
        """Of the directory of a finished run from that of the undisturbed one. A signal saves a checkpoint
        more, which stays instead of an older one: then only the last is compared."""
        found = snapshot(folder)
        last = "checkpoint-%d" % max(checkpoints(folder), default=0)
        for key in sorted(set(found) | set(self.reference)):
            top = key.split("/")[0]
            if ended_by_signals and top.startswith("checkpoint-") and top != last:
                continue
            if key not in found:
                yield key + " is missing"
            elif key not in self.reference:
                yield key + " is left"
            elif found[key] != self.reference[key]:
                yield key + " differs"
