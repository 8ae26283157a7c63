#!/usr/bin/env python3
# Reads include lines and fails on an edge between rooms that the architecture does not have.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Layering test: who may include whom.

    check_layering.py [--root DIR] [--results FILE.json]

First it checks itself on small trees with a wrong include planted, then it reads the real tree.
Exit status 0: every edge is allowed. 1: a wrong edge, each printed as FILE:LINE: what, and what
would be right.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Room -> rooms that it may include besides itself. "LLVM" stands for the headers of LLVM, MLIR,
# Clang and lld. "C ABI" is include/ftc/runtime.h.
MAY_USE = {
    "Support": [],
    "C ABI": [],
    "Kernels": [],
    "Package": ["Support"],
    "Package writer": ["Package", "Support", "Launch", "Analysis", "LLVM"],
    "Runtime": ["C ABI", "Package", "Support", "Kernels"],
    "Trainer": ["C ABI", "Support"],
    "FT": ["LLVM"],
    "Launch": ["LLVM"],
    "Analysis": ["FT", "Launch", "Support", "LLVM"],
    "Interpreter": ["FT", "Launch", "Support", "LLVM"],
    "Frontend": ["FT", "Support", "LLVM"],
    "Transforms": ["FT", "Analysis", "Support", "LLVM"],
    "Conversion": ["FT", "Launch", "Analysis", "Support", "LLVM"],
    "Target/CPU": ["Launch", "Support", "Kernels", "LLVM"],
    "Target/CUDA": ["Launch", "Analysis", "Support", "Kernels", "LLVM"],
    "Pipelines": [
        "FT", "Launch", "Analysis", "Interpreter", "Frontend", "Transforms", "Conversion",
        "Target/CPU", "Target/CUDA", "Package", "Package writer", "Support", "LLVM",
    ],
    # The precompiled header of the build.
    "tools/dev/cmake": ["LLVM"],
}
EVERYTHING = "tools"  # programs wire, so they may include anything

SCANNED = ("lib", "include", "dialects", "tools")
SUFFIXES = (".h", ".hpp", ".c", ".cc", ".cpp", ".cu", ".cuh", ".inc", ".td")
INCLUDE = re.compile(r'^\s*#?\s*include\s*(["<])([^">]+)[">]')
LLVM_HEADER = re.compile(r"^(mlir|mlir-c|llvm|llvm-c|lld|clang|clang-c)/")


def room_of_path(path):
    """The room of a file (path relative to the root, with /), or None outside all rooms."""
    parts = path.split("/")
    if parts[0] == "tools":
        return "tools/dev/cmake" if path.startswith("tools/dev/cmake/") else EVERYTHING
    if parts[0] == "dialects" and len(parts) > 2:
        return parts[1]
    if path == "include/ftc/runtime.h":
        return "C ABI"
    if path.startswith("include/ftc/"):
        parts = parts[2:]
    elif parts[0] == "lib":
        parts = parts[1:]
    else:
        return None
    if len(parts) < 2:
        return None
    if parts[0] == "Target" and len(parts) > 2:
        return "Target/" + parts[1]
    if parts[0] == "Package" and "Writer" in parts[-1]:
        return "Package writer"
    return parts[0]


def room_of_include(root, includer, quoted, name):
    """The room that an include line reaches; None for the outside world other than LLVM."""
    if LLVM_HEADER.match(name):
        return "LLVM"
    if quoted:
        near = os.path.normpath(os.path.join(os.path.dirname(includer), name))
        if os.path.exists(os.path.join(root, near)):
            return room_of_path(near.replace(os.sep, "/"))
    if name.startswith("ftc/"):
        return room_of_path("include/" + name)
    if name.startswith(("dialects/", "lib/", "include/", "tools/")):
        return room_of_path(name)
    return None


def edges(root):
    """Yields (file, line number, room, room included, include as written)."""
    for top in SCANNED:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            for file in sorted(files):
                if not file.endswith(SUFFIXES):
                    continue
                path = os.path.relpath(os.path.join(folder, file), root).replace(os.sep, "/")
                with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as text:
                    for number, line in enumerate(text, 1):
                        match = INCLUDE.match(line)
                        if match:
                            quoted, name = match.group(1) == '"', match.group(2)
                            target = room_of_include(root, path, quoted, name)
                            yield path, number, room_of_path(path), target, name


def wrong_edges(root):
    """Returns (messages of wrong edges, number of edges seen, rooms seen)."""
    messages, count, rooms = [], 0, set()
    for path, number, room, target, name in edges(root):
        count += 1
        rooms.add(room)
        where = f"{path}:{number}"
        if room == EVERYTHING or target is None or target == room:
            continue
        if room not in MAY_USE:
            messages.append(
                f"{where}: no room is known for this file; add it to MAY_USE in "
                "test/layering/check_layering.py and to the architecture"
            )
        elif target not in MAY_USE[room]:
            allowed = ", ".join(MAY_USE[room]) or "nothing of ours"
            messages.append(
                f'{where}: {room} includes "{name}" of {target}; {room} may use {allowed}'
            )
    return messages, count, rooms


