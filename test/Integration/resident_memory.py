#!/usr/bin/env python3
# resident_memory.py: what a training process has in memory, seen from outside, beside its package's certificate.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""resident_memory.py PACKAGE INSPECT.json WEIGHTS DATA SCRATCH [--threads N]

Starts `ftc train` (of the PATH) for many steps, stops the process after some, reads /proc/PID/smaps, lets it go on
for more, reads again, and ends it. Fails unless

- the mappings that the runtime made are arena + state + scratch of each thread, to the page, and the weights' file is
  resident as far as the certificate says (all weights are used);
- everything else (code, libraries, heap, stacks, OpenBLAS's buffers) is within the slack below;
- the process has as much in its last step as in its first ones, and never had more.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
# What the certificate does not count. Code: ftc is linked to LLVM and MLIR, of which the kernel maps what it likes to
# read ahead. OpenBLAS packs factors in a buffer of each thread that it takes when it is loaded.
SLACK_CODE, SLACK_HEAP, SLACK_BLAS_PER_THREAD = 128 * MIB, 16 * MIB, 32 * MIB
FIRST, LAST = 3, 12  # steps
PATIENCE = 300  # seconds


def mappings(pid):
    """(name, size, resident, flags) of every mapping."""
    result = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as smaps:
        for line in smaps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                fields = line.split(None, 5)
                result.append([fields[5].strip() if len(fields) > 5 else "", 0, 0, []])
            elif line.startswith("Size:"):
                result[-1][1] = int(line.split()[1]) * 1024
            elif line.startswith("Rss:"):
                result[-1][2] = int(line.split()[1]) * 1024
            elif line.startswith("VmFlags:"):
                result[-1][3] = line.split()[1:]
    return result


def high_water(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


class Snapshot:
    """The process by what its memory is for."""

    def __init__(self, pid, weights):
        self.parts = {"weights": 0, "planned": 0, "code": 0, "heap and others": 0}
        self.planned_size = 0
        for name, size, resident, flags in mappings(pid):
            if os.path.dirname(name) == os.path.abspath(weights):
                self.parts["weights"] += resident
            elif not name and "hg" in flags:  # the runtime asks for huge pages, nobody else does
                self.parts["planned"] += resident
                self.planned_size += size
            elif name.startswith("/"):
                self.parts["code"] += resident
            else:
                self.parts["heap and others"] += resident
        self.total = sum(self.parts.values())
        self.most = high_water(pid)


class Run:
    def __init__(self, options):
        self.metrics = os.path.join(options.scratch, "metrics.jsonl")
        command = ["ftc", "train", options.package, "--weights", options.weights, "--data", options.data, "--output",
                   os.path.join(options.scratch, "out"), "--metrics", self.metrics, "--max-steps", "1000000",
                   "--threads", str(options.threads)]
        self.weights = options.weights
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def after(self, step):
        """A snapshot when at least `step` steps are done."""
        begin = time.monotonic()
        while True:
            if self.process.poll() is not None:
                sys.exit(f"ftc train ended with {self.process.returncode}: {self.process.stderr.read()}")
            if os.path.exists(self.metrics):
                with open(self.metrics, encoding="utf-8") as lines:
                    if sum(1 for _ in lines) >= step:
                        break
            if time.monotonic() - begin > PATIENCE:
                sys.exit(f"no step {step} within {PATIENCE} s")
            time.sleep(0.01)
        self.process.send_signal(signal.SIGSTOP)
        snapshot = Snapshot(self.process.pid, self.weights)
        self.process.send_signal(signal.SIGCONT)
        return snapshot

    def end(self):
        self.process.kill()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    for name in ["package", "inspect", "weights", "data", "scratch"]:
        parser.add_argument(name)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with open(options.inspect, encoding="utf-8") as file:
        memory = json.load(file)["memory"]
    regions = [memory["arena"] - memory["tables"], memory["state"], memory["workspace"] * options.threads]
    planned = sum(-(-region // PAGE) * PAGE for region in regions)
    certificate = memory["peak"] + memory["workspace"] * options.threads

    run = Run(options)
    try:
        first, last = run.after(FIRST), run.after(LAST)
    finally:
        run.end()

    print(f"certificate {certificate / MIB:8.1f} MiB: weights {memory['parameters'] / MIB:.1f}, "
          f"arena, state and scratch {planned / MIB:.1f}")
    for name, snapshot in [(f"step {FIRST}", first), (f"step {LAST}", last)]:
        parts = ", ".join(f"{part} {resident / MIB:.1f}" for part, resident in snapshot.parts.items())
        print(f"{name:11} {snapshot.total / MIB:8.1f} MiB: {parts}; most until then {snapshot.most / MIB:.1f}")

    failures = []

    def expect(holds, text):
        if not holds:
            failures.append(text)

    for snapshot in [first, last]:
        parts = snapshot.parts
        expect(snapshot.planned_size == planned, f"{snapshot.planned_size} bytes are mapped, {planned} are planned")
        # Not every product's scratch is touched by every thread.
        expect(0.97 * (planned - regions[2]) <= parts["planned"] <= planned,
               f"{parts['planned']} of {planned} planned bytes are used")
        expect(0.97 * memory["parameters"] <= parts["weights"] <= 1.01 * memory["parameters"] + MIB,
               f"{parts['weights']} bytes of weights are resident, {memory['parameters']} are stored")
        expect(parts["code"] <= SLACK_CODE, f"code takes {parts['code']} bytes, more than {SLACK_CODE}")
        rest = SLACK_HEAP + SLACK_BLAS_PER_THREAD * options.threads
        expect(parts["heap and others"] <= rest, f"the heap takes {parts['heap and others']} bytes, more than {rest}")
    expect(last.total <= first.total + MIB, f"the process grew from {first.total} to {last.total} bytes")
    expect(last.most <= last.total + 2 * MIB, f"it had {last.most} bytes once, and has {last.total}")
    for failure in failures:
        print("FAILED:", failure)
    print("within the certificate and its slack" if not failures else f"{len(failures)} failed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
