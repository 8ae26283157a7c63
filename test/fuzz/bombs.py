# Writes texts of megabytes that cost a reader more than they should, and has the fuzz targets read each.
# Usage: bombs.py FOLDER-OF-THE-TARGETS WORK
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The targets end with an error when reading takes over a second or more memory than ten times the
input and 64 MiB (Limits.h). The sizes are such that a reader which keeps a tree of small values, or
searches a list for each of its members, is far over."""

import os
import shutil
import struct
import subprocess
import sys

BYTES = 8 << 20


def repeat(text, size=BYTES):
    return text * (size // len(text))


def numbered(form, size=BYTES):
    """form % 0, form % 1, ..."""
    parts, length, i = [], 0, 0
    while length < size:
        parts.append(form % i)
        length += len(parts[-1])
        i += 1
    return "".join(parts)


def header(text, data=b""):
    text = text.encode()
    return struct.pack("<Q", len(text)) + text + data


ENTRY = '"%x":{"dtype":"U8","shape":[],"data_offsets":[0,1]},'
EMPTY = '"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
JSON = {
    "arrays": "[" + repeat("[],") + "0]",
    "objects": "[" + repeat("{},") + "0]",
    "numbers": "[" + repeat("0,") + "0]",
    "strings": "[" + repeat('"",') + "0]",
    "long_numbers": "[" + repeat("0.12345678901234567,") + "0]",
    "members": "{" + numbered('"%x":0,') + '"":0}',
    "twice": "{" + numbered('"%x":0,') + '"0":0}',
    "one_string": '"' + repeat("x") + '"',
    "escapes": '"' + repeat("\\u00e9") + '"',
    "backslashes": '["' + repeat("\\\\") + '"]',
    "quotes": '["' + repeat('\\"') + '"]',
    "one_number": repeat("1"),
    "one_fraction": "0." + repeat("1"),
    "spaces": repeat(" "),
    "lines": repeat("\n") + "x",
    "deep": repeat("["),
    "deep_often": "[" + repeat("[" * 63 + "]" * 63 + ",") + "0]",
}
YAML = {
    "flow": "[" + repeat("[],", 4 << 20) + "0]",
    "block": repeat("- a\n", 4 << 20),
    "nested": "".join(" " * i + "a:\n" for i in range(2000)),
    "members": numbered("k%x: 0\n", 4 << 20),
    "one_scalar": "a: " + repeat("x"),
    "one_word_in_lines": "a: " + repeat("x\n  ", 4 << 20),
    "quoted": 'a: "' + repeat("\\x41") + '"',
    "literal": "a: |\n" + repeat("  x\n", 4 << 20),
    "deep": repeat("[", 1 << 20),
    "deep_block": repeat("- ", 1 << 20),
    "questions": repeat("? ", 1 << 20),
    "anchors": "a: " + repeat("&a ", 1 << 20),
    "comments": repeat("# x\n"),
    "colons": repeat(":", 1 << 20),
}
SAFETENSORS = {
    "tensors": header("{" + numbered(EMPTY)[:-1] + "}"),
    "overlaps": header("{" + numbered(ENTRY)[:-1] + "}", b"x"),
    "twice": header("{" + numbered(EMPTY) + EMPTY[:-1] % 0 + "}"),
    "metadata": header('{"__metadata__":{' + numbered('"%x":"",')[:-1] + "}}"),
    "dimensions": header("{" + numbered('"%x":{"dtype":"U8","shape":[' + "0," * 63 + '0],"data_offsets":[0,0]},')[:-1] + "}"),
    "one_shape": header('{"a":{"dtype":"U8","shape":[' + repeat("0,") + '0],"data_offsets":[0,0]}}'),
    "one_name": header('{"' + repeat("x") + '":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "spaces": header("{}" + repeat(" ")),
}
LINES = {
    "short": repeat('{"text":"a"}\n'),
    "ids": repeat('{"input_ids":[1,2,3,4,5,6,7,8]}\n'),
    "one_line": '{"input_ids":[' + repeat("1,") + "1]}",
    "one_text": '{"text":"' + repeat("x") + '"}',
    "others": '{"text":"ab","other":[' + repeat("[],") + "0]}",
    "blank": repeat("\n") + '{"text":"ab"}',
}
INDEX = {
    "tensors": '{"weight_map":{' + numbered('"%x":"m-1.safetensors",')[:-1] + "}}",
    "shards": '{"weight_map":{' + numbered('"a%x":"%%x.safetensors",').replace("%x.", "m.")[:-1] + "}}",
}
MLIR = {
    "brackets": "module attributes {a = " + repeat("["),
    "digits": "module attributes {a = 1" + repeat("0") + "}",
    "strings": 'module attributes {a = "' + repeat("\\41") + '"} {}',
    "comments": repeat("// x\n"),
    "minuses": "module attributes {a = affine_map<(d0) -> (" + repeat("-") + "d0)>} {}",
}


def run(folder, work):
    shutil.rmtree(work, ignore_errors=True)
    failed = count = 0
    for target, texts in {"json": JSON, "yaml": YAML, "safetensors": SAFETENSORS, "jsonl": LINES, "index": INDEX, "mlir": MLIR}.items():
        os.makedirs(os.path.join(work, target))
        for name, text in texts.items():
            path = os.path.join(work, target, name)
            with open(path, "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())
            result = subprocess.run([os.path.join(folder, "ftc-fuzz-" + target), "--exact", path], capture_output=True, text=True, check=False)
            os.remove(path)
            count += 1
            print("%s %s: %s" % (target, name, (result.stdout + result.stderr).strip()))
            if result.returncode != 0:
                failed += 1
    print("%d texts, %d failed" % (count, failed))
    shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2]))
