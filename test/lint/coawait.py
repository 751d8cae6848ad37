#!/usr/bin/env python3
"""Runs the matchers of coawait.queries over every translation unit with co_await; a finding is an error.

    coawait.py BUILD_DIR [--jobs 2]   BUILD_DIR has compile_commands.json and, for caching, ninja's dependency log
    coawait.py --self-test            the marked lines of coawait_examples.cc, and no others, are flagged

A clean unit is remembered under BUILD_DIR/coawait by a hash of its command, its own and its project headers' contents
and these queries, so that a second run costs nothing. Headers count through one unit that includes them.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
QUERIES = HERE / "coawait.queries"
# The database is made for g++: its warning switches are unknown to clang, and warnings are not the question here.
EXTRA = ("--extra-arg=-w", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-fno-color-diagnostics")


def clang_query():
    found = shutil.which("clang-query-14") or shutil.which("clang-query")
    return found or sys.exit("coawait.py: clang-query is missing (Debian package clang-tools-14)")


def queries():
    """[(level, what is wrong, matcher)] of the query file."""
    lines = [line for line in QUERIES.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        head, matcher = line.split(" | ", 1)
        level, title = head.split(" ", 1)
        yield level, title, matcher


def script():
    """One clang-query script; a query that matches nothing prints `0 matches.`, which is how answers are told apart."""
    return "set bind-root true\nset output diag\n" + "".join("match %s\n" % matcher for _, _, matcher in queries())


def run_query(arguments, root):
    """[(level, file, line, text)] of the findings below root; raises RuntimeError when the source cannot be parsed."""
    with tempfile.NamedTemporaryFile("w", suffix=".query") as file:
        file.write(script())
        file.flush()
        done = subprocess.run([clang_query(), "-f", file.name] + arguments, capture_output=True, text=True, check=False)
    broken = re.findall(r"^\S+: (?:fatal )?error: .*$", done.stderr + done.stdout, re.M)
    answers = re.split(r"^\d+ match(?:es)?\.$", done.stdout, flags=re.M)
    asked = list(queries())
    if broken or len(answers) != len(asked) + 1:
        raise RuntimeError("\n".join(broken[:5]) or "clang-query: " + (done.stderr + done.stdout)[-500:])
    found = set()
    for (level, title, _), answer in zip(asked, answers):
        for path, line in re.findall(r"^(/[^:\n]+):(\d+):\d+: note: \"root\" binds here", answer, re.M):
            path = pathlib.Path(os.path.normpath(path))
            if path.is_relative_to(root):
                found.add((level, str(path.relative_to(root)), int(line), title))
    return sorted(found)


def sources_of(file):
    """The source files that are compiled as `file`: itself, or what CMake's unity build includes."""
    path = pathlib.Path(file)
    if path.parent.name != "Unity":
        return [file]
    return re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)


class Unit:
    """One entry of the compilation database with the project files it depends on."""

    def __init__(self, entry, dependencies):
        self.file = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        self.sources = sources_of(self.file)
        self.command = entry["command"]
        self.known = bool(dependencies)
        self.parts = {self.file, *self.sources} | {d for d in dependencies if d.startswith(str(ROOT) + os.sep)}

    def key(self):
        digest = hashlib.sha256((self.command + script()).encode())
        for part in sorted(self.parts):
            digest.update(part.encode() + b"\0" + pathlib.Path(part).read_bytes())
        return digest.hexdigest()


def ninja_dependencies(build):
    """{object file: [headers]} out of ninja's log; empty where there is none."""
    if not (build / ".ninja_deps").exists():
        return {}
    done = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=False)
    found, current = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("    "):
            current.append(os.path.normpath(os.path.join(build, line.strip())))
        elif ": #deps" in line:
            current = found.setdefault(line.split(":", 1)[0], [])
    return found


