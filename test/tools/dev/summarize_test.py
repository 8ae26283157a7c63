# Tests of tools/dev/summarize: what it counts, and that silence is not success.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
SUMMARIZE = os.path.join(ROOT, "tools/dev/summarize")

GTEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="1" name="AllTests">
  <testsuite name="Json" tests="4" failures="1" disabled="1" skipped="1">
    <testcase name="reads" status="run" result="completed" classname="Json" />
    <testcase name="fails" status="run" result="completed" classname="Json">
      <failure message="Json.cpp:3&#x0A;wrong value" type=""><![CDATA[Json.cpp:3]]></failure>
    </testcase>
    <testcase name="skips" status="run" result="skipped" classname="Json">
      <skipped message="Json.cpp:9&#x0A;no AVX2 here&#x0A;"><![CDATA[Json.cpp:9]]></skipped>
    </testcase>
    <testcase name="off" status="notrun" result="suppressed" classname="Json" />
  </testsuite>
</testsuites>
"""
LIT = {"__version__": [22, 1, 8], "elapsed": 1.0, "tests": [
    {"name": "ftc :: a.mlir", "code": "PASS", "output": "", "elapsed": 0.1},
    {"name": "ftc :: b.mlir", "code": "FAIL", "output": "boom", "elapsed": 0.1},
    {"name": "ftc :: c.mlir", "code": "UNSUPPORTED", "elapsed": 0.1,
     "output": "Missing required feature(s): long"},
    {"name": "ftc :: d.mlir", "code": "EXCLUDED", "output": "", "elapsed": None}]}
PASSED = {"tests": [{"name": "one", "result": "passed"}]}


class Summarize(unittest.TestCase):
    def summarize(self, suites):
        """suites: name -> (status, {file: data or text}, expected files). Returns (rc, lines)."""
        with tempfile.TemporaryDirectory() as top:
            with open(os.path.join(top, "suites"), "w", encoding="utf-8") as file:
                file.write("\n".join(suites) + "\n")
            for name, (status, files, expected) in suites.items():
                folder = os.path.join(top, name)
                os.makedirs(os.path.join(folder, "results"))
                with open(os.path.join(folder, "suite.json"), "w", encoding="utf-8") as file:
                    json.dump({"suite": name, "status": status, "seconds": 1.0}, file)
                with open(os.path.join(folder, "expected"), "w", encoding="utf-8") as file:
                    file.write("\n".join(expected))
                for path, data in files.items():
                    with open(os.path.join(folder, "results", path), "w", encoding="utf-8") as file:
                        file.write(data if isinstance(data, str) else json.dumps(data))
            run = subprocess.run([sys.executable, SUMMARIZE, top], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, check=False)
            self.assertEqual(run.stderr, "")
            return run.returncode, run.stdout.splitlines()

    def test_all_passed(self):
        status, lines = self.summarize({"own": (0, {"a.json": PASSED}, ["a.json"])})
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 0 skipped"))

    def test_gtest_counts(self):
        status, lines = self.summarize({"unit": (1, {"a.xml": GTEST}, [])})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 2 skipped"))
        self.assertIn("  unit: Json.skips: no AVX2 here", lines)
        self.assertIn("  unit: Json.fails: Json.cpp:3", lines)

    def test_lit_counts(self):
        status, lines = self.summarize({"lit": (1, {"lit.json": LIT}, ["lit.json"])})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("  lit: ftc :: c.mlir: Missing required feature(s): long", lines)

    def test_missing_results_fail(self):
        status, lines = self.summarize({"unit": (0, {"a.json": PASSED}, ["a.json", "b.json"])})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_broken_results_fail(self):
        for file, text in [("a.json", ""), ("a.json", "{"), ("a.json", "[]"), ("a.xml", ""),
                           ("a.json", '{"tests": [{}]}'), ("a.xml", "<testsuites><testcase")]:
            with self.subTest(file=file, text=text):
                status, lines = self.summarize({"unit": (0, {file: text}, [])})
                self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_silent_failure_counts(self):
        status, lines = self.summarize({"own": (3, {"a.json": PASSED}, [])})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_empty_suite_fails(self):
        status, lines = self.summarize({"own": (0, {}, [])})
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_nothing_ran_fails(self):
        status, lines = self.summarize({})
        self.assertEqual((status, lines[-1]), (1, "0 passed, 0 failed, 0 skipped"))

    def test_several_suites_add_up(self):
        status, lines = self.summarize({
            "own": (0, {"a.json": PASSED}, []), "lit": (1, {"lit.json": LIT}, [])})
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed, 1 skipped"))


if __name__ == "__main__":
    unittest.main()
