# Goes on from every dump of one compilation, and compares the packages.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: restart_all.py FTC PACKAGE SCRATCH DUMP...

A DUMP is a folder of --mlir-print-ir-tree-dir, or the text that --mlir-print-ir-after-all printed: it is
cut where MLIR announces the next dump. Text that was compiled once is not compiled again.
"""

import os
import re
import subprocess
import sys

ANNOUNCEMENT = re.compile(r"^(?=// -----// IR Dump )", re.MULTILINE)


def dumps(path):
    """(name, text) of every dump."""
    if os.path.isdir(path):
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in sorted(files):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    yield name, file.read()
        return
    with open(path, encoding="utf-8") as file:
        for text in ANNOUNCEMENT.split(file.read())[1:]:
            yield text.split("\n", 1)[0], text


def main():
    ftc, package, scratch = sys.argv[1:4]
    with open(package, "rb") as file:
        expected = file.read()
    dump, again = os.path.join(scratch, "dump.mlir"), os.path.join(scratch, "again.ftp")
    compiled = set()
    for path in sys.argv[4:]:
        names = []
        for name, text in dumps(path):
            names.append(name)
            body = "".join(line for line in text.splitlines() if not line.startswith("//"))
            if body in compiled:
                continue
            compiled.add(body)
            with open(dump, "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run([ftc, "compile", "--from", dump, "-o", again], check=True,
                           stdout=subprocess.DEVNULL)
            with open(again, "rb") as file:
                if file.read() != expected:
                    sys.exit(f"{path}: {name}: gives another package")
        print(f"{os.path.basename(path)}: the same package from {len(names)} dumps")
    print(f"{len(compiled)} of them differ")


main()
