# Options that are wrong by themselves or do not go together. What each command takes is in test/Tools.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os

from expect_error import write


def run(t):
    case = t.copy("lora_qv", "case")
    package = t.compile(case, os.path.join(t.work, "step.ftp"))
    model, adapter = os.path.join(case, "model"), os.path.join(case, "adapter")
    out = os.path.join(t.work, "out")
    inputs = {
        "compile": ["--model", model, "--adapter", adapter, "-o", out],
        "train": [package, "--weights", model, "--data", os.path.join(case, "data.jsonl"), "--output", out],
        "gradients": [package, "--weights", model, "--batch", os.path.join(case, "batch.safetensors"), "-o", out],
        "evaluate": [package, "--weights", model, "--batch", os.path.join(case, "batch.safetensors")],
        "inspect": [package],
        "init-weights": ["--model", model, "--seed", "1", "-o", out],
    }

    def usage(name, arguments, message, place=None, **more):
        t.fails(name, arguments, message, place=place or "ftc " + arguments[0], status=2, **more)

    # Nothing required may be left out, of any command.
    for command, words in inputs.items():
        usage(command + " alone", [command], ".* is missing", notes=[])
        for i, word in enumerate(words):
            if word.startswith("-"):
                rest = words[:i] + words[i + 2 :]
                name = {"-o": "--output"}.get(word, word)
                message = {"--batch": "give either --batch or --data|--batch is missing"}.get(name, ".*%s is missing" % name)
                if (command, name) == ("compile", "--output"):
                    t.fails("compile without -o", [command, *rest], "needs -o FILE for the package", place="ftc compile")
                else:
                    usage("%s without %s" % (command, name), [command, *rest], message)
                usage("%s with %s twice" % (command, name), [command, *words, word, "x"], "%s is given 2 times; once is right" % name) \
                    if name != "--adapter" else None
                usage("%s with %s and no value" % (command, name), [command, *rest, word], "%s needs a value" % name)
        if not words[0].startswith("-"):
            usage(command + " without its argument", [command, *words[1:]], ".* is missing")
        usage(command + " with an unknown option", [command, *words, "--unknown"], "no option '--unknown'")
        usage(command + " with an unknown option's value", [command, *words, "--unknown=3"], "no option '--unknown=3'")
        usage(command + " with an argument too many", [command, *words, "more"], "unexpected argument 'more'")
        usage(command + " with an empty argument", [command, *words, ""], "")
    for unknown in ["tarin", "Train", "train ", "", "compile,train"]:
        t.fails("command %r" % unknown, [unknown], "no command '%s'" % unknown, place="ftc", status=2)
    for later in ["prepare", "explain"]:
        t.fails("command " + later, [later, package], "no command '%s'" % later, place="ftc", status=2)

    # Numbers.
    for command in ["train", "gradients", "evaluate"]:
        for value in ["-1", "1.5", "two", "1e3", "0x4", " 4", "99999999999999999999", "257"]:
            usage("%s --threads %s" % (command, value), [command, *inputs[command], "--threads", value],
                  "--threads must be an integer from 0 to 256, got '%s'" % value)
    for value in ["0", "-5", "1.5", "many", "99999999999999999999"]:
        usage("--max-steps " + value, ["train", *inputs["train"], "--max-steps", value], "--max-steps must be an integer from 1 to .*, got '%s'" % value)
    for value in ["-1", "x", "1.5", "99999999999999999999"]:
        usage("--seed " + value, ["init-weights", "--model", model, "-o", out, "--seed", value], "--seed must be an integer from 0 to .*, got '%s'" % value)

    # What is fixed in the package, and what is not.
    def set_to(name, values, message, place=None, status=1, **more):
        words = [word for value in values for word in ["--set", value]]
        t.fails("--set " + name, ["train", *inputs["train"], *words], message, place=place or "--set " + values[-1], status=status, **more)

    for key, value, compiled in [("max_length", "8", "16"), ("per_device_train_batch_size", "1", "2"), ("max_segments", "3", "0"),
                                 ("bf16", "true", "false"), ("gradient_checkpointing", "true", "false"), ("mesh", "tp=2", "null"),
                                 ("attn_implementation", "eager", "null"), ("trainable", ".*", "null"), ("memory_budget", "1GiB", "null")]:
        set_to("%s=%s" % (key, value), ["%s=%s" % (key, value)],
               "'%s' is .*, and .*step.ftp was compiled with %s; it cannot change without ftc compile" % (key, compiled))
    set_to("max_length after learning_rate", ["learning_rate=0.5", "max_length=8"], "'max_length' is 8, and .*was compiled with 16")
    set_to("learning_rate=fast", ["learning_rate=fast"], "'learning_rate' must be a number of at least 0, got the string 'fast'")
    set_to("learning_rate=-1", ["learning_rate=-1"], "'learning_rate' must be a number of at least 0")
    t.fails("--set learning_rate=1e400", ["train", *inputs["train"], "--set", "learning_rate=1e400"], "number '1e400' is beyond",
            place="--set learning_rate=1e400:1:1")
    set_to("learning_rate=", ["learning_rate="], "'learning_rate' must be a number")
    set_to("optim=sgd", ["optim=sgd"], "'optim' must be an optimizer that ftc has")
    set_to("without =", ["learning_rate"], "must have the form key=value", place="--set 'learning_rate'")
    set_to("without a key", ["=3"], "must have the form key=value", place="--set '=3'")
    set_to("empty", [""], "must have the form key=value", place="--set ''")
    set_to("lr_scheduler_type", ["lr_scheduler_type=cosign"], "'lr_scheduler_type' must be .*did you mean 'cosine'")
    set_to("bad YAML", ["learning_rate=[1"], "", place="--set learning_rate=*")
    set_to("two lines", ["learning_rate=1\nmax_length: 8"], "not YAML", place="--set learning_rate=1?max_length: 8:2:11")
    set_to("unknown key before a bad one", ["learning_rat=1", "seed=x"], "'seed' must be an integer", warns="unknown key 'learning_rat' is ignored; did you mean 'learning_rate'")
    train = write(os.path.join(t.work, "other.yaml"), "learning_rate: 0.1\nmax_length: 32\n")
    t.fails("--train with another length", ["train", *inputs["train"], "--train", train],
            "'max_length' is 32, and .* was compiled with 16; it cannot change", place=train + ":2*")
    t.fails("--output in folders that are not there", ["train", *inputs["train"][:-1], os.path.join(out, "a", "b"), "--set", "seed=x"], "'seed' must be an integer", place="--set seed=x")
    t.fails("--train missing", ["train", *inputs["train"], "--train", train + "x"], "cannot open: No such file", place=train + "x")

    # Of ftc compile.
    compile = ["compile", *inputs["compile"]]
    t.fails("--cpu-arch unknown", [*compile, "--cpu-arch", "z80"], "unknown CPU architecture 'z80'|.*'z80'", place="*")
    t.fails("--cpu-arch without vectors", [*compile, "--cpu-arch", "x86-64"], "CPU architecture 'x86-64' lacks|.*'x86-64'", place="*")
    t.fails("--stop-after unknown", [*compile, "--emit=mlir", "--stop-after", "ft-prune"], "'ft-prune' is no step; expected frontend, ft-attach-adapters", place="--stop-after")
    t.fails("--stop-after a package", [*compile, "--stop-after", "ft-prune-graph"], "leaves IR, not a package; add --emit=mlir", place="--stop-after")
    t.fails("--mlir flag unknown", [*compile, "--mlir-no-such-flag"], ".*--mlir-no-such-flag", place="ftc compile")
    t.fails("-o - for a package", compile[:-1] + ["-"], "needs -o FILE for the package", place="ftc compile")
    t.fails("a name with a line end", ["compile", "--model", "no\nmodel", "--adapter", adapter, "-o", out], "cannot open: No such file", place="no?model")
    for command in ["gradients", "evaluate"]:
        t.fails(command + ": weights of another model", [command, package, "--weights", os.path.join(t.golden, "gqa", "model"), *inputs[command][3:]],
                "[0-9]+ tensors are not what the package was compiled for", place="*model.safetensors", notes=["."])
