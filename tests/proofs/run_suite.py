"""Run tests that others wrote, recorded or not, and say what became of each.

    python run_suite.py unittest|pytest bare|recorded OUTCOMES NAME ...

writes {test: outcome} as JSON into the file OUTCOMES, and beside it, recorded, what the log warns
of, with the ending ``.warnings``.  NAMEs are modules, or tests in them.
"""

import contextlib
import json
import logging
import resource
import sys
import unittest
import warnings
from dataclasses import replace
from pathlib import Path

import epollkit

#: Some tests open as many files as they may.
FILES = 2_000


class Outcomes(unittest.TextTestResult):
    """Remembers what became of each test; of a test with failed subtests, that it failed."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.all = {}

    def stopTest(self, test):
        super().stopTest(test)
        self.all.setdefault(test.id(), "passed")

    def addError(self, test, error):
        super().addError(test, error)
        self.all[test.id()] = f"error {error[0].__name__}"

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.all[test.id()] = "failed"

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.all[test.id()] = "failed"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.all[test.id()] = f"skipped: {reason}"

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.all[test.id()] = "failed, as expected"

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.all[test.id()] = "passed, unexpectedly"


def run_unittest(names, around):
    tests = unittest.defaultTestLoader.loadTestsFromNames(names)
    with around:
        return unittest.TextTestRunner(resultclass=Outcomes).run(tests).all


def run_pytest(names, around):
    import pytest

    class Reports:
        def __init__(self):
            self.all = {}

        def pytest_runtest_logreport(self, report):
            if report.when == "call" or report.outcome != "passed":
                self.all[report.nodeid] = report.outcome

    reports = Reports()
    with around:
        pytest.main(["-q", "-p", "no:cacheprovider", "--pyargs", *names], plugins=[reports])
    return reports.all


def main(kind, how, outcomes, *names):
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    warnings.simplefilter("ignore")
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)  # as Tornado's own runner does
    with contextlib.suppress(ImportError):
        from test import support

        # Nothing beyond this machine; the suite of socketserver calls itself "network".
        support.use_resources = {"cpu", "walltime", "subprocess"}
        if "test.test_socketserver" in names:
            support.use_resources.add("network")
    recording = epollkit.record() if how == "recorded" else None
    run = {"unittest": run_unittest, "pytest": run_pytest}[kind]
    with open(outcomes, "w", encoding="utf-8") as file:
        json.dump(run(names, recording or contextlib.nullcontext()), file)
    if recording is not None:
        Path(outcomes).with_suffix(".warnings").write_text(json.dumps(findings(recording.log)))


def findings(log) -> list:
    """List all that a log warns of or asks, as pairs (certain, words); streams that libraries made
    count as well.
    """
    log.objects = tuple(replace(stream, internal=False) for stream in log.objects)
    log.forget()
    return [(each.certain, str(each)) for each in log.warnings()]


if __name__ == "__main__":
    main(*sys.argv[1:])
