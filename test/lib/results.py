#!/usr/bin/env python3
"""Counts what a ctest run passed and failed, test case by test case.

    results.py JUNIT.xml [AGAIN.xml]   prints failures and skips, then `N passed, N failed`
    results.py --again JUNIT.xml       prints what ctest -R takes for the scenarios worth a second look, if any

Scenarios run the real thing, two at once on what may be a busy machine. Where a few of them failed, each is run again by
itself (AGAIN.xml): one that passes then counts as passed, and is named. All else has one try.

ctest counts programs. A Catch2 program says at its end how many of its cases passed; that is counted instead, and a
program that failed without saying so (crash, time-out, sanitizer report) is one failure more.
"""
import re
import sys
import xml.etree.ElementTree

ALL_PASSED = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)", re.M)
SOME_FAILED = re.compile(r"^test cases:\s*(\d+)\s*\|(.*)$", re.M)
COUNTED = re.compile(r"(\d+) (passed|failed as expected|failed|skipped)")
SKIP = re.compile(r"^.*\b(?:SKIP|SKIPPED|skipping)\b.*$", re.M)


def count_cases(output):
    """(passed, failed) by the program's own account, or None when it gave none."""
    match = ALL_PASSED.search(output)
    if match:
        return int(match[1]), 0
    match = SOME_FAILED.search(output)
    if not match:
        return None
    counts = {what: int(number) for number, what in COUNTED.findall(match[2])}
    return counts.get("passed", 0) + counts.get("failed as expected", 0), counts.get("failed", 0)


def count_program(case):
    status, output = case.get("status"), case.findtext("system-out") or ""
    if status in ("notrun", "disabled"):
        return (0, 1) if status == "notrun" else (0, 0)
    good = status == "run"
    passed, failed = count_cases(output) or (int(good), 0)
    return passed, failed if good or failed else 1


def cases(path):
    return list(xml.etree.ElementTree.parse(path).iter("testcase"))


def again():
    """Of more than three at once no single one is to blame."""
    names = [c.get("name") for c in cases(sys.argv[2]) if count_program(c)[1]]
    scenarios = [re.escape(name) for name in names if name.startswith("e2e.")]
    if 0 < len(scenarios) <= 3:
        print("^(%s)$" % "|".join(scenarios))


def main():
    if sys.argv[1] == "--again":
        return again()
    second = {c.get("name"): c for path in sys.argv[2:] for c in cases(path)}
    passed = failed = 0
    for case in cases(sys.argv[1]):
        more_passed, more_failed = count_program(case)
        retry = second.get(case.get("name"))
        if more_failed and retry is not None and not count_program(retry)[1]:
            print("passed at its second try, by itself: %s" % case.get("name"))
            more_passed, more_failed = count_program(retry)
        passed, failed = passed + more_passed, failed + more_failed
        for line in SKIP.findall(case.findtext("system-out") or ""):
            print("skipped in %s: %s" % (case.get("name"), line.strip()))
        if more_failed:
            print("FAILED %s: %d failed, %d passed" % (case.get("name"), more_failed, more_passed))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
