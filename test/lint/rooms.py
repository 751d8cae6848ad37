#!/usr/bin/env python3
"""Checks that the house stands as ARCHITECTURE.md says: who includes whom, and a few things that must not appear.

    rooms.py [ROOT]        exit 1 and one line per finding; warnings do not fail
    rooms.py --self-test   proves on small made-up trees that every rule can fail

The allow-list is what src/<room>/CMakeLists.txt says: kubelet_room(<room> USES ...). A room that is granted only by
way of another does not count: what a file includes, its room lists.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

SOURCE = (".h", ".cc")
LONG_FILE = 500
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "third_party/README.md")
# Headers that only some rooms may see: pattern of the include, rooms, what they are called in the message.
RESERVED = (
    (re.compile(r"grpc(pp|\+\+)?/|.*\.grpc\.pb\.h$"), {"cri", "plugin"}, "gRPC"),
    (re.compile(r"openssl/|nghttp2/|boost/beast|boost/asio/ssl"), {"client", "server", "probe", "source", "plugin"}, "TLS and HTTP"),
)
# The one place where a library's separately compiled functions are defined is no use of that library.
DEFINITIONS = re.compile(r"boost/asio/(ssl/)?impl/src\.hpp$")
# `app` is where concrete classes of several rooms are put together; everybody else sees contracts only.
WIRING_ROOM = "app"
SYSTEM_TOPS = {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
               "srv", "sys", "tmp", "usr", "var"}


class Findings:
    def __init__(self):
        self.errors, self.warnings = [], []

    def error(self, where, text):
        self.errors.append("%s: %s" % (where, text))

    def warn(self, where, text):
        self.warnings.append("%s: %s" % (where, text))


def without_comments(text):
    """The text with comments and string contents blanked, line numbers kept; include lines stay whole."""
    def blank(match):
        token = match[0]
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return '""' if token.startswith('"') else token
    lines = re.sub(r'//[^\n]*|/\*.*?\*/|^[ \t]*#[ \t]*include[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S | re.M)
    return lines


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def declared_rooms(root, out):
    """{room: [rooms it may use]} out of the kubelet_room calls."""
    rooms = {}
    for folder in sorted(p for p in (root / "src").iterdir() if p.is_dir()):
        cmake = folder / "CMakeLists.txt"
        where = str(cmake.relative_to(root))
        if not cmake.exists():
            continue
        call = re.search(r"kubelet_room\(\s*(\w+)([^)]*)\)", re.sub(r"#[^\n]*", "", read(cmake)))
        if not call:
            out.error(where, "no kubelet_room(...) call")
            continue
        if call[1] != folder.name:
            out.error(where, "kubelet_room(%s) in the folder of room %s" % (call[1], folder.name))
        words, uses, listing = call[2].split(), [], False
        for word in words:
            if word in ("USES", "LIBS"):
                listing = word == "USES"
            elif listing:
                uses.append(word)
        rooms[folder.name] = uses
    for room, uses in rooms.items():
        for used in uses:
            if used not in rooms:
                out.error("src/%s/CMakeLists.txt" % room, "USES %s: there is no such room" % used)
    return rooms


def check_cycles(rooms, out):
    done, path = set(), []

    def visit(room):
        if room in path:
            out.error("src/%s/CMakeLists.txt" % room, "cycle: " + " -> ".join(path[path.index(room):] + [room]))
            return
        if room in done or room not in rooms:
            return
        path.append(room)
        for used in rooms[room]:
            visit(used)
        path.pop()
        done.add(room)

    for room in rooms:
        visit(room)


def source_files(root):
    """(path, room, is_contract) of every header and source in a room."""
    for top, contract in ((root / "src", False), (root / "include" / "kubelet", True)):
        if not top.is_dir():
            continue
        for path in sorted(top.rglob("*")):
            if path.suffix in SOURCE and len(path.relative_to(top).parts) > 1:
                yield path, path.relative_to(top).parts[0], contract


def check_include(where, room, contract, target, rooms, out):
    if DEFINITIONS.match(target):
        return
    for pattern, allowed, name in RESERVED:
        if pattern.match(target) and room not in allowed:
            out.error(where, "%s header %s: only in %s" % (name, target, ", ".join(sorted(allowed))))
    match = re.match(r"(kubelet/)?([a-z0-9_]+)/", target)
    if not match:
        return
    public, other = bool(match[1]), match[2]
    if other not in rooms:
        if public:
            out.error(where, "include of %s: there is no room %s" % (target, other))
        return
    if other == room:
        if contract and not public:
            out.error(where, "contract includes %s, which its readers cannot see" % target)
        return
    if other not in rooms.get(room, ()):
        out.error(where, "room %s includes %s but does not list %s under USES" % (room, target, other))
    elif not public and room != WIRING_ROOM:
        out.error(where, "%s is private to room %s: only include/kubelet/%s is a contract" % (target, other, other))


def check_source(path, where, room, contract, rooms, out):
    text = read(path)
    code = without_comments(text)
    lines = code.splitlines()
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#\s*include\s*[<"]([^">]+)[">]', line)
        if include:
            check_include("%s:%d" % (where, number), room, contract, include[1], rooms, out)
            detached = include[1] == "boost/asio/detached.hpp"
        else:
            detached = re.search(r"\basio\s*::\s*detached(_t)?\b", line)
        if detached:
            out.error("%s:%d" % (where, number), "asio::detached: work starts through base::TaskScope")
    if path.suffix == ".h" and "#pragma once" not in text:
        out.error(where, "no #pragma once")
    if contract and not re.search(r"//|/\*", text):
        out.error(where, "a contract without a comment")
    if len(lines) > LONG_FILE:
        out.warn(where, "%d lines; aim for under 400" % len(lines))


def committed_files(root):
    """What git tracks or would track; every file outside build folders where there is no git."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.decode().splitlines()
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*") if not {"build", ".git"} & set(p.relative_to(root).parts)]
    return [name for name in names if (root / name).is_file()]


