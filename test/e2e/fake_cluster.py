#!/usr/bin/python3
"""Many pods, slow and forgetful servers, short-lived certificates: a kubelet between test-apiserver and fake-cri, so that
none of it needs a real runtime. `fake_cluster.py SCENARIO`."""
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time

from harness import ApiServer, ClusterNode, Failed, FakeRuntime, Watch, condition, run_scenario, sanitized, skip, until


def check(good, what):
    if not good:
        raise Failed(what)


@contextlib.contextmanager
def cluster(*server_flags, config="", node_flags=None, runtime_flags=()):
    """A server, a runtime and a node that has not been started."""
    with tempfile.TemporaryDirectory(prefix="fake-e2e-") as folder:
        with FakeRuntime(folder) as runtime:
            runtime.start("--no-logs", *runtime_flags)
            with ApiServer(folder, "fake%d" % os.getpid(), server_flags) as server:
                chosen = node_flags(server, pathlib.Path(folder)) if node_flags else None
                with ClusterNode(server, "maxPods: 200\n" + config, chosen, endpoint=runtime.endpoint) as node:
                    node.runtime = runtime
                    yield server, node


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


def scenario_no_cgroup_root():
    """A node whose cgroups cannot be made says so and is not Ready, and becomes so when they can be made."""
    with cluster() as (server, node):
        node.remove_cgroup_root()
        node.start()

        def trouble():
            conditions = (node.object() or {}).get("status", {}).get("conditions", [])
            return [c for c in conditions if c["type"] == "Ready" and c["status"] == "False"
                    and "cannot make the cgroups of this node: cgroupRoot: cgroup `/%s` does not exist" % node.CGROUP_ROOT
                    in c["message"]]
        until("the node says why it is not Ready", trouble, 20)
        check("Node: cannot make the cgroups" in node.cli("explain"), "explain: %s" % node.cli("explain"))
        node.make_cgroup_root()
        until("the node is Ready", node.ready, 30)
        check("cgroups" not in node.cli("explain"), "explain: %s" % node.cli("explain"))


def scenario_cgroup_v1_event():
    """A node on cgroup v1 is warned of it by an event, once for each start; one on v2 is not."""
    with cluster() as (server, node):
        node.join()

        def warnings():
            return [e for e in server.items("/api/v1/namespaces/default/events")
                    if e["reason"] == "CgroupV1" and e["involvedObject"]["kind"] == "Node"
                    and e["involvedObject"]["name"] == node.name and e["type"] == "Warning"
                    and e["message"].startswith("cgroup v1 detected.")]
        if (node.CGROUPS / "cgroup.controllers").exists():
            until("the start is told of", lambda: server.items("/api/v1/namespaces/default/events"), 20)
            check(not warnings(), "warned on cgroup v2: %s" % warnings())
        else:
            until("the node is warned", warnings, 20)
            check(len(warnings()) == 1, "warned once: %s" % warnings())


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


def scenario_runtime_lists_nothing():
    """A runtime that answers about itself but does not list its pods: the node is not Ready, and says why."""
    with cluster(runtime_flags=("--ListPodSandbox-ms", "600000")) as (_, node):
        node.start()

        def says():
            known = node.object()
            ready = [c for c in (known or {}).get("status", {}).get("conditions") or [] if c["type"] == "Ready"]
            return ready and ready[0]["status"] == "False" and "PLEG is not healthy: pleg has yet to be successful" in ready[0]["message"]
        until("the node tells that its pods are not listed", says, 30)
        node.runtime.kill()
        node.runtime.start("--no-logs")
        until("the node is Ready", node.ready, 60)
        # What was Ready stays so over a restart of the kubelet.
        watch = Watch(node.server, "/api/v1/nodes")
        for _ in range(2):
            node.kill()
            node.start()
            node.create("probe")
            node.api_ready("probe")  # a sign that it has caught up
            node.server.delete(node.api_pods + "/probe", 0)
            until("probe is gone", lambda: not node.api_sandboxes("probe"), 15)
        wrong = [e for e in watch.events if condition(e["object"], "Ready") != "True"]
        check(not wrong and watch.error is None, "the node stays Ready: %s" % [e["object"]["status"]["conditions"] for e in wrong])


