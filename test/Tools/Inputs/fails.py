# Runs a command that must fail: checks the exit status, that stderr is one `error:` line and then only
# `note:` or `warning:` lines, and prints stderr. Usage: fails.py STATUS PROGRAM ARGUMENT...
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import subprocess
import sys

status, command = int(sys.argv[1]), sys.argv[2:]
result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
print(result.stderr, end="")
lines = result.stderr.splitlines()
problems = []
if result.returncode != status:
    problems.append(f"exit status {result.returncode}, expected {status}")
if sum(line.startswith("error: ") for line in lines) != 1:
    problems.append("stderr does not have exactly one line that begins with 'error: '")
if not all(line.startswith(("error: ", "note: ", "warning: ")) for line in lines):
    problems.append("stderr has a line that is no error, note or warning")
for problem in problems:
    print("fails.py: " + problem)
sys.exit(1 if problems else 0)
