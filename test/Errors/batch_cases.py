# Batches and data sets that no step can take.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import json
import os

from expect_error import integers, tensor_file, write


def run(t):
    case = t.copy("lora_qv", "case")
    package = t.compile(case, os.path.join(t.work, "step.ftp"))
    model = os.path.join(case, "model")
    out = os.path.join(t.work, "out")
    file = os.path.join(t.work, "batch.safetensors")
    ids = [5] * 32
    right = {"input_ids": ("I64", [2, 16], integers(ids)), "labels": ("I64", [2, 16], integers(ids))}
    packed = {"input_ids": ("I64", [32], integers(ids)), "labels": ("I64", [32], integers(ids))}

    def fails(name, content, message, place=file, **more):
        write(file, content)
        t.fails(name, ["gradients", package, "--weights", model, "--batch", file, "-o", out, "--threads", "1"], message, place=place, **more)

    def batch(name, changes, message, base=right, **more):
        tensors = {k: v for k, v in {**base, **changes}.items() if v}
        fails(name, tensor_file(tensors), "(batch: )?" + message, **more)

    def rows(values, dtype="I64"):
        return (dtype, [2, 16], integers(values, dtype))

    def line(values, dtype="I64"):
        return (dtype, [len(values)], integers(values, dtype))

    t.fails("batch missing", ["gradients", package, "--weights", model, "--batch", file, "-o", out], "cannot open: No such file", place=file)
    t.fails("evaluate: batch missing", ["evaluate", package, "--weights", model, "--batch", file], "cannot open: No such file", place=file)
    t.fails("batch a directory", ["gradients", package, "--weights", model, "--batch", model, "-o", out], ".*(is a directory|regular file)", place=model)
    fails("empty file", b"", "has 0 bytes; a safetensors file begins with")
    fails("text", "[1, 2, 3]", "the header")
    fails("cut", tensor_file(right)[:-1], ".*the file is cut short", place=file + ":*")
    batch("no input_ids", {"input_ids": None}, "has no tensor 'input_ids'; a batch has input_ids and labels")
    batch("no labels", {"labels": None}, "has no tensor 'labels'")
    batch("a typo", {"labels": None, "lables": right["labels"]}, "has no tensor 'labels'", warns="tensor 'lables' is ignored; did you mean 'labels'")
    batch("no tensor", {"labels": None, "input_ids": None}, "has no tensor 'input_ids'")
    for dtype, size in [("F32", 4), ("F64", 8), ("U8", 1), ("BOOL", 1), ("U64", 8), ("I16", 2)]:
        batch("input_ids of " + dtype, {"input_ids": (dtype, [2, 16], bytes(32 * size))}, "tensor 'input_ids' is %s .*; it must be I32 or I64" % dtype)
    batch("labels of F32", {"labels": ("F32", [2, 16], bytes(128))}, "tensor 'labels' is F32 .*; it must be I32 or I64")
    batch("rank 0", {"input_ids": ("I64", [], bytes(8)), "labels": ("I64", [], bytes(8))}, r"tensor 'input_ids' is I64 \[\]; it must be \[batch, length\]")
    batch("rank 3", {"input_ids": ("I64", [1, 2, 16], integers(ids)), "labels": ("I64", [1, 2, 16], integers(ids))}, r"tensor 'input_ids' is I64 \[1, 2, 16\]; it must be")
    batch("no token", {"input_ids": ("I64", [2, 0], b""), "labels": ("I64", [2, 0], b"")}, r"tensor 'input_ids' is .*not empty")
    batch("labels of another shape", {"labels": ("I64", [1, 32], integers(ids))}, r"tensor 'labels' has shape \[1, 32\] and 'input_ids' \[2, 16\]; they must be equal")
    batch("labels flat", {"labels": ("I64", [32], integers(ids))}, "tensor 'labels' has shape")
    batch("mask of another shape", {"attention_mask": ("I64", [2, 15], integers([1] * 30))}, "tensor 'attention_mask' has shape")
    batch("positions of another shape", {"position_ids": ("I64", [16], integers(range(16)))}, "tensor 'position_ids' has shape")

    more = {k: ("I64", [3, 16], integers(ids + ids[:16])) for k in right}
    batch("too many tokens", more, "holds more than the 32 tokens of a step")
    batch("too many packed tokens", {k: line(ids + [5]) for k in right}, "holds 33 tokens, but a step takes at most 32")
    batch("a row that is far too long", {k: ("I64", [1, 4096], integers([5] * 4096)) for k in right}, "holds more than the 32 tokens")

    def spoiled(index, value):
        return [value if i == index else 5 for i in range(32)]

    batch("id at the vocabulary", {"input_ids": rows(spoiled(21, 96))}, r"input_ids\[1, 5\] is 96; the vocabulary has 96 entries")
    batch("id negative", {"input_ids": rows(spoiled(0, -1))}, r"input_ids\[0, 0\] is -1; the vocabulary has 96")
    batch("id beyond 32 bits", {"input_ids": rows(spoiled(3, 2**32 + 5))}, "tensor 'input_ids' element 3 is 4294967301; it must fit 32 bits")
    batch("packed id", {"input_ids": line(spoiled(7, 1000))}, r"input_ids\[7\] is 1000", base=packed)
    batch("label at the vocabulary", {"labels": rows(spoiled(2, 96))}, r"labels\[0, 2\] is 96; a label is -100 or below 96")
    batch("label -1", {"labels": rows(spoiled(2, -1))}, r"labels\[0, 2\] is -1; a label is -100 or below 96")
    batch("label -101", {"labels": rows(spoiled(31, -101))}, r"labels\[1, 15\] is -101")
    batch("no label", {"labels": rows([-100] * 32)}, "predicts no token: every label but a segment's first is -100")
    batch("only first labels", {"labels": rows([5 if i % 16 == 0 else -100 for i in range(32)])}, "predicts no token")
    t.fails("evaluate: no label", ["evaluate", package, "--weights", model, "--batch", file], "predicts no token", place=file)
    batch("every label masked away", {"attention_mask": rows([1] + [0] * 31)}, "predicts no token|.*no token")
    batch("mask of zeros", {"attention_mask": rows([0] * 32)}, "attention_mask leaves no token")
    batch("mask with a hole", {"attention_mask": rows([1, 1, 0, 1] + [1] * 28)}, r"attention_mask\[0, 2\] is a hole; zeros stand only at the ends of a row")
    batch("mask of 2", {"attention_mask": rows([1] * 16 + [2] * 16)}, r"attention_mask\[1, 0\] is 2; 0 and 1 are known")
    batch("mask of F32", {"attention_mask": ("F32", [2, 16], bytes(128))}, "tensor 'attention_mask' is F32 .*; it must be I32 or I64, or BOOL")
    batch("mask of a packed batch", {"attention_mask": line([1] * 32)}, "tensor 'attention_mask' belongs to input_ids .batch, length.", base=packed)
    positions = list(range(16)) * 2
    batch("position negative", {"position_ids": rows([-1] + positions[1:])}, r"position_ids\[0, 0\] is -1; the model has")
    batch("position beyond the table", {"position_ids": rows(positions[:31] + [2**31 - 1])}, r"position_ids\[1, 15\] is 2147483647; the model has [0-9]+ positions")
    batch("position beyond 32 bits", {"position_ids": rows(positions[:31] + [2**40])}, "tensor 'position_ids' element 31 is 1099511627776; it must fit 32 bits")
    batch("cu_seqlens of rows", {"cu_seqlens": line([0, 16, 32])}, "tensor 'cu_seqlens' is .* beside input_ids .*; it belongs to packed input_ids")
    for name, values, message in [
            ("falling", [0, 20, 10, 32], r"cu_seqlens\[2\] is 10, not above 20"),
            ("standing", [0, 16, 16, 32], r"cu_seqlens\[2\] is 16, not above 16"),
            ("not from 0", [1, 32], r"cu_seqlens\[0\] is 1, not 0"),
            ("negative", [-4, 32], r"cu_seqlens\[0\] is -4, not 0"),
            ("beyond the end", [0, 33], r"cu_seqlens\[1\] is 33, not above 0 and at most the length 32"),
            ("before the end", [0, 16], "cu_seqlens ends at 16, not at the length 32"),
            ("of one", [0], r"tensor 'cu_seqlens' is I64 \[1\]"),
            ("empty", [], r"tensor 'cu_seqlens' is I64 \[0\]")]:
        batch("cu_seqlens " + name, {"cu_seqlens": line(values)}, message, base=packed)
    batch("cu_seqlens of F32", {"cu_seqlens": ("F32", [3], bytes(12))}, "tensor 'cu_seqlens' is F32 .*; it must be I32 or I64", base=packed)

    # Data sets.
    data = os.path.join(t.work, "data.jsonl")
    train = ["train", package, "--weights", model, "--data", data, "--output", out, "--threads", "1"]
    good = json.dumps({"input_ids": [1, 2, 3, 4]})

    def lines(name, content, message, place=data, **more):
        write(data, content)
        t.fails("data: " + name, train, message, place=place, **more)

    t.fails("data: missing", train, "cannot open: No such file", place=data)
    t.fails("data: missing for evaluate", ["evaluate", package, "--weights", model, "--data", data], "cannot open: No such file", place=data)
    t.fails("data: a directory", train[:5] + [model] + train[6:], "is a directory; training data are one JSONL file", place=model)
    t.fails("data: eval-data missing", train[:5] + [os.path.join(case, "data.jsonl")] + train[6:] + ["--eval-data", data], "cannot open: No such file", place=data)
    lines("empty", "", "holds no sequence; a line is an object with 'input_ids' or 'text'")
    lines("blank lines", "\n\n \t\n", "holds no sequence")

    def third(name, text, message, place=data + ":3*", **more):
        lines("line 3: " + name, (good + "\n").encode() * 2 + (text if isinstance(text, bytes) else text.encode()) + b"\n" + good.encode() + b"\n", message, place=place, **more)

    third("bad JSON", '{"input_ids": [1, 2', "expected ',' or ']'")
    third("no JSON", "hello", "not a JSON value")
    third("two objects", good + good, "text after the end of the JSON value")
    third("a list", "[1, 2]", "a line of training data must be an object with 'input_ids' or 'text', got an array")
    third("a string", '"text"', "a line of training data must be an object")
    third("neither", '{"input": [1]}', "has neither 'input_ids' nor 'text'; 'input' is none of them|has neither 'input_ids' nor 'text'")
    third("ids a string", '{"input_ids": "1 2"}', "'input_ids' must be an array of integers, got a string")
    third("ids of floats", '{"input_ids": [1, 2.5]}', "'input_ids' element 1 must be .*, got '2.5'")
    third("ids of null", '{"input_ids": [null]}', "'input_ids' element 0 must be .*, got 'null'")
    third("id at the vocabulary", '{"input_ids": [1, 2, 96]}', "'input_ids' element 2 must be .*95.*, got '96'|'input_ids' element 2 must be .*96.*, got '96'")
    third("id negative", '{"input_ids": [-1]}', "'input_ids' element 0 must be ")
    third("id huge", '{"input_ids": [9223372036854775807]}', "'input_ids' element 0 must be ")
    third("ids empty", '{"input_ids": []}', "'input_ids' is empty.*|.*empty")
    third("labels shorter", '{"input_ids": [1, 2, 3], "labels": [1, 2]}', ".*'labels' .*2.*3")
    third("labels longer", '{"input_ids": [1, 2], "labels": [1, 2, 3]}', ".*'labels' .*3.*2")
    third("labels a number", '{"input_ids": [1, 2], "labels": 3}', "'labels' must be an array of integers")
    third("label -1", '{"input_ids": [1, 2], "labels": [-100, -1]}', "'labels' element 1 must be .*-100.*, got '-1'")
    third("label at the vocabulary", '{"input_ids": [1, 2], "labels": [-100, 96]}', "'labels' element 1 must be ")
    third("labels without ids", '{"labels": [1, 2]}', "has neither 'input_ids' nor 'text'|.*'labels'")
    third("text and a small vocabulary", '{"text": "abc"}', ".*259 ids, and the model has 96; give 'input_ids'")
    third("text a number", '{"text": 5}', "'text' must be a string")
    third("invalid UTF-8", b'{"text": "\xff"}', "not valid UTF-8")
    third("NUL", b'{"text": "a\0b"}', "a NUL byte")
    third("depth bomb", '{"input_ids": ' + "[" * 100000, "nested deeper than")
    third("duplicate key", '{"input_ids": [1], "input_ids": [2]}', "key 'input_ids' is given twice")
    third("1e400", '{"input_ids": [1e400]}', "a number is beyond the range of a double")
    lines("nothing is predicted", '{"input_ids": [1, 2], "labels": [1, -100]}\n', "predicts no token: every label but a sequence's first is -100")
    lines("sequences of one token", '{"input_ids": [1]}\n{"input_ids": [2]}\n', "predicts no token")
    lines("line that does not end", '{"input_ids": [1, 2', "expected", place=data + ":1*")
