#!/usr/bin/env python3
# check_adapter.py: loads what ftc trained with stock transformers + peft and says whether every tensor found its place.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Needs test/golden/requirements.txt; not part of the test suite.
"""check_adapter.py MODEL ADAPTER|none [--batch B.safetensors [--loss X] [--tolerance 1e-6]]

MODEL is a Hugging Face model directory, ADAPTER a PEFT adapter directory (`none`: MODEL itself is what was trained).
Prints missing, unexpected and misshapen keys; with --batch the loss, in float32, and compares it with --loss.
Exit 0: all there and equal. 1: not. 2: wrong usage."""

import argparse
import pathlib
import sys
import warnings

import peft
import safetensors.torch
import torch
import torch.nn.functional as F
import transformers


def load_base(directory):
    """Returns (model, problems)."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    problems = []
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        problems += [f"{directory}: {kind.replace('_', ' ')[:-1]}: {key}" for key in sorted(info[kind])]
    return model, problems


def load_adapter(base, directory):
    """Returns (model, problems). Compares the file with what peft would save after loading it."""
    stored = safetensors.torch.load_file(directory / "adapter_model.safetensors")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = peft.PeftModel.from_pretrained(base, directory)
    problems = [f"{directory}: peft warns: {w.message}" for w in caught if issubclass(w.category, UserWarning)]
    loaded = peft.get_peft_model_state_dict(model)
    problems += [f"{directory}: missing key: {key}" for key in sorted(set(loaded) - set(stored))]
    problems += [f"{directory}: unexpected key: {key}" for key in sorted(set(stored) - set(loaded))]
    for key in sorted(set(stored) & set(loaded)):
        if not torch.equal(stored[key].to(loaded[key].dtype), loaded[key]):
            problems.append(f"{directory}: {key}: not the stored values after loading")
        elif not torch.isfinite(stored[key]).all():
            problems.append(f"{directory}: {key}: holds values that are not finite")
    print(f"{len(set(stored) & set(loaded))} adapter tensors, {sum(t.numel() for t in stored.values())} values")
    return model, problems


def segments(batch):
    """[(input_ids, labels)] of a batch file: rows without padding, or the segments of a packed [T]."""
    ids, labels = batch["input_ids"].long(), batch["labels"].long()
    if ids.dim() == 2:
        mask = batch.get("attention_mask", torch.ones_like(ids)).bool()
        return [(row[keep], target[keep]) for row, target, keep in zip(ids, labels, mask) if keep.any()]
    if "cu_seqlens" in batch:
        offsets = batch["cu_seqlens"].tolist()
    elif "position_ids" in batch:
        offsets = (batch["position_ids"] == 0).nonzero().flatten().tolist() + [len(ids)]
    else:
        offsets = [0, len(ids)]
    return [(ids[b:e], labels[b:e]) for b, e in zip(offsets, offsets[1:]) if e > b]


def mean_loss(model, batch):
    """Sum over predicted tokens divided by their number; the shift stays inside each segment."""
    total, count = 0.0, 0
    with torch.no_grad():
        for ids, labels in segments(batch):
            targets = labels[1:]
            if len(targets):
                logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1].double()
                total += F.cross_entropy(logits, targets, ignore_index=-100, reduction="sum").item()
                count += int((targets != -100).sum())
    return total / count, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("adapter")
    parser.add_argument("--batch", type=pathlib.Path)
    parser.add_argument("--loss", type=float)
    parser.add_argument("--tolerance", type=float, default=1e-6, help="relative")
    options = parser.parse_args()
    if options.loss is not None and options.batch is None:
        parser.error("--loss needs --batch")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model, problems = load_base(options.model)
    if options.adapter != "none":
        try:
            model, more = load_adapter(model, pathlib.Path(options.adapter))
            problems += more
        except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:  # misshapen tensors end here
            problems.append(f"{options.adapter}: peft refuses it: {' '.join(str(error).split())}")
            options.batch = None
    model.eval()
    if options.batch is not None:
        loss, count = mean_loss(model, safetensors.torch.load_file(options.batch))
        print(f"loss {loss:.9g} over {count} tokens")
        if options.loss is not None and not abs(loss - options.loss) <= options.tolerance * abs(options.loss):
            problems.append(f"loss {loss:.9g}, given {options.loss:.9g}")
    for problem in problems:
        print("error:", problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
