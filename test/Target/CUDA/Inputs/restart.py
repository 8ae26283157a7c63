# Compiles a case for cuda by way of a dump behind each step, and compares the packages.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import subprocess
import sys

STEPS = ["frontend", "ft-attach-adapters", "ft-lower-bypasses", "ft-build-backward",
         "ft-prune-graph", "ft-lower-precision", "ft-form-kernels", "convert-ft-to-launch",
         "launch-batch", "launch-plan-arena"]


def main():
    ftc, folder, case = sys.argv[1:]
    with open(folder + "/whole.ftp", "rb") as file:
        whole = file.read()
    for step in STEPS:
        dump, package = f"{folder}/{step}.mlir", f"{folder}/{step}.ftp"
        subprocess.run([ftc, "compile", "--model", case + "/model", "--adapter", case + "/adapter",
                        "--train", folder + "/train.yaml", "--target=cuda", "--emit=mlir",
                        "--stop-after=" + step, "-o", dump], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([ftc, "compile", "--from", dump, "--target=cuda", "--cubins=none", "-o",
                        package], check=True, stdout=subprocess.DEVNULL)
        with open(package, "rb") as file:
            print(f"{step}: {'the same bytes' if file.read() == whole else 'other bytes'}")


if __name__ == "__main__":
    main()
