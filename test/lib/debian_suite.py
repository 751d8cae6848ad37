#!/usr/bin/env python3
"""Prints a deb822 source for another Debian suite, on the mirror (and with the keyring) this machine already uses.

    debian_suite.py SUITE [--apt-dir /etc/apt]

The mirror comes out of the machine's own sources, one-line or deb822 format; nothing is assumed about its name.
Exit 1 with a message when no source carries a plain Debian suite.
"""
import argparse
import glob
import os
import re
import sys

# The archives whose layout has all suites side by side; -security, -updates and third-party sources do not count.
SUITES = {"bookworm", "trixie", "forky", "duke", "sid", "stable", "testing", "unstable", "oldstable"}


def deb822(text):
    """Stanzas of `Key: value` lines with continuation lines, as dictionaries with lower-case keys."""
    for stanza in re.split(r"\n\s*\n", text):
        fields, key = {}, None
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace() and key:
                fields[key] += " " + line.strip()
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in ("no", "false"):
            yield fields.get("uris", "").split(), fields.get("suites", "").split(), fields.get("signed-by", "")


def one_line(text):
    """`deb [options] URI SUITE COMPONENT...` lines."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            options = dict(word.split("=", 1) for word in (match[1] or "").split() if "=" in word)
            yield [match[2]], [match[3]], options.get("signed-by", "")


def sources(apt_dir):
    names = [os.path.join(apt_dir, "sources.list")] + sorted(glob.glob(os.path.join(apt_dir, "sources.list.d", "*")))
    for name in names:
        if not os.path.isfile(name):
            continue
        with open(name, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if name.endswith(".sources"):
            yield from deb822(text)
        elif name.endswith(".list"):
            yield from one_line(text)


def mirror(apt_dir):
    for uris, suites, signed_by in sources(apt_dir):
        if uris and SUITES & set(suites):
            return uris[0], signed_by
    return None


def main():
    parser = argparse.ArgumentParser(description="a source for another Debian suite on this machine's mirror")
    parser.add_argument("suite")
    parser.add_argument("--apt-dir", default="/etc/apt")
    args = parser.parse_args()
    found = mirror(args.apt_dir)
    if found is None:
        sys.exit("debian_suite.py: no Debian source in %s" % args.apt_dir)
    print("Types: deb\nURIs: %s\nSuites: %s\nComponents: main" % (found[0], args.suite))
    if found[1]:
        print("Signed-By: " + found[1])


if __name__ == "__main__":
    main()