def scenario_ended_pods_watch_nothing():
    """ConfigMaps of pods that ended are watched no more, though the pods' objects stay; not after a restart either."""
    count = 4
    with cluster() as (server, node):
        node.join()
        maps = "/api/v1/namespaces/%s/configmaps" % node.name
        node.create("other")  # services and the like are watched with the first pod
        node.api_ready("other")
        before = server.control("info")["watches"]
        names = ["p%d" % i for i in range(count)]
        for name in names:
            server.create(maps, {"metadata": {"name": name}, "data": {"key": "value"}})
            node.create(name, restartPolicy="Never", container={"volumeMounts": [{"name": "map", "mountPath": "/map"}]},
                        volumes=[{"name": "map", "configMap": {"name": name}}])
        for name in names:
            node.api_ready(name)
        until("each ConfigMap is watched", lambda: server.control("info")["watches"] >= before + count, 10)
        for name in names:
            node.cri.call("StopContainer", container_id=node.api_ids(name)[0], timeout=0)
        for name in names:
            until(name + " has ended", lambda n=name: node.api_pod(n)["status"].get("phase") in ("Failed", "Succeeded"), 20)
        until("no ConfigMap is watched", lambda: server.control("info")["watches"] <= before, 20)
        # News of such a pod begin nothing anew.
        for name in names:
            server.patch("%s/%s" % (node.api_pods, name), {"metadata": {"labels": {"changed": "yes"}}})
        node.create("probe")
        node.api_ready("probe")
        check(server.control("info")["watches"] <= before, "watches after an update: %s" % server.control("info"))
        node.kill()
        node.start()
        node.create("later")
        node.api_ready("later")
        until("no ConfigMap is watched after a restart", lambda: server.control("info")["watches"] <= before, 20)


def external_flags(server, _):
    return ["--kubeconfig", server.kubeconfig, "--cloud-provider", "external"]


