#!/usr/bin/env python3
# Runs the checks on planted faults: each must be caught by the check that is said to catch it.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Mutation testing over one build.

    run.py --build DIR [--mutant NAME ...] [--check NAME ...] [--matrix] [--results FILE.json]
    run.py --table            only compare the names in the sources with mutants.json

DIR is a build configured with -DFTC_MUTANTS=ON. Every check must first pass as the tree is; then
each mutant of mutants.json, chosen by FTC_MUTANT, must fail each check of its `caught_by`. --matrix
runs all checks on all mutants and prints who catches whom. Exit status 0: all are caught. 1: one
survives, the names in the sources and in mutants.json differ, or a check fails without a mutant.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIT = "/usr/lib/llvm-22/bin/lit"
JOBS = os.cpu_count() or 1
# A mutant may loop or wait for ever; no check takes this long when all is well.
TIMEOUT = 600
USE = re.compile(r'FTC_MUTATE\(\s*"([^"]+)"')


class Checks:
    """The checks by name; each is true when it passes."""

    def __init__(self, build, mutant):
        self.build = build
        self.environment = {k: v for k, v in os.environ.items() if k != "FTC_MUTANT"}
        if mutant:
            self.environment["FTC_MUTANT"] = mutant

    def passes(self, *command, **variables):
        environment = dict(self.environment, **variables)
        try:
            return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=TIMEOUT, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def side_by_side(self, commands):
        """Whether all of (command, variables) pass, JOBS at a time."""
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            return all(pool.map(lambda one: self.passes(*one[0], **one[1]), commands))

    def unit(self, program, test_filter):
        path = os.path.join(self.build, "test", "unit", program)
        return self.side_by_side(
            [((path, f"--gtest_filter={test_filter}"),
              {"GTEST_TOTAL_SHARDS": str(JOBS), "GTEST_SHARD_INDEX": str(shard)})
             for shard in range(JOBS)])

    def lit(self, *folders):
        return self.passes(LIT, "-q", "-j", str(JOBS),
                           *(os.path.join(self.build, "test", folder) for folder in folders))

    def validate(self):
        """ftc compile --validate-passes of every golden case."""
        golden = os.path.join(ROOT, "test", "golden")
        commands = []
        for case in sorted(os.listdir(golden)):
            folder = os.path.join(golden, case)
            if not os.path.isdir(os.path.join(folder, "model")):
                continue
            adapter = os.path.join(folder, "adapter")
            commands.append(((os.path.join(self.build, "bin", "ftc"), "compile",
                              "--model", os.path.join(folder, "model"),
                              "--adapter", adapter if os.path.isdir(adapter) else "none",
                              "--train", os.path.join(folder, "train.yaml"),
                              "--validate-passes", "--emit", "mlir",
                              "-o", os.path.join(self.build, f"mutant-{case}.mlir")), {}))
        assert commands, f"{golden}: no golden case found"
        return self.side_by_side(commands)

    def gradients(self):
        """Finite differences of every gradient rule."""
        return self.unit("InterpreterTests", "*")

    def passes_by_text(self):
        """The lit tests of dialects, passes and conversion."""
        return self.lit("Dialect", "Frontend", "Transforms", "Conversion")

    def frontend(self):
        """Unit tests of the frontend."""
        return self.unit("FrontendTests", "*")

    def kernels(self):
        """Kernels of the CPU target, each against its definition."""
        return self.unit("CpuTargetTests", "*")

    def execution(self):
        """Native execution against the interpreter."""
        return self.unit("PipelinesTests", "*Execution*")

    def properties(self):
        """N x 1 = 1 x N, packed = apart, dead tokens, threads."""
        return self.unit("PipelinesTests", "*Propert*")

    def random(self):
        """Random programs."""
        return self.passes(os.path.join(self.build, "bin", "ftc-random-programs"),
                           "--count", "40", "--no-shrink")

    def golden(self):
        """Gradients and ten losses of transformers + PEFT."""
        return self.lit("golden")

    def trainer(self):
        """Unit tests of the trainer."""
        return self.unit("FTCTrainerTests", "*")

    def silent_failures(self):
        """The complaints of others' users, one test each."""
        return self.lit("SilentFailures")

    def crash(self):
        """Kills, full disks, truncated files."""
        return self.lit("crash")


