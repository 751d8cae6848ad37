#!/usr/bin/python3
"""Device plugins with a real runtime: `devices.py SCENARIO`. The plugin is the program fake-device-plugin, on gRPC's own server."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from harness import ApiServer, ClusterNode, Failed, Node, run_scenario, skip, until

RESOURCE = "example.com/thing"
THING = {"resources": {"limits": {RESOURCE: "1"}}}


def check(good, what):
    if not good:
        raise Failed(what)


class Plugin:
    """One plugin process; it registers by itself, and again after a restart of the kubelet."""

    def __init__(self, node, devices, *flags):
        binary = pathlib.Path(node.binary).resolve()
        self.program = binary.parents[2] / "test" / "fakes" / "fake-device-plugin"
        if not self.program.exists():
            skip("%s is not built" % self.program)
        self.node = node
        self.words = [str(self.program), "serve", "--dir", str(node.root / "device-plugins"), "--resource", RESOURCE,
                      "--devices", devices, *flags]
        self.log = open(node.dir / "plugin.log", "ab")
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def say(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.log.close()


def pod_resources(node, what="list"):
    program = pathlib.Path(node.binary).resolve().parents[2] / "test" / "fakes" / "fake-device-plugin"
    done = subprocess.run([str(program), what, str(node.root / "pod-resources" / "kubelet.sock")], capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else ["error: " + done.stderr]


def amounts(node):
    """(capacity, allocatable) of the resource in the node's object."""
    status = node.object()["status"]
    return status["capacity"].get(RESOURCE), status["allocatable"].get(RESOURCE)


@contextlib.contextmanager
def cluster(config=""):
    with tempfile.TemporaryDirectory(prefix="devices-e2e-") as folder:
        with ApiServer(folder, "e2e%d" % os.getpid()) as server, ClusterNode(server, config) as node:
            (node.dir / "shared").mkdir()
            (node.dir / "shared" / "word").write_text("from the plugin")
            yield server, node


def flags(node):
    return ("--mount", "%s:/thing" % (node.dir / "shared"), "--node", "/dev/null:/dev/thing")


def refused(node, name):
    def look():
        pod = node.api_pod(name)
        return pod if pod and pod["status"].get("phase") == "Failed" else None
    return until("%s is refused" % name, look, 30, 0.1)


def health(node, name):
    status = node.api_pod(name)["status"]["containerStatuses"][0].get("allocatedResourcesStatus") or []
    return {r["resourceID"]: r["health"] for s in status if s["name"] == RESOURCE for r in s["resources"]}


def scenario_lifecycle():
    """A pod sees what the plugin gave it, keeps it over kill -9 of the kubelet, and nobody else gets it meanwhile."""
    with cluster() as (server, node):
        node.join()
        with Plugin(node, "a", "--pre-start", *flags(node)) as plugin:
            until("the node has the device", lambda: amounts(node) == ("1", "1"))
            node.create("holder", container=THING)
            node.api_ready("holder")
            seen = node.exec("holder", "echo $THING; cat /thing/word; ls -l /dev/thing; echo x > /thing/new || echo read-only")
            check("a\nfrom the plugin" in seen, seen)
            check("/dev/thing" in seen and seen.rstrip().endswith("read-only"), seen)
            check("1, " in seen.split("/dev/thing")[0].splitlines()[-1], "not the node of /dev/null: " + seen)
            check(plugin.say("calls") == "Allocate a; PreStartContainer a; ok\n", "calls of the plugin")
            check(until("its health is told", lambda: health(node, "holder")) == {"a": "Healthy"}, "health")
            mine = "%s/holder/main %s=a" % (node.name, RESOURCE)
            check(mine in pod_resources(node), pod_resources(node))
            check(pod_resources(node, "allocatable") == [" %s=a" % RESOURCE], pod_resources(node, "allocatable"))

            node.create("second", container=THING)
            pod = refused(node, "second")
            check(pod["status"]["reason"] == "UnexpectedAdmissionError", pod["status"])
            check(pod["status"]["message"] ==
                  "Pod was rejected: Allocate failed due to requested number of devices unavailable for %s. "
                  "Requested: 1, Available: 0, which is unexpected" % RESOURCE, pod["status"])

            before = node.api_ids("holder")
            node.kill()
            node.start()
            until("the plugin is back", lambda: amounts(node) == ("1", "1"))
            check(node.api_ids("holder") == before, "the container runs on")
            until("the pod resources API knows it again", lambda: mine in pod_resources(node))
            node.create("third", container=THING)
            check(refused(node, "third")["status"]["reason"] == "UnexpectedAdmissionError", "third")

            plugin.say("health", "a", "Unhealthy")
            until("the node has no healthy device", lambda: amounts(node) == ("1", "0"))
            until("the pod shows it", lambda: health(node, "holder") == {"a": "Unhealthy"})
            plugin.say("health", "a", "Healthy")
            until("it is healthy again", lambda: amounts(node) == ("1", "1"))
            for name in ("holder", "second", "third"):
                server.delete("%s/%s" % (node.api_pods, name), grace=1)
            until("the holder is gone", lambda: not node.api_pod("holder"))
            node.create("next", container=THING)
            node.api_ready("next")
            metrics = node.metrics()
            for line in ('kubelet_device_plugin_registration_total{resource_name="%s"} 1' % RESOURCE,
                         'kubelet_device_plugin_alloc_duration_seconds_count{resource_name="%s"} 1' % RESOURCE,
                         'kubelet_admission_rejections_total{reason="UnexpectedAdmissionError"} 1',
                         'kubelet_pod_resources_endpoint_requests_get_allocatable{server_api_version="v1"}'):
                if "get_allocatable" in line:
                    pod_resources(node, "allocatable")
                    metrics = node.metrics()
                check(line in metrics, line)


