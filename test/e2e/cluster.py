#!/usr/bin/python3
"""A node of a cluster from end to end: `cluster.py SCENARIO`; each asserts what an operator would see."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from harness import ApiServer, ClusterNode, Failed, Watch, condition, skip, until

MIRROR, HASH = "kubernetes.io/config.mirror", "kubernetes.io/config.hash"


def check(good, what):
    if not good:
        raise Failed(what)


@contextlib.contextmanager
def cluster(*flags, config="", node_flags=None):
    """A server and a node of it, both not yet in use; the node has not been started."""
    with tempfile.TemporaryDirectory(prefix="apiserver-e2e-") as folder:
        with ApiServer(folder, "e2e%d" % os.getpid(), flags) as server:
            chosen = node_flags(server, pathlib.Path(folder)) if node_flags else None
            with ClusterNode(server, config, chosen) as node:
                yield server, node


def quick(what, since, look, seconds=2.0):
    """`look` is true at most `seconds` after the moment `since`."""
    value = until(what, look, 30)
    took = time.monotonic() - since
    check(took <= seconds, "%s: after %.2f s, allowed are %g s" % (what, took, seconds))
    return value


def seen(pod):
    """What a user looks at."""
    containers = sorted((c["name"], c["containerID"], c.get("started"), c.get("ready"), c.get("restartCount"))
                        for c in pod["status"].get("containerStatuses") or [])
    return pod["metadata"]["uid"], pod["status"].get("phase"), condition(pod, "Ready"), containers


def scenario_registers():
    """A Ready node with addresses, capacity and versions, whose lease is renewed."""
    with cluster(config="nodeLeaseDurationSeconds: 4") as (server, node):
        known = node.join()
        status = known["status"]
        kinds = {a["type"]: a["address"] for a in status["addresses"]}
        check(kinds.get("Hostname") == node.name and kinds.get("InternalIP"), "addresses: %s" % status["addresses"])
        for resource in ("cpu", "memory", "pods", "ephemeral-storage"):
            check(status["capacity"].get(resource), "capacity of %s: %s" % (resource, status["capacity"]))
            check(status["allocatable"].get(resource), "allocatable %s: %s" % (resource, status["allocatable"]))
        check(int(status["capacity"]["cpu"]) == os.cpu_count(), "cpus: %s" % status["capacity"])
        info = status["nodeInfo"]
        check(info["containerRuntimeVersion"].startswith("containerd://"), "runtime: %s" % info)
        check(info["kubeletVersion"].startswith("v1.36."), "version: %s" % info)
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure"):
            check(condition(known, kind) == "False", "%s is %s" % (kind, condition(known, kind)))
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + node.name
        lease = until("lease", lambda: server.get(path), 5)
        check(lease["metadata"]["ownerReferences"][0]["uid"] == known["metadata"]["uid"], "the node owns its lease")
        for _ in range(2):
            old = server.get(path)["spec"]["renewTime"]
            until("lease renewed", lambda o=old: server.get(path)["spec"]["renewTime"] > o, 5)


def bootstrap_flags(server, folder):
    return ["--bootstrap-kubeconfig", server.bootstrap, "--kubeconfig", str(folder / "written.conf")]


def scenario_bootstraps():
    """From a bootstrap token to a Ready node with a certificate of its own."""
    with cluster(node_flags=bootstrap_flags) as (server, node):
        node.join()
        current = node.certificates / "kubelet-client-current.pem"
        check(current.is_symlink() and "PRIVATE KEY" in current.read_text(), "kubelet-client-current.pem is there")
        check(current.resolve().stat().st_mode & 0o777 == 0o600, "only its owner reads the key")
        check((server.dir / "written.conf").exists(), "the kubeconfig is written")
        requests = server.items("/apis/certificates.k8s.io/v1/certificatesigningrequests")
        ours = [r for r in requests if r["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"]
        check(len(ours) == 1, "one request for a client certificate: %d" % len(ours))
        target = current.resolve()
        node.kill()
        node.start()
        node.create("a")
        node.api_ready("a")
        check(current.resolve() == target, "a restart asks for no new certificate")


def scenario_approval_delayed():
    """While nobody approves the node's certificate its static pods run; then it joins."""
    with cluster("--approval", "manual", node_flags=bootstrap_flags) as (server, node):
        node.write("a.yaml", node.manifest("a"))
        node.start()
        before = node.running("a")
        requests = until("request", lambda: server.items("/apis/certificates.k8s.io/v1/certificatesigningrequests"), 20)
        check(node.object() is None, "no node before the approval")
        server.do("csr", name=requests[0]["metadata"]["name"], approve=True)
        approved = time.monotonic()
        quick("the node is Ready", approved, node.ready, 3)
        until("mirror", lambda: (node.mirror("a") or {}).get("status", {}).get("phase") == "Running", 10)
        check(node.ids("a") == before, "same container")


def main():
    scenarios = {k[9:]: v for k, v in globals().items() if k.startswith("scenario_")}
    if len(sys.argv) != 2 or sys.argv[1] not in scenarios:
        sys.exit("usage: cluster.py " + " | ".join(scenarios))
    started = time.monotonic()
    try:
        scenarios[sys.argv[1]]()
    except Failed as error:
        sys.exit("FAILED %s: %s" % (sys.argv[1], error))
    print("ok %s (%.1f s)" % (sys.argv[1], time.monotonic() - started))


if __name__ == "__main__":
    main()
