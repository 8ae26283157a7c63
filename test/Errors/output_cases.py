# Outputs that cannot be written: told with exit status 1, nothing under the final name, nothing beside it.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os
import resource

from expect_error import write


def run(t):
    case = t.copy("lora_qv", "case")
    package = t.compile(case, os.path.join(t.work, "step.ftp"))
    model, adapter = os.path.join(case, "model"), os.path.join(case, "adapter")
    compile_to = ["compile", "--model", model, "--adapter", adapter, "--train", os.path.join(case, "train.yaml"), "-o"]
    gradients_to = ["gradients", package, "--weights", model, "--batch", os.path.join(case, "batch.safetensors"), "--threads", "1", "-o"]
    train_to = ["train", package, "--weights", model, "--data", os.path.join(case, "data.jsonl"), "--threads", "1", "--output"]
    init_to = ["init-weights", "--model", model, "--seed", "1", "-o"]
    to_file = {"compile": compile_to, "gradients": gradients_to}
    to_directory = {"train": train_to, "init-weights": init_to}
    commands = {**to_file, **to_directory}

    full = t.folder("full")
    file = write(os.path.join(full, "file"), "kept")
    out = os.path.join(t.work, "out")
    for name, command in to_file.items():
        t.fails(name + ": a directory", command + [full], "is a directory; give the path of a file", place=full)
        t.fails(name + ": parent missing", command + [os.path.join(t.work, "no", "file")], "cannot create: No such file or directory", place="*no/file")
        t.fails(name + ": ends in a slash", command + [out + "/"], "is not a name for a new file", place=out + "/")
        # Writing beside a device and renaming would replace it.
        for device in ["/dev/full", "/dev/null"]:
            t.fails("%s: %s" % (name, device), command + [device], "is no regular file; give the path of a file", place=device)
            if os.path.isfile(device) or not os.path.exists(device):
                raise SystemExit(device + " was replaced")
    for name, command in to_directory.items():
        t.fails(name + ": not empty", command + [full], "exists and is not empty; give a new or an empty directory|is not an empty directory; give one", place=full)
        t.fails(name + ": a file", command + [file], "exists and is no directory; give a new|is not an empty directory; give one", place=file)
        t.fails(name + ": a device", command + ["/dev/null"], "exists and is no directory; give a new|is not an empty directory; give one", place="/dev/null")
    for name, command in commands.items():
        t.fails(name + ": parent is a file", command + [os.path.join(file, "out")], "cannot create: Not a directory|is no directory; give an output path within one", place=file + "*")
        t.fails(name + ": name too long", command + [os.path.join(t.work, "x" * 300)], "cannot .*: File name too long", place="*x")

        # A full disk, as a limit of the size of files.
        # (The code of kernels is a file, too, in memory.)
        for limit in [256, 4096]:
            t.fails("%s: files of at most %d bytes" % (name, limit), command + [out], ".*File too large", place="*",
                    preexec=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    # Larger than the code, smaller than the model that is saved.
    case = t.copy("full", "model")
    model_package = t.compile(case, os.path.join(t.work, "full.ftp"))
    t.fails("train: disk full at the end", ["train", model_package, "--weights", os.path.join(case, "model"), "--data", os.path.join(case, "data.jsonl"),
                                            "--output", out], ".*File too large", place="*", made=["out", "out/metrics.jsonl"],
            preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (105000, 105000)))
    if os.geteuid() == 0:
        print("outputs in read-only directories: not tested as root")
    else:
        locked = t.folder("locked")
        os.chmod(locked, 0o555)
        for name, command in commands.items():
            t.fails(name + ": read-only", command + [os.path.join(locked, "out")], "cannot .*: Permission denied", place=locked + "*")
        os.chmod(locked, 0o755)

    # Files beside the result.
    metrics = train_to + [out, "--metrics"]
    t.fails("metrics: parent missing", metrics + [os.path.join(t.work, "no", "m.jsonl")], "cannot create the metrics file: No such file", place="*m.jsonl")
    t.fails("metrics: a directory", metrics + [full], ".*directory", place=full)
    t.fails("metrics: disk full", metrics + ["/dev/full"], "cannot write the metrics: No space left on device", place="/dev/full")
    t.fails("report: parent missing", compile_to + [out, "--report", os.path.join(t.work, "no", "r.json")], "cannot create: No such file", place="*r.json")
    t.fails("report: a directory", compile_to + [out, "--report", full], "is a directory; give the path of a file", place=full)

    # Standard output.
    dump = os.path.join(t.work, "dump.mlir")
    t.succeed(*compile_to, dump, "--emit=mlir", "--stop-after=frontend")
    with open("/dev/full", "wb") as device:
        stdout = "cannot (be written|write)"
        t.fails("stdout full: inspect", ["inspect", package, "--json"], stdout, place="*", stdout=device)
        t.fails("stdout full: evaluate", ["evaluate", package, "--weights", model, "--batch", os.path.join(case, "batch.safetensors")], stdout, place="*", stdout=device)
        t.fails("stdout full: help", ["train", "--help"], stdout, place="*", stdout=device)
        t.fails("stdout full: compile to IR", ["compile", "--from", dump, "--emit=mlir"], stdout, place="*", stdout=device)
