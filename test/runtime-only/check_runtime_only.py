#!/usr/bin/env python3
# Builds ftc without its compiler where every LLVM is a trap, and checks that nothing of LLVM is in it.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import argparse
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ("LLVM", "MLIR", "LLD", "Clang")
# The shared libraries of LLVM, MLIR, Clang and lld, and C++ symbols of their namespaces.
LIBRARY = re.compile(r"\(NEEDED\).*\[(lib(LLVM|MLIR|clang|lld)[^\]]*)\]")
SYMBOL = re.compile(r"\b(mlir|llvm|lld|clang)::")


def run(*command):
    print("$ " + " ".join(command), flush=True)
    result = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(result.stdout, flush=True)
    return result


def poison(folder):
    """A prefix in which each LLVM package is found, and stops CMake."""
    for package in PACKAGES:
        directory = os.path.join(folder, "lib/cmake", package.lower())
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"{package}Config.cmake"), "w", encoding="utf-8") as file:
            file.write(f'message(FATAL_ERROR "the runtime-only build looked for {package}")\n')
        with open(os.path.join(directory, f"{package}ConfigVersion.cmake"), "w",
                  encoding="utf-8") as file:
            file.write("set(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/runtime-only", help="build folder")
    parser.add_argument("--results", help="write the results to this file as JSON")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    program = os.path.join(build, "bin/ftc")
    tests = []

    def check(name, reason):
        """Records one test; the reason of its failure, or nothing. True when it passed."""
        tests.append({"name": name, "result": "failed" if reason else "passed", "reason": reason})
        return not reason

    def all_checks():
        trap = poison(os.path.join(build, "poisoned-prefix"))
        configured = run(
            "cmake", "--preset", "release", "--fresh", "-B", build, "-DFTC_BUILD_COMPILER=OFF",
            "-DFTC_BUILD_TESTS=OFF", f"-DCMAKE_PREFIX_PATH={trap}")
        if not check("configures where LLVM is a trap",
                     configured.stdout if configured.returncode else ""):
            return
        cache = open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8").read()
        found = re.findall(r"^(?:LLVM|MLIR|LLD|Clang)_DIR:.*$", cache, re.M)
        check("looks for no LLVM", "\n".join(found))
        built = run("cmake", "--build", build, "--parallel", str(os.cpu_count()))
        if not check("builds", built.stdout if built.returncode else ""):
            return
        if not check("makes bin/ftc", "" if os.path.exists(program) else "there is no bin/ftc"):
            return
        dynamic = run("readelf", "-d", program)
        check("links no shared library of LLVM",
              dynamic.stdout if dynamic.returncode else
              ", ".join(match[0] for match in LIBRARY.findall(dynamic.stdout)))
        symbols = subprocess.run(["nm", "-C", program], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, check=False)
        hits = [line for line in symbols.stdout.splitlines() if SYMBOL.search(line)]
        check("holds no code of LLVM",
              symbols.stderr if symbols.returncode else "\n".join(hits[:5]))
        usage = run(program, "--help")
        check("ftc --help runs", f"exit status {usage.returncode}" if usage.returncode else "")
        for command in ("train", "gradients", "evaluate", "inspect"):
            usage = run(program, command, "--help")
            check(f"ftc {command} --help runs",
                  f"exit status {usage.returncode}" if usage.returncode else "")

    all_checks()
    if options.results:
        with open(options.results, "w", encoding="utf-8") as file:
            json.dump({"tests": tests}, file, indent=1)
    return 1 if any(test["result"] == "failed" for test in tests) else 0


if __name__ == "__main__":
    sys.exit(main())
