# A training configuration that is missing, spoiled or unsupported, in YAML and JSON.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os

from expect_error import read, write


def run(t):
    golden = os.path.join(t.golden, "lora_qv")
    right = read(os.path.join(golden, "train.yaml")).decode()
    path = os.path.join(t.work, "train.yaml")
    out = os.path.join(t.work, "out.ftp")
    arguments = ["compile", "--model", os.path.join(golden, "model"), "--adapter", os.path.join(golden, "adapter"),
                 "--train", path, "-o", out]

    def fails(name, content, message, place="*train.yaml:*", **more):
        if content is not None:
            write(path, content)
        t.fails(name, arguments, message, place=place, **more)

    def line(text, message, place="*train.yaml:1:*", **more):
        fails(text[:60].replace("\n", "; "), text + "\n", message, place=place, **more)

    fails("missing", None, "cannot open: No such file", place=path)
    os.mkdir(path)
    fails("a directory", None, "is a directory; give a file", place=path)
    os.rmdir(path)
    fails("a word", "hello\n", "a training configuration must be a mapping of keys to values, got a string")
    fails("a list", "- a\n- b\n", "a training configuration must be a mapping of keys to values, got an array")
    fails("tab", "max_length:\n\tx: 1\n", "", place="*train.yaml:2:*")
    fails("two colons", "max_length: 3: 4\n", "", place="*train.yaml:1:*")
    fails("unclosed quote", 'optim: "adamw\n', "", place="*train.yaml:*")
    fails("unclosed list", "trainable: [a, b\n", "", place="*train.yaml:*")
    fails("unclosed mapping", "{max_length: 16\n", "", place="*train.yaml:*")
    fails("bad indent", "max_length: 16\n  seed: 1\n", "", place="*train.yaml:2:*")
    fails("duplicate key", right + "max_length: 8\n", "key 'max_length' is given twice", place="*train.yaml:12:*")
    fails("two documents", "max_length: 16\n---\nmax_length: 8\n", "", place="*train.yaml:2:*")
    fails("anchor bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "", place="*train.yaml:*")
    fails("unknown anchor", "max_length: *a\n", "", place="*train.yaml:1:*")
    fails("tag", "max_length: !!python/object:os.system 1\n", "", place="*train.yaml:1:*")
    fails("depth bomb", "trainable: " + "[" * 100000, "nested deeper than", place="*train.yaml:1:*")
    fails("NUL", "max_length: 1\0006\n", "a NUL byte", place="*train.yaml:1:*")
    fails("invalid UTF-8", b"max_length: \xfe\n", "not valid UTF-8", place="*train.yaml:1:*")

    # Sizes that are compiled in.
    for key in ["per_device_train_batch_size", "max_length"]:
        for value in ["0", "-1", "1.5", "many", "true", "[2]", "1e400", ".inf", ".nan", "99999999999999999999", "16777217"]:
            line("%s: %s" % (key, value), "'%s' must be an integer from 1 to|integer '9+' does not fit|number '.*' is (beyond|not finite)" % key)
    line("max_length: null", "'max_length' must be an integer .*null is none")
    line("per_device_train_batch_size: 1048576\nmax_length: 16777216", r"per_device_train_batch_size x max_length is 17592186044416 tokens; a step has at most 2147483647", place="*train.yaml:2:*")
    line("per_device_train_batch_size: 32768\nmax_length: 65536", "per_device_train_batch_size x max_length is 2147483648 tokens", place="*train.yaml:2:*")
    line("max_segments: -1", "'max_segments' must be an integer from 0")

    # What is not there yet, or never.
    line("fp16: true", "'fp16': 'true' is not supported: ")
    line("bf16: 1", "'bf16' must be true or false, got 1")
    line("optim: adamw", "'optim' must be an optimizer that ftc has .adamw_torch")
    line("optim: sgd", "'optim' must be an optimizer that ftc has .adamw_torch")
    line("optim: 3", "'optim' must be an optimizer that ftc has")
    line("optim: adamw_bnb_8bit", "'optim' must be an optimizer that ftc has")
    line("loss: dpo", "'loss' must be a loss that ftc has .cross_entropy")
    line("attn_implementation: paged", "'attn_implementation' must be an attention name or null")
    line("mesh: tp=2", "'mesh' is not supported yet")
    line("mesh: tp", "mesh 'tp': axes are written NAME=SIZE")
    line("mesh: {tp: 0}", "mesh 'tp=0': the size of axis 'tp' must be an integer from 1 to 65536")
    line("memory_budget: 1KiB", "a step needs at least .* bytes .*, and the budget is 1024", place="*train.yaml:*")
    line("memory_budget: 24 furlongs", "'memory_budget': size '24 furlongs' must be a number above 0 with a unit")
    line("memory_budget: -1", "'memory_budget'")
    line("gradient_checkpointing: 2", "'gradient_checkpointing' must be true or false, got 2")
    line("quantization: {load_in_4bit: true}", "'quantization' is not supported yet; remove it")
    line("quantization: 4", "'quantization' must be a mapping")
    line("trainable: [3]", "'trainable' must be a regular expression over parameter names, a list of them, or null")
    line("trainable: ''", "'trainable' has an empty expression")
    line("neftune_noise_alpha: 5", "'neftune_noise_alpha': '5' is not supported: ")
    line("deepspeed: zero3.json", "'deepspeed': .* is not supported: use mesh and memory_budget")
    line("label_smoothing_factor: 0.1", "'label_smoothing_factor': '0.1' is not supported")
    line("save_strategy: sometimes", "'save_strategy' must be a strategy .*best")
    line("greater_is_better: true", ".*a loss, which is better the smaller it is")
    line("metric_for_best_model: accuracy", "'metric_for_best_model' must be the loss of --eval-data")
    line("load_best_model_at_end: 1", "'load_best_model_at_end' must be true or false")
    line("lr_scheduler_type: reduce_lr_on_plateau", "'lr_scheduler_type' must be a schedule that ftc has .linear, cosine")

    # Keywords of learning rate schedules.
    def schedule(name, keywords, message):
        fails("%s of %s" % (keywords, name), "{lr_scheduler_type: %s, lr_scheduler_kwargs: %s}\n" % (name, keywords), message,
              place="*train.yaml:1:*")

    schedule("linear", "3", "'lr_scheduler_kwargs' must be a mapping of keywords of the schedule, or null, got 3")
    schedule("linear", "{num_cycles: 2}", "'lr_scheduler_kwargs' has 'num_cycles', and the schedule 'linear' takes none; set "
             "it to null")
    schedule("cosine", "{num_cycle: 2}", "'lr_scheduler_kwargs' has 'num_cycle', and the schedule 'cosine' takes num_cycles; did you mean")
    schedule("cosine", "{num_cycles: -1}", "'lr_scheduler_kwargs' has 'num_cycles' '-1', which must be a number of at least 0")
    schedule("inverse_sqrt", "{timescale: 0}", "'lr_scheduler_kwargs' has 'timescale' '0', which must be a whole number of steps of at least 1")
    schedule("polynomial", "{lr_end: 1}", "'learning_rate' is .* and must be above the 'lr_end' of the schedule 'polynomial'")
    schedule("polynomial", "{power: fast}", "'lr_scheduler_kwargs' has 'power' '.fast.', which must be a number of at least 0")
    schedule("cosine_with_min_lr", "null", "'lr_scheduler_kwargs' must have one of 'min_lr' and 'min_lr_rate'")
    schedule("cosine_with_min_lr", "{min_lr: 0, min_lr_rate: 0}", "'lr_scheduler_kwargs' must have one of 'min_lr' and 'min_lr_rate'")
    schedule("cosine_with_min_lr", "{min_lr: 1}", "'lr_scheduler_kwargs' has 'min_lr' 1.0, which must not be above the learning_rate")
    schedule("cosine_warmup_with_min_lr", "{min_lr: 0, warmup_lr_rate: 2}", "'lr_scheduler_kwargs' has 'warmup_lr_rate' '2', which must be a number "
             "from 0 to 1")
    schedule("warmup_stable_decay", "null", "'lr_scheduler_kwargs' must have 'num_decay_steps' with the schedule")
    schedule("warmup_stable_decay", "{num_decay_steps: 2, decay_type: steep}", "'lr_scheduler_kwargs' has 'decay_type' '.steep.', which must be "
             "linear, cosine or 1-sqrt")

    # Numbers of the run are checked when it is compiled, too.
    for text in ["learning_rate: -1", "learning_rate: fast", "learning_rate: .inf", "learning_rate: .nan",
                 "learning_rate: 1e400", "weight_decay: -0.1", "adam_beta1: 1.0", "adam_beta1: -0.1", "adam_beta2: 2",
                 "adam_epsilon: 0", "max_grad_norm: -1", "gradient_accumulation_steps: 0", "seed: -1", "seed: 1.5",
                 "data_seed: x", "max_steps: 0", "max_steps: -2", "num_train_epochs: 0", "num_train_epochs: null",
                 "warmup_steps: -1", "warmup_steps: 1.5", "warmup_ratio: 1.5", "packing: maybe", "logging_steps: 0",
                 "logging_first_step: 1", "save_total_limit: 0", "eval_steps: -3", "eval_strategy: always"]:
        line(text, "'%s' must be |number '1e400' is beyond|.*not finite" % text.split(":")[0])
    line("max_seq_length: 16\nmax_length: 8", "key 'max_length' sets 'max_length' a second time; keep one", place="*train.yaml:2:*",
         notes=["train.yaml:1:.*first set here"], warns="max_seq_length.*is deprecated; use 'max_length'")
    line("max_lenght: 8\noptim: sgd", "'optim' must be an optimizer", place="*train.yaml:2:*")

    # JSON is read by the same rules.
    json_path = write(os.path.join(t.work, "train.json"), '{"max_length": 16,}')
    t.fails("JSON with a comma too many", arguments[:6] + [json_path] + arguments[7:], "expected a key in double quotes", place="*train.json:1:19")
    write(json_path, '{"max_length": "16"}')
    t.fails("JSON string for a number", arguments[:6] + [json_path] + arguments[7:], "'max_length' must be an integer .*got the string '16'", place="*train.json:1:16")

    fails("trainable with an adapter", "trainable: '.*'\n", "'trainable' chooses among the model's own weights")

    # Expressions over parameters, in full fine-tuning.
    full = os.path.join(t.golden, "full", "model")

    def trainable(name, text, message):
        write(path, text)
        t.fails(name, ["compile", "--model", full, "--adapter", "none", "--train", path, "-o", out], message, place="*train.yaml:*")

    trainable("trainable matches nothing", "trainable: nothing\n", "'trainable' expression 'nothing' is found in no parameter name")
    trainable("one of two trainables matches nothing", "trainable: ['.*mlp.*', '.*attn7.*']\n", r"'trainable' expression '\.\*attn7\.\*' is found in no parameter name")
    trainable("trainable is no expression", "trainable: '('\n", "the regular expression '.' has a '.' that no '.' closes")
