#!/usr/bin/python3
"""What probes cost a kubelet, and whether it fails any: `probes.py [--peer KUBELET] [--minutes N] [--load PERCENT] KUBELET CONTAINERS`.

One after the other each kubelet runs that many containers, ten in a pod, on the fake runtime. Each has a liveness probe once a
second that may not fail once (failureThreshold 1): a quarter each HTTP, TCP and gRPC to servers on this machine (probes_bench
--serve, beside the fake runtime's program) and exec, which the fake runtime answers at once: what a real one costs is not the
kubelet's. Meanwhile other processes keep the machine busy for --load percent of its cores.
CPU of probes is that of the process, by its CPU clock, less what the same pods cost it at rest without any probe. A false failure
is a probe that failed (prober_probe_total) or a container that was started again.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from bench import BenchNode, say
from harness import Failed, FakeRuntime, until

PER_POD = 10
COUNTED = re.compile(r'^prober_probe_total\{(.*)\} ([0-9.e+]+)$', re.M)
RESULT = re.compile(r'result="(\w+)"')


def burn(percent):
    """Keeps one core busy for that share of each 20 ms."""
    while True:
        end = time.monotonic() + 0.02 * percent / 100
        while time.monotonic() < end:
            pass
        time.sleep(0.02 * (100 - percent) / 100)


class Load:
    def __init__(self, percent):
        self.workers = [multiprocessing.Process(target=burn, args=(percent,), daemon=True) for _ in range(os.cpu_count() if percent else 0)]

    def __enter__(self):
        for worker in self.workers:
            worker.start()

    def __exit__(self, *_):
        for worker in self.workers:
            worker.terminate()
            worker.join()


def busy_share():
    """(busy, all) jiffies of all cores so far."""
    ticks = [int(t) for t in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def handler(number, ports):
    return ({"httpGet": {"path": "/healthz", "port": ports[0]}}, {"tcpSocket": {"port": ports[1]}},
            {"grpc": {"port": ports[2]}}, {"exec": {"command": ["true"]}})[number % 4]


def manifest(name, first, count, ports):
    """A pod of the host's network, so that the servers are at its address. Without `ports` nothing is probed."""
    containers = []
    for number in range(first, first + count):
        container = {"name": "c%d" % number, "image": "probed:1", "imagePullPolicy": "IfNotPresent"}
        if ports:
            container["livenessProbe"] = {**handler(number, ports), "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
        containers.append(container)
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                       "spec": {"hostNetwork": True, "terminationGracePeriodSeconds": 1, "containers": containers}})


class Probed(BenchNode):
    def fill(self, prefix, containers, ports):
        for first in range(0, containers, PER_POD):
            name = "%s%04d" % (prefix, first // PER_POD)
            temporary = self.dir / "new-manifest"
            temporary.write_text(manifest(name, first, min(PER_POD, containers - first), ports))
            temporary.rename(self.manifests / (name + ".yaml"))
        self.started(prefix, containers, 60 + containers)

    def empty(self):
        for path in self.manifests.iterdir():
            path.unlink()
        until("nothing runs", self.nothing_runs, 300, 0.5)
        self.empty_within(10)

    def results(self):
        """Probes by result."""
        found = {}
        for labels, count in COUNTED.findall(self.metrics("/probes")):
            result = RESULT.search(labels).group(1)
            found[result] = found.get(result, 0) + float(count)
        return found

    def restarts(self):
        return sum(s["restartCount"] for p in self.pods() for s in p["status"].get("containerStatuses", []))


def measure(name, binary, options, fake, ports):
    with Probed(binary, name, fake.endpoint) as node:
        node.start()
        node.fill("r", options.containers, None)
        time.sleep(options.settle)
        rest = node.at_rest(30)["idle_cpu_ms_per_s"]
        node.empty()
        node.fill("p", options.containers, ports)
        time.sleep(options.settle)
        with Load(options.load):
            busy, ticks = busy_share()
            before, cpu, began = node.results(), node.cpu_s(), time.monotonic()
            time.sleep(options.minutes * 60)
            took, cpu = time.monotonic() - began, (node.cpu_s() - cpu) * 1e3
            after, (busy_then, ticks_then) = node.results(), busy_share()
        done = {k: after[k] - before.get(k, 0) for k in after}
        probes = sum(done.values())
        out = {"kubelet": name, "containers": options.containers, "rest_ms_per_s": rest, "cpu_ms_per_s": cpu / took,
               "probes_ms_per_s": cpu / took - rest, "us_per_probe": (cpu - rest * took) * 1e3 / max(probes, 1),
               "probes_per_s": probes / took, "not_successful": probes - done.get("successful", 0), "restarts": node.restarts(),
               "machine_busy_percent": 100 * (busy_then - busy) / (ticks_then - ticks), **node.memory()}
        say("%s: %s; by result %s" % (name, {k: round(v, 2) for k, v in out.items() if k != "kubelet"}, done))
        node.empty()
        return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kubelet", type=pathlib.Path)
    parser.add_argument("containers", type=int)
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--load", type=int, default=95, help="percent of every core")
    parser.add_argument("--fake-cri", type=pathlib.Path)
    parser.add_argument("--settle", type=float, default=10)
    options = parser.parse_args()
    fakes = options.fake_cri or options.kubelet.resolve().parents[2] / "test" / "fakes" / "fake-cri"
    servers = subprocess.Popen([fakes.parents[1] / "bench" / "probes_bench", "--serve"], stdout=subprocess.PIPE, text=True)
    found = []
    try:
        ports = [int(p) for p in servers.stdout.readline().split()]
        with tempfile.TemporaryDirectory(prefix="kubelet-bench-") as folder:
            fake = FakeRuntime(folder, fakes)
            for name, binary in (("kubelet", options.kubelet), ("peer", options.peer)):
                if binary is None:
                    continue
                fake.start()
                try:
                    found.append(measure(name, binary, options, fake, ports))
                finally:
                    fake.kill()
    except Failed as error:
        sys.exit("probes: %s" % error)
    finally:
        # The servers are its child and end with it.
        servers.kill()
        servers.wait()
    print("%d containers, %g minutes" % (options.containers, options.minutes))
    print("%-34s%s" % ("", "".join("%14s" % f["kubelet"] for f in found)))
    for key in found[0]:
        if key not in ("kubelet", "containers"):
            print("%-34s%s" % (key.replace("_", " "), "".join("%14.2f" % f[key] for f in found)))


if __name__ == "__main__":
    main()
