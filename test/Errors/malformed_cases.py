# Malformed files, byte for byte: what other loaders of safetensors have got wrong, and the same for JSON Lines.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import json
import os
import struct

from expect_error import read, tensor_file, write

A = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}
B = {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]}
DATA = b"ab\0\0\x80?"
GOOD = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}'


def with_length(header, data=DATA, length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def new_name(t, name):
    """The name of a case; one that is taken gets a number."""
    number, result = 1, name
    while result in t.names:
        number, result = number + 1, "%s (%d)" % (name, number + 1)
    return result


def safetensors(t, command):
    file = os.path.join(t.work, "malformed.safetensors")

    def fails(name, content, message, place=file + ":*", **more):
        write(file, content)
        t.fails(new_name(t, name), command(file), message, place=place, **more)

    def header(name, change, message, data=DATA, **more):
        entries = {"a": dict(A), "b": dict(B)}
        change(entries)
        fails(name, with_length(json.dumps(entries), data), message, **more)

    def field(key, value, message, what=None, **more):
        header("%s %s" % (key, what or json.dumps(value)[:40]), lambda h: h["b"].__setitem__(key, value), message, **more)

    # The file is as sound as these changes are small: only its tensors are not the package's.
    fails("sound", with_length(GOOD), "[0-9]+ tensors are not what the package was compiled for", place=file)

    # The first eight bytes.
    good = with_length(GOOD)
    for n in [0, 1]:
        fails("N = %d" % n, struct.pack("<Q", n) + good[8:], "the header does not start with '{'|expected a key", place=file + "*")
    for n in [7, 8, len(GOOD) - 1]:
        fails("N = %d" % n, struct.pack("<Q", n) + good[8:], "expected|a string has no closing quote", notes=["the position is within the header"])
    fails("N = one too many", struct.pack("<Q", len(GOOD) + 1) + good[8:], "text after the end of the JSON value")
    for n in [len(good) - 7, len(good), 10**8 - 1, 10**8]:
        fails("N = %d, beyond the file" % n, struct.pack("<Q", n) + good[8:], "the header's length is %d bytes, but only %d follow; the file is cut short" % (n, len(good) - 8), place=file)
    for n in [10**8 + 1, 2**31 - 1, 2**31, 2**32, 2**32 + len(GOOD), 2**63 - 1, 2**63, 2**63 + len(GOOD), 2**64 - 8, 2**64 - 1]:
        fails("N = %d" % n, struct.pack("<Q", n) + good[8:], "the header's length is %d bytes; at most 100000000 are allowed" % n, place=file)
    fails("N big-endian", struct.pack(">Q", len(GOOD)) + good[8:], "the header's length is .*; at most 100000000 are allowed", place=file)
    fails("no N", GOOD.encode() + DATA, "the header's length is .*; at most 100000000 are allowed", place=file)

    # Cut at every byte of the beginning, and around each boundary.
    for end in range(8):
        fails("cut at %d" % end, good[:end], "has %d bytes; a safetensors file begins with 8 bytes of length" % end, place=file)
    for end in list(range(8, 64)) + [8 + len(GOOD) - 1]:
        fails("cut at %d" % end, good[:end], "the header's length is %d bytes, but only %d follow; the file is cut short" % (len(GOOD), end - 8), place=file)
    for end, tensor in [(0, "a"), (1, "a"), (2, "b"), (3, "b"), (5, "b")]:
        fails("data cut at %d" % end, with_length(GOOD, DATA[:end]), "tensor '%s': its data ends at %d, but the file has %d bytes of data; the file is cut short" % (tensor, {"a": 2, "b": 6}[tensor], end))
    for more in [1, 2, 4096]:
        fails("%d bytes too many" % more, good + bytes(more), "has %d bytes of data, but its tensors take 6; they must be equal" % (6 + more), place=file)

    # The header as text.
    for name, text in [("a space first", " " + GOOD), ("a newline first", "\n" + GOOD), ("an array", "[%s]" % GOOD), ("a string", '"{}"'),
                       ("a byte order mark", b"\xef\xbb\xbf" + GOOD.encode()), ("UTF-16", GOOD.encode("utf-16-le"))]:
        fails("header: " + name, with_length(text), "the header does not start with '{'|a NUL byte", place=file + "*")
    for name, text, message in [
            ("a comma too many", GOOD[:-1] + ",}", "expected a key in double quotes"), ("not closed", GOOD[:-1], "expected ',' or '}'"),
            ("two objects", GOOD + "{}", "text after the end of the JSON value"), ("a NUL behind it", GOOD + "\0", "a NUL byte"),
            ("a comment", GOOD[:-1] + "/* */}", "expected ',' or '}'"), ("single quotes", GOOD.replace('"', "'"), "expected a key in double quotes"),
            ("a key without quotes", '{a:{}}', "expected a key in double quotes"), ("a control character", GOOD.replace('"a"', '"a\1"'), "a control character in a string"),
            ("an escape that is none", GOOD.replace('"a"', '"\\x61"'), "unknown escape in a string"), ("half of a surrogate pair", GOOD.replace('"a"', '"\\ud83d"'), "half of a surrogate pair"),
            ("the other half", GOOD.replace('"a"', '"\\ude00"'), "half of a surrogate pair"), ("NaN", GOOD.replace("[1]", "[NaN]"), "not a JSON value"),
            ("a depth bomb of arrays", '{"a":' + "[" * 100000, "nested deeper than 64 levels"), ("a depth bomb of objects", '{"a":' * 100000, "nested deeper than 64 levels"),
            ("spaces for padding before the end", GOOD[:-1] + " " * 64, "expected ',' or '}'")]:
        fails("header: " + name, with_length(text), message, notes=["the position is within the header, which starts at byte 8"])
    for name, bad in [("a lone continuation", b"\x80"), ("overlong", b"\xc0\xaf"), ("a surrogate", b"\xed\xa0\x80"), ("beyond Unicode", b"\xf4\x90\x80\x80"),
                      ("cut", b"\xe4\xb8"), ("Latin-1", b"\xe9")]:
        fails("header: UTF-8 that is " + name, with_length(GOOD.encode().replace(b'"a"', b'"a' + bad + b'"')), "not valid UTF-8")
    fails("header: 30 MB of values in one field", with_length('{"a":[' + "[]," * 10000000 + "[]]}"), "the values up to here take more than", notes=["the position is within"])

    # Names.
    fails("name: NUL", with_length(GOOD.replace('"a"', '"a\\u0000b"')), r"tensor 'a\\x00b': the name has a NUL character")
    fails("name: twice", with_length(GOOD.replace('"b"', '"a"')), "key 'a' is given twice; remove one of the two", notes=[":1:2: first given here"])
    fails("name: twice by an escape", with_length(GOOD.replace('"b"', '"\\u0061"')), "key 'a' is given twice; remove one of the two", notes=["first given here"])
    fails("name: field twice", with_length(GOOD.replace('"shape":[1]', '"shape":[1],"shape":[1]')), "key 'shape' is given twice")
    fails("name: a megabyte", with_length(json.dumps({"x" * 1000000: {**A, "dtype": "?"}})), "tensor 'x{60,}.*: unknown dtype '\\?'")
    fails("name: metadata twice", with_length('{"__metadata__":{},"__metadata__":{}}', b""), "key '__metadata__' is given twice")

    # __metadata__
    for value in [None, 1, "pt", True, ["pt"]]:
        header("metadata: %s" % json.dumps(value), lambda h: h.__setitem__("__metadata__", value), "'__metadata__' must be an object of strings")
    for value in [None, 1, 0.5, True, ["pt"], {"a": "b"}]:
        header("metadata: {format: %s}" % json.dumps(value), lambda h: h.__setitem__("__metadata__", {"format": value}), "'__metadata__': 'format' is .*; it must be a string")
    header("metadata: a tensor's name", lambda h: h.__setitem__("__metadata__", dict(A)), "'__metadata__': 'shape' is an array; it must be a string")

    # An entry.
    for value in [None, 1, "F32", [1], True]:
        header("entry: %s" % json.dumps(value), lambda h: h.__setitem__("b", value), "tensor 'b' must be an object with dtype, shape and data_offsets")
    header("entry: {}", lambda h: h.__setitem__("b", {}), "tensor 'b': 'dtype' is missing")
    for key in B:
        header("entry: no " + key, lambda h: h["b"].pop(key), "tensor 'b': '%s' is missing" % key)
        header("entry: %s in capitals" % key, lambda h: h["b"].__setitem__(key.upper(), h["b"].pop(key)), "tensor 'b': unknown field '%s'" % key.upper())
    for key in ["offset", "strides", "byte_order", ""]:
        header("entry: field '%s'" % key, lambda h: h["b"].__setitem__(key, 0), "tensor 'b': unknown field '%s'; dtype, shape and data_offsets are the fields" % key)

    # dtype
    for value in ["", "f32", "F32 ", "float32", "FP32", "F31", "I128", "BF-16", "torch.float32", "F32\0", "\U0001F600"]:
        field("dtype", value, "tensor 'b': unknown dtype '.*'; safetensors names such as")
    for value in [None, 32, True, ["F32"], {"F32": 1}]:
        field("dtype", value, "tensor 'b': unknown dtype (null|an integer|a boolean|an array|an object)")
    for value, size in [("F64", 8), ("I64", 8), ("U64", 8), ("C64", 8), ("F16", 2), ("BF16", 2), ("I16", 2), ("U8", 1), ("BOOL", 1), ("F8_E4M3", 1), ("F8_E5M2", 1)]:
        field("dtype", value, r"tensor 'b': %s \[1\] has %d bytes, but data_offsets span 4" % (value, size))
    field("dtype", "F4", r"tensor 'b': the size of F4 \[1\] overflows 64 bits or does not fill whole bytes")
    for dtype, count in [("F4", 3), ("F6_E2M3", 1), ("F6_E2M3", 2), ("F6_E3M2", 5)]:
        header("sub-byte: %s [%d]" % (dtype, count), lambda h: h["b"].update(dtype=dtype, shape=[count]), "tensor 'b': the size of .* does not fill whole bytes")

    # shape
    for value in [None, 1, "1", True, {"0": 1}, [1] * 65, [1] * 100000]:
        field("shape", value, "tensor 'b': shape must be an array of at most 64 dimensions", what="%s of %d characters" % (str(value)[:20], len(str(value))))
    for value in [[-1], [1, -1], [-1, -1], [1.0], [1e3], [0.5], ["1"], [None], [True], [[1]], [2**63], [2**64 - 1], [-(2**63)]]:
        field("shape", value, "tensor 'b': a dimension must be an integer of at least 0")
    for text in ["1e0", "1E3", "1.0e0", "-0.0", "0x1", "01", "+1", "1_0"]:
        fails("shape [%s]" % text, with_length(GOOD.replace("[1]", "[%s]" % text)), "tensor 'b': a dimension must be an integer|expected ',' or ']'|not a JSON value")
    for value in [2**64, 10**40]:
        fails("shape [%d]" % value, with_length(GOOD.replace("[1]", "[%d]" % value)), "integer '[0-9.]*' does not fit in 64 bits", notes=["within the header"])
    for value in [[2**32, 2**32], [2**31, 2**31, 4], [2**62, 4], [2**63 - 1], [2**63 - 1] * 3, [2**61], [0, 2**63 - 1, 2**63 - 1]]:
        field("shape", value, "tensor 'b': (the size of .* overflows 64 bits|F32 .* has [0-9]+ bytes, but data_offsets span 4)")
    for value, size in [([], 4), ([2], 8), ([0], 0), ([1, 0], 0), ([0, 4], 0), ([1, 1, 2], 8), ([2**32 + 1], 17179869188), ([2**58], 1152921504606846976)]:
        if size != 4:
            field("shape", value, r"tensor 'b': F32 \[.*\] has %d bytes, but data_offsets span 4" % size)

    # data_offsets
    two = "tensor 'b': data_offsets must be two integers .begin, end. with begin <= end"
    for value in [None, 2, "2, 6", {}, [], [2], [2, 6, 6], [6, 2], [-4, 0], [2, -6], [2.0, 6.0], [2, 6.5], ["2", "6"], [None, 6], [[2, 6]], [2**63, 0], [2**64 - 1, 3], [-(2**63), 2**63 - 1]]:
        field("data_offsets", value, two)
    for value, other in [([1, 5], "2 is the end"), ([3, 7], "2 is the end"), ([0, 4], "4 is the end|2 is the end"), ([2**63, 2**63 + 4], "2 is the end"), ([2**64 - 5, 2**64 - 1], "2 is the end")]:
        field("data_offsets", value, "tensor '.': its data begins at [0-9]+, but .*(%s).*; tensors may neither overlap nor leave gaps" % other)
    for value, span in [([2, 5], 3), ([2, 7], 5), ([2, 2], 0), ([2, 2**64 - 1], 2**64 - 3), ([0, 2**63], 2**63)]:
        field("data_offsets", value, r"tensor 'b': F32 \[1\] has 4 bytes, but data_offsets span %d" % span)
    header("offsets: both tensors at 0", lambda h: h["b"].update(dtype="U8", shape=[2], data_offsets=[0, 2]), "tensor '.': its data begins at 0, but 2 is the end of what precedes it", data=DATA[:2])
    header("offsets: data before the first", lambda h: (h["a"].update(data_offsets=[1, 3]), h["b"].update(data_offsets=[3, 7])), "tensor 'a': its data begins at 1, but 0 is the end", data=b"x" + DATA)
    header("offsets: an empty tensor beyond the end", lambda h: h["b"].update(shape=[0], data_offsets=[6, 6]), "tensor 'b': its data begins at 6, but 2 is the end")
    header("offsets: an empty tensor within another", lambda h: h["a"].update(shape=[0], data_offsets=[4, 4]), "tensor 'b': its data begins at 2, but 0 is the end|tensor 'a': its data begins at 4")
    fails("offsets: 2^64", with_length(GOOD.replace("6]", "18446744073709551616]")), "integer '18446744073709551616' does not fit in 64 bits", notes=["within the header"])

    # Many.
    many = "{" + ",".join('"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(1000000)) + "}"
    fails("a million tensors", with_length(many, b""), "[0-9]+ tensors are not what the package was compiled for", place=file)
    fails("a million tensors, one twice", with_length(many[:-1] + ',"7": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', b""), "key '7' is given twice", notes=["first given here"])

    # Other kinds of files.
    for name, content in [("a zip", b"PK\3\4" + bytes(100)), ("GGUF", b"GGUF\3\0\0\0" + bytes(100)), ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)), ("NumPy", b"\x93NUMPY\1\0v\0" + b"{" * 100),
                          ("gzip", b"\x1f\x8b\x08\0\0\0\0\0" + bytes(100)), ("zeros", bytes(4096)), ("a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 8\n"),
                          ("a page of HTML", "<!DOCTYPE html><html></html>\n" * 4)]:
        fails("file: " + name, content, "the header", place=file)


