#!/usr/bin/python3
"""The measurements behind run.sh, whose head says what they are. Wants KUBELET_TEST_CRI and KUBELET_TEST_IMAGE."""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from harness import Failed, FakeRuntime, Node, until  # noqa: E402  pylint: disable=wrong-import-position
import table  # noqa: E402  pylint: disable=wrong-import-position
from floor import STARTING, Floor, started_at  # noqa: E402  pylint: disable=wrong-import-position
from recorder import Recorder  # noqa: E402  pylint: disable=wrong-import-position

# What any kubelet needs to run alone with many pods and without its disk or memory guards stepping in.
CONFIG = """authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
maxPods: 2000
evictionHard: {memory.available: 50Mi}
imageGCHighThresholdPercent: 100
"""


def say(*words):
    print("==>", *words, file=sys.stderr, flush=True)


class BenchNode(Node):
    def __init__(self, binary, name, endpoint):
        # One per node: the recorded one's must outlive those that are measured.
        self.CGROUP_ROOT = "kubelet-bench-%d-%s" % (os.getpid(), name)
        super().__init__(CONFIG, endpoint=endpoint, binary=binary, name="%s%d" % (name, os.getpid()))

    def ready_ms(self):
        began = time.monotonic()
        self.start(every=0.002)
        return (time.monotonic() - began) * 1000

    def put(self, name):
        """Writes a manifest; when it was moved into place, by the wall clock."""
        temporary = self.dir / "new-manifest"
        temporary.write_text(self.manifest(name))
        moved = time.time()
        temporary.rename(self.manifests / (name + ".yaml"))
        return moved

    def cpu_s(self):
        # The process's CPU clock as clock_getcpuclockid(3) makes it: in ns and with the threads that ended.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory(self):
        lines = pathlib.Path("/proc/%d/status" % self.process.pid).read_text().splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        return {"rss_mib": int(facts["VmRSS"].split()[0]) / 1024, "anon_mib": int(facts["RssAnon"].split()[0]) / 1024,
                "peak_rss_mib": int(facts["VmHWM"].split()[0]) / 1024, "threads": int(facts["Threads"])}

    def wakeups(self):
        total = 0
        for status in pathlib.Path("/proc/%d/task" % self.process.pid).glob("*/status"):
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    def at_rest(self, seconds):
        cpu, wakeups, began = self.cpu_s(), self.wakeups(), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        return {"idle_cpu_ms_per_s": (self.cpu_s() - cpu) * 1000 / took,
                "idle_wakeups_per_s": (self.wakeups() - wakeups) / took, **self.memory()}

    def started(self, prefix, count, seconds):
        """The running containers of the pods whose names start so, as soon as there are `count`."""
        def look():
            # Not one by one: 500 x ListContainers would be the benchmark.
            found = [c for c in self.containers() if c.state == 1
                     and c.labels["io.kubernetes.pod.name"].startswith(prefix)]
            return found if len(found) >= count else None
        return until("%d containers run" % count, look, seconds, 0.05 if count == 1 else 0.2)

    def nothing_runs(self):
        return not any(s.state == 0 for s in self.sandboxes()) and not any(c.state == 1 for c in self.containers())

    def empty_within(self, seconds):
        """Waits until the runtime holds nothing of ours; after that time removes it (some kubelets keep dead pods)."""
        try:
            until("runtime is empty", lambda: not self.sandboxes(), seconds, 0.2)
        except Failed:
            for sandbox in self.sandboxes():
                self.cri.call("RemovePodSandbox", pod_sandbox_id=sandbox.id)