def plant(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


# (name, files, the file and line that must be reported, or None when the tree is right)
SELF_TESTS = [
    ("runtime including MLIR is seen",
     {"lib/Runtime/a.cpp": '#include <vector>\n#include "mlir/IR/Builders.h"\n'},
     "lib/Runtime/a.cpp:2"),
    ("runtime including LLVM in angle brackets is seen",
     {"lib/Runtime/a.cpp": "  #  include <llvm/ADT/SmallVector.h>\n"}, "lib/Runtime/a.cpp:1"),
    ("support including another room is seen",
     {"include/ftc/Support/a.h": '#include "ftc/Package/Reader.h"\n'}, "include/ftc/Support/a.h:1"),
    ("C ABI including anything of ours is seen",
     {"include/ftc/runtime.h": '#include "ftc/Support/Json.h"\n'}, "include/ftc/runtime.h:1"),
    ("trainer reaching into the runtime is seen",
     {"lib/Trainer/a.cpp": '#include "ftc/Runtime/Instance.h"\n'}, "lib/Trainer/a.cpp:1"),
    ("runtime reaching the package writer is seen",
     {"lib/Runtime/a.cpp": '#include "ftc/Package/Writer.h"\n'}, "lib/Runtime/a.cpp:1"),
    ("package reader including a dialect is seen",
     {"lib/Package/Reader.cpp": '#include "dialects/Launch/IR/Launch.h"\n'},
     "lib/Package/Reader.cpp:1"),
    ("target including ft is seen",
     {"lib/Target/CPU/a.cpp": '#include "dialects/FT/IR/FT.h"\n'}, "lib/Target/CPU/a.cpp:1"),
    ("transform including a conversion is seen",
     {"lib/Transforms/a.cpp": '#include "ftc/Conversion/Passes.h"\n'}, "lib/Transforms/a.cpp:1"),
    ("one dialect including the other from a .td is seen",
     {"dialects/FT/IR/FT.td": 'include "dialects/Launch/IR/Launch.td"\n'},
     "dialects/FT/IR/FT.td:1"),
    ("a relative path into another room is seen",
     {"lib/Analysis/a.cpp": '#include "../Frontend/b.h"\n', "lib/Frontend/b.h": "\n"},
     "lib/Analysis/a.cpp:1"),
    ("a room that the table lacks is seen",
     {"lib/Cellar/a.cpp": '#include "ftc/Support/Json.h"\n'}, "lib/Cellar/a.cpp:1"),
    ("right edges pass",
     {"lib/Trainer/a.cpp": '#include "ftc/runtime.h"\n#include "ftc/Support/Json.h"\n',
      "lib/Package/Writer.cpp": '#include "dialects/Launch/IR/Launch.h"\n',
      "lib/Runtime/a.cpp": '#include "ftc/Package/Package_generated.h"\n#include "b.h"\n',
      "lib/Runtime/b.h": "#include <string>\n",
      "lib/Transforms/a.cpp": '#include "dialects/FT/IR/FT.h"\n#include "mlir/Pass/Pass.h"\n',
      "tools/ftc/main.cpp": '#include "ftc/Pipelines/Pipelines.h"\n'},
     None),
]


def self_tests():
    for name, files, expected in SELF_TESTS:
        with tempfile.TemporaryDirectory() as root:
            plant(root, files)
            messages, _, _ = wrong_edges(root)
        reported = [message.split(": ")[0] for message in messages]
        if reported == ([expected] if expected else []):
            yield "self-test: " + name, []
        else:
            yield "self-test: " + name, [f"reported {messages}, expected {expected}"]


def table_is_acyclic():
    state = {}

    def visit(room, trail):
        if state.get(room) == "done":
            return []
        if room in trail:
            return [" -> ".join(trail[trail.index(room):] + [room])]
        cycles = [c for next_ in MAY_USE.get(room, []) for c in visit(next_, trail + [room])]
        state[room] = "done"
        return cycles

    return [f"the table of rooms has a cycle: {c}" for room in MAY_USE for c in visit(room, [])]


def c_header_is_c(root):
    """Returns (messages, reason to skip or None)."""
    header = os.path.join(root, "include/ftc/runtime.h")
    if not os.path.exists(header):
        return [], "include/ftc/runtime.h does not exist"
    compiler = shutil.which("clang-22") or shutil.which("cc")
    if not compiler:
        return [], "no C compiler"
    run = subprocess.run(
        [compiler, "-x", "c", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-command-line-argument", "-fsyntax-only",
         "-I", os.path.join(root, "include"), header],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return [], None
    return ["include/ftc/runtime.h is not plain C99:\n" + run.stderr.strip()], None


def main():
    parser = argparse.ArgumentParser(description="Checks which room includes which.")
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(here)))
    parser.add_argument("--results", help="write the results to this file as JSON")
    options = parser.parse_args()

    tests = []

    def record(name, messages, skipped=None):
        for message in messages:
            print(message, file=sys.stderr)
        result = "failed" if messages else "skipped" if skipped else "passed"
        tests.append({"name": name, "result": result, "reason": "\n".join(messages) or skipped or ""})

    for name, messages in self_tests():
        record(name, messages)
    record("the table of rooms has no cycle", table_is_acyclic())
    messages, count, rooms = wrong_edges(options.root)
    if count == 0:
        messages = [f"{options.root}: no include line found, so nothing was checked"]
    record(f"include lines of the tree", messages)
    record("include/ftc/runtime.h is C99", *c_header_is_c(options.root))

    failed = sum(test["result"] == "failed" for test in tests)
    print(f"layering: {count} include lines in {len(rooms)} rooms, "
          f"{len(tests) - failed} checks right, {failed} wrong")
    if options.results:
        with open(options.results, "w", encoding="utf-8") as file:
            json.dump({"tests": tests}, file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
