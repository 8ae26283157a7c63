# The runs that crash.py disturbs: f32 and bf16, LoRA with dropout and full, from tiny golden models.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import json
import os
import shutil
import subprocess

SECONDS = 120

# Name: golden case; what is other in its adapter; lines behind those of its training configuration; settings
# of the run. Few tensors, so that a save has few calls, and dropout, whose bits depend on the step.
FEW = {"target_modules": ["v_proj"], "lora_dropout": 0.3}
# The result is that of the step with the least eval loss, whose checkpoint is kept.
BEST = {"load_best_model_at_end": "true"}
CASES = {
    "lora-f32": ("lora_qv", FEW, "", {}),
    "lora-bf16": ("lora_qv", FEW, "bf16: true\n", BEST),
    "full-f32": ("tied_full", None, "", BEST),
    "full-bf16": ("tied_full", None, "bf16: true\n", {}),
}


def sequences(count, vocabulary, seed):
    """Lines of JSONL with sequences of many lengths, the same ones from the same seed."""
    state = seed
    for _ in range(count):
        ids = []
        state = (state * 1103515245 + 12345) % 2**31
        length = 3 + (state >> 8) % 10
        for _ in range(length):
            state = (state * 1103515245 + 12345) % 2**31
            ids.append(3 + (state >> 8) % (vocabulary - 3))
        yield json.dumps({"input_ids": ids}) + "\n"


class Case:
    """A package, its inputs, and how it is trained: epochs of some 7 steps, all of them resumable."""

    def __init__(self, ftc, compiler, golden, work, name, steps, save_steps):
        self.ftc, self.name, self.steps, self.save_steps = ftc, name, steps, save_steps
        self.folder = os.path.join(work, name)
        os.makedirs(self.folder)
        source, changes, lines, self.more = CASES[name]
        source = os.path.join(golden, source)
        self.model = os.path.join(self.folder, "model")
        shutil.copytree(os.path.join(source, "model"), self.model)
        adapter = self.adapter(source, changes) if changes else "none"
        train = os.path.join(self.folder, "train.yaml")
        with open(os.path.join(source, "train.yaml"), encoding="utf-8") as file:
            settings = file.read()
        with open(train, "w", encoding="utf-8") as file:
            file.write(settings + lines)
        with open(os.path.join(self.model, "config.json"), encoding="utf-8") as file:
            vocabulary = json.load(file)["vocab_size"]
        for data, count, seed in (("data", 29, 1), ("eval", 5, 2)):
            with open(os.path.join(self.folder, data + ".jsonl"), "w", encoding="utf-8") as file:
                file.writelines(sequences(count, vocabulary, seed))
        self.package = os.path.join(self.folder, "step.ftp")
        self.call(compiler, "compile", "--model", self.model, "--adapter", adapter, "--train", train, "-o",
                  self.package)

    def adapter(self, source, changes):
        with open(os.path.join(source, "adapter", "adapter_config.json"), encoding="utf-8") as file:
            config = json.load(file)
        path = os.path.join(self.folder, "adapter_config.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**config, **changes}, file)
        return path

    def call(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=SECONDS)
        if done.returncode != 0:
            raise SystemExit("cannot prepare %s: %s" % (self.name, done.stderr))

    def settings(self):
        return {
            "max_steps": self.steps, "save_steps": self.save_steps, "save_total_limit": 2,
            "gradient_accumulation_steps": 2, "warmup_steps": 3, "lr_scheduler_type": "cosine",
            "logging_steps": 3, "eval_strategy": "steps", "eval_steps": self.save_steps,
            **self.more,
        }

    def command(self, resume):
        """Training from a working directory that gets `out`."""
        sets = [word for key, value in self.settings().items()
                for word in ("--set", "%s=%s" % (key, value))]
        return [self.ftc, "train", self.package, "--weights", self.model, "--data",
                os.path.join(self.folder, "data.jsonl"), "--eval-data",
                os.path.join(self.folder, "eval.jsonl"), "--output", "out", "--threads", "1",
                *sets, *(["--resume"] if resume else [])]