class Bench:
    def __init__(self, options):
        self.options, self.lines, self.rows = options, [], []
        self.kubelets = [("kubelet", options.kubelet)] + ([("peer", options.peer)] if options.peer else [])

    def record(self, kind, name, node, figures):
        """One run: a JSON line and, through row(), a column of the table."""
        line = {"runtime": kind, "subject": name, "binary": str(node.binary) if node else None, **figures}
        line = {k: round(v, 3) if isinstance(v, float) else v for k, v in line.items()}
        self.lines.append(line)
        if self.options.json:
            with open(self.options.json, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return figures

    def row(self, figure, unit, values, reference=None, meaning=""):
        """`values` by subject; `reference` a number, or one by subject, to which the ratio is."""
        if not isinstance(reference, dict):
            reference = {name: reference for name in values}
        self.rows.append((figure, unit, values, reference, meaning))

    def rows_of(self, title, found, columns):
        self.rows.append((title,))
        for figure, unit, key, reference, meaning in columns:
            self.row(figure, unit, {name: f[key] for name, f in found.items()}, reference, meaning)

    # --- what the kubelet asks for -------------------------------------------------------------------------------

    def trace(self, kind, name, binary, endpoint, keep):
        """One pod through a recorder. Returns the Floor made of it; `keep` holds the node it needs."""
        node = keep.enter_context(BenchNode(binary, "trace", endpoint))
        with Recorder(node.dir / "recorder.sock", endpoint) as recorder:
            config = node.dir / "config.yaml"
            config.write_text(config.read_text().replace(endpoint, recorder.endpoint))
            node.start()
            time.sleep(self.options.settle)
            moved = node.put("pod0")
            node.started("pod0", 1, 60)
            until("pod0 is Running for the kubelet", lambda: node.phase("pod0") == "Running", 60)
            time.sleep(1)
            calls = recorder.since(moved)
            began = time.time()
            time.sleep(self.options.idle)
            quiet = [c.method for c in recorder.since(began)]
            node.kill()
        asked = {m: [c for c in calls if c.method == m and c.code == "OK"] for m in STARTING}
        for method, found in asked.items():
            if len(found) != 1:
                raise Failed("one %s for one pod, recorded %d" % (method, len(found)))
        self.timeline(kind, name, node, moved, calls, asked, quiet)
        for sandbox in node.sandboxes():
            node.cri.call("StopPodSandbox", pod_sandbox_id=sandbox.id)
            node.cri.call("RemovePodSandbox", pod_sandbox_id=sandbox.id)
        return Floor(node.cri, node, {m: found[0] for m, found in asked.items()})

    def timeline(self, kind, name, node, moved, calls, asked, quiet):
        say("%s, %s: what one pod makes it ask (ms after the manifest's rename, through a recorder)" % (kind, name))
        for call in calls:
            print("    %8.1f  +%7.1f  %s %s" % ((call.began - moved) * 1e3, (call.ended - call.began) * 1e3,
                                              call.method, "" if call.code == "OK" else call.code), file=sys.stderr)
        run, create, start = (asked[m][0] for m in STARTING)
        first = min(c.began for c in calls)
        before_run = [c for c in calls if c.began < run.began]
        figures = {"run": "trace", "calls": len(calls), "first_call_ms": (first - moved) * 1e3,
                   "sandbox_asked_ms": (run.began - moved) * 1e3, "calls_before_sandbox": len(before_run),
                   "sandbox_to_create_ms": (create.began - run.ended) * 1e3,
                   "create_to_start_ms": (start.began - create.ended) * 1e3,
                   "idle_calls_per_s": len(quiet) / self.options.idle,
                   "idle_calls": dict(collections.Counter(quiet))}
        print("    idle, 1 pod: %s" % (figures["idle_calls"] or "no calls"), file=sys.stderr)
        took = (start.ended - moved) * 1e3
        self.found_traces[name] = self.record(kind, name, node, figures) | {"whole_ms": took}

    # --- one pod --------------------------------------------------------------------------------------------------

    def ready(self, node):
        """Starts and ends it a few times; leaves it running."""
        took = []
        for _ in range(5):
            if node.process:
                node.terminate()
            took.append(node.ready_ms())
        loads = []
        for _ in range(5):
            began = time.monotonic()
            subprocess.run([node.binary, "--version"], stdout=subprocess.DEVNULL, check=True)
            loads.append((time.monotonic() - began) * 1000)
        return statistics.median(took), statistics.median(loads)

    def single(self, kind, name, binary, endpoint, floor):
        with BenchNode(binary, name, endpoint) as node:
            ready, load = self.ready(node)
            time.sleep(self.options.settle)
            figures = {"run": "single", "ready_ms": ready, "version_ms": load, **node.at_rest(self.options.idle)}
            ours, raw = [], []
            for i in range(self.options.repeat):
                pod = "one%d" % i
                moved = node.put(pod)
                container = node.started(pod, 1, 60)[0]
                ours.append((started_at(node.cri, container.id) - moved) * 1e3)
                time.sleep(0.5)
                # Stopped, since a live kubelet would end the floor's pods as nobody's. Few enough events to wait.
                node.process.send_signal(signal.SIGSTOP)
                try:
                    raw.append(floor.run(1, 1)[0] * 1e3)
                finally:
                    node.process.send_signal(signal.SIGCONT)
                time.sleep(0.5)
            figures |= {"one_ms": statistics.median(ours), "floor_one_ms": statistics.median(raw),
                        "one_samples": [round(x, 1) for x in ours], "floor_samples": [round(x, 1) for x in raw]}
            for path in node.manifests.iterdir():
                path.unlink()
            until("nothing runs", node.nothing_runs, 60)
            return self.record(kind, name, node, figures)

    # --- N pods ---------------------------------------------------------------------------------------------------

    def many(self, kind, name, binary, endpoint, count, full):
        """Burst and removal; with `full` also the time between: at rest with N pods, and recovery."""
        limit = 60 + 3 * count
        with BenchNode(binary, name, endpoint) as node:
            node.start()
            time.sleep(self.options.settle)
            cpu, moved = node.cpu_s(), time.time()
            pods = ["b%04d" % i for i in range(count)]
            for pod in pods:
                node.put(pod)
            containers = node.started("b", count, limit)
            figures = {"run": "many", "pods": count,
                       "burst_s": max(started_at(node.cri, c.id) for c in containers) - moved,
                       "burst_cpu_ms_per_pod": (node.cpu_s() - cpu) * 1e3 / count}
            until("all Running for the kubelet", lambda: self.all_running(node, count), 60, 0.2)
            if full:
                time.sleep(self.options.settle)
                figures |= node.at_rest(self.options.idle)
                figures |= self.recovery(node, {c.id for c in containers}, count)
            moved = time.time()
            for pod in pods:
                (node.manifests / (pod + ".yaml")).unlink()
            until("nothing runs", node.nothing_runs, limit, 0.05)
            figures["removal_s"] = time.time() - moved
            node.empty_within(10)
            return self.record(kind, name, node, figures)

    @staticmethod
    def all_running(node, count):
        with contextlib.suppress(OSError):
            return sum(p["status"].get("phase") == "Running" for p in node.pods()) == count
        return False

    def recovery(self, node, ids, count):
        node.kill()
        began = time.monotonic()
        node.start(every=0.002)
        ready = time.monotonic() - began
        until("all Running again", lambda: self.all_running(node, count), 60, 0.01)
        took = time.monotonic() - began
        time.sleep(2)
        same = {c.id for c in node.containers() if c.state == 1} == ids
        if not same:
            say("NOT the same containers after kill -9")
        return {"recovery_ready_ms": ready * 1e3, "recovery_ms": took * 1e3, "recovery_same_containers": same}

    def rounds(self, kind, endpoint, floor, count):
        """Floors and kubelets in turn, so that what else the machine does meets both; the best of each counts."""
        found, floors, parallels = {}, {}, [1, 2, 3, 4]
        bursts = min(self.options.bursts, len(parallels))
        for i in range(bursts):
            for parallel in parallels[i * len(parallels) // bursts:(i + 1) * len(parallels) // bursts]:
                say("%s, %d pods: floor with %d in flight" % (kind, count, parallel))
                floors[parallel] = floor.run(count, parallel)
            for name, binary in self.kubelets:
                say("%s, %d pods: %s, burst %d of %d" % (kind, count, name, i + 1, bursts))
                figures = self.many(kind, name, binary, endpoint, count, i == 0)
                best = found.setdefault(name, dict(figures))
                for key in ("burst_s", "removal_s", "burst_cpu_ms_per_pod"):
                    best[key] = min(best[key], figures[key])
        best = min(floors, key=lambda p: floors[p][0])
        figures = {"run": "floor", "pods": count, "burst_s": floors[best][0], "in_flight": best,
                   "removal_s": min(f[1] for f in floors.values()),
                   "burst_s_by_in_flight": {p: round(f[0], 3) for p, f in floors.items()},
                   "removal_s_by_in_flight": {p: round(f[1], 3) for p, f in floors.items()}}
        self.record(kind, "floor", None, figures)
        return found, figures

    # --- all of it ------------------------------------------------------------------------------------------------

    def runtime(self, kind, endpoint, sizes):
        with contextlib.ExitStack() as keep:
            floor, self.found_traces = None, {}
            for name, binary in self.kubelets:
                say("%s: recording %s" % (kind, name))
                made = self.trace(kind, name, binary, endpoint, keep)
                floor = floor or made
            self.rows_of("%s runtime, one pod through the recorder" % kind, self.found_traces, [
                ("rename -> first call", "ms", "first_call_ms", self.by("whole_ms"), "rename -> StartContainer done"),
                ("rename -> RunPodSandbox", "ms", "sandbox_asked_ms", self.by("whole_ms"), "same"),
                ("RunPodSandbox -> CreateContainer", "ms", "sandbox_to_create_ms", self.by("whole_ms"), "same"),
                ("CreateContainer -> StartContainer", "ms", "create_to_start_ms", self.by("whole_ms"), "same"),
                ("calls for the pod", "", "calls", 3, "the floor's three"),
                ("calls at rest, 1 pod", "1/s", "idle_calls_per_s", None, "")])
            found = {}
            for name, binary in self.kubelets:
                say("%s: one pod at a time, %s" % (kind, name))
                found[name] = self.single(kind, name, binary, endpoint, floor)
            self.rows_of("%s runtime, 0 pods and one pod" % kind, found, [
                ("exec -> healthz", "ms", "ready_ms", {n: f["version_ms"] for n, f in found.items()}, "--version"),
                *self.resting({}),
                ("rename -> startedAt, median", "ms", "one_ms", {n: f["floor_one_ms"] for n, f in found.items()},
                 "floor, 1 in flight")])
            for count in sizes:
                many, raw = self.rounds(kind, endpoint, floor, count)
                self.rows_of("%s runtime, %d pods" % (kind, count), many, [
                    ("burst -> last startedAt", "s", "burst_s", raw["burst_s"],
                     "floor, %d in flight" % raw["in_flight"]),
                    ("kubelet's CPU per pod of the burst", "ms", "burst_cpu_ms_per_pod",
                     {n: f["burst_s"] * 1e3 / count for n, f in many.items()}, "wall time per pod"),
                    *self.resting(found),
                    ("kill -9 -> all Running again", "ms", "recovery_ms",
                     {n: f["ready_ms"] for n, f in found.items()}, "ready, 0 pods"),
                    ("same containers after kill -9", "", "recovery_same_containers", None, ""),
                    ("removal -> nothing runs", "s", "removal_s", raw["removal_s"], "floor, best in flight")])

    def by(self, key):
        return {name: figures[key] for name, figures in self.found_traces.items()}

    @staticmethod
    def resting(base):
        meaning = "0 pods" if base else ""
        return [(what, unit, key, {n: f[key] for n, f in base.items()}, meaning) for what, unit, key in (
            ("RSS at rest", "MiB", "rss_mib"), ("anonymous RSS at rest", "MiB", "anon_mib"),
            ("peak RSS so far", "MiB", "peak_rss_mib"), ("threads", "", "threads"),
            ("CPU at rest", "ms/s", "idle_cpu_ms_per_s"), ("wake-ups at rest", "1/s", "idle_wakeups_per_s"))]


def sizes_of(text):
    return [int(word) for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description="see run.sh")
    parser.add_argument("--kubelet", required=True, type=pathlib.Path)
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--fake-cri", type=pathlib.Path)
    parser.add_argument("--pods", type=sizes_of, default=[])
    parser.add_argument("--fake", type=sizes_of, default=[])
    parser.add_argument("--json")
    parser.add_argument("--idle", type=float, default=20)
    parser.add_argument("--settle", type=float, default=5)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--bursts", type=int, default=2)
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    bench = Bench(options)
    print("load before: %.1f %.1f %.1f on %d cores" % (*os.getloadavg(), os.cpu_count()))
    try:
        if options.pods:
            bench.runtime("real", os.environ["KUBELET_TEST_CRI"], options.pods)
        if options.fake:
            with tempfile.TemporaryDirectory(prefix="kubelet-bench-") as folder, FakeRuntime(folder, options.fake_cri) as fake:
                fake.start()
                bench.runtime("fake", fake.endpoint, options.fake)
    except Failed as error:
        sys.exit("bench: %s" % error)
    finally:
        table.show(bench.rows, [name for name, _ in bench.kubelets])
        print("load after: %.1f %.1f %.1f" % os.getloadavg())


if __name__ == "__main__":
    main()
