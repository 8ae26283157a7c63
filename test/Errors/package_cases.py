# A package that is missing, cut short, changed by a byte, or none at all, for every command that reads one.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os

from expect_error import read, write


def run(t):
    case = t.copy("lora_qv", "case")
    package = t.compile(case, os.path.join(t.work, "step.ftp"))
    right = read(package)
    file = os.path.join(t.work, "spoiled.ftp")
    out = os.path.join(t.work, "out")
    weights = ["--weights", os.path.join(case, "model")]
    batch = ["--batch", os.path.join(case, "batch.safetensors")]
    data = ["--data", os.path.join(case, "data.jsonl")]
    commands = [
        ["inspect", file],
        ["inspect", file, "--json"],
        ["gradients", file, *weights, *batch, "-o", out],
        ["evaluate", file, *weights, *data],
        ["train", file, *weights, *data, "--output", out],
    ]
    turn = 0

    def fails(name, content, message, each=False, place=file, **more):
        """One command each time, in turn; or all of them."""
        nonlocal turn
        if content is not None:
            write(file, content)
        for command in commands if each else [commands[turn % len(commands)]]:
            t.fails("%s: %s" % (name, " ".join(w for w in command if w[0] != "/")), command, message, place=place, **more)
        turn += 1

    fails("missing", None, "cannot open: No such file or directory", each=True)
    os.mkdir(file)
    fails("directory", None, "is a directory; give a file|cannot open: No such file", each=True, place=file + "*")
    os.rmdir(file)
    short = "holds [0-9]+ bytes, too few for a package of ftc; is this an .ftp file"
    other = "is not a package of ftc: the identifier 'FTCP' is missing"
    damaged = "the checksum is wrong: the file is damaged or cut off; compile or copy it again"
    fails("empty", b"", short, each=True)
    fails("text", "a text, not a package\n" * 10, other, each=True)
    fails("JSON", '{"package": true}' + " " * 100, other)
    fails("ELF", b"\x7fELF\x02\x01\x01" + bytes(200), other)
    fails("safetensors", read(os.path.join(case, "model", "model.safetensors")), other)
    fails("zeros", bytes(len(right)), other)
    for end in [1, 3, 4, 8, 12, 16, 19, 20, 40, 64, 100, 1000, len(right) // 3, len(right) // 2, len(right) - 17,
                len(right) - 16, len(right) - 8, len(right) - 1]:
        fails("cut at %d" % end, right[:end], short if end < 40 else damaged)
    fails("a byte too many", right + b"\0", damaged)
    fails("twice", right + right, damaged)
    fails("a megabyte too many", right + bytes(1 << 20), damaged)
    fails("size prefix 0", bytes(4) + right[4:], damaged)
    fails("size prefix huge", b"\xff" * 4 + right[4:], damaged)
    fails("another identifier", right[:8] + b"FTC9" + right[12:], other)
    fails("hash of zeros", right[:-16] + bytes(16), damaged)

    # One byte flipped: anywhere, any bit.
    for i in range(64):
        at = i * (len(right) - 1) // 63
        flipped = bytearray(right)
        flipped[at] ^= 1 << (i % 8)
        fails("flip in byte %d of %d" % (i, 64), bytes(flipped), other + "|" + damaged)

    # What is around a package.
    state = t.folder("trained")
    t.fails("inspect: no output of train", ["inspect", state], "cannot open: No such file", place="*trainer_state.json",
            notes=["a directory is inspected as an output of ftc train"])
    for name, text, message in [("empty", "", "the text is empty"), ("cut", '{"global_step": 1', "expected"),
                                ("depth bomb", "[" * 100000, "nested deeper than")]:
        write(os.path.join(state, "trainer_state.json"), text)
        t.fails("inspect: state " + name, ["inspect", state], message, place="*trainer_state.json:*")
    for name, text in [("a list", "[]"), ("odd", '{"global_step": "x", "log_history": [1, {"loss": []}, {"step": 1e300, "loss": 1}]}')]:
        write(os.path.join(state, "trainer_state.json"), text)
        t.fails("inspect: state %s, no weights" % name, ["inspect", state], "has no weights|.*must be an object", place=state + "*")
