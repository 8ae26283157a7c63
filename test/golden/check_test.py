#!/usr/bin/env python3
# check_test.py: shows that check.py accepts the golden values and refuses wrong ones. Standard library only.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Run as `python3 check_test.py`.
"""Every test starts from a committed case, changes one thing, and expects a failure that names it."""

import array
import contextlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import check

HERE = pathlib.Path(__file__).resolve().parent
CASE = HERE / "lora_qv"
KEY = "base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Scratch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)

    def run_check(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = check.main([str(a) for a in arguments])
        return code, out.getvalue(), err.getvalue()


class Gradients(Scratch):
    expected = CASE / "expected.safetensors"

    def compare(self, change):
        tensors = check.read_safetensors(self.expected)
        change(tensors)
        actual = self.directory / "actual.safetensors"
        write_safetensors(actual, tensors)
        return self.run_check("gradients", self.expected, actual)

    def assertRefused(self, change, *words):
        code, out, err = self.compare(change)
        self.assertEqual((code, out), (1, ""), err)
        lines = err.splitlines()
        self.assertEqual(len(lines), 1, err)
        for word in words:
            self.assertIn(word, lines[0])

    def scale(self, key, factor):
        def change(tensors):
            shape, values = tensors[key]
            tensors[key] = (shape, array.array("f", [v * factor for v in values]))

        return change

    def test_same(self):
        code, out, err = self.compare(lambda tensors: None)
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^ok: loss off by 0\.0e\+00; 8 gradients, worst base_model\.")

    def test_within_tolerance(self):
        self.assertEqual(self.compare(self.scale(KEY, 1 + 1.5e-5))[0], 0)
        self.assertEqual(self.compare(self.scale("loss", 1 + 5e-7))[0], 0)

    def test_wrong_sign(self):
        self.assertRefused(self.scale(KEY, -1.0), KEY, "off by 2.00e+00")

    def test_scaled(self):
        self.assertRefused(self.scale(KEY, 2.0), KEY, "off by 1.00e+00")
        self.assertRefused(self.scale(KEY, 1 + 3e-5), KEY, "2e-05")

    def test_zero(self):
        self.assertRefused(self.scale(KEY, 0.0), KEY, "norm 0,")

    def test_missing(self):
        self.assertRefused(lambda tensors: tensors.pop(KEY), KEY, "missing")
        self.assertRefused(lambda tensors: tensors.pop("loss"), "loss", "missing")

    def test_extra(self):
        self.assertRefused(lambda tensors: tensors.update(more=([1], [0.0])), "more", "not among")

    def test_wrong_shape(self):
        def transpose(tensors):
            (rows, columns), values = tensors[KEY]
            tensors[KEY] = ([columns, rows], values)

        self.assertRefused(transpose, KEY, "shape [32, 4], should be [4, 32]")
        self.assertRefused(lambda t: t.update(loss=([1], t["loss"][1])), "loss", "shape [1], should be []")

    def test_one_wrong_element(self):
        def change(tensors):
            tensors[KEY][1][7] += 1e-3

        self.assertRefused(change, KEY)

    def test_not_finite(self):
        for value in (float("nan"), float("inf")):

            def change(tensors):
                tensors[KEY][1][0] = value

            self.assertRefused(change, KEY, "off by inf")
            self.assertRefused(lambda t: t.update(loss=([], [value])), "loss", "off by inf")

    def test_wrong_loss(self):
        self.assertRefused(self.scale("loss", 1 + 3e-6), "loss", "1e-06")

    def test_every_reason_is_named(self):
        def change(tensors):
            self.scale(KEY, -1.0)(tensors)
            tensors.pop(KEY.replace("lora_A", "lora_B"))

        code, _, err = self.compare(change)
        self.assertEqual((code, len(err.splitlines())), (1, 2))

    def test_broken_files(self):
        whole = self.expected.read_bytes()
        (length,) = struct.unpack_from("<Q", whole)
        dtype = whole.replace(b'"F32"', b'"I32"', 1)
        for content, word in (
            (whole[:-1], "offsets"),
            (whole + b"\0", "after the last"),
            (whole[: 8 + length // 2], "header of"),
            (b"", "too few"),
            (whole[:8] + b"]" + whole[9:], "not JSON"),
            (dtype, "dtype I32"),
            (whole.replace(b"[0,", b"{ ,", 1), "not JSON"),
            (whole.replace(b'"shape"', b'"shale"', 1), "needs dtype, shape"),
        ):
            path = self.directory / "broken.safetensors"
            path.write_bytes(content)
            code, _, err = self.run_check("gradients", self.expected, path)
            self.assertEqual((code, len(err.splitlines())), (1, 1), err)
            self.assertIn(word, err)
        code, _, err = self.run_check("gradients", self.expected, self.directory / "absent")
        self.assertEqual((code, len(err.splitlines())), (1, 1), err)


class Losses(Scratch):
    expected = CASE / "losses.json"

    def compare(self, change):
        columns = check.read_losses(self.expected)
        entries = [
            {"step": step, "loss": loss, "grad_norm": norm, "learning_rate": rate, "step_seconds": 0.1}
            for step, (loss, norm, rate) in enumerate(zip(*columns), 1)
        ]
        change(entries)
        metrics = self.directory / "metrics.jsonl"
        metrics.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return self.run_check("losses", self.expected, metrics)

    def assertRefused(self, change, word):
        code, out, err = self.compare(change)
        self.assertEqual((code, out, len(err.splitlines())), (1, "", 1), err)
        self.assertIn(word, err)

    def scale(self, index, key, factor):
        def change(entries):
            entries[index][key] *= factor

        return change

    def test_same(self):
        code, out, err = self.compare(lambda entries: None)
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(out.startswith("ok: 10 steps"))

    def test_within_tolerance(self):
        for key, factor in (("loss", 1 + 9e-5), ("grad_norm", 1 + 9e-4), ("learning_rate", 1 + 9e-7)):
            self.assertEqual(self.compare(self.scale(4, key, factor))[0], 0)

    def test_refused(self):
        for key, factor in (("loss", 1 + 2e-4), ("grad_norm", 1 + 2e-3), ("learning_rate", 1 + 2e-6)):
            for sign in (factor, 2 - factor, -1.0, float("nan")):
                self.assertRefused(self.scale(9, key, sign), f"metrics.jsonl:10: {key}")

    def test_missing_step(self):
        self.assertRefused(lambda entries: entries.pop(), "9 steps with a loss, should be 10")
        self.assertRefused(lambda entries: entries.append(entries[-1]), "11 steps")

    def test_wrong_step(self):
        self.assertRefused(lambda entries: entries[3].update(step=5), "step 5, should be 4")

    def test_missing_key(self):
        self.assertRefused(lambda entries: entries[2].pop("grad_norm"), "grad_norm: None is not a number")
        self.assertRefused(lambda entries: entries[2].update(loss="4.7"), "loss: '4.7' is not a number")

    def test_not_json(self):
        path = self.directory / "metrics.jsonl"
        path.write_text("{]\n")
        code, _, err = self.run_check("losses", self.expected, path)
        self.assertEqual((code, len(err.splitlines())), (1, 1), err)
        self.assertIn("metrics.jsonl:1", err)


class CommandLine(unittest.TestCase):
    def run_script(self, *arguments):
        command = [sys.executable, os.fspath(HERE / "check.py"), *map(os.fspath, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    def test_exit_codes(self):
        expected = CASE / "expected.safetensors"
        self.assertEqual(self.run_script("gradients", expected, expected).returncode, 0)
        failed = self.run_script("gradients", expected, HERE / "full" / "expected.safetensors")
        self.assertEqual(failed.returncode, 1)
        self.assertNotIn("Traceback", failed.stderr)
        self.assertEqual(self.run_script("gradients", expected).returncode, 2)
        self.assertEqual(self.run_script().returncode, 2)


class CommittedCases(unittest.TestCase):
    """The committed files are whole, and agree with each other."""

    def test_cases(self):
        cases = sorted(path.parent for path in HERE.glob("*/provenance.json"))
        self.assertGreaterEqual(len(cases), 13)
        for case in cases:
            with self.subTest(case=case.name):
                expected = check.read_safetensors(case / "expected.safetensors")
                loss = expected.pop("loss")[1][0]
                source = case / "adapter" / "adapter_model.safetensors"
                if not source.exists():
                    source = case / "model" / "model.safetensors"
                parameters = check.read_safetensors(source)
                self.assertEqual(
                    {key: shape for key, (shape, _) in expected.items()},
                    {key: shape for key, (shape, _) in parameters.items()},
                )
                losses, norms, rates = check.read_losses(case / "losses.json")
                self.assertEqual(len(losses), 10)
                self.assertLess(check.relative(losses[0], loss), 1e-7)
                # The norm before clipping is that of all the gradients together.
                total = check.norm([v for _, values in expected.values() for v in values])
                self.assertLess(check.relative(norms[0], total), 1e-6)
                self.assertEqual([round(rate * 1000) for rate in rates], list(range(10, 0, -1)))

    def test_both_spellings_of_rope_agree(self):
        pair = [(HERE / name / "expected.safetensors").read_bytes() for name in ("rope_llama3", "rope_llama3_v4")]
        self.assertEqual(*pair)


if __name__ == "__main__":
    unittest.main()