CHECKS = {
    "validate": Checks.validate, "gradients": Checks.gradients,
    "passes-by-text": Checks.passes_by_text, "frontend": Checks.frontend, "kernels": Checks.kernels,
    "execution": Checks.execution,
    "properties": Checks.properties, "random": Checks.random, "golden": Checks.golden,
    "trainer": Checks.trainer, "silent-failures": Checks.silent_failures,
    "crash": Checks.crash,
}


def read_mutants():
    with open(os.path.join(HERE, "mutants.json"), encoding="utf-8") as file:
        return json.load(file)["mutants"]


def names_in_sources():
    names = set()
    for top in ("dialects", "lib", "tools"):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for file in files:
                if file.endswith((".cpp", ".h")):
                    with open(os.path.join(folder, file), encoding="utf-8") as text:
                        names.update(USE.findall(text.read()))
    return names


def table_errors(mutants):
    """Where mutants.json and the sources disagree."""
    table = [mutant["name"] for mutant in mutants]
    sources = names_in_sources()
    for name in sorted(sources - set(table)):
        yield f"test/mutants/mutants.json: lacks {name}, which stands in the sources"
    for name in sorted(set(table) - sources):
        yield f"test/mutants/mutants.json: has {name}, which no source names in FTC_MUTATE"
    for name in sorted({name for name in table if table.count(name) > 1}):
        yield f"test/mutants/mutants.json: has {name} twice"
    for mutant in mutants:
        for check in mutant["caught_by"]:
            if check not in CHECKS:
                yield (f"test/mutants/mutants.json: {mutant['name']} is caught by {check}, which is "
                       f"no check; expected one of {', '.join(CHECKS)}")
        if not mutant["caught_by"]:
            yield f"test/mutants/mutants.json: {mutant['name']} is caught by no check"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--mutant", action="append")
    parser.add_argument("--check", action="append", choices=list(CHECKS))
    parser.add_argument("--matrix", action="store_true")
    parser.add_argument("--results")
    options = parser.parse_args()
    if not options.build and not options.table:
        parser.error("--build is needed: a build configured with -DFTC_MUTANTS=ON")
    build = os.path.abspath(options.build or ".")
    mutants = read_mutants()
    tests = []

    def record(name, reason=""):
        tests.append({"name": name, "result": "failed" if reason else "passed", "reason": reason})
        if reason:
            print(reason, file=sys.stderr, flush=True)

    record("mutants.json and the sources agree", "\n".join(table_errors(mutants)))
    if options.table:
        return 1 if tests[0]["reason"] else 0
    if options.mutant:
        unknown = set(options.mutant) - {mutant["name"] for mutant in mutants}
        if unknown:
            parser.error(f"no mutant {', '.join(sorted(unknown))}")
        mutants = [mutant for mutant in mutants if mutant["name"] in options.mutant]

    def chosen(mutant):
        if options.check:
            return options.check
        return list(CHECKS) if options.matrix else mutant["caught_by"]

    for check in CHECKS:
        if any(check in chosen(mutant) for mutant in mutants):
            start = time.monotonic()
            passed = CHECKS[check](Checks(build, None))
            record(f"{check} passes without a mutant",
                   "" if passed else f"{check}: fails without a mutant, so it shows nothing")
            print(f"{check}: {time.monotonic() - start:.1f} s without a mutant", flush=True)

    caught = 0
    for mutant in mutants:
        by = [check for check in chosen(mutant) if not CHECKS[check](Checks(build, mutant["name"]))]
        caught += bool(by)
        print(f"{mutant['name']:28} {'caught by ' + ', '.join(by) if by else 'SURVIVES'}", flush=True)
        missed = [check for check in chosen(mutant) if check in mutant["caught_by"] and check not in by]
        record(f"{mutant['name']}: {mutant['fault']}",
               f"{mutant['name']}: not caught by {', '.join(missed)}" if missed else
               "" if by else f"{mutant['name']}: survives")
    print(f"{caught} of {len(mutants)} mutants caught")
    if options.results:
        with open(options.results, "w", encoding="utf-8") as file:
            json.dump({"tests": tests}, file, indent=1)
    return 1 if any(test["result"] == "failed" for test in tests) else 0


if __name__ == "__main__":
    sys.exit(main())
