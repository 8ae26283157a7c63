# Disturbs training at every call that changes its output directory, and goes on from what is left.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""crash.py FTC SHIM GOLDEN WORK [--cases lora-f32,...] [--steps 12] [--save-steps 4] [--modes kill,...]
          [--random 0] [--seed 1] [--only NUMBER] [--compiler FTC]

For each case (cases.py): an undisturbed run, whose calls must also be in an order that survives a power cut
(durable.py); then, for each mode and each call of the run that changes the
output directory (shim.c counts them), a run that is disturbed there:

    kill        SIGKILL instead of the call             EIO     the call fails once
    torn        SIGKILL in the middle of a write        ENOSPC  the call fails once
    short       a write takes half of its bytes         full    the call and all behind it fail (ENOSPC)
    EINTR       a write or a sync is interrupted
    MODE/3      at every third call
    damage      (no call: a file of the newest checkpoint is cut, emptied, removed, or has another bit)

Then the directory must hold every checkpoint that had been saved and not been pruned, each whole; what it holds under
the name of a result must be that result; an error must be one line and leave no temporary file but a checkpoint
that was to be removed. A run that goes on with --resume, from the newest whole one, must end with the undisturbed
run's files, bit for bit, and with its metrics.

--random N: that many kills, at random calls and at random times (SIGKILL or SIGTERM), of runs and of their
resumptions.
"""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cases
import directory
import durable

SECONDS = 60
REASONS = {"EIO": "Input/output error", "ENOSPC": "No space left on device",
           "full": "No space left on device"}
WRITES = ("write", "pwrite", "writev", "sendfile", "copy_file_range", "fflush", "fclose")
# Their failure leaves what they should have removed.
REMOVES = ("unlink", "unlinkat", "rmdir", "remove")


class Outcome:
    def __init__(self, code, error, output, log):
        self.code, self.error, self.output, self.log = code, error, output, log


class Crash:
    """`scratch` is an empty directory; in memory, syncs cost nothing, and do not matter to a kill."""

    def __init__(self, case, shim, scratch):
        self.case, self.shim = case, shim
        self.count = collections.Counter()
        self.problems = []
        self.root = os.path.join(scratch, "run")
        self.out = os.path.join(self.root, "out")
        self.log = os.path.join(case.folder, "log")
        self.reference()

    def clear(self):
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)

    def environment(self, how=None, at=0):
        environment = {**os.environ, "LD_PRELOAD": self.shim, "CRASH_DIR": self.root,
                       "CRASH_LOG": self.log}
        if how:
            environment.update(CRASH_HOW="ENOSPC" if how == "full" else how, CRASH_AT=str(at))
        if how == "full":
            environment["CRASH_ON"] = "1"
        return environment

    def train(self, how=None, at=0, resume=False, shim=True, seconds=None, end=signal.SIGKILL):
        """One process; it gets the signal `end` behind `seconds` where they are given."""
        open(self.log, "w", encoding="utf-8").close()
        with subprocess.Popen(self.case.command(resume), cwd=self.root, text=True,
                              env=self.environment(how, at) if shim else None,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            try:
                output, error = run.communicate(timeout=seconds or SECONDS)
            except subprocess.TimeoutExpired:
                run.send_signal(end)
                try:
                    output, error = run.communicate(timeout=SECONDS)
                except subprocess.TimeoutExpired:
                    run.kill()
                    output, error = run.communicate()
                if seconds is None:
                    error += "hung for %d s" % SECONDS
        with open(self.log, encoding="utf-8") as file:
            return Outcome(run.returncode, error, output, file.read())

    def reference(self):
        """The undisturbed run, once by itself and once counted."""
        self.clear()
        begin = time.monotonic()
        done = self.train(shim=False)
        self.seconds = time.monotonic() - begin
        if done.code != 0 or done.error:
            sys.exit("%s: the undisturbed run ends with %d: %s" % (self.case.name, done.code, done.error))
        files, self.metrics = directory.snapshot(self.out), directory.metrics(self.out)
        self.checker = directory.Checker(self.shim, files)
        self.clear()
        done = self.train()
        differences = list(self.checker.differences(self.out))
        if done.code != 0 or differences:
            sys.exit("%s: counted, the undisturbed run ends with %d: %s%s" % (
                self.case.name, done.code, done.error, differences))
        self.report("power cut", durable.problems(done.log))
        self.calls = [line.split()[1] for line in done.log.splitlines()]
        saved = {step for step in range(self.case.save_steps, self.case.steps + 1, self.case.save_steps)}
        if not saved & directory.published(done.log, True):
            sys.exit("%s: the undisturbed run saved no checkpoint" % self.case.name)

    # ---- After a disturbance ---------------------------------------------------------------------

    def check_left(self, saved):
        return list(self.checker.faults(self.out, saved))

    def finish(self, saved, warning="", ended_by_signals=False):
        """Goes on to the end; what is wrong then. `warning` is found in the only line of stderr."""
        done = self.train(resume=True, shim=False)
        if warning and done.error.count("\n") == 1 and warning in done.error:
            done.error = ""
        if done.code != 0 or done.error:
            yield "resumed, it ends with %d: %s" % (done.code, done.error.strip())
            return
        match = re.search(r"^ *resume .*checkpoint-(\d+): ", done.output, re.M)
        begun = int(match[1]) if match else 0
        if saved and begun < max(saved) or warning and begun != max(saved):
            yield "resumed at %d, but %d had been saved" % (begun, max(saved))
        yield from self.checker.differences(self.out, ended_by_signals)
        if directory.metrics(self.out) != self.metrics:
            yield "the metrics differ"

    def report(self, what, problems):
        for problem in problems:
            print("FAIL %s: %s: %s" % (self.case.name, what, problem), flush=True)
            self.problems.append(what)

    # ---- One disturbance at a call ---------------------------------------------------------------

    def applies(self, mode, call):
        if mode in ("torn", "short"):
            return call in WRITES
        if mode == "EINTR":
            return call in ("write", "pwrite", "fsync")
        return True

    def judge_end(self, mode, call, done):
        """The exit status and what the error says."""
        if mode in ("kill", "torn"):
            if done.code != -signal.SIGKILL:
                yield "ended with %d, not killed: %s" % (done.code, done.error.strip())
            return
        if done.code == 0:
            # What is only tidied up may stay, and an interruption is none.
            if mode in REASONS and call not in REMOVES:
                yield "the error went unnoticed"
            yield from self.judge_left(call, done)
            return
        errors = [line for line in done.error.splitlines() if line.startswith("error: ")]
        if mode not in REASONS or done.code != 1:
            yield "ended with %d: %s" % (done.code, done.error.strip())
        elif len(errors) != 1 or REASONS[mode] not in errors[0]:
            yield "no error line says so: %s" % done.error.strip()
        yield from self.judge_left(call, done)

    def judge_left(self, call, done):
        # A checkpoint whose new name is not for certain on the disk must not lose its files.
        kept = re.findall(r"rename out/checkpoint-\d+ -> out/(\S+)", done.log)
        left = set(directory.temporary(self.out)) - set(kept)
        if left and call not in REMOVES:
            yield "left %s" % sorted(left)

    def disturb(self, mode, number):
        call = self.calls[number - 1]
        self.clear()
        done = self.train(mode, number)
        line = done.log.splitlines()[number - 1] if done.log.count("\n") >= number else "not reached"
        what = "%s at %s" % (mode, line)
        problems = list(self.judge_end(mode, call, done))
        # A failing call does nothing, and the run may go on to tidy up.
        lines = done.log.splitlines()
        if mode in ("short", "EINTR"):
            saved = directory.published(done.log, True)
        else:
            saved = directory.published("\n".join(lines[:number]), False)
        if done.code == 0:
            problems += list(self.checker.differences(self.out)) if call not in REMOVES else []
        problems += self.check_left(saved)
        problems += list(self.finish(saved))
        self.count[mode] += 1
        self.report(what, problems)

    def every_call(self, modes):
        for mode in modes:
            if mode == "damage":
                self.damage()
                continue
            mode, _, stride = mode.partition("/")
            for number, call in enumerate(self.calls, 1):
                if number % int(stride or 1) == 0 and self.applies(mode, call):
                    self.disturb(mode, number)

    # ---- Damage ----------------------------------------------------------------------------------

    def damage(self):
        """Of the newest of two checkpoints: the other one is taken, and says why."""
        last = len(self.calls) - self.calls[::-1].index("mkdir")
        self.clear()
        self.train("kill", last)
        steps = directory.checkpoints(self.out)
        template = os.path.join(self.case.folder, "template")
        shutil.rmtree(template, ignore_errors=True)
        shutil.copytree(self.out, template)
        newest = "checkpoint-%d" % steps[-1]
        damages = {
            "cut": lambda data: data.rstrip(b"\n")[:-1],
            "emptied": lambda data: b"",
            "another bit": lambda data: data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 4]) +
            data[len(data) // 2 + 1:],
            "removed": lambda data: None,
        }
        for name in sorted(os.listdir(os.path.join(template, newest))):
            for how, change in damages.items():
                shutil.rmtree(self.out)
                shutil.copytree(template, self.out)
                path = os.path.join(self.out, newest, name)
                content = change(directory.read(path))
                os.remove(path)
                if content is not None:
                    with open(path, "wb") as file:
                        file.write(content)
                # A manifest with another bit may name a file that is not there.
                warning = newest + "/" + ("" if name == "MANIFEST.json" else name)
                self.report("%s %s" % (name, how), list(self.finish(set(steps[:-1]), warning)))
                self.count["damage"] += 1

    # ---- Random kills ----------------------------------------------------------------------------

    def at_random(self, kills, seed):
        """Chains of kills: at a call or at a time, runs and resumptions, until `kills` have been."""
        generator = random.Random("%s %d" % (self.case.name, seed))
        while self.count["random"] < kills:
            self.clear()
            saved, links, ended_by_signals = set(), [], False
            for _ in range(generator.randrange(1, 8)):
                if self.count["random"] >= kills:
                    break
                resume = bool(links)
                if generator.random() < 0.5:
                    at = generator.randrange(1, len(self.calls) + 1)
                    links.append("call %d" % at)
                    done = self.train("kill", at, resume=resume)
                else:
                    seconds = generator.uniform(0.001, 1.2 * self.seconds)
                    end = generator.choice((signal.SIGKILL, signal.SIGTERM))
                    links.append("%.3f s (%s)" % (seconds, end.name))
                    done = self.train(resume=resume, seconds=seconds, end=end)
                # SIGTERM ends a run with a checkpoint, and a process that does not train at once: one that
                # has written nothing yet, or all.
                idle = " write " not in done.log or os.path.exists(os.path.join(self.out, directory.LAST))
                stopped = (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM)
                self.count["random"] += done.code in stopped
                ended = done.code == 128 + signal.SIGTERM
                ended_by_signals |= ended
                saved = self.saved_after(saved, done.log, ended)
                problems = self.check_left(saved)
                if done.code not in (0, *stopped) or done.code == -signal.SIGTERM and not idle:
                    problems.append("ended with %d: %s" % (done.code, done.error.strip()))
                self.report("kills at " + ", ".join(links), problems)
                if done.code == 0:
                    break
            self.report("kills at " + ", ".join(links), list(self.finish(saved, "", ended_by_signals)))

    @staticmethod
    def saved_after(before, log, ended):
        """The checkpoints that are there for certain: saved, and not taken away. Of a process that was killed,
        the last call may have been made or not."""
        lines = log.splitlines()
        taken = {int(step) for step in re.findall(r"rename out/checkpoint-(\d+) -> ", log)}
        return (before | directory.published("\n".join(lines if ended else lines[:-1]), True)) - taken


def run_case(options, name, work, scratch):
    """How many disturbances came out wrong."""
    begin = time.monotonic()
    case = cases.Case(os.path.abspath(options.ftc), os.path.abspath(options.compiler or options.ftc),
                      os.path.abspath(options.golden), work, name, options.steps, options.save_steps)
    crash = Crash(case, os.path.realpath(options.shim), scratch)
    modes = [mode for mode in options.modes.split(",") if mode]
    if options.only:
        for mode in modes:
            crash.disturb(mode, options.only)
    else:
        crash.every_call(modes)
        crash.at_random(options.random, options.seed)
    print("%s: %d steps, %d calls; %s; %d failed, %.0f s" % (
        name, options.steps, len(crash.calls),
        ", ".join("%s %d" % item for item in crash.count.items()), len(crash.problems),
        time.monotonic() - begin), flush=True)
    return len(crash.problems)


def main():
    parser = argparse.ArgumentParser()
    for name in ("ftc", "shim", "golden", "work"):
        parser.add_argument(name)
    parser.add_argument("--cases", default="lora-f32")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--save-steps", type=int, default=4)
    parser.add_argument("--modes", default="")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this call alone")
    parser.add_argument("--compiler", help="makes the packages, where FTC was built without its compiler")
    options = parser.parse_args()
    work = os.path.realpath(options.work)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else work
    with tempfile.TemporaryDirectory(dir=memory, prefix="ftc-crash-") as scratch:
        scratch = os.path.realpath(scratch)
        failed = sum(run_case(options, name, work, scratch) for name in options.cases.split(","))
    if failed:
        sys.exit(1)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
