"""tools/dev/reference: the pages are fresh, and what makes them stale or incomplete is named."""
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
COMMAND = "tools/dev/reference"
PASSES = "include/ftc/Transforms/Passes.td"


def reference(*options):
    run = subprocess.run([sys.executable, str(ROOT / COMMAND), *map(str, options)],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return run.returncode, run.stderr.splitlines()


class Fresh(unittest.TestCase):
    def test_the_pages_of_this_tree(self):
        self.assertEqual(reference("--check"), (0, []))


class Changed(unittest.TestCase):
    """Each test changes a copy of what the pages are made of."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        for part in ("dialects", "include", "test", "docs/reference"):
            shutil.copytree(ROOT / part, self.root / part, ignore=lambda folder, names: [
                n for n in names if not os.path.isdir(os.path.join(folder, n))
                and not n.endswith((".td", ".mlir", ".md"))])

    def change(self, path, old, new):
        text = (self.root / path).read_text(encoding="utf-8")
        self.assertIn(old, text)
        (self.root / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    def check(self):
        return reference("--check", "--root", self.root)

    def one_line(self, expected):
        status, lines = self.check()
        self.assertEqual((status, len(lines)), (1, 1), lines)
        self.assertRegex(lines[0], expected)

    def test_nothing(self):
        self.assertEqual(self.check(), (0, []))

    def test_a_description_makes_its_page_stale_until_it_is_written(self):
        self.change("dialects/FT/IR/FTTensorOps.td", "torch's weight layout", "PyTorch's layout")
        self.one_line(r"^docs/reference/ft-tensor\.md:\d+: stale; tools/dev/reference renews it$")
        self.assertEqual(reference("--root", self.root), (0, []))
        self.assertEqual(self.check(), (0, []))

    def test_an_option_s_default_makes_the_pass_page_stale(self):
        self.change("include/ftc/Conversion/Passes.td", '"int64_t", "64"', '"int64_t", "48"')
        self.one_line(r"^docs/reference/passes\.md:\d+: stale")

    def test_an_example_makes_its_page_stale(self):
        self.change("test/Dialect/FT/ops.mlir", "ft.silu %x : tensor<4x8xf32>", "ft.silu %y : tensor<4x8xf32>")
        self.one_line(r"^docs/reference/ft-elementwise\.md:\d+: stale")

    def test_a_message_makes_its_page_stale(self):
        self.change("test/Dialect/FT/invalid.mlir", "op contracts 3 with 2", "op contracts 3 with two")
        self.one_line(r"^docs/reference/ft-tensor\.md:\d+: stale")

    def test_a_page_that_is_no_more(self):
        (self.root / "docs/reference/old.md").write_text("# Old\n", encoding="utf-8")
        self.one_line(r"^docs/reference/old\.md:1: stale, nothing is on it any more")

    def test_an_edited_page(self):
        self.change("docs/reference/launch.md", "# The `launch` dialect", "# Launch")
        self.one_line(r"^docs/reference/launch\.md:3: stale")

    def test_an_op_without_a_description(self):
        self.change("dialects/FT/IR/FTStateOps.td",
                    "  let description = [{Takes `field` out of the one argument that changes between "
                    "steps (RunField).}];\n", "")
        status, lines = self.check()
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"^dialects/FT/IR/FTStateOps\.td:\d+: op ft\.run_value has no "
                                   r"description; give it one$")
        self.assertRegex(lines[1], r"does not say what attribute `field` is")

    def test_an_op_that_no_test_uses(self):
        path = self.root / "test/Dialect/FT/ops.mlir"
        text = path.read_text(encoding="utf-8").replace("ft.sum_rows", "ft.sum_of_rows")
        path.write_text(text, encoding="utf-8")
        self.one_line(r"op ft\.sum_rows has no example; use it in test/Dialect/FT/ops\.mlir or mark one "
                      r"with `// DOC: ft\.sum_rows`$")

    def test_a_verifier_that_is_silent_about_errors(self):
        self.change("dialects/FT/IR/FTElementwiseOps.td", "of columns is an error.", "of columns: no.")
        self.one_line(r"op ft\.bias_add has a verifier, but its description does not say what is an error")

    def test_a_pass_without_an_example(self):
        self.change("test/Transforms/form-kernels.mlir", "// DOC: ft-form-kernels", "// was: it")
        self.one_line(r"^include/ftc/Transforms/Passes\.td:\d+: pass ft-form-kernels has no example; "
                      r"mark one in its lit test")

    def test_an_example_without_an_end(self):
        self.change("test/Conversion/plan-arena.mlir", "// DOC-END\n", "")
        status, lines = self.check()
        self.assertEqual(status, 1)
        self.assertIn("`// DOC: launch-plan-arena` has no `// DOC-END`", lines[0])

    def test_a_pass_without_a_description(self):
        self.change(PASSES, "    The region's ops move before the bypass", "  }];\n  string unused = [{")
        status, lines = self.check()
        self.assertEqual(status, 1)
        self.assertIn("pass ft-lower-bypasses has no description; give it one", lines[0])


if __name__ == "__main__":
    unittest.main()
