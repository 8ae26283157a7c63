"""check_example.py DOC.md OUTPUT: every block of the page that is fenced as `inspect` is in the output, line by line."""
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import re
import sys


def main():
    page, output = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
    blocks = re.findall(r"^```inspect\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    stale = [block for block in blocks if "\n" + block not in output]
    for block in stale:
        print(f"{sys.argv[1]}: this is no longer what ftc prints; copy it from the output anew:\n{block}")
    print(f"{len(blocks)} examples")
    return bool(stale) or not blocks


sys.exit(main())
