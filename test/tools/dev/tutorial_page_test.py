"""test/tutorial/run_page.py: a chapter that says what is so passes; what is stale is named by page and line."""
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tutorial"))
import run_page  # pylint: disable=wrong-import-position

SOURCE = """int a;
  // DOC: body
  int b;
    int c;
  // DOC-END
"""

CHAPTER = """# A chapter
```sh
printf 'one 1\\ntwo 2\\n  three 3\\nfour 4\\n' | tee numbers
```
```text output
one ...
...
three 3
four 4
```
```text numbers
two 2
three 3
```
```sh fails
echo no >&2; false
```
```text output
no
```
```c++ source.cpp body
int b;
  int c;
```
```json
not looked at
```
"""


class Chapter(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        (self.root / "source.cpp").write_text(SOURCE, encoding="utf-8")
        (self.root / "work").mkdir()

    def failures(self, old="", new=""):
        assert old in CHAPTER
        page = self.root / "page.md"
        page.write_text(CHAPTER.replace(old, new, 1) if old else CHAPTER, encoding="utf-8")
        return run_page.Page(page, self.root, self.root / "work").check()

    def test_what_is_so(self):
        self.assertEqual(self.failures(), [])

    def test_a_stale_line_of_output(self):
        self.assertEqual(self.failures("three 3\nfour 4\n```", "three 3\nfour 5\n```"),
                         ["page.md:9: stale, the output says otherwise: four 5"])

    def test_lines_in_another_order(self):
        self.assertEqual(self.failures("two 2\nthree 3\n```", "three 3\ntwo 2\n```"),
                         ["page.md:13: stale, numbers says otherwise: two 2"])

    def test_a_gap_that_is_not_marked(self):
        self.assertEqual(self.failures("two 2\nthree 3\n```", "two 2\nfour 4\n```"),
                         ["page.md:13: stale, numbers says otherwise: four 4"])

    def test_a_source_that_has_changed_and_is_taken_again(self):
        (self.root / "source.cpp").write_text(SOURCE.replace("int c", "long c"), encoding="utf-8")
        failures = self.failures()
        self.assertEqual(len(failures), 1)
        self.assertRegex(failures[0], r"^page\.md:23: stale, source\.cpp says otherwise; .*--write renews it$")
        page = run_page.Page(self.root / "page.md", self.root, self.root / "work")
        page.write()
        self.assertEqual(page.check(), [])

    def test_a_region_that_is_gone(self):
        self.assertEqual(self.failures("source.cpp body", "source.cpp head"),
                         ["page.md:21: source.cpp has no region `// DOC: head`"])

    def test_a_file_that_is_not_written(self):
        self.assertEqual(self.failures("text numbers", "text letters"),
                         ["page.md:11: letters is not there"])

    def test_a_command_that_fails(self):
        failures = self.failures("| tee numbers", "| tee numbers; exit 3")
        self.assertEqual(len(failures), 1)
        self.assertRegex(failures[0], r"^page\.md:2: the commands exit with 3: one 1")

    def test_a_command_that_should_fail(self):
        self.assertRegex(self.failures("; false", "")[0], r"^page\.md:15: the commands exit with 0: no")


if __name__ == "__main__":
    unittest.main()