def scenario_late_plugin():
    """After a start of the kubelet pods wait for a plugin that is not back yet; one that refuses costs its own pod only."""
    with cluster() as (server, node):
        node.join()
        with Plugin(node, "a,b", *flags(node)):
            until("the node has the devices", lambda: amounts(node) == ("2", "2"))
            node.create("holder", container=THING)
            node.api_ready("holder")
        until("its devices are unhealthy at once", lambda: amounts(node) == ("2", "0"))
        until("the pod shows it", lambda: health(node, "holder") == {"a": "Unhealthy"})
        before = node.api_ids("holder")
        node.kill()
        node.start()
        node.create("early", container=THING)
        node.create("other")
        node.api_ready("other")
        check(not node.api_ids("early"), "it waits")
        check("waiting for the device plugin of " + RESOURCE in node.cli("explain"), node.cli("explain"))
        with Plugin(node, "a,b", *flags(node)) as plugin:
            node.api_ready("early")
            check(node.exec("early", "echo $THING") == "b\n", "the other device")
            check(node.api_ids("holder") == before, "the holder runs on")
            server.delete("%s/early" % node.api_pods, grace=1)
            until("early is gone", lambda: not node.api_pod("early"))
            plugin.say("fail", "Allocate", "broken")
            node.create("unlucky", container=THING)
            check(refused(node, "unlucky")["status"]["message"] ==
                  "Pod was rejected: Allocate failed due to rpc error: code = Unknown desc = broken, which is unexpected",
                  node.api_pod("unlucky")["status"])
            check(not node.api_sandboxes("unlucky"), "nothing of it was started")


def scenario_registry():
    """A static pod and a plugin in plugins_registry; when its socket goes, the devices are unhealthy. A hanging plugin
    delays its own pod only."""
    with Node() as node:
        (node.dir / "shared").mkdir()
        node.start()
        with Plugin(node, "a,b", "--registry", str(node.root / "plugins_registry"), *flags(node)) as plugin:
            until("the devices are there", lambda: pod_resources(node, "allocatable") == [" %s=a,b" % RESOURCE])
            limits = '    resources: {limits: {"%s": 1}}' % RESOURCE
            plugin.say("hang", "Allocate")
            node.write("hung.yaml", node.manifest("hung", extra=limits))
            until("the plugin is asked", lambda: "Allocate a" in plugin.say("calls"))
            node.write("free.yaml", node.manifest("free"))
            node.running("free")
            check(not node.ids("hung"), "it waits for its plugin")
            plugin.say("let-go")
            node.running("hung")
        until("no device is healthy", lambda: pod_resources(node, "allocatable") == [""])
        check(node.phase("hung") == "Running", "it runs on")


if __name__ == "__main__":
    run_scenario(globals())
