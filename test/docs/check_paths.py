"""Checks that what the documents point at is there: links, and files of the repository named in backticks."""
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import itertools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
NAMED = re.compile(r"`((?:lib|include|dialects|docs|test|tools)/[^`\s]*)`")


def expand(path):
    """`a/{b,c}.mlir` is a/b.mlir and a/c.mlir."""
    parts = [part.split(",") for part in re.split(r"\{([^}]*)\}", path)[1::2]]
    texts = re.split(r"\{[^}]*\}", path)
    for choice in itertools.product(*parts):
        yield texts[0] + "".join(c + t for c, t in zip(choice, texts[1:]))


def anchors(page):
    """What a link may put behind #: the headings, in the spelling of the forges."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing(page):
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in LINK.findall(text):
        linked = page.parent / target if target else page
        if not linked.exists():
            yield f"link {target}"
        elif anchor and anchor not in anchors(linked):
            yield f"link {target}#{anchor}"
    for named in NAMED.findall(text):
        for path in expand(named):
            # Examples of names that a reader will choose have an X or a capital placeholder.
            if re.search(r"(^|/)(X|x)(-invalid)?\.", path):
                continue
            if not any(ROOT.glob(path.rstrip("/"))):
                yield f"file {path}"


def main():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    failures = [f"{page.relative_to(ROOT)}: {what} is not there" for page in pages for what in missing(page)]
    print("\n".join(failures) or f"{len(pages)} documents")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
