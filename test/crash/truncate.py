# Cuts off the weights of a running `ftc train` behind its third step.
# Usage: truncate.py FTC PACKAGE GOLDEN-CASE WORK BYTES
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import os
import shutil
import subprocess
import sys

SECONDS = 120


def main(ftc, package, case, work, size):
    model, output = os.path.join(work, "model"), os.path.join(work, "out")
    for folder in (model, output):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(case, "model"), model)
    # Far more steps than are made before the file is cut; each is a line.
    command = [ftc, "train", package, "--weights", model, "--data", os.path.join(case, "data.jsonl"),
               "--output", output, "--threads", "2", "--max-steps", "16777216", "--set",
               "logging_steps=1", "--set", "save_strategy=no"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if line.startswith("step 3/"):
                break
        else:
            sys.exit("no third step: " + run.stderr.read())
        os.truncate(os.path.join(model, "model.safetensors"), int(size))
        try:
            _, error = run.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            run.kill()
            sys.exit("still running %d s after the file was cut off" % SECONDS)
    print("exit %d after step 3: %s" % (run.returncode, error), end="")
    left = sorted(set(os.listdir(output)) - {"metrics.jsonl"})
    print("in the output directory: %s" % left if left else "no results in the output directory")


if __name__ == "__main__":
    main(*sys.argv[1:])
