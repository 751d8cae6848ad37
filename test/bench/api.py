#!/usr/bin/python3
"""What pods of an API server take: `api.py [--peer KUBELET] [--latency-ms N] [--json FILE] KUBELET PODS`.

Each kubelet in turn is a node of a test-apiserver on the runtime KUBELET_TEST_CRI (run.sh tells how to have one). PODS pods of one
container are created at once, and deleted when all are Ready; between the kubelets the same requests go to the runtime with nothing
in between (floor.py), 1 to 4 in flight. The best of two rounds counts.
  last start   first POST -> the last startedAt, by the runtime's clock; against the floor
  all Ready    first POST -> a watch has told of the last Ready
  deleted      first DELETE -> a watch has told of the last removal; a grace of 1 s is in it
  CPU          of the kubelet, from the first POST to the last Ready; and of the server for as long, which runs on the same cores
"""
import argparse
import contextlib
import json
import os
import pathlib
import tempfile
import threading
import time
import types

from bench import CONFIG, Bench, BenchNode, say
from floor import Floor, started_at
from harness import ApiServer, ClusterNode, Failed, Watch, condition, until


def cpu_s(pid):
    """The process's CPU clock as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime((~pid << 3) | 2)


class Told(Watch):
    """When which pod was first told to be Ready, and to be gone."""

    def __init__(self, server, path):
        self.ready, self.gone = {}, {}
        super().__init__(server, path)

    def run(self):
        while line := self.response.readline():
            now, event = time.time(), json.loads(line)
            name = event["object"]["metadata"]["name"]
            if event["type"] == "DELETED":
                self.gone.setdefault(name, now)
            elif condition(event["object"], "Ready") == "True":
                self.ready.setdefault(name, now)


class ApiNode(ClusterNode):
    def __init__(self, server, binary, endpoint, name):
        self.CGROUP_ROOT = "kubelet-bench-%d-%s" % (os.getpid(), name)
        super().__init__(server, CONFIG.split("\n", 2)[2], endpoint=endpoint, binary=binary)

    def send(self, method, bodies):
        """A request for each path, over four connections."""
        def some(mine):
            connection = self.server.connect(60)
            for path, body in mine:
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status >= 300:
                    raise Failed("%s %s: %d %s" % (method, path, answer.status, text[:200]))
        Floor.in_flight(4, some, [bodies[i::4] for i in range(4)])


def burst(name, binary, endpoint, program, options):
    count, flags = options.pods, ["--latency-ms", str(options.latency_ms)]
    with tempfile.TemporaryDirectory(prefix="api-bench-") as folder, ApiServer(folder, "bench%d" % os.getpid(), flags, program) as server:
        with ApiNode(server, binary, endpoint, name) as node:
            node.join()
            time.sleep(5)
            told = Told(server, node.api_pods)
            bodies = [node.body("b%04d" % i, terminationGracePeriodSeconds=1, automountServiceAccountToken=False) for i in range(count)]
            before, began = (cpu_s(node.process.pid), cpu_s(server.process.pid)), time.time()
            node.send("POST", [(node.api_pods, body) for body in bodies])
            until("all are Ready", lambda: len(told.ready) == count, 60 + 3 * count)
            cpu = cpu_s(node.process.pid) - before[0], cpu_s(server.process.pid) - before[1]
            figures = {"subject": name, "binary": str(binary), "pods": count,
                       "last_start_s": max(started_at(node.cri, c.id) for c in node.containers() if c.state == 1) - began,
                       "all_ready_s": max(told.ready.values()) - began, "cpu_s": cpu[0], "server_cpu_s": cpu[1]}
            began = time.time()
            node.send("DELETE", [("%s/%s" % (node.api_pods, body["metadata"]["name"]), {"gracePeriodSeconds": 1}) for body in bodies])
            until("all are gone", lambda: len(told.gone) == count, 60 + 3 * count)
            figures["deleted_s"] = max(told.gone.values()) - began
            until("the runtime is empty", lambda: not node.sandboxes(), 150, 0.2)
            return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kubelet", type=pathlib.Path)
    parser.add_argument("pods", type=int)
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--latency-ms", type=int, default=0, help="of every answer of the server")
    parser.add_argument("--json")
    options = parser.parse_args()
    endpoint = os.environ["KUBELET_TEST_CRI"]
    kubelet = options.kubelet.resolve()
    program = kubelet.parents[2] / "test" / "fakes" / "test-apiserver"
    if not program.exists():
        parser.error("%s is not built" % program)
    print("load before: %.1f %.1f %.1f on %d cores" % (*os.getloadavg(), os.cpu_count()))
    found, floors = {}, {}
    with contextlib.ExitStack() as keep:
        quiet = Bench(types.SimpleNamespace(kubelet=kubelet, peer=None, json=None, settle=5, idle=1))
        quiet.found_traces = {}
        floor = quiet.trace("real", "kubelet", kubelet, endpoint, keep)
        for turn in range(2):
            for name, binary in (("kubelet", kubelet), ("peer", options.peer)):
                for parallel in (2 * turn + 1, 2 * turn + 2) if name == "kubelet" else ():
                    floors[parallel] = floor.run(options.pods, parallel)
                if binary is None:
                    continue
                figures = burst(name, binary, endpoint, program, options)
                say({k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()})
                best = found.setdefault(name, figures)
                for key in ("last_start_s", "all_ready_s", "cpu_s", "server_cpu_s", "deleted_s"):
                    best[key] = min(best[key], figures[key])
    least = min(f[0] for f in floors.values())
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            for figures in found.values():
                file.write(json.dumps({**figures, "floor_s": least}) + "\n")
    print("%d pods of an API server; floor %s s by pods in flight" % (options.pods, {p: round(f[0], 2) for p, f in sorted(floors.items())}))
    print("%-34s%s" % ("", "".join("%14s" % name for name in found)))
    for key, what in (("last_start_s", "last start, s"), ("all_ready_s", "all Ready, s"), ("deleted_s", "deleted, s"),
                      ("cpu_s", "CPU of the kubelet, s"), ("server_cpu_s", "CPU of the server, s")):
        print("%-34s%s" % (what, "".join("%14.2f" % f[key] for f in found.values())))
    print("%-34s%s" % ("last start against the floor", "".join("%14.2f" % (f["last_start_s"] / least) for f in found.values())))
    print("load after: %.1f %.1f %.1f" % os.getloadavg())


if __name__ == "__main__":
    main()