def without_precompiled_headers(command):
    """clang cannot read what g++ has precompiled; the sources include what they need."""
    return re.sub(r" -fpch-preprocess| -Winvalid-pch|(?: -Xclang)? -include(?:-pch)?(?: -Xclang)? \S+/cmake_pch\.\S+", "", command)


def database(build, cache):
    """The compilation database as the lint uses it; a copy of it stands in `cache`, for clang."""
    entries = json.loads((build / "compile_commands.json").read_text())
    entries = [entry for entry in entries if "cmake_pch" not in entry["file"]]
    for entry in entries:
        entry["command"] = without_precompiled_headers(entry.get("command") or " ".join(entry["arguments"]))
    (cache / "compile_commands.json").write_text(json.dumps(entries, indent=1))
    return entries


def units(build, entries):
    """The units to look at: those that say co_await, and one more for every header that no such unit includes."""
    log = ninja_dependencies(build)
    every = []
    for entry in entries:
        output = re.search(r" -o (\S+)", entry["command"])
        unit = Unit(entry, [d for d in log.get(output[1] if output else "", []) if os.path.exists(d)])
        paths = [pathlib.Path(source) for source in unit.sources]
        if any(path.is_relative_to(ROOT) and not path.is_relative_to(build) and path.exists() for path in paths):
            every.append(unit)
    says = {part: b"co_await" in pathlib.Path(part).read_bytes() for unit in every for part in unit.parts}
    chosen = [unit for unit in every if any(says[source] for source in unit.sources)]
    covered = {part for unit in chosen for part in unit.parts}
    for unit in every:
        missing = {part for part in unit.parts if says[part]} - covered
        if missing:
            chosen.append(unit)
            covered |= unit.parts
    return chosen


def check_unit(unit, cache):
    """The findings of one unit; out of the cache when nothing changed since a clean pass."""
    stamp = cache / unit.key()
    if unit.known and stamp.exists():
        return None
    try:
        found = run_query(["-p", str(cache), *EXTRA, unit.file], ROOT)
    except RuntimeError as problem:
        return [("error", os.path.relpath(unit.file, ROOT), 0, "cannot be parsed: %s" % problem)]
    if unit.known and not found:
        stamp.touch()
    return found


def check(build, jobs):
    cache = build / "coawait"
    cache.mkdir(exist_ok=True)
    todo = units(build, database(build, cache))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda unit: check_unit(unit, cache), todo))
    cached = sum(result is None for result in results)
    found = sorted({finding for result in results for finding in result or ()})
    for level, path, line, text in found:
        print("%s:%d: %s: %s" % (path, line, "error" if level == "error" else "warning", text))
    errors = sum(finding[0] == "error" for finding in found)
    print("coawait: %d units (%d unchanged), %d errors, %d warnings" % (len(todo), cached, errors, len(found) - errors))
    return 1 if errors else 0


def self_test():
    example = HERE / "coawait_examples.cc"
    lines = list(enumerate(example.read_text().splitlines(), 1))
    found = run_query([*EXTRA, str(example), "--", "-std=c++20"], ROOT)
    passed = failed = 0
    for level, mark in (("error", "// BAD"), ("warn", "// RISKY")):
        wanted = {number for number, line in lines if line.rstrip().endswith(mark)}
        flagged = {line for each, _, line, _ in found if each == level}
        for line in sorted(wanted ^ flagged):
            print("FAIL coawait_examples.cc:%d: %s" % (line, "not flagged" if line in wanted else "flagged without reason"))
        passed, failed = passed + len(wanted & flagged), failed + len(wanted ^ flagged)
    for level, title, _ in queries():
        if not any(text == title for _, _, _, text in found):
            print("FAIL no example of: " + title)
            failed += 1
    print("coawait self test: %d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


def main():
    parser = argparse.ArgumentParser(description="co_await expressions that g++ 12 compiles wrongly")
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    if args.build is None or not (args.build / "compile_commands.json").exists():
        parser.error("a build folder with compile_commands.json is needed")
    return check(args.build.resolve(), args.jobs)


if __name__ == "__main__":
    sys.exit(main())