def machine_paths(root):
    """Where this checkout lies: absolute paths that would mean nothing to anybody else."""
    for folder in [root] + list(root.parents):
        parts = folder.parts[1:]
        if parts and not (len(parts) == 1 and parts[0] in SYSTEM_TOPS):
            yield str(folder)


def machine_hosts(environment=None, apt_dir="/etc/apt"):
    """Names of the mirrors and proxies that this machine's package managers are set to."""
    texts = [value for key, value in (os.environ if environment is None else environment).items()
             if re.search(r"PROXY|INDEX_URL|REGISTRY|MIRROR", key, re.I) and not key.upper().startswith("NO_")]
    for name in [os.path.join(apt_dir, "sources.list")] + [str(p) for p in pathlib.Path(apt_dir).glob("*.d/*")]:
        if os.path.isfile(name):
            texts += [line for line in read(pathlib.Path(name)).splitlines() if not line.lstrip().startswith(("#", "//"))]
    hosts = {host.lower() for text in texts for host in re.findall(r"\w+://(?:[^@/\s]*@)?([\w.-]+)", text)}
    return {host for host in hosts if host not in ("localhost", "127.0.0.1") and ("." in host or len(host) > 3)}


def check_forbidden(root, paths, hosts, out):
    patterns = [(r"(?<![\w./-])%s(?![\w-])" % re.escape(path), "a path of this machine") for path in paths]
    patterns += [(r"(?<![\w.-])%s(?![\w-])" % re.escape(host), "the host of a mirror or proxy") for host in hosts]
    patterns.append((r"(?<![\w.])/home/(?!\$)[a-z]\w*/", "somebody's home directory"))
    compiled = [(re.compile(pattern), what) for pattern, what in patterns]
    for name in committed_files(root):
        content = (root / name).read_bytes()
        if b"\0" in content[:4096]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            for pattern, what in compiled:
                if pattern.search(line):
                    out.error("%s:%d" % (name, number), "names %s" % what)


def check_documents(root, rooms, out):
    for name in DOCUMENTS:
        if not (root / name).is_file() or not read(root / name).strip():
            out.error(name, "missing")
    if (root / "ARCHITECTURE.md").is_file():
        text = read(root / "ARCHITECTURE.md")
        for room in rooms:
            if not re.search(r"\*\*%s\*\*|`%s`" % (room, room), text):
                out.error("ARCHITECTURE.md", "says nothing about room %s" % room)


def check(root, paths=None, hosts=None):
    """All rules over one tree."""
    root, out = pathlib.Path(root).resolve(), Findings()
    rooms = declared_rooms(root, out)
    check_cycles(rooms, out)
    unbuilt = set()
    for path, room, contract in source_files(root):
        if room not in rooms:
            unbuilt.add(room)
            continue
        check_source(path, str(path.relative_to(root)), room, contract, rooms, out)
    for room in sorted(unbuilt):
        out.error("src/%s/CMakeLists.txt" % room, "missing: nothing builds or checks room %s" % room)
    check_forbidden(root, list(machine_paths(root)) if paths is None else paths, machine_hosts() if hosts is None else hosts, out)
    check_documents(root, rooms, out)
    return out


def main():
    parser = argparse.ArgumentParser(description="who includes whom, and what must not appear")
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        import rooms_selftest  # pylint: disable=import-outside-toplevel
        sys.exit(rooms_selftest.main())
    out = check(args.root)
    for line in out.warnings:
        print("warning: " + line)
    for line in out.errors:
        print("error: " + line)
    print("rooms: %d errors, %d warnings" % (len(out.errors), len(out.warnings)))
    sys.exit(1 if out.errors else 0)


if __name__ == "__main__":
    main()
