#!/usr/bin/env python3
# Runs the Python unit tests of this folder (*_test.py) and writes their results as JSON.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import argparse
import json
import os
import sys
import unittest


class Recorder(unittest.TextTestResult):
    """Keeps one record a test, in the form that tools/dev/summarize reads."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.tests = {}

    def addSuccess(self, test):
        super().addSuccess(test)
        self.tests.setdefault(test.id(), ("passed", ""))

    def addError(self, test, err):
        super().addError(test, err)
        self.tests[test.id()] = ("failed", repr(err[1]))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tests[test.id()] = ("failed", repr(err[1]))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tests[test.id()] = ("failed", repr(err[1]))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.tests[test.id()] = ("skipped", reason)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", help="write the results to this file as JSON")
    options = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    tests = unittest.defaultTestLoader.discover(here, pattern="*_test.py")
    result = unittest.TextTestRunner(resultclass=Recorder, verbosity=2).run(tests)
    if options.results:
        records = [{"name": name, "result": outcome, "reason": reason}
                   for name, (outcome, reason) in sorted(result.tests.items())]
        with open(options.results, "w", encoding="utf-8") as file:
            json.dump({"tests": records}, file, indent=1)
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
