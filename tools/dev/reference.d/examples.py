"""Examples out of lit tests: what goes in, and what the check lines say comes out."""
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import collections
import re
import textwrap

Example = collections.namedtuple("Example", "source command before after")


# What a test needs and a reader does not.
TEST_ONLY = ("--verify-diagnostics", "--split-input-file")


def dedent(lines):
    return textwrap.dedent("\n".join(lines)).strip("\n").split("\n") if lines else []


def reindent(lines):
    """Check lines are written flush; braces say how deep they are."""
    depth, result = 0, []
    for line in lines:
        line = line.strip()
        closing = line.startswith("}")
        result.append("  " * max(0, depth - closing - line.startswith("^")) + line)
        depth += line.count("{") - line.count("}")
    return result


def plain(check):
    """What a FileCheck pattern matches, for people."""
    check = re.sub(r"\[\[#?([A-Za-z_]\w*)(?::(?:[^\]]|\](?!\]))*)?\]\]", r"\1", check)
    check = re.sub(r"\{\{\\(.)\}\}", r"\1", check)
    check = re.sub(r"%\{\{[^}]*\}\}", "%_", check)
    return re.sub(r"\{\{.*?\}\}", "...", check)


def command_of(text, flag, section, prefixes):
    """The ft-opt flags of the RUN line that runs a pass: if there is one, of a line that reads this
    section of the file, or checks with these prefixes."""
    runs = re.findall(r"RUN: (.*)", re.sub(r"\\\n\s*// RUN:", "", text))
    runs = [r for r in runs if re.search(r"\bft-opt\b.*--%s\b" % re.escape(flag), r)]
    if not runs:
        return ""
    own = [r for r in runs if section and f"%t/{section} " in r] or [
        r for r in runs if any(("prefix=" + p) in r for p in prefixes) or
        (prefixes == ["CHECK"] and "check-prefix" not in r)]
    options = re.search(r"\bft-opt\b([^|>]*)", (own or runs)[0]).group(1)
    return "ft-opt " + " ".join(o for o in options.split() if o.startswith("--") and o not in TEST_ONLY)


def example_of(source, command, parts, prefixes):
    before, after = [], []
    for lines in parts:
        goes_in, comes_out = split(lines, prefixes)
        for whole, part, gap in ((before, goes_in, "// ..."), (after, comes_out, "...")):
            whole += ([gap] if whole and part and part[0] != "..." else []) + part
    return Example(source, command, before, reindent(after))


def split(lines, prefixes):
    """Lines of a test as (IR that goes in, what comes out)."""
    check = re.compile(r"\s*//\s*(?:%s)(-NEXT|-SAME|-LABEL|-DAG|-NOT)?:\s?(.*)" % "|".join(prefixes))
    before, after = [], []
    for line in lines:
        match = check.fullmatch(line)
        error = re.fullmatch(r"\s*//\s*expected-error\s*(?:@\S+)?\s*\{\{(.*)\}\}", line)
        if error:
            after.append("error: " + error.group(1))
        elif match and match.group(1) == "-SAME" and after:
            gap = "" if after[-1].endswith("(") else " ... "
            after[-1] += gap + plain(match.group(2).strip())
        elif match and match.group(1) != "-NOT":
            if match.group(1) is None and after and after[-1] != "...":
                after.append("...")
            after.append(plain(match.group(2)))
        elif not match and not line.lstrip().startswith("//"):
            before.append(line)
    return dedent(before), after


def marked(root, offences):
    """Examples between DOC lines, by name. Names keep the first file that has them."""
    found = {}
    for path in sorted((root / "test").rglob("*.mlir")):
        source, regions, name, section = path.relative_to(root).as_posix(), {}, None, None
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.split("\n"), 1):
            begin = re.fullmatch(r"\s*// DOC: (\S+)((?: \S+)*)", line)
            if line.startswith("//--- "):
                section = line[6:].strip()
            elif begin:
                name = begin.group(1)
                region = regions.setdefault(name, ([], begin.group(2).split() or ["CHECK"], section))
                region[0].append([])
            elif line.strip() == "// DOC-END":
                name = None
            elif name:
                region[0][-1].append(line)
        if name:
            offences.add(f"{source}:{number}", f"`// DOC: {name}` has no `// DOC-END`")
        for name, (parts, prefixes, section) in regions.items():
            command = command_of(text, name, section, prefixes)
            found.setdefault(name, example_of(source, command, parts, prefixes))
    return found


def first_use(root, folder, op):
    """The first statement of `op` in the tests of a folder, with its region and continued lines."""
    path = root / "test" / "Dialect" / folder / "ops.mlir"
    if not path.exists():
        return None
    lines = [l for l in path.read_text(encoding="utf-8").split("\n")
             if not l.lstrip().startswith("//")]
    start_of = re.compile(r"\s*(?:%[^=]*= )?" + re.escape(op) + r"(?=[\s@(]|$)")
    for start, line in enumerate(lines):
        if not start_of.match(line):
            continue
        indent = len(line) - len(line.lstrip())
        depth, taken = 0, []
        for next_line in lines[start:]:
            deeper = len(next_line) - len(next_line.lstrip()) > indent
            if taken and depth <= 0 and not (next_line.strip() and deeper):
                break
            taken.append(next_line)
            depth += sum(map(next_line.count, "{[(")) - sum(map(next_line.count, "}])"))
        return Example(path.relative_to(root).as_posix(), "", dedent(taken), [])
    return None


def refusals(root, folder):
    """The errors that the tests of a dialect expect, by op, in their order there."""
    path = root / "test" / "Dialect" / folder / "invalid.mlir"
    found = collections.OrderedDict()
    if path.exists():
        errors = re.findall(r"expected-error\s*(?:@\S+)?\s*\{\{('([\w.]+)' op .*)\}\}",
                            path.read_text(encoding="utf-8"))
        for message, op in errors:
            messages = found.setdefault(op, [])
            if message not in messages:
                messages.append(message)
    return found