def index(t, command):
    folder = t.folder("sharded")
    file = os.path.join(folder, "model.safetensors.index.json")
    write(os.path.join(folder, "m.safetensors"), tensor_file({"a": ("U8", [1], b"x")}))
    os.symlink("nowhere", os.path.join(folder, "dangling.safetensors"))
    os.symlink("loop.safetensors", os.path.join(folder, "loop.safetensors"))
    os.mkdir(os.path.join(folder, "folder.safetensors"))
    os.mkfifo(os.path.join(folder, "fifo.safetensors"))

    def fails(name, content, message, place=file + ":*", **more):
        write(file, content)
        t.fails(new_name(t, "index: " + name), command(folder), message, place=place, **more)

    def shard(name, value, message, **more):
        fails(name, json.dumps({"weight_map": {"a": value}}), message, **more)

    plain = "tensor 'a': the shard must be a plain file name"
    for value in ["..", ".", "../m.safetensors", "./m.safetensors", "x/../m.safetensors", "/etc/passwd", "m.safetensors/", "x\\m.safetensors", "m\0.safetensors", "x" * 256, ".hidden", "",
                  None, 1, True, ["m.safetensors"], {"m.safetensors": 1}]:
        shard("shard %s" % json.dumps(value)[:40], value, plain)
    for value, why in [("dangling", "No such file"), ("loop", "Too many levels of symbolic links"), ("none", "No such file")]:
        shard("shard %s" % value, value + ".safetensors", "cannot open: " + why, place="*%s.safetensors" % value, notes=["index.json:1:.*the index names this shard here"])
    shard("a folder for a shard", "folder.safetensors", "is a directory", place="*folder.safetensors", notes=["the index names this shard here"])
    shard("a pipe for a shard", "fifo.safetensors", "is not a regular file", place="*fifo.safetensors", notes=["the index names this shard here"])
    for name, text, message in [
            ("empty", "", "the text is empty"), ("null", "null", "the file's value must be an object"), ("a string", '"m"', "the file's value must be an object"),
            ("map twice", '{"weight_map": {}, "weight_map": {}}', "key 'weight_map' is given twice"), ("map null", '{"weight_map": null}', "'weight_map' must be an object"),
            ("tensor twice", '{"weight_map": {"a": "m.safetensors", "a": "m.safetensors"}}', "key 'a' is given twice"),
            ("a depth bomb", '{"weight_map": ' + '{"a": ' * 100000, "nested deeper than 64 levels"), ("not UTF-8", b'{"weight_map": {"\xff": "m"}}', "not valid UTF-8"),
            ("a tensor that the shard lacks", '{"weight_map": {"b": "m.safetensors"}}', "tensor 'b' is not in 'm.safetensors', where the index says it is")]:
        fails(name, text, message)


