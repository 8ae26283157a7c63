# The table of planted faults names those that the sources have, and disagreement is an error.
# Part of the ftc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import importlib.util
import os
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.path.join(HERE, "..", "..", "mutants", "run.py")
SPEC = importlib.util.spec_from_file_location("mutants_run", PATH)
run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run)


class Table(unittest.TestCase):
    def mutants(self):
        return run.read_mutants()

    def test_agrees_with_the_sources(self):
        self.assertEqual(list(run.table_errors(self.mutants())), [])
        self.assertGreaterEqual(len(self.mutants()), 10)

    def test_a_missing_row_is_an_error(self):
        lacking = self.mutants()[1:]
        self.assertEqual(len(list(run.table_errors(lacking))), 1)

    def test_a_name_without_a_fault_is_an_error(self):
        more = self.mutants() + [{"name": "no-such", "fault": "", "caught_by": ["golden"]}]
        self.assertIn("no-such", "".join(run.table_errors(more)))

    def test_each_row_names_checks_that_exist(self):
        wrong = self.mutants()
        wrong[0] = dict(wrong[0], caught_by=["nobody"])
        self.assertIn("nobody", "".join(run.table_errors(wrong)))
        wrong[0] = dict(wrong[0], caught_by=[])
        self.assertIn("by no check", "".join(run.table_errors(wrong)))


if __name__ == "__main__":
    unittest.main()
