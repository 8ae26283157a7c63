# Runs a chapter of the tutorial: its commands, and what it says that they print or that a file says.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
    run_page.py PAGE.md --work DIR        checks; each failure is one line, PAGE:LINE: what
    run_page.py PAGE.md --write           takes the regions of sources into the page again

Fenced blocks, by the words behind the fence:

    sh                   commands, run in order; all must succeed. They see the repository's `test`
                         folder; what they write under build/tutorial stays until the page ends
    sh fails             the same, but the last must fail
    text output          an excerpt of what the commands before it printed
    LANGUAGE FILE        an excerpt of a file
    LANGUAGE FILE NAME   the whole region of a source between `// DOC: NAME` and `// DOC-END`
    (others)             not looked at

An excerpt is consecutive lines; a line `...` skips some, and `...` in a line some of it. White space
at both ends of a line does not count.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
RENEW = "test/tutorial/run_page.py {page} --write renews it"

# `line` is the number of the block's first line, `lines` the numbers of the text between the fences.
Block = collections.namedtuple("Block", "words line text")


def blocks_of(page):
    """Fenced blocks of a page, in order."""
    words, start, text = None, 0, []
    for number, line in enumerate(page.split("\n"), 1):
        fence = re.match(r"```(.*)", line)
        if fence and words is None:
            words, start, text = fence.group(1).split(), number, []
        elif fence:
            yield Block(words, start, text)
            words = None
        elif words is not None:
            text.append(line)


def region(root, path, name):
    """The lines of a region, without common indentation; None where there is none."""
    text = (root / path).read_text(encoding="utf-8")
    match = re.search(r"^\s*// DOC: %s\n(.*?)^\s*// DOC-END$" % re.escape(name), text, re.M | re.S)
    return textwrap.dedent(match.group(1)).rstrip("\n").split("\n") if match else None


def fits(pattern, line):
    parts = [re.escape(part.strip()) for part in pattern.strip().split("...")]
    return re.fullmatch(r"\s*%s\s*" % r"\s*.*?\s*".join(parts), line) is not None


def first_misfit(excerpt, lines):
    """Index of the first line of an excerpt that is not there; None where all are."""
    pieces, piece = [], []
    for index, line in enumerate(excerpt):
        if line.strip() == "...":
            pieces.append(piece)
            piece = []
        elif line.strip():
            piece.append((index, line))
    at = 0
    for piece in [*pieces, piece]:
        best = 0
        for start in range(at, len(lines)):
            fitting = 0
            while (fitting < len(piece) and start + fitting < len(lines)
                   and fits(piece[fitting][1], lines[start + fitting])):
                fitting += 1
            best = max(best, fitting)
            if fitting == len(piece):
                at = start + fitting
                break
        else:
            if piece:
                return piece[min(best, len(piece) - 1)][0]
    return None


class Page:
    def __init__(self, path, root, work):
        self.path, self.root, self.work = path, root, work
        self.name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        self.output = []
        self.failures = []

    def fail(self, line, what):
        self.failures.append(f"{self.name}:{line}: {what}")

    def check(self):
        for block in blocks_of(self.path.read_text(encoding="utf-8")):
            if block.words[:1] == ["sh"]:
                if not self.run(block, must_fail=block.words[1:] == ["fails"]):
                    return self.failures
            elif block.words == ["text", "output"]:
                self.excerpt(block, self.output, "the output says otherwise")
            elif len(block.words) == 2:
                self.file(block, block.words[1])
            elif len(block.words) == 3:
                self.region(block, *block.words[1:])
        return self.failures

    def run(self, block, must_fail):
        run = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(block.text)], cwd=self.work,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
        self.output = run.stdout.split("\n")
        if must_fail != (run.returncode != 0):
            self.fail(block.line, f"the commands exit with {run.returncode}: " + run.stdout.strip()[-500:])
            return False
        return True

    def excerpt(self, block, lines, what):
        misfit = first_misfit(block.text, lines)
        if misfit is not None:
            self.fail(block.line + 1 + misfit, f"stale, {what}: {block.text[misfit].strip()}")

    def file(self, block, name):
        path = next((p for p in (self.work / name, self.root / name) if p.exists()), None)
        if not path:
            return self.fail(block.line, f"{name} is not there")
        self.excerpt(block, path.read_text(encoding="utf-8").split("\n"), f"{name} says otherwise")

    def region(self, block, name, mark):
        wanted = region(self.root, name, mark) if (self.root / name).exists() else None
        if wanted is None:
            return self.fail(block.line, f"{name} has no region `// DOC: {mark}`")
        if block.text != wanted:
            line = next((i for i, (a, b) in enumerate(zip(block.text, wanted)) if a != b),
                        min(len(block.text), len(wanted)))
            self.fail(block.line + 1 + line, f"stale, {name} says otherwise; "
                      + RENEW.format(page=self.name))

    def write(self):
        """The page with its regions taken from the sources again."""
        lines = self.path.read_text(encoding="utf-8").split("\n")
        for block in reversed(list(blocks_of("\n".join(lines)))):
            if len(block.words) == 3:
                wanted = region(self.root, *block.words[1:])
                if wanted is not None:
                    lines[block.line:block.line + len(block.text)] = wanted
        self.path.write_text("\n".join(lines), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Runs a chapter of the tutorial.")
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="a folder for what the commands write")
    parser.add_argument("--write", action="store_true", help="renew the regions of sources instead")
    options = parser.parse_args()
    page = Page(options.page.resolve(), ROOT, options.work)
    if options.write:
        page.write()
        return 0
    (options.work / "build/tutorial").mkdir(parents=True, exist_ok=True)
    if not (options.work / "test").exists():
        (options.work / "test").symlink_to(ROOT / "test")
    failures = page.check()
    print("\n".join(failures) or f"{page.name}: as it says")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
