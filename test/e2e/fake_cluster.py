#!/usr/bin/python3
"""Many pods, slow and forgetful servers, short-lived certificates: a kubelet between test-apiserver and fake-cri, so that
none of it needs a real runtime. `fake_cluster.py SCENARIO`."""
import contextlib
import json
import os
import pathlib
import tempfile
import threading
import time

from harness import ApiServer, ClusterNode, Failed, FakeRuntime, Watch, condition, run_scenario, until


def check(good, what):
    if not good:
        raise Failed(what)


@contextlib.contextmanager
def cluster(*server_flags, config="", node_flags=None, runtime_flags=()):
    """A server, a runtime and a node that has not been started."""
    with tempfile.TemporaryDirectory(prefix="fake-e2e-") as folder:
        runtime = FakeRuntime(folder)
        runtime.start("--no-logs", *runtime_flags)
        try:
            with ApiServer(folder, "fake%d" % os.getpid(), server_flags) as server:
                chosen = node_flags(server, pathlib.Path(folder)) if node_flags else None
                with ClusterNode(server, "maxPods: 200\n" + config, chosen, endpoint=runtime.endpoint) as node:
                    yield server, node
        finally:
            runtime.kill()


class Admin:
    """An administrator with one connection, for many requests."""

    def __init__(self, server):
        self.connection = server.connect(30)

    def send(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                {"Accept": "application/json", "Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        check(response.status < 300, "%s %s: %d %s" % (method, path, response.status, text[:200]))


class Seen:
    """What a watch of the node's pods has shown of each: whether it is there and Ready, and since when."""

    def __init__(self, server, path):
        self.watch = Watch(server, path)
        self.read, self.ready, self.there = 0, {}, set()

    def look(self):
        events = self.watch.events
        while self.read < len(events):
            event = events[self.read]
            self.read += 1
            pod = event["object"]
            name = pod["metadata"]["name"]
            if event["type"] == "DELETED":
                self.there.discard(name)
                self.ready.pop(name, None)
                continue
            self.there.add(name)
            if condition(pod, "Ready") == "True":
                self.ready.setdefault(name, time.monotonic())
        check(self.watch.error is None, "the watch lasts: %s" % self.watch.error)
        return self


def scenario_slow_server():
    """20 ms for each answer: 110 pods are Ready within a second of the last start."""
    count = int(os.environ.get("KUBELET_TEST_PODS", "110"))
    delays = ("--sandbox-ms", "100", "--create-ms", "20", "--start-ms", "30")
    with cluster("--latency-ms", "20", runtime_flags=delays) as (server, node):
        node.join()
        seen = Seen(server, node.api_pods)
        clients = [Admin(server) for _ in range(8)]

        def create(which):
            for i in range(which, count, len(clients)):
                clients[which].send("POST", node.api_pods, node.body("p%d" % i))
        threads = [threading.Thread(target=create, args=(w,)) for w in range(len(clients))]
        for thread in threads:
            thread.start()

        def started():
            running = sum(c.state == 1 for c in node.cri.containers()
                          if c.labels.get("io.kubernetes.pod.namespace") == node.name)
            return running == count
        until("all run", started, 120)
        last_start = time.monotonic()
        for thread in threads:
            thread.join()
        until("all are Ready", lambda: len(seen.look().ready) == count, 60)
        behind = max(seen.ready.values()) - last_start
        print("all %d Ready %.0f ms after the last start" % (count, behind * 1000))
        check(behind <= 1.0, "all Ready %.2f s after the last start" % behind)


def scenario_forgotten_history():
    """410 for watches, and for lists too: everything is read anew, and no event is lost."""
    with cluster("--no-watch-list") as (server, node):
        node.join()
        node.create("old")
        node.api_ready("old")
        before = node.api_ids("old")
        maps = "/api/v1/namespaces/%s/configmaps" % node.name
        for i, message in enumerate(("too old resource version: 1 (9)",
                                     "The provided continue parameter is too old to display a consistent list result.")):
            # It misses what happens meanwhile, and the history is gone by the time it may ask.
            server.fault(verb="watch", drop=True)
            server.fault(verb="list", drop=True)
            server.do("end-watches")
            node.create("new%d" % i)
            if i > 0:
                server.delete("%s/new%d" % (node.api_pods, i - 1), 0)
            for j in range(10):
                server.create(maps, {"metadata": {"name": "m%d-%d" % (i, j)}})
            server.do("compact")
            server.no_faults()
            server.fault(verb="list", status=410, reason="Expired", message=message, count=3)
            node.api_ready("new%d" % i, 30)
            if i > 0:
                until("what was deleted is gone", lambda: not node.api_sandboxes("new%d" % (i - 1)), 15)
        check(node.api_ids("old") == before, "same container")
        check(node.process.poll() is None, "the kubelet lives")
        until("node is Ready", node.ready, 10)
        listed = sum(n for call, n in server.calls().items() if call.startswith("list pods"))
        check(listed <= 30, "it does not list in a loop: %s" % server.calls())


def bootstrap_flags(server, folder):
    return ["--bootstrap-kubeconfig", server.bootstrap, "--kubeconfig", str(folder / "written.conf")]


def scenario_certificate_expires():
    """The client certificate expires, since nobody approves its successor: pods run on, and it goes on once one is there."""
    with cluster("--certificate-seconds", "8", node_flags=bootstrap_flags) as (server, node):
        requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        node.write("static.yaml", node.manifest("static"))
        node.join()
        node.create("a")
        node.api_ready("a")
        node.running("static")
        before = node.api_ids("a") + node.ids("static")
        process = node.process
        server.do("set", approval="manual")
        until("the kubelet says that its certificate has expired",
              lambda: "expired" in node.cli("explain"), 30, 0.2)
        server.do("drop-connections")  # the watch of its pods was opened with a good one
        until("the kubelet says that it is cut off", lambda: "API server" in node.cli("explain"), 10, 0.2)
        node.create("b")
        node.write("later.yaml", node.manifest("later"))
        node.running("later")
        check(not node.api_sandboxes("b"), "nothing is known of the new pod")
        server.do("set", approval="auto")
        for request in server.items(requests):
            conditions = [c["type"] for c in request["status"].get("conditions") or []]
            if not conditions:
                server.do("csr", name=request["metadata"]["name"], approve=True)
        node.api_ready("b", 45)
        until("node is Ready", node.ready, 15)
        check(node.process is process and process.poll() is None, "without a restart of the kubelet")
        check(node.api_ids("a") + node.ids("static") == before, "same containers")
        until("explain has nothing more to tell", lambda: "expired" not in node.cli("explain"), 15)


def resident(process):
    """The process's own memory in KiB. Pages of the program's file are left out: the system drops and reads them as it likes."""
    for line in open("/proc/%d/status" % process.pid, encoding="ascii"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise Failed("no RssAnon")


def settled(process, seconds=30):
    """Its memory once it is quiet: the least that was seen while it still sank."""
    least, since = resident(process), time.monotonic()
    end = since + seconds
    while time.monotonic() < end and time.monotonic() - since < 8:
        now = resident(process)
        if now < least - 64:
            least, since = now, time.monotonic()
        time.sleep(0.2)
    return least


def scenario_churn():
    """2,000 pods come and go: the kubelet is as small afterwards as before."""
    total, batch = int(os.environ.get("KUBELET_TEST_CHURN", "2000")), 50
    fast = "kubeAPIQPS: 2000\nkubeAPIBurst: 2000\neventRecordQPS: 0\n"
    with cluster(config=fast) as (server, node):
        node.join()
        admin, seen = Admin(server), Seen(server, node.api_pods)

        def wave(number):
            names = ["w%d-%d" % (number, i) for i in range(batch)]
            for name in names:
                admin.send("POST", node.api_pods, node.body(name, terminationGracePeriodSeconds=1))
            until("wave %d is Ready" % number, lambda: len(seen.look().ready) == batch, 120)
            for name in names:
                admin.send("DELETE", "%s/%s" % (node.api_pods, name))
            until("wave %d is gone" % number, lambda: not seen.look().there, 120)
            until("no sandbox is left", lambda: not node.sandboxes(), 30)
            seen.watch.events, seen.read = [], 0
        # What is made once and kept: tables, buffers, the heap's arenas.
        for i in range(4):
            wave(i)
        before = settled(node.process)
        started = time.monotonic()
        for i in range(4, 4 + total // batch):
            wave(i)
        took = time.monotonic() - started
        after = settled(node.process)
        print("%d pods in %.0f s, %d KiB of its own before, %d KiB after" % (total, took, before, after))
        check(after - before <= 6 * 1024, "its memory grew by %d KiB" % (after - before))


if __name__ == "__main__":
    run_scenario(globals())
