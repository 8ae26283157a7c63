"""decisions.py INSPECT.json REPORT.json...: the reports of --report are those of the package, and hold decisions."""
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import json
import re
import sys

WITH_CHOICES = {"ft-attach-adapters", "ft-prune-graph", "ft-rematerialize", "ft-form-kernels", "convert-ft-to-launch", "launch-plan-arena"}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["passes"]


def main():
    passes = load(sys.argv[1])
    for path in sys.argv[2:]:
        if load(path) != passes:
            return f"{path}: its passes are not the package's"
    for step in passes:
        decisions = step["decisions"]
        if bool(decisions) != (step["name"] in WITH_CHOICES):
            return f"{step['name']}: {len(decisions)} decisions"
        if len(decisions) != len({json.dumps({**d, "count": 0}) for d in decisions}):
            return f"{step['name']}: equal decisions apart"
        for decision in decisions:
            if not any(c["chosen"] for c in decision["candidates"]) and step["name"] != "ft-prune-graph":
                return f"{step['name']}: nothing is chosen: {decision}"
            if re.search(r"\.\d+\.", json.dumps(decision)):
                return f"{step['name']}: a layer number is left: {decision}"
    return 0


sys.exit(main())
