# How lit finds and runs the tests: suffixes, programs, substitutions, features.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os
import shutil

import lit.formats

config.name = "ftc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "adapter", "models", "unit", "lib", "layering", "tools", "corpus"]
config.test_source_root = os.path.join(config.ftc_source_dir, "test")
config.test_exec_root = os.path.join(config.ftc_binary_dir, "test")

# Programs. LLVM's come from one known folder; ours are substituted by full path, so that no test can
# run another build's.
tools_dir = os.path.join(config.ftc_binary_dir, "bin")
config.environment["PATH"] = os.pathsep.join(
    [tools_dir, config.llvm_tools_dir, os.environ.get("PATH", "")]
)
ft_opt = os.path.join(tools_dir, "ft-opt")
if os.environ.get("FTC_CHECK_ROUNDTRIP") == "1":
    # Text and bytecode of every input must read back as the same module.
    ft_opt += " --verify-roundtrip"
# Every pass of every ft-opt is run by the interpreter before and after. A test to which that does not
# apply says `ft-opt --validate-passes=false`, and why. The verdicts of a run of lit are in this file.
validated = os.path.join(config.test_exec_root, "validated-passes.txt")
if os.path.exists(validated):
    os.remove(validated)
ft_opt += " --validate-passes --validate-passes-report=" + validated
WORD_START, WORD_END = r"(?<![-\w./%])", r"(?![-\w./])"
config.substitutions += [
    (WORD_START + "ft-opt" + WORD_END, ft_opt),
    (WORD_START + "ft-test" + WORD_END, os.path.join(tools_dir, "ft-test")),
    (WORD_START + "ftc-random-programs" + WORD_END, os.path.join(tools_dir, "ftc-random-programs")),
    (WORD_START + "tutorial-opt" + WORD_END, ft_opt.replace("/ft-opt", "/tutorial-opt", 1)),
    (WORD_START + "ftc" + WORD_END, os.path.join(tools_dir, "ftc")),
]
config.substitutions += [
    ("%python", config.python),
    ("%models", os.path.join(config.test_source_root, "models")),
    ("%golden", os.path.join(config.test_source_root, "golden")),
    ("%llvm-tools", config.llvm_tools_dir),
    # Runs a program with stand-ins for CUDA's libraries (test/cuda/README.md); what they compile is
    # kept, so that equal kernels are compiled once.
    ("%on_cuda", "env FTC_CUDA_LIBRARY_PATH={0}/stand-ins FTC_STANDIN_CACHE={0}/cache".format(
        os.path.join(config.test_exec_root, "cuda"))),
    ("%cuda_lib", os.path.join(config.test_exec_root, "cuda", "lib")),
    ("%cuda", os.path.join(config.test_source_root, "cuda")),
    ("%crash_shim", os.path.join(config.test_exec_root, "crash", "libcrash-shim.so")),
    ("%fuzz", os.path.join(config.test_exec_root, "fuzz")),
    ("%dev", os.path.join(config.ftc_source_dir, "tools", "dev")),
]

# Features, for REQUIRES: lines.
if os.environ.get("FTC_CHECK_FULL") == "1":
    config.available_features.add("long")
if config.mutants:
    config.available_features.add("mutants")
if config.sanitizers:
    config.available_features.add("sanitizers")
    # libMLIR is not instrumented, so a container that it grew looks overrun to us.
    config.environment["ASAN_OPTIONS"] = "detect_container_overflow=0:allow_user_poisoning=0"
try:
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        flags = next((set(l.split()) for l in cpuinfo if l.startswith("flags")), set())
except OSError:
    flags = set()
if {"avx2", "fma", "bmi2", "f16c"} <= flags:
    config.available_features.add("x86-64-v3")

# NVIDIA's compilers; tests of what they make of printed code are unsupported without them.
cuda_home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
if shutil.which("nvcc") or shutil.which("nvcc", path=os.path.join(cuda_home, "bin")):
    config.available_features.add("nvcc")

config.environment["LC_ALL"] = "C.UTF-8"
for name in ["OPENBLAS_CORETYPE", "HOME", "TMPDIR", "FTC_MUTANT", "CUDA_HOME"]:
    if name in os.environ:
        config.environment[name] = os.environ[name]