def scenario_cloud_provider_addresses():
    """Pods are told the addresses that a cloud provider gave the Node, and wait for them when they ask."""
    with cluster(node_flags=external_flags) as (server, node):
        node.join()
        field = {"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
        node.create("a", container={"env": [{"name": "HOST", **field}]})

        def waits():
            found = [c["state"].get("waiting") or {} for c in node.api_pod("a")["status"].get("containerStatuses") or []]
            return found and found[0].get("reason") == "CreateContainerConfigError" and "host IP unknown" in found[0].get("message", "")
        until("the container waits for an address of the node", waits, 20)
        given = [("Hostname", node.name), ("ExternalIP", "198.51.100.7"), ("InternalIP", "192.0.2.7")]
        server.patch("/api/v1/nodes/%s/status" % node.name,
                     {"status": {"addresses": [{"type": t, "address": a} for t, a in given]}})
        status = node.api_ready("a", 40)["status"]
        check(status["hostIP"] == "192.0.2.7" and status["hostIPs"] == [{"ip": "192.0.2.7"}], "hostIP: %s" % status)


def scenario_runtime_is_replaced():
    """Another version of the runtime, while the kubelet runs: the Node says so."""
    with cluster() as (_, node):
        before = node.join()["status"]["nodeInfo"]["containerRuntimeVersion"]
        node.runtime.kill()
        node.runtime.start("--no-logs", "--no-events")  # which it takes to be an older one
        after = until("the Node names the version that runs", lambda: (lambda now: now if now != before else None)(
            node.object()["status"]["nodeInfo"]["containerRuntimeVersion"]), 40)
        check((before, after) == ("fake-cri://2.0.0", "fake-cri://1.6.20"), "from %s to %s" % (before, after))


def scenario_system_oom():
    """A process that the kernel had to kill for want of memory is an event of the Node."""
    if not os.path.exists("/dev/kmsg"):
        skip("there is no /dev/kmsg here")
    with cluster() as (server, node):
        log = node.dir / "kmsg"
        os.mkfifo(log)
        kernel = os.open(log, os.O_RDWR)
        # In a mount namespace of its own, where the kernel's log is ours.
        program = node.dir / "kubelet-with-log"
        program.write_text("#!/bin/sh\nexec unshare -m sh -c 'mount --bind %s /dev/kmsg && exec %s \"$@\"' sh \"$@\"\n"
                           % (log, pathlib.Path(node.binary).resolve()))
        program.chmod(0o755)
        node.binary = str(program)
        node.join()
        os.write(kernel, b"3,3,9,-;Out of memory: Killed process 4711 (hog) total-vm:1kB, anon-rss:1kB, UID:0 oom_score_adj:0\n")

        def told():
            return [e for e in server.items("/api/v1/namespaces/default/events") if e["reason"] == "SystemOOM"]
        until("the kill is told of", told, 20)
        events = told()
        check(len(events) == 1 and events[0]["type"] == "Warning" and events[0]["involvedObject"]["kind"] == "Node"
              and events[0]["involvedObject"]["name"] == node.name
              and events[0]["message"] == "System OOM encountered, victim process: hog, pid: 4711", "events: %s" % events)
        os.close(kernel)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def network_of_its_own():
    """This process, and all that it starts, in a new network that has nothing but a loopback interface."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
        skip("no network namespaces here: %s" % os.strerror(ctypes.get_errno()))
    ip("link", "set", "lo", "up")


def scenario_addresses_change():
    """A network that comes up late, and an address that changes: the Node follows, and the pods with it."""
    network_of_its_own()
    with cluster() as (_, node):
        def internal():
            addresses = (node.object() or {}).get("status", {}).get("addresses") or []
            return [a["address"] for a in addresses if a["type"] == "InternalIP"]
        node.start()
        node.create("a", hostNetwork=True)
        field = {"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
        node.create("b", container={"env": [{"name": "HOST", **field}]})

        def waits():
            found = [c["state"].get("waiting") or {} for c in node.api_pod("b")["status"].get("containerStatuses") or []]
            return found and found[0].get("reason") == "CreateContainerConfigError" and "host IP unknown" in found[0].get("message", "")
        until("a container that asks for the address waits", waits, 30)
        check(internal() == [], "no address without a route: %s" % internal())
        ip("link", "add", "up0", "type", "veth", "peer", "name", "peer0")
        ip("link", "set", "peer0", "up")
        ip("link", "set", "up0", "up")
        ip("addr", "add", "10.81.0.5/24", "dev", "up0")
        ip("route", "add", "default", "via", "10.81.0.1")
        until("the Node has the address", lambda: internal() == ["10.81.0.5"], 20)
        until("the pods have it", lambda: [node.api_ready(p)["status"].get("hostIP") for p in "ab"] == ["10.81.0.5"] * 2, 20)
        # It is replaced; the route comes back with the new one.
        ip("addr", "del", "10.81.0.5/24", "dev", "up0")
        ip("addr", "add", "10.81.0.6/24", "dev", "up0")
        ip("route", "add", "default", "via", "10.81.0.1")
        until("the Node has the new address", lambda: internal() == ["10.81.0.6"], 30)
        until("the pods have it too", lambda: [node.api_pod(p)["status"].get("hostIP") for p in "ab"] == ["10.81.0.6"] * 2, 20)
        until("that in the host's network is there", lambda: node.api_pod("a")["status"].get("podIP") == "10.81.0.6", 20)
        ip("addr", "del", "10.81.0.6/24", "dev", "up0")
        ip("-6", "addr", "add", "fd00:81::7/64", "dev", "up0", "nodad")
        ip("-6", "route", "add", "default", "via", "fd00:81::1", "dev", "up0")
        until("the Node has an IPv6 address", lambda: internal() == ["fd00:81::7"], 30)
        until("the change of family is told", lambda: node.events("a", "HostIPsIPFamilyMismatch"), 20)
        told = node.events("a", "HostIPsIPFamilyMismatch")[0]
        check("IPv4 node IP (10.81.0.6)" in told["message"] and "IPv6 node IP (fd00:81::7)" in told["message"], "event: %s" % told)


def scenario_given_address_comes_late():
    """--node-ip that is on no interface is not told; it is once it is there."""
    network_of_its_own()
    with cluster(node_flags=lambda server, _: ["--kubeconfig", server.kubeconfig, "--node-ip", " 192.0.2.50"]) as (_, node):
        def addresses():
            return [a["address"] for a in (node.object() or {}).get("status", {}).get("addresses") or []]
        node.start()
        until("the node is registered", node.object, 20)
        until("the kubelet has looked", lambda: "is not on any of the host's network interfaces" in node.log.read_text(), 20)
        check(addresses() == [], "addresses: %s" % addresses())
        ip("addr", "add", "192.0.2.50/32", "dev", "lo")
        until("the Node has the address", lambda: addresses() == ["192.0.2.50", node.name], 25)


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
        check(sanitized() or after - before <= 6 * 1024, "its memory grew by %d KiB" % (after - before))


if __name__ == "__main__":
    run_scenario(globals())
