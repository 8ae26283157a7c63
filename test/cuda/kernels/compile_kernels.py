#!/usr/bin/env python3
# Compiles device code by nvcc and by NVRTC for every architecture: no warnings, no spills.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compile_kernels.py SOURCE.cu... [--include DIR]... [--arch sm_XX]... [--results FILE.json]

nvcc compiles each source with `-Werror all-warnings -Xptxas -warn-spills,-Werror`; NVRTC compiles it
without include paths: all headers below the DIRs lie in memory. Prints a table of registers per
kernel and architecture, and each offence. A compiler that is not here is skipped.

nvcc is sought in $CUDA_HOME/bin, on the PATH and in /usr/local/cuda/bin, NVRTC beside it and where
the loader looks. Exit status 0: all well. 1: an offence. 77: no compiler is here, and no --results to
say so.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ARCHS = ["sm_80", "sm_90", "sm_100"]
SKIPPED = 77
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def find_nvcc():
    folders = [os.path.join(os.environ["CUDA_HOME"], "bin")] if "CUDA_HOME" in os.environ else []
    folders += os.environ.get("PATH", "").split(os.pathsep) + ["/usr/local/cuda/bin"]
    return shutil.which("nvcc", path=os.pathsep.join(folders))


def find_nvrtc(nvcc):
    names = ["libnvrtc.so.13", "libnvrtc.so"]
    if nvcc:
        folder = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(nvcc))), "lib64")
        names = [os.path.join(folder, name) for name in names] + names
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def read_resources(log, table):
    """Adds the registers in ptxas' words to table[kernel][arch]; returns the lines about spills."""
    kernel = arch = None
    offences = []
    for line in log.splitlines():
        if found := ENTRY.search(line):
            kernel, arch = found.groups()
        elif found := SPILLS.search(line):
            if kernel and any(int(number) for number in found.groups()):
                offences.append(f"{kernel} for {arch}: {found.group(0)}; none is allowed")
        elif found := REGISTERS.search(line):
            if kernel:
                table.setdefault(kernel, {})[arch] = int(found.group(1))
            kernel = None
    return offences


def compile_by_nvcc(nvcc, source, includes, arch, table):
    with tempfile.TemporaryDirectory() as folder:
        command = [nvcc, "-std=c++17", "-Werror", "all-warnings", "-Xptxas",
                   "-warn-spills,-Werror,-v", f"-arch={arch}", "-cubin", source, "-o",
                   os.path.join(folder, "kernels.cubin")]
        command += [f"-I{include}" for include in includes]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             check=False)
    offences = read_resources(run.stderr, table)
    if run.returncode != 0:
        offences.append(run.stderr.strip() or run.stdout.strip())
    return offences


def read_headers(includes):
    headers = {}
    for include in includes:
        for folder, _, files in os.walk(include):
            for name in files:
                if name.endswith(".h"):
                    path = os.path.join(folder, name)
                    with open(path, "rb") as file:
                        headers[os.path.relpath(path, include).encode()] = file.read()
    return headers


def compile_by_nvrtc(nvrtc, source, headers, arch):
    with open(source, "rb") as file:
        text = file.read()
    texts = (ctypes.c_char_p * len(headers))(*headers.values())
    names = (ctypes.c_char_p * len(headers))(*headers)
    program = ctypes.c_void_p()
    if nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, os.path.basename(source).encode(),
                                len(headers), texts, names):
        return ["no program can be made"]
    options = [b"--std=c++17", b"--gpu-architecture=" + arch.encode(), b"--ptxas-options=-v",
               b"--ptxas-options=-warn-spills", b"--ptxas-options=-Werror"]
    failed = nvrtc.nvrtcCompileProgram(program, len(options),
                                       (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    words = log.value.decode(errors="replace")
    offences = read_resources(words, {})
    offences += [line for line in words.splitlines() if "warning" in line]
    if failed:
        offences.append(words.strip())
    return offences


def print_table(table, archs):
    width = max(map(len, table), default=6)
    print("registers".ljust(width), *[arch.rjust(6) for arch in archs])
    for kernel, registers in sorted(table.items()):
        print(kernel.ljust(width), *[str(registers.get(arch, "-")).rjust(6) for arch in archs])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--arch", action="append")
    parser.add_argument("--results", help="write the results to this file as JSON")
    arguments = parser.parse_args()
    nvcc = find_nvcc()
    nvrtc = find_nvrtc(nvcc)
    headers = read_headers(arguments.include)
    archs, table, tests = arguments.arch or ARCHS, {}, []

    def record(tool, source, arch, found, offences):
        name = f"{os.path.basename(source)} by {tool} for {arch}"
        result = "skipped" if not found else "failed" if offences else "passed"
        reason = "\n".join(offences) if found else f"{tool} is not here"
        tests.append({"name": name, "result": result, "reason": reason})
        print(f"{result}: {name}", reason, sep="\n" if reason else "")

    for source in arguments.sources:
        for arch in archs:
            record("nvcc", source, arch, nvcc,
                   compile_by_nvcc(nvcc, source, arguments.include, arch, table) if nvcc else [])
            record("NVRTC", source, arch, nvrtc,
                   compile_by_nvrtc(nvrtc, source, headers, arch) if nvrtc else [])
    if table:
        print_table(table, archs)
    if arguments.results:
        with open(arguments.results, "w", encoding="utf-8") as file:
            json.dump({"tests": tests}, file, indent=1)
    if any(test["result"] == "failed" for test in tests):
        return 1
    return 0 if nvcc or nvrtc or arguments.results else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
