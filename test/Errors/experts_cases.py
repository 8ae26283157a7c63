# target_parameters, and targets in models with routed experts.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import json
import os

from expect_error import write


def run(t):
    path, out = os.path.join(t.work, "adapter_config.json"), os.path.join(t.work, "out.ftp")

    def fails(name, model, changes, message, place="*adapter_config.json:*", **more):
        write(path, json.dumps({"peft_type": "LORA", "r": 4, "target_modules": [], **changes}))
        golden = os.path.join(t.golden, model)
        t.fails(model + ": " + name, ["compile", "--model", os.path.join(golden, "model"), "--adapter", path, "--train",
                                      os.path.join(golden, "train.yaml"), "-o", out], message, place=place, **more)

    experts, entry = {"target_parameters": ["gate_up_proj", "down_proj"]}, "'target_parameters' entry '%s' matches "
    fails("a string", "mixtral", {"target_parameters": "down_proj"}, "'target_parameters' must be an array of strings")
    fails("numbers", "mixtral", {"target_parameters": [1]}, "'target_parameters'")
    fails("nothing", "mixtral", {"target_parameters": []}, "'target_modules' is empty; name modules")
    fails("no parameter", "mixtral", {"target_parameters": ["down_porj"]},
          entry % "down_porj" + "no parameter; did you mean 'down_proj'.*gate_up_proj")
    fails("an empty name", "mixtral", {"target_parameters": [""]}, entry % "" + "no parameter")
    fails("a family without experts", "lora_qv", experts, entry % "gate_up_proj" + "no parameter",
          notes=[entry % "down_proj" + "no parameter"])
    fails("a norm", "lora_qv", {"target_parameters": ["norm.weight"]}, entry % "norm.weight" + "'model.norm.weight', which is no matrix")
    fails("a bias", "mqa_bias", {"target_parameters": ["q_proj.bias"]}, entry % "q_proj.bias" + ".*, which is no matrix")
    for name in ["embed_tokens.weight", "lm_head.weight"]:
        fails(name, "lora_qv", {"target_parameters": [name]}, entry % name + ".*, for which this is not supported; name the module")
    fails("Conv1D", "gpt2_lora", {"target_parameters": ["c_attn.weight"]}, entry % "c_attn.weight" + ".*, which is stored .in, out.")
    fails("module and parameter", "lora_qv", {"target_modules": ["q_proj"], "target_parameters": ["q_proj.weight"]},
          entry % "q_proj.weight" + ".*, whose module is one of 'target_modules' too")
    fails("excluded", "mixtral", {**experts, "exclude_modules": ["experts"]},
          entry % "gate_up_proj" + ".*, which 'exclude_modules' and 'modules_to_save' do not leave out in PEFT")
    fails("saved", "mixtral", {**experts, "modules_to_save": ["mlp"]}, entry % "gate_up_proj" + ".*'modules_to_save'")
    for key, value in {"lora_dropout": 0.1, "use_dora": True, "lora_bias": True, "fan_in_fan_out": True,
                       "init_lora_weights": "orthogonal"}.items():
        fails(key, "mixtral", {**experts, key: value}, "'%s' must .* where parameters are adapted .PEFT refuses it too.: gate_up_proj" % key)
    fails("lora_dropout of a matrix", "lora_qv", {"target_parameters": ["q_proj.weight"], "lora_dropout": 0.1}, "'lora_dropout' must be 0")
    fails("an odd rank of a matrix", "lora_qv", {"target_parameters": ["q_proj.weight"], "r": 3, "init_lora_weights": "orthogonal"},
          "'init_lora_weights' is orthogonal, which needs an even rank, but 'model.layers.0.self_attn.q_proj.weight' has rank 3")
    fails("layers of parameters", "mixtral", {**experts, "layers_to_transform": [0]}, "'layers_to_transform' names layer 0, which has no target")
    fails("a rank of nothing", "mixtral", {**experts, "rank_pattern": {"q_proj": 2}}, "'rank_pattern' entry 'q_proj' matches no target")

    # Names of layers that were modules of their own in transformers 4.
    fails("null", "mixtral", {"target_modules": None}, "'target_modules' is null, but PEFT has no default targets for models with experts",
          place="*adapter_config.json")
    fails("half of a fused weight", "mixtral", {"target_modules": ["w1", "w2"]}, "'target_modules' names 'w1' without 'w3'")
    fails("the other half", "qwen3_moe", {"target_modules": ["up_proj"]}, "'target_modules' names 'up_proj' without 'gate_proj'")
    fails("another family's names", "mixtral", {"target_modules": ["gate_proj"]}, "'target_modules' entry 'gate_proj' matches no module")
    fails("one expert", "mixtral", {"target_modules": ["experts.3.w1", "experts.3.w3"]},
          "'target_modules' entry 'experts.3.w1' names one layer or expert, but PEFT would adapt 'gate_up_proj' of all")
    fails("one layer", "mixtral", {"target_modules": r"model\.layers\.0\..*q_proj"},
          "'target_modules' expression .* matches some modules named 'q_proj' and not others; PEFT takes expressions for names")
    fails("an expression for nothing", "mixtral", {"target_modules": ".*query"}, "'target_modules' expression '.*query' matches no module")
    fails("dropout everywhere", "mixtral", {"target_modules": "all-linear", "lora_dropout": 0.1}, "'lora_dropout' must be 0 where parameters are adapted")