def lines(t, command):
    file = os.path.join(t.work, "malformed.jsonl")
    good = '{"input_ids": [1, 2, 3]}\n'

    def fails(name, content, message, place=file + ":2*", **more):
        write(file, content)
        t.fails(new_name(t, "line: " + name), command(file), message, place=place, **more)

    def line(text, message, name=None, **more):
        text = text if isinstance(text, bytes) else text.encode()
        fails(name or repr(text)[2:60], good.encode() + text + b"\n" + good.encode(), message, **more)

    for text in ["null", "1", '"text"', "[]", "[1, 2]", "true"]:
        line(text, "a line of training data must be an object with 'input_ids' or 'text', got")
    for text in ["{", '{"input_ids"', '{"input_ids": [1, 2', '{"input_ids": [1, 2]', '{"input_ids": [1, 2]} x', '{"input_ids": [1, 2]}{}', "{'input_ids': [1, 2]}", "# a comment",
                 '{"input_ids": [1, 2,]}', '{"input_ids": [01]}', '{"input_ids": [1 2]}', '{"input_ids": NaN}', "<html>", "input_ids: [1, 2]"]:
        line(text, "expected|not a JSON value|text after the end")
    line("[" * 100000, "nested deeper than 64 levels", name="a depth bomb")
    line('{"input_ids": [' + "[]," * 3000000 + "1]}", "the values up to here take more than", name="a line of nine million bytes of nothing")
    line(b'{"text": "\xff"}', "not valid UTF-8")
    line('{"text": "\0"}', "a NUL byte")
    line('\ufeff{"text": "a"}', "a byte order mark")
    line('{"text": "\\ude00"}', "half of a surrogate pair")
    line('{"input_ids": [1, 2], "input_ids": [1, 2]}', "key 'input_ids' is given twice")
    for value in [None, 1, "1 2", {"0": 1}, True]:
        line(json.dumps({"input_ids": value}), "'input_ids' must be an array of integers, got")
    for value in [-1, 96, 2**31, 2**32 + 1, 2**63, 2**64 - 1, 1.0, 1e3, 0.5, "1", None, True, [1], {}]:
        line(json.dumps({"input_ids": [1, value]}), "'input_ids' element 1 must be an integer from 0 to 95 .*, got")
    for value in [-1, -99, -101, 96, 2**63, -100.0, "-100", None, [1]]:
        line(json.dumps({"input_ids": [1, 2], "labels": [1, value]}), "'labels' element 1 must be -100 .* or an integer from 0 to 95, got")
    line('{"input_ids": [1, 100000000000000000000]}', "integer '100000000000000000000' does not fit in 64 bits")
    line('{"input_ids": []}', "'input_ids' is empty; leave the line out")
    for value in [None, 1, "x", {}]:
        line(json.dumps({"input_ids": [1, 2], "labels": value}), "'labels' must be an array of integers, got")
    for value in [[], [1], [1, 2, 3]]:
        line(json.dumps({"input_ids": [1, 2], "labels": value}), "'labels' has %d elements and 'input_ids' 2; they must have the same length" % len(value))
    line('{"input_ids": [1, 2], "attention_mask": [1, 0]}', "'attention_mask' hides a token")
    for value in [None, 1, ["a"], {}]:
        line(json.dumps({"text": value}), "'text' must be a string, got")
    line('{"text": "a", "labels": [1]}', "'labels' needs 'input_ids'")
    for text in ["{}", '{"ids": [1]}', '{"prompt": "a", "completion": "b"}', '{"messages": []}']:
        line(text, "has neither 'input_ids' nor 'text'")
    for name, text in [("nothing", ""), ("blank lines", "\n\n \n\t\r\n")]:
        fails(name, text, "holds no sequence", place=file)
    fails("nothing to predict", '{"input_ids": [1]}\n' * 3, "predicts no token", place=file)


def run(t):
    case = t.copy("lora_qv", "case")
    package = t.compile(case, os.path.join(t.work, "step.ftp"))
    model, batch = os.path.join(case, "model"), os.path.join(case, "batch.safetensors")
    out = os.path.join(t.work, "out")

    def gradients(weights):
        return ["gradients", package, "--weights", weights, "--batch", batch, "-o", out, "--threads", "1"]

    safetensors(t, gradients)
    index(t, gradients)
    lines(t, lambda data: ["evaluate", package, "--weights", model, "--data", data, "--threads", "1"])
    if t.only == "" and t.count < 200:
        t.problems.append("%d malformed files, fewer than the 200 that are wanted" % t.count)
