# Weights that are missing, cut short, misshapen, of another type, or not finite: the base and the adapter.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import json
import os
import shutil
import struct

from expect_error import read, read_tensors, tensor_file, write

QUERY = "model.layers.0.self_attn.q_proj.weight"
NORM = "model.norm.weight"
LORA = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def run(t):
    case = t.copy("lora_qv", "case")
    package = t.compile(case, os.path.join(t.work, "step.ftp"))
    model, adapter = os.path.join(case, "model"), os.path.join(case, "adapter")
    batch = os.path.join(case, "batch.safetensors")
    file = os.path.join(model, "model.safetensors")
    right, content = read_tensors(file), read(file)
    out = os.path.join(t.work, "out")

    def gradients(weights=model, adapter_weights=adapter, with_package=package):
        return ["gradients", with_package, "--weights", weights, "--adapter-weights", adapter_weights, "--batch", batch,
                "-o", out, "--threads", "1"]

    def fails(name, spoiled, message, place=None, **more):
        if spoiled is not None:
            write(file, spoiled)
        t.fails(name, gradients(), message, place=place or file, **more)

    def header(name, change, message, place=file + ":*", **more):
        fails(name, tensor_file(right, change), message, place=place, **more)

    def tensors(name, changes, message, **more):
        changed = {**right, **changes}
        fails(name, tensor_file({k: v for k, v in changed.items() if v}), message, **more)

    # Where they are.
    t.fails("no directory", gradients(os.path.join(t.work, "none")), "cannot open: No such file", place="*none")
    empty = t.folder("empty")
    t.fails("empty directory", gradients(empty), "has no weights; model.safetensors, model.safetensors.index.json or", place=empty)
    t.fails("a file that is none", gradients(os.path.join(case, "data.jsonl")), "the header", place="*data.jsonl")
    t.fails("train: no directory", ["train", package, "--weights", os.path.join(t.work, "none"), "--data",
                                    os.path.join(case, "data.jsonl"), "--output", out], "cannot open: No such file", place="*none")
    t.fails("evaluate: no directory", ["evaluate", package, "--weights", os.path.join(t.work, "none"), "--data",
                                       os.path.join(case, "data.jsonl")], "cannot open: No such file", place="*none")

    # The file as a whole.
    (length,) = struct.unpack("<Q", content[:8])
    for end in [0, 1, 7, 8, 9, 8 + length // 2, 8 + length - 1, 8 + length, 8 + length + 1, len(content) // 2, len(content) - 1]:
        fails("cut at byte %d" % end, content[:end], ".*(cut short|begins with 8 bytes of length|does not start)", place=file + "*")
    fails("bytes too many", content + b"\0", "has .* bytes of data, but its tensors take .*; they must be equal")
    fails("header length 0", b"\0" * 8 + content[8:], "the header does not start with '{'")
    fails("header length 1 less", struct.pack("<Q", length - 1) + content[8:], "", place=file + "*")
    fails("header length huge", struct.pack("<Q", 2**63) + content[8:], "the header's length is 9223372036854775808 bytes; at most 100000000")
    fails("header length beyond the file", struct.pack("<Q", len(content)) + content[8:], "the header's length is .* the file is cut short")
    fails("header not JSON", struct.pack("<Q", 4) + b"{]]]" + b"\0" * 8, "expected a key", place=file + ":*", notes=["the position is within the header"])
    fails("header an array", struct.pack("<Q", 2) + b"[]", "the header does not start with '{'")
    fails("header depth bomb", struct.pack("<Q", 200005) + b'{"a":' + b"[" * 200000, "nested deeper than", place=file + ":*")
    fails("a pickle", b"\x80\x04\x95" + b"\1" * 100, "the header's length is .*is this a safetensors file", place=file)
    fails("text", "hello, world\n", "the header's length is .*is this a safetensors file", place=file)

    # The header's entries.
    def set_field(key, value):
        return lambda h: h[QUERY].__setitem__(key, value)

    subject = "tensor '%s'" % QUERY
    header("entry is a list", lambda h: h.__setitem__(QUERY, [1]), subject + " must be an object with dtype, shape and data_offsets")
    for key in ["dtype", "shape", "data_offsets"]:
        header("entry without " + key, lambda h, key=key: h[QUERY].pop(key), subject + ": '%s' is missing" % key)
    header("entry with more", set_field("offset", 1), subject + ": unknown field 'offset'")
    header("unknown dtype", set_field("dtype", "F31"), subject + ": unknown dtype 'F31'")
    header("dtype a number", set_field("dtype", 32), subject + ": unknown dtype")
    header("shape a number", set_field("shape", 1024), subject + ": shape must be an array")
    header("shape negative", set_field("shape", [-32, -32]), subject + ": a dimension must be an integer of at least 0")
    header("shape overflows", set_field("shape", [2**40, 2**40]), subject + ": the size of .* overflows 64 bits")
    header("shape of floats", set_field("shape", [32.0, 32.0]), subject + ": a dimension must be an integer")
    header("shape of rank 65", set_field("shape", [1] * 65), subject + ": shape must be an array of at most 64")
    header("shape too small", set_field("shape", [32, 31]), subject + r": F32 \[32, 31\] has 3968 bytes, but data_offsets span 4096")
    header("offsets backwards", lambda h: h[QUERY]["data_offsets"].reverse(), subject + ": data_offsets must be two integers")
    header("offsets negative", set_field("data_offsets", [-4096, 0]), subject + ": data_offsets must be two integers")
    header("offsets of one", set_field("data_offsets", [0]), subject + ": data_offsets must be two integers")
    header("offsets overlap", set_field("data_offsets", [0, 4096]), "tensor '.*': its data begins at .*; tensors may neither overlap nor leave gaps")
    header("offsets beyond the file", set_field("data_offsets", [2**62, 2**62 + 4096]), "tensor '.*': its data begins at .*; tensors may neither")
    header("metadata a number", lambda h: h["__metadata__"].__setitem__("step", 1), "'__metadata__': 'step' is an integer; it must be a string")
    twice = tensor_file(right)
    (length,) = struct.unpack("<Q", twice[:8])
    text = twice[8 : 8 + length].replace(b"{", b'{"%s": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, ' % QUERY.encode(), 1)
    fails("entry twice", struct.pack("<Q", len(text)) + text + twice[8 + length :], "key '%s' is given twice" % QUERY, place=file + ":*")

    # Tensors that are not what the package was compiled for.
    dtype, shape, data = right[QUERY]
    wrong = "1 tensor is not what the package was compiled for"
    tensors("missing", {QUERY: None}, wrong, notes=["'%s' is missing" % QUERY])
    tensors("misshapen", {QUERY: (dtype, [16, 64], data)}, wrong, notes=[r"'%s' is F32 \[16, 64\], but the package has F32 \[32, 32\]" % QUERY])
    tensors("rank 1", {QUERY: (dtype, [1024], data)}, wrong, notes=[r"is F32 \[1024\], but the package has F32 \[32, 32\]"])
    tensors("scalar norm", {NORM: (dtype, [], b"\0" * 4)}, wrong, notes=[r"'%s' is F32 \[\], but" % NORM])
    tensors("I64", {QUERY: ("I64", shape, data * 2)}, wrong, notes=["'%s' is I64 .* cannot be converted to the package's F32 without loss" % QUERY])
    tensors("F64", {QUERY: ("F64", shape, data * 2)}, wrong, notes=["is F64 .* without loss"])
    tensors("F8", {QUERY: ("F8_E4M3", shape, data[:1024])}, wrong, notes=["is F8_E4M3 .* without loss"])
    tensors("all missing", {name: None for name in right if name != NORM}, "[0-9]+ tensors are not what the package was compiled for",
            notes=["is missing", "and [0-9]+ more"])
    fails("no tensor at all", tensor_file({}), "[0-9]+ tensors are not what the package was compiled for", notes=["is missing"])

    # Numbers that are not finite: told, and nothing is saved.
    for name, value in [("NaN", float("nan")), ("infinity", float("inf"))]:
        spoiled = tensor_file({**right, QUERY: (dtype, shape, struct.pack("<f", value) + data[4:])})
        fails("gradients with %s" % name, spoiled, "the loss is not finite; nothing was written", place=batch)
        t.fails("train with %s" % name, ["train", package, "--weights", model, "--data", os.path.join(case, "data.jsonl"), "--output", out],
                "step 1: the loss is nan; training stopped", place=package, notes=["nothing was saved to .*out"])
        t.fails("evaluate with %s" % name, ["evaluate", package, "--weights", model, "--batch", batch], ".*not finite", place=batch)
    huge = tensor_file({**right, "lm_head.weight": ("F32", right["lm_head.weight"][1], struct.pack("<f", 3e38) * (96 * 32))})
    fails("gradients that overflow", huge, "the loss is not finite", place=batch)
    write(file, content)

    # A package of bf16 weights and a file of f32 ones: converting would lose digits.
    config = json.loads(read(os.path.join(model, "config.json")))
    narrow = t.folder("narrow")
    write(narrow + "/config.json", json.dumps({**config, "dtype": "bfloat16"}))
    bf16 = os.path.join(t.work, "bf16.ftp")
    t.succeed("compile", "--model", narrow, "--adapter", adapter, "--train", case + "/train.yaml", "-o", bf16)
    t.fails("f32 for bf16", gradients(with_package=bf16), "[0-9]+ tensors are not what the package was compiled for", place=file,
            notes=["cannot be converted to the package's BF16 without loss; compile for the type of the weights"])

    # Shards.
    shards = t.folder("shards")
    index = os.path.join(shards, "model.safetensors.index.json")
    names = sorted(right)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}

    def sharded(name, message, change=lambda m: None, place=index + ":*", lose=None, **more):
        for shard, members in halves.items():
            write(os.path.join(shards, shard), tensor_file({n: right[n] for n in members}))
        if lose:
            os.remove(os.path.join(shards, lose))
        weight_map = {n: shard for shard, members in halves.items() for n in members}
        change(weight_map)
        write(index, json.dumps({"metadata": {}, "weight_map": weight_map}))
        t.fails(name, gradients(shards), message, place=place, **more)

    sharded("index names ../x", "tensor '.*q_proj.weight': the shard must be a plain file name, got '../x.safetensors'", lambda m: m.__setitem__(QUERY, "../x.safetensors"))
    sharded("index names /x", "tensor '.*q_proj.weight': the shard must be a plain file name", lambda m: m.__setitem__(QUERY, "/etc/passwd"))
    sharded("index names a number", "tensor '.*q_proj.weight': the shard must be a plain file name", lambda m: m.__setitem__(QUERY, 1))
    sharded("index names ''", "tensor '.*q_proj.weight': the shard must be a plain file name", lambda m: m.__setitem__(QUERY, ""))
    sharded("shard missing", "cannot open: No such file", lose="model-2.safetensors", place="*model-2.safetensors",
            notes=["index.json:.*the index names this shard here"])
    sharded("index of another shard", "tensor '.*q_proj.weight' is not in '.*', where the index says it is",
            lambda m: m.__setitem__(QUERY, "model-1.safetensors" if m[QUERY].endswith("2.safetensors") else "model-2.safetensors"))
    sharded("index of a tensor that is none", "tensor 'x.weight' is not in 'model-1.safetensors'", lambda m: m.__setitem__("x.weight", "model-1.safetensors"))
    sharded("index that is empty", "'weight_map' is empty", lambda m: m.clear())
    write(os.path.join(shards, "model-2.safetensors"), tensor_file({n: right[n] for n in names}))
    write(index, json.dumps({"weight_map": {n: s for s, members in halves.items() for n in members}}))
    t.fails("tensor in two shards", gradients(shards), "tensor '.*' is in 'model-1.safetensors' and 'model-2.safetensors'; it must be in one", place=index)
    for name, text, message in [("index without map", "{}", "'weight_map' is missing"), ("index a list", "[]", "the file's value must be an object"),
                                ("index map a list", '{"weight_map": []}', "'weight_map' must be an object"), ("index cut", '{"weight_map": {', "expected")]:
        write(index, text)
        t.fails(name, gradients(shards), message, place=index + ":*")

    # The adapter's file.
    file = os.path.join(adapter, "adapter_model.safetensors")
    right, content = read_tensors(file), read(file)
    dtype, shape, data = right[LORA]
    fit = "1 tensor does not fit the adapter that the package was compiled for"
    tensors("adapter: missing tensor", {LORA: None}, fit, notes=["'%s' is missing" % LORA])
    tensors("adapter: extra tensor", {LORA.replace("q_proj", "k_proj"): right[LORA]}, fit, notes=["k_proj.* is no tensor of the package's adapter"])
    tensors("adapter: wrong rank", {LORA: (dtype, [shape[0] * 2, shape[1]], data * 2)}, fit, notes=[r"is F32 \[8, 32\], but the package has F32 \[4, 32\]"])
    tensors("adapter: transposed", {LORA: (dtype, shape[::-1], data)}, fit, notes=[r"is F32 \[32, 4\], but the package has F32 \[4, 32\]"])
    tensors("adapter: I32", {LORA: ("I32", shape, data)}, fit, notes=["is I32"])
    tensors("adapter: PEFT's names with .default", {LORA: None, LORA.replace("lora_A", "lora_A.default"): right[LORA]},
            "2 tensors do not fit", notes=["is missing", "is no tensor"])
    fails("adapter: cut", content[:-4], ".*cut short", place=file + "*")
    fails("adapter: empty", b"", "has 0 bytes; a safetensors file begins with 8 bytes of length")
    fails("adapter: NaN", tensor_file({**right, LORA: (dtype, shape, struct.pack("<f", float("nan")) + data[4:])}), "the loss is not finite", place=batch)
    write(file, content)
    adapter_config = os.path.join(adapter, "adapter_config.json")
    config = json.loads(read(adapter_config))
    for key, value in [("lora_alpha", 16), ("use_rslora", True), ("use_dora", True), ("alpha_pattern", {"q_proj": 2}),
                       ("peft_type", "LOHA")]:
        write(adapter_config, json.dumps({**config, key: value}, indent=1))
        t.fails("adapter: another %s" % key, gradients(), "'%s' is .*, and .*step.ftp was compiled for an adapter with .*; compile "
                "for this adapter" % key, place=adapter_config + ":*")
    write(adapter_config, "{")
    t.fails("adapter: its config is no JSON", gradients(), "expected", place=adapter_config + ":*")
    write(adapter_config, json.dumps({**config, "lora_alpha": float(config["lora_alpha"]), "use_dora": None, "init_lora_weights": "x"}))
    t.succeed(*gradients())
    os.remove(file)
    fails("adapter: no file", None, "cannot open: No such file")
    shutil.rmtree(adapter)
    fails("adapter: no directory", None, "cannot open: No such file")
    full = os.path.join(t.work, "full.ftp")
    golden = os.path.join(t.golden, "full")
    t.compile(golden, full)
    t.fails("adapter for a package without", ["gradients", full, "--weights", golden + "/model", "--adapter-weights", model, "--batch", batch, "-o", out],
            ".*trains the model itself and has no adapter; give the trained model's directory as --weights", place="--adapter-weights")
