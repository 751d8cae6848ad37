#!/usr/bin/python3
"""What statistics cost a kubelet: `stats.py [--peer KUBELET] [--busy] [--json FILE] KUBELET PODS`.

One after the other each kubelet runs that many static pods of one container on the runtime KUBELET_TEST_CRI (run.sh tells how to
have one) and is asked over its read-only port. CPU is that of the process, by its CPU clock, while a question is answered:
  fresh     questions 12 s apart: samples that are at hand are older than ten seconds by then. A kubelet that samples on its own
            answers out of those all the same; what that costs shows at rest.
  again     fifty questions in a row, per question
  at rest   ms per second while nobody asks; and while Prometheus and metrics-server do: four documents every 15 s
With --busy the container of each pod works for a moment every five seconds; else it sleeps.
"""
import argparse
import http.client
import json
import os
import pathlib
import statistics
import sys
import time

from bench import BenchNode, say
from harness import Failed, until

DOCUMENTS = ("/metrics/cadvisor", "/stats/summary", "/metrics/resource", "/metrics")
BUSY = "trap 'exit 0' TERM; while :; do sleep 5 & wait; done"


class Asked:
    """A kubelet that is asked over one connection."""

    def __init__(self, node):
        self.node, self.connection = node, None

    def get(self, path):
        for again in (False, True):  # a connection that was idle may have been closed
            try:
                self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.node.readonly, timeout=60)
                self.connection.request("GET", path)
                answer = self.connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise Failed("%s: %d %s" % (path, answer.status, text[:200]))
                return text
            except (OSError, http.client.HTTPException):
                self.connection = None
                if again:
                    raise
        return b""

    def cost(self, path, times=1):
        """CPU in ms per question."""
        before = self.node.cpu_s()
        for _ in range(times):
            self.get(path)
        return (self.node.cpu_s() - before) * 1e3 / times


def measure(name, binary, options):
    with BenchNode(binary, name, os.environ["KUBELET_TEST_CRI"]) as node:
        if options.busy:
            plain = node.manifest
            node.manifest = lambda pod: plain(pod, BUSY)
        node.start()
        for i in range(options.pods):
            node.put("s%04d" % i)
        node.started("s", options.pods, 60 + 3 * options.pods)
        asked = Asked(node)
        until("all in the summary", lambda: len(json.loads(asked.get("/stats/summary")).get("pods") or []) == options.pods, 120, 2)
        time.sleep(options.settle)
        out = {"kubelet": name, "binary": str(binary), "pods": options.pods, "busy": options.busy,
               "rest_ms_per_s": node.at_rest(options.idle)["idle_cpu_ms_per_s"]}
        for path in DOCUMENTS:
            asked.get(path)
            fresh = []
            for _ in range(options.repeat):
                time.sleep(12)
                fresh.append(asked.cost(path))
            out[path] = {"KB": len(asked.get(path)) // 1024, "fresh_ms": statistics.median(fresh), "fresh_most_ms": max(fresh),
                         "again_ms": asked.cost(path, 50)}
            say("%s %s: %s" % (name, path, {k: round(v, 2) for k, v in out[path].items()}))
        cpu, began = node.cpu_s(), time.monotonic()
        while time.monotonic() - began < 60:
            for path in DOCUMENTS:
                asked.get(path)
            time.sleep(15)
        out["scraped_ms_per_s"] = (node.cpu_s() - cpu) * 1e3 / (time.monotonic() - began)
        out |= {k: v for k, v in node.memory().items() if k in ("rss_mib", "anon_mib")}
        for path in node.manifests.iterdir():
            path.unlink()
        until("nothing runs", node.nothing_runs, 120, 0.5)
        node.empty_within(10)
        return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kubelet", type=pathlib.Path)
    parser.add_argument("pods", type=int)
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--idle", type=float, default=30)
    parser.add_argument("--settle", type=float, default=130, help="s; limits of new pods are read more often for two minutes")
    parser.add_argument("--repeat", type=int, default=4)
    options = parser.parse_args()
    found = []
    print("load before: %.1f %.1f %.1f on %d cores" % (*os.getloadavg(), os.cpu_count()))
    for name, binary in (("kubelet", options.kubelet), ("peer", options.peer)):
        if binary is None:
            continue
        try:
            found.append(measure(name, binary, options))
        except Failed as error:
            sys.exit("stats: %s" % error)
        if options.json:
            with open(options.json, "a", encoding="utf-8") as file:
                file.write(json.dumps(found[-1]) + "\n")
    print("%d pods%s, ms of CPU" % (options.pods, ", busy" if options.busy else ""))
    print("%-34s%s" % ("", "".join("%14s" % f["kubelet"] for f in found)))
    for path in DOCUMENTS:
        for key, what in (("KB", "KB"), ("fresh_ms", "fresh"), ("fresh_most_ms", "fresh, most"), ("again_ms", "again")):
            print("%-34s%s" % ("%s %s" % (path, what), "".join("%14.2f" % f[path][key] for f in found)))
    for key, what in (("rest_ms_per_s", "at rest, per second"), ("scraped_ms_per_s", "scraped, per second"), ("rss_mib", "RSS, MiB"),
                      ("anon_mib", "anonymous RSS, MiB")):
        print("%-34s%s" % (what, "".join("%14.2f" % f[key] for f in found)))
    print("load after: %.1f %.1f %.1f" % os.getloadavg())


if __name__ == "__main__":
    main()
