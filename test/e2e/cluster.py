#!/usr/bin/python3
"""A node of a cluster from end to end: `cluster.py SCENARIO`; each asserts what an operator would see."""
import base64
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request

from disks import bind_claim, loop_disk
from harness import ApiServer, ClusterNode, Failed, Watch, condition, run_scenario, skip, stamped_image, until

import registry  # noqa: E402  (test/lib, whose path harness adds)

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


def scenario_block_volume():
    """A container reads and writes the disk behind a claim of volumeMode Block; through a read-only claim it only reads."""
    with cluster() as (server, node), loop_disk(node, b"marker") as device:
        use_block_volume(server, node, device)


def use_block_volume(server, node, device):
    node.join()
    bind_claim(server, node, "data", "pv", {"volumeMode": "Block", "local": {"path": device}})
    source = {"claimName": "data"}
    node.create("p", container={"volumeDevices": [{"name": "rw", "devicePath": "/dev/data"}]},
                volumes=[{"name": "rw", "persistentVolumeClaim": source}])
    node.create("r", container={"volumeDevices": [{"name": "ro", "devicePath": "/dev/only"}]},
                volumes=[{"name": "ro", "persistentVolumeClaim": {**source, "readOnly": True}}])
    uid = node.api_ready("p", 60)["metadata"]["uid"]
    node.api_ready("r", 60)
    check(node.exec("p", "dd if=/dev/data bs=6 count=1 2>/dev/null") == "marker", "the disk is read")
    node.exec("p", "printf change | dd of=/dev/data conv=notrunc && sync")
    check(node.exec("r", "dd if=/dev/only bs=6 count=1 2>/dev/null") == "change", "what was written is there")
    said = node.exec("r", "(printf x | dd of=/dev/only conv=notrunc) 2>&1; true")
    check("not permitted" in said or "Permission denied" in said, "a read-only claim is not written to: %r" % said)
    before = node.api_ids("p")
    node.kill()
    node.start()
    until("the node is Ready", node.ready, 30)
    check(node.api_ids("p") == before, "a restart of the kubelet changes nothing")
    for name in ("p", "r"):
        server.delete(node.api_pods + "/" + name, 0)
    until("the disk is let go", lambda: not (node.root / "pods" / uid).exists()
          and not (node.root / "plugins/kubernetes.io~local-volume/volumeDevices/pv").exists(), 60)
    loops = subprocess.run(["losetup", "-n", "-O", "BACK-FILE"], capture_output=True, text=True).stdout
    check(str(node.root) not in loops, "no loop device is left: %s" % loops)


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
        check("://" in info["containerRuntimeVersion"], "runtime: %s" % info)
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


def scenario_api_pod_lives_and_dies():
    """A pod of the API server runs with an IP; a graceful and a forced delete leave nothing of it."""
    with cluster() as (server, node):
        node.join()
        node.create("a")
        pod = node.api_ready("a")
        check(pod["status"]["podIP"] and pod["status"]["hostIP"] and pod["status"]["startTime"], "addresses and start time")
        main = pod["status"]["containerStatuses"][0]
        check(main["ready"] and main["started"] and main["restartCount"] == 0, "container status: %s" % main)
        check(main["containerID"].endswith("://" + node.api_ids("a")[0]), "its container: %s" % main)
        check("running" in node.cli("explain", "a"), "explain knows it")
        uid = pod["metadata"]["uid"]
        check(node.cgroups(uid), "it has a cgroup")
        watch = Watch(server, node.api_pods)
        server.delete(node.api_pods + "/a")
        until("object gone", lambda: node.api_pod("a") is None, 15)
        check(not node.api_ids("a"), "no container runs once the object is gone")
        marked = [e["object"] for e in watch.events if e["object"]["metadata"].get("deletionTimestamp")]
        check(marked and watch.events[-1]["type"] == "DELETED", "marked first, then deleted")
        ended = marked[-1]["status"]["containerStatuses"][0]["state"].get("terminated")
        check(ended and ended["exitCode"] == 0, "the last status tells how it ended: %s" % ended)
        gone(node, "a", uid)
        # The object does not wait for the containers, which have the least grace there is.
        node.create("b", "trap '' TERM; while :; do sleep 1; done", terminationGracePeriodSeconds=60)
        uid = node.api_ready("b")["metadata"]["uid"]
        server.delete(node.api_pods + "/b", 0)
        check(node.api_pod("b") is None, "a forced delete takes the object away at once")
        gone(node, "b", uid)
        # A grace that is shortened while the pod is ending.
        node.create("c", "trap '' TERM; while :; do sleep 1; done", terminationGracePeriodSeconds=60)
        uid = node.api_ready("c")["metadata"]["uid"]
        server.delete(node.api_pods + "/c")
        until("explain tells that it is ending", lambda: "erminat" in node.cli("explain", "c"), 5)
        server.delete(node.api_pods + "/c", 1)
        until("object gone", lambda: node.api_pod("c") is None, 15)
        gone(node, "c", uid)
        # The same name again is another pod.
        node.create("c")
        check(node.api_ready("c")["metadata"]["uid"] != uid, "a new pod of that name runs")


def gone(node, name, uid):
    until(name + " left no sandbox", lambda: not node.api_sandboxes(name), 15)
    until(name + " left no container", lambda: not node.api_containers(name), 5)
    until(name + " left no cgroup", lambda: not node.cgroups(uid), 10)
    until(name + " left no directory", lambda: not (node.root / "pods" / uid).exists(), 5)


def scenario_jobs_end_once():
    """restartPolicy Never: Succeeded or Failed with the exit code, and never run again, also after kill -9."""
    with cluster() as (server, node):
        shared = node.dir / "shared"
        shared.mkdir()
        node.join()
        for name, code in (("good", 0), ("bad", 3)):
            node.create(name, "echo run >> /shared/%s; exit %d" % (name, code), restartPolicy="Never",
                        container={"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]},
                        volumes=[{"name": "shared", "hostPath": {"path": str(shared)}}])
        before = {}
        for name, code, phase in (("good", 0, "Succeeded"), ("bad", 3, "Failed")):
            until(phase, lambda n=name, p=phase: node.api_pod(n)["status"].get("phase") == p, 20)
            before[name] = node.api_pod(name)
            ended = before[name]["status"]["containerStatuses"][0]["state"]["terminated"]
            check(ended["exitCode"] == code, "%s ended with %s" % (name, ended))
        watch = Watch(server, node.api_pods)
        for _ in range(3):
            node.kill()
            node.start()
            node.create("probe")
            node.api_ready("probe")  # a sign that it has caught up
            server.delete(node.api_pods + "/probe", 0)
        for container in [c for n in before for c in node.api_containers(n)]:
            node.cri.call("RemoveContainer", container_id=container.id)
        node.kill()
        node.start()
        node.create("probe")
        node.api_ready("probe")
        for name, pod in before.items():
            check((shared / name).read_text() == "run\n", name + " ran once")
            check(not node.api_ids(name), name + " does not run")
            check(seen(node.api_pod(name)) == seen(pod), "%s is shown as before: %s" % (name, node.api_pod(name)["status"]))
        phases = {(e["object"]["metadata"]["name"], e["object"]["status"].get("phase")) for e in watch.events}
        wrong = [p for p in phases if p[0] in before and p[1] != before[p[0]]["status"]["phase"]]
        check(not wrong and watch.error is None, "terminal phases stay: %s %s" % (wrong, watch.error))


def mirrored(node, name, but=None):
    """The mirror pod when it belongs to the static pod that runs now."""
    pod = node.mirror(name)
    local = node.pod(name)
    if not pod or not local or pod["metadata"].get("deletionTimestamp") or pod["metadata"]["uid"] == but:
        return None
    notes = pod["metadata"].get("annotations") or {}
    return pod if notes.get(MIRROR) == local["metadata"]["annotations"][HASH] else None


def scenario_mirror_pods():
    """Mirrors come, change, come back and go with their manifests; the static pods take no notice."""
    with cluster() as (server, node):
        known = node.join()
        node.write("a.yaml", node.manifest("a"))
        pod = quick("mirror", time.monotonic(), lambda: mirrored(node, "a"))
        notes = pod["metadata"]["annotations"]
        check(notes[MIRROR] == notes[HASH], "config.mirror is config.hash: %s" % notes)
        owner = pod["metadata"]["ownerReferences"][0]
        check((owner["kind"], owner["name"], owner["uid"], owner["controller"]) ==
              ("Node", node.name, known["metadata"]["uid"], True), "owner: %s" % owner)
        check(pod["spec"]["nodeName"] == node.name, "bound to the node")
        before = node.running("a")

        def good():
            pod = mirrored(node, "a")
            status = pod["status"] if pod else {}
            ready = status.get("phase") == "Running" and condition(pod, "Ready") == "True"
            return pod if ready and status["containerStatuses"][0]["containerID"].endswith((node.ids("a") or ["none"])[0]) else None
        path = "/api/v1/namespaces/default/pods/a-" + node.name
        for grace in (None, 0, 5):
            old = until("its status is right", good, 10)["metadata"]["uid"]
            server.delete(path, grace)
            deleted = time.monotonic()
            quick("mirror again", deleted, lambda o=old: mirrored(node, "a", o))
            until("its status is right again", good, 10)
            check(node.ids("a") == before, "same container after a delete with grace %s" % grace)
        check(node.pod("a")["status"]["containerStatuses"][0]["restartCount"] == 0, "no restart")
        for i in range(3):
            old = node.mirror("a")["metadata"]["annotations"][HASH]
            node.write("a.yaml", node.manifest("a", "trap 'exit 0' TERM; echo %d; while :; do sleep 3600 & wait; done" % i))
            written = time.monotonic()

            def fresh(o=old):
                pod = mirrored(node, "a")
                return pod and pod["metadata"]["annotations"][HASH] != o
            quick("new hash", written, fresh)
            until("the new pod's status", good, 15)
        (node.manifests / "a.yaml").unlink()
        until("mirror gone", lambda: node.mirror("a") is None, 10)
        until("pod gone", lambda: not node.sandboxes("a"), 10)


def scenario_name_is_taken():
    """A real pod of the mirror's name: the static pod runs, explain tells, and the mirror comes when the way is free."""
    with cluster() as (server, node):
        node.join()
        other = node.body("a-" + node.name)
        other["spec"]["nodeName"] = "elsewhere"
        server.create("/api/v1/namespaces/default/pods", other)
        node.write("a.yaml", node.manifest("a"))
        before = node.running("a")
        until("explain tells", lambda: "a-" + node.name in "".join(
            line for line in node.cli("explain").splitlines() if line.startswith("Mirror pod")), 10)
        check(node.mirror("a")["spec"]["nodeName"] == "elsewhere", "the other pod is left alone")
        server.delete("/api/v1/namespaces/default/pods/a-" + node.name, 0)
        until("mirror", lambda: mirrored(node, "a"), 40)
        until("explain has nothing more to tell", lambda: "Mirror pod" not in node.cli("explain"), 10)
        check(node.ids("a") == before, "same container")


def scenario_dead_api_server():
    """Without its server the node does all that static pods need; the server's return puts the rest right."""
    with cluster() as (server, node):
        node.join()
        for name in ("stay", "edit", "leave"):
            node.write(name + ".yaml", node.manifest(name))
        node.write("crash.yaml", node.manifest("crash", "trap 'exit 0' TERM; sleep 3600 & wait"))
        node.create("api")
        node.api_ready("api")
        for name in ("stay", "edit", "leave", "crash"):
            until("mirror of " + name, lambda n=name: mirrored(node, n), 20)
            node.running(name)
        stay, api, edit, crash = node.ids("stay"), node.api_ids("api"), node.ids("edit"), node.ids("crash")
        server.stop()
        node.write("add.yaml", node.manifest("add"))
        node.write("edit.yaml", node.manifest("edit", "trap 'exit 0' TERM; echo new; while :; do sleep 3600 & wait; done"))
        (node.manifests / "leave.yaml").unlink()
        node.cri.call("StopContainer", container_id=crash[0], timeout=0)
        node.running("add", 10)
        until("edit is replaced", lambda: node.ids("edit") and node.ids("edit") != edit, 15)
        until("leave is gone", lambda: not node.sandboxes("leave"), 15)
        until("crash runs again", lambda: node.ids("crash") and node.ids("crash") != crash, 15)
        until("explain tells of the server", lambda: "API server" in node.cli("explain"), 15)
        node.kill()
        node.start()
        until("static pods after a restart without a server", lambda: all(
            node.phase(n) == "Running" for n in ("stay", "edit", "add", "crash")), 15)
        check(node.ids("stay") == stay, "stay runs on")
        check(node.api_ids("api") == api, "the API pod runs on")
        server.start()
        back = time.monotonic()
        until("mirrors", lambda: all(mirrored(node, n) for n in ("stay", "edit", "add", "crash")) and
              node.mirror("leave") is None, 30)
        took = time.monotonic() - back
        print("mirrors right after %.2f s" % took)

        def right(name):
            pod = node.mirror(name)
            main = (pod["status"].get("containerStatuses") or [{}])[0]
            return condition(pod, "Ready") == "True" and main.get("containerID", "").endswith((node.ids(name) or ["none"])[0])
        until("statuses", lambda: all(right(n) for n in ("stay", "edit", "add", "crash")), 10)
        restarts = node.mirror("crash")["status"]["containerStatuses"][0]["restartCount"]
        check(restarts == 1, "crash was restarted once: %d" % restarts)
        until("node is Ready", node.ready, 10)
        check(node.ids("stay") == stay and node.api_ids("api") == api, "same containers at the end")
        check(took <= 2, "mirrors are right within 2 s of the server's return: %.2f s" % took)


def scenario_kill_nine_shows_nothing():
    """kill -9 and start again: who watches the pods sees no change that a pod's user would care about. The long way is
    KUBELET_TEST_KILLS=200 with KUBELET_TEST_KILL_PODS=31."""
    with cluster() as (server, node):
        node.join()
        pairs = int(os.environ.get("KUBELET_TEST_KILL_PODS", "7")) // 2
        for i in range(pairs):
            node.create("api%d" % i)
            node.write("static%d.yaml" % i, node.manifest("static%d" % i))
        # One that was restarted: its count must hold.
        node.create("again", "test -f /keep/once && exec sleep 3600; touch /keep/once; exit 1",
                    container={"volumeMounts": [{"name": "keep", "mountPath": "/keep"}]},
                    volumes=[{"name": "keep", "emptyDir": {}}])

        def quiet():
            pods = server.items("/api/v1/pods")
            ready = [p for p in pods if condition(p, "Ready") == "True"]
            restarted = [p for p in ready if p["status"]["containerStatuses"][0]["restartCount"] == 1]
            good = len(ready) == len(pods) == 2 * pairs + 1 and len(restarted) == 1
            return {p["metadata"]["uid"]: seen(p) for p in ready} if good else None
        before = until("all pods Ready, one of them restarted", quiet, 40)
        watches = [Watch(server, "/api/v1/pods"), Watch(server, "/api/v1/nodes")]
        for i in range(int(os.environ.get("KUBELET_TEST_KILLS", "10"))):
            node.kill()
            node.start()
            # A mark in the log that it has heard of the server: this pod comes and goes.
            if i % 5 == 0:
                node.create("probe%d" % i)
                node.api_ready("probe%d" % i)
                server.delete("%s/probe%d" % (node.api_pods, i), 0)
        changes = []
        check(any(e["object"]["metadata"]["name"] == "probe0" for e in watches[0].events), "the watch shows what happens")
        for event in watches[0].events:
            pod = event["object"]
            if pod["metadata"]["name"].startswith("probe"):
                continue
            if event["type"] != "MODIFIED" or seen(pod) != before.get(pod["metadata"]["uid"]):
                changes.append((event["type"], pod["metadata"]["name"], seen(pod)))
        check(not changes, "a watcher saw %d changes, the first: %s" % (len(changes), changes[:1]))
        wrong = [e for e in watches[1].events if condition(e["object"], "Ready") != "True"]
        check(not wrong, "the node was not Ready %d times" % len(wrong))
        check(all(w.error is None for w in watches), "the watches lasted: %s" % [w.error for w in watches])
        check({u: s for u, s in (until("all Ready", quiet, 10)).items()} == before, "all as before")


def scenario_volumes_and_environment():
    """What a pod reads out of ConfigMaps, Secrets, tokens and its own object."""
    with cluster() as (server, node):
        node.join()
        base = "/api/v1/namespaces/%s/" % node.name
        server.create(base + "configmaps", {"metadata": {"name": "settings"}, "data": {"color": "blue", "size": "12"}})
        server.create(base + "secrets", {"metadata": {"name": "keys"}, "data": {"password": "czNjcjN0"}})
        mounts = [{"name": n, "mountPath": "/" + n} for n in ("settings", "keys", "mixed", "self")]
        env = [{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
               {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
               {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "nothing", "key": "x", "optional": True}}},
               {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
        token = {"serviceAccountToken": {"path": "token", "audience": "tests", "expirationSeconds": 3600}}
        volumes = [{"name": "settings", "configMap": {"name": "settings"}},
                   {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
                   {"name": "mixed", "projected": {"sources": [
                       token, {"configMap": {"name": "settings", "items": [{"key": "size", "path": "deep/size"}]}}]}},
                   {"name": "self", "downwardAPI": {"items": [
                       {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                       {"path": "cpu", "resourceFieldRef": {
                           "containerName": "main", "resource": "limits.cpu", "divisor": "1m"}}]}}]
        node.create("a", container={"volumeMounts": mounts, "env": env, "envFrom": [
            {"prefix": "S_", "configMapRef": {"name": "settings"}}], "resources": {"limits": {"cpu": "200m"}}},
                    volumes=volumes)
        pod = node.api_ready("a")
        ids = node.api_ids("a")
        got = node.exec("a", "echo $COLOR $PASSWORD ${NONE-unset} $IP $S_size $KUBERNETES_SERVICE_PORT").split()
        check(got == ["blue", "s3cr3t", "unset", pod["status"]["podIP"], "12", "443"], "environment: %s" % got)
        files = {"/settings/color": "blue", "/keys/password": "s3cr3t", "/mixed/deep/size": "12", "/self/cpu": "200",
                 "/self/labels": 'run="e2e"'}
        for path, text in files.items():
            got = node.exec("a", "cat " + path)
            check(got.strip() == text, "%s is %r" % (path, got))
        check(node.exec("a", "cat /mixed/token").count(".") == 2, "a token")
        account = node.exec("a", "ls /var/run/secrets/kubernetes.io/serviceaccount").split()
        check(account == ["ca.crt", "namespace", "token"], "service account: %s" % account)
        for name, path, body, text in (
                ("configmaps/settings", "/settings/color", {"data": {"color": "green"}}, "green"),
                ("configmaps/settings", "/mixed/deep/size", {"data": {"size": "13"}}, "13"),
                ("secrets/keys", "/keys/password", {"data": {"password": "bmV3"}}, "new")):
            server.patch(base + name, body)
            quick("%s is updated" % path, time.monotonic(), lambda p=path, t=text: node.exec("a", "cat " + p) == t)
        server.patch(node.api_pods + "/a", {"metadata": {"labels": {"run": "other"}}})
        until("labels are updated", lambda: node.exec("a", "cat /self/labels").strip() == 'run="other"', 10)
        check(node.api_ids("a") == ids, "same container")


def scenario_missing_config_map():
    """A ConfigMap that is not there: the pod's events tell, others are not held up, and it starts once there is one."""
    with cluster() as (server, node):
        node.join()
        maps = "/api/v1/namespaces/%s/configmaps" % node.name
        node.create("waits", container={"volumeMounts": [{"name": "late", "mountPath": "/late"}]},
                    volumes=[{"name": "late", "configMap": {"name": "late"}}])
        node.create("env", container={"env": [
            {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "x"}}}]})
        node.create("other")
        node.api_ready("other", 10)
        events = until("FailedMount", lambda: node.events("waits", "FailedMount"), 10)
        check("late" in events[0]["message"] and events[0]["type"] == "Warning", "event: %s" % events[0])
        check("late" in node.cli("explain", "waits"), "explain names what is missing")
        until("CreateContainerConfigError", lambda: node.api_pod("env")["status"].get(
            "containerStatuses", [{}])[0].get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError", 10)
        for name, key, pod in (("late", "file", "waits"), ("later", "x", "env")):
            server.create(maps, {"metadata": {"name": name}, "data": {key: "here"}})
            quick(pod + " runs", time.monotonic(), lambda p=pod: condition(node.api_pod(p), "Ready") == "True")
        check(node.exec("waits", "cat /late/file") == "here", "its file")
        check(node.exec("env", "echo $X") == "here\n", "its variable")


def scenario_pull_secrets():
    """A registry behind a password: a pod's pull secret lets it in, also one that comes late; a pod without it stays out."""
    if registry.binary() is None:
        skip("docker-registry cannot be had")
    with tempfile.TemporaryDirectory() as folder, cluster() as (server, node):
        store = registry.Registry(folder, "bob", "pass:word")
        store.start()
        try:
            image, _ = store.push(stamped_image(folder), "team/app", "1")
            node.join()
            secret = {"metadata": {"name": "key"}, "type": "kubernetes.io/dockerconfigjson",
                      "data": {".dockerconfigjson": base64.b64encode(store.docker_config().encode()).decode()}}
            main = {"image": image}
            node.create("late", container=main, imagePullSecrets=[{"name": "key"}])
            events = until("the missing secret is told", lambda: node.events("late", "FailedToRetrieveImagePullSecret"), 20)
            check("(key)" in events[0]["message"], "event: %s" % events[0])
            until("refused", lambda: node.events("late", "Failed"), 20)
            server.create("/api/v1/namespaces/%s/secrets" % node.name, secret)
            node.create("with", container=main, imagePullSecrets=[{"name": "absent"}, {"name": "key"}])
            node.api_ready("with", 30)
            node.create("without", container=main)
            def reason():
                statuses = node.api_pod("without")["status"].get("containerStatuses") or [{}]
                return statuses[0].get("state", {}).get("waiting", {}).get("reason")
            until("kept out though it is there", lambda: reason() in ("ErrImagePull", "ImagePullBackOff"), 20)
            node.api_ready("late", 60)
            node.create("again", container=main, imagePullSecrets=[{"name": "key"}])
            node.api_ready("again", 20)
            told = [e["message"] for e in node.events("again", "Pulled")]
            check(any("already present on machine and can be accessed by the pod" in m for m in told), "events: %s" % told)
            pulled = [e["message"] for e in node.events("with", "Pulled")]
            check(any("Successfully pulled image" in m and "Image size:" in m for m in pulled), "events: %s" % pulled)
        finally:
            store.stop()
            node.cri.remove_image(store.host + "/team/app:1")


def scenario_faults():
    """A server that refuses, fails, forgets, breaks off or hangs: pods are untouched, and all is caught up with."""
    with cluster() as (server, node):
        node.join()
        node.write("static.yaml", node.manifest("static"))
        node.create("old")
        node.api_ready("old")
        until("mirror", lambda: mirrored(node, "static"), 10)
        node.running("static")
        before = node.ids("static") + node.api_ids("old")
        maps = "/api/v1/namespaces/%s/configmaps" % node.name
        number = 0

        def works(what, seconds=15):
            """A pod that was made in the trouble runs, one that was deleted in it is gone, nothing else has changed."""
            nonlocal number
            name = "p%d" % number
            node.api_ready(name, seconds)
            if number > 0:
                last = "p%d" % (number - 1)
                until("%s: %s is gone" % (what, last), lambda: not node.api_sandboxes(last) and not node.api_pod(last), seconds)
            check(node.ids("static") + node.api_ids("old") == before, what + ": the others are untouched")
            check(node.process.poll() is None, what + ": the kubelet lives")
            number += 1

        def make():
            node.create("p%d" % number)
            if number > 0:
                server.delete("%s/p%d" % (node.api_pods, number - 1))

        def pause(seconds):
            threading.Event().wait(seconds)

        make()
        works("no trouble")
        server.fault(status=429, retryAfter=1, count=10)
        make()
        works("429")
        for status in (500, 503):
            server.fault(status=status)
            make()
            pause(1.5)
            server.no_faults()
            works("burst of %d" % status)
        # It misses events whose history is gone by the time it may ask again.
        server.fault(verb="watch", drop=True)
        server.fault(verb="list", drop=True)
        server.do("end-watches")
        make()
        for i in range(20):
            server.create(maps, {"metadata": {"name": "m%d-%d" % (number, i)}})
        server.do("compact")
        server.no_faults()
        works("compacted history")
        for _ in range(5):
            make()
            server.do("drop-connections")
            works("dropped connections")
        make()
        server.do("freeze")
        node.write("frozen.yaml", node.manifest("frozen"))
        node.running("frozen", 10)
        pause(2)
        server.do("thaw")
        works("half-open server")
        until("mirror of what was added", lambda: mirrored(node, "frozen"), 10)
        server.fault(hang=True, count=3)
        make()
        pause(1)
        server.do("drop-connections")
        works("calls that hang")
        until("node is Ready", node.ready, 10)
        check(node.api_pod("old")["status"]["containerStatuses"][0]["restartCount"] == 0, "no restart")


def scenario_silent_server():
    """A server that stops (SIGSTOP) without a word: told, and left behind, as soon as it goes on."""
    with cluster() as (server, node):
        node.join()
        node.create("a")
        node.api_ready("a")
        before = node.api_ids("a")
        server.do("freeze")
        node.write("static.yaml", node.manifest("static"))
        node.running("static", 10)
        until("explain tells that the server is silent", lambda: "API server" in node.cli("explain"), 27, 0.2)
        server.do("thaw")
        node.create("b")
        node.api_ready("b", 15)
        until("mirror", lambda: mirrored(node, "static"), 10)
        until("explain has nothing more to tell", lambda: "API server" not in node.cli("explain"), 10)
        check(node.api_ids("a") == before, "same container")


def judged(node, name):
    """Phase, reason and message of an API pod that is over."""
    status = until(name + " is Failed", lambda: (lambda s: s if s.get("phase") == "Failed" else None)(
        node.api_pod(name)["status"]), 20)
    return status.get("reason"), status.get("message")


def scenario_admission_and_preemption():
    """What does not fit is rejected, a critical static pod drives out what it needs, and a restart judges nobody again."""
    with cluster(config="systemReserved: {cpu: 100m}\nkubeReserved: {cpu: 100m}") as (server, node):
        node.join()
        room = os.cpu_count() * 1000 - 200
        allocatable = node.object()["status"]["allocatable"]["cpu"]
        check(allocatable == "%dm" % room, "allocatable: " + allocatable)

        def asks(cpu):
            return {"resources": {"requests": {"cpu": "%dm" % cpu}}}
        node.create("big", container=asks(room + 1))
        check(judged(node, "big") == ("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu, requested: "
                                      "%d, used: 0, capacity: %d" % (room + 1, room)), "big: %s" % node.api_pod("big"))
        node.create("tuned", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
        check(judged(node, "tuned") == ("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not '
                                        "allowlisted"), "tuned: %s" % node.api_pod("tuned"))
        # With exit code 0 it would have succeeded, preempted or not.
        node.create("large", "trap 'exit 7' TERM; while :; do sleep 3600 & wait; done", container=asks(room - 100))
        node.create("light")
        node.api_ready("large")
        node.api_ready("light")
        light = node.api_ids("light")
        node.write("critical.yaml", node.manifest("critical", extra="    resources: {requests: {cpu: 150m}}"))
        critical = node.running("critical")
        check(judged(node, "large") == ("Preempting", "Preempted in order to admit critical pod"), "large")
        check(condition(node.api_pod("large"), "DisruptionTarget") == "True", "large: %s" % node.api_pod("large"))
        check(not node.api_ids("large"), "large has ended")
        until("its event", lambda: [e for e in server.items("/api/v1/namespaces/%s/events" % node.name)
                                    if e["reason"] == "Preempting" and e["involvedObject"]["name"] == "large"], 10)
        metrics = node.metrics()
        for line in ('kubelet_preemptions{preemption_signal="cpu"} 1', 'kubelet_admission_rejections_total{reason="OutOfcpu"} 1',
                     'kubelet_admission_rejections_total{reason="SysctlForbidden"} 1'):
            check(line in metrics, "metrics lack " + line)
        node.kill()
        # A node that has become too small for what runs on it.
        config = (node.dir / "config.yaml").read_text().replace("systemReserved: {cpu: 100m}",
                                                                "systemReserved: {cpu: %dm}" % (room + 50))
        (node.dir / "config.yaml").write_text(config)
        node.start()
        node.create("late", container=asks(100))
        check(judged(node, "late")[0] == "OutOfcpu", "late: %s" % node.api_pod("late"))
        check(node.running("critical") == critical, "the static pod runs on")
        check(node.api_ids("light") == light, "the light pod runs on")
        check(judged(node, "large")[0] == "Preempting", "large: %s" % node.api_pod("large"))


def scenario_memory_pressure():
    """Short of memory: the condition is told, and best effort pods are refused."""
    soft = 'evictionSoft: {memory.available: 64Ti}\nevictionSoftGracePeriod: {memory.available: 1h}'
    with cluster(config=soft) as (server, node):
        node.join()
        until("MemoryPressure", lambda: condition(node.object(), "MemoryPressure") == "True", 15)
        told = [c for c in node.object()["status"]["conditions"] if c["type"] == "MemoryPressure"][0]
        check(told["reason"] == "KubeletHasInsufficientMemory", "condition: %s" % told)
        check(condition(node.object(), "DiskPressure") == "False", "only memory")
        node.create("refused")
        check(judged(node, "refused") == ("Evicted", "Pod was rejected: The node had condition: [MemoryPressure]. "),
              "refused: %s" % node.api_pod("refused"))
        node.create("modest", container={"resources": {"requests": {"memory": "1Mi"}}})
        node.api_ready("modest")


def scenario_resize():
    """The `resize` subresource: grown and shrunk in place, deferred until another pod ends, pod level, mirror made anew."""
    def amounts(cpu, memory):
        return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}

    def resize(name, main, **spec):
        if main:
            spec["containers"] = [{"name": "main", "resources": main}]
        body = {"spec": spec}
        server.must("PATCH", "%s/%s/resize" % (node.api_pods, name), body, "application/strategic-merge-patch+json")

    def conditions(pod):
        return {c["type"]: c.get("reason", "") for c in pod["status"].get("conditions") or [] if "Resize" in c["type"]}

    def has(name, cpu, memory):
        pod = node.api_pod(name)
        shown = pod["status"]["containerStatuses"][0].get("resources")
        return shown == amounts(cpu, memory) and not conditions(pod) and pod

    with cluster() as (server, node):
        node.join()
        cpus = os.cpu_count()
        node.create("a", container={"resources": amounts("100m", "64Mi")})
        pod = node.api_ready("a")
        before = node.api_ids("a")
        check(pod["status"]["allocatedResources"] == {"cpu": "100m", "memory": "64Mi"}, "allocated: %s" % pod["status"])
        resize("a", amounts("200m", "96Mi"))
        pod = until("grown", lambda: has("a", "200m", "96Mi"), 20)
        main = pod["status"]["containerStatuses"][0]
        check(main["restartCount"] == 0 and node.api_ids("a") == before, "no restart: %s" % main)
        check(main["allocatedResources"] == {"cpu": "200m", "memory": "96Mi"}, "allocated: %s" % main)
        check(pod["status"]["resources"]["limits"] == {"cpu": "200m", "memory": "96Mi"}, "of the pod: %s" % pod["status"])
        check(pod["status"]["observedGeneration"] == pod["metadata"]["generation"], "generation")
        until("started and completed", lambda: node.events("a", "ResizeStarted") and node.events("a", "ResizeCompleted"))
        resize("a", amounts("150m", "80Mi"))
        until("shrunk", lambda: has("a", "150m", "80Mi"), 20)
        node.create("b", container={"resources": amounts("%dm" % (cpus * 500), "64Mi")})
        node.api_ready("b")
        resize("a", amounts("%dm" % (cpus * 800), "80Mi"))
        until("deferred", lambda: conditions(node.api_pod("a")) == {"PodResizePending": "Deferred"}, 10)
        check(node.events("a", "ResizeDeferred"), "its event")
        main = node.api_pod("a")["status"]["containerStatuses"][0]
        check(main["allocatedResources"]["cpu"] == "150m", "it keeps what it has: %s" % main)
        node.kill()
        node.start()
        until("deferred still", lambda: conditions(node.api_pod("a")) == {"PodResizePending": "Deferred"}, 10)
        server.delete(node.api_pods + "/b", 1)
        until("grown when another pod has gone", lambda: has("a", amounts("%dm" % (cpus * 800), "")["limits"]["cpu"], "80Mi")
              or has("a", "%g" % (cpus * 0.8), "80Mi"), 30)
        check(node.api_ids("a") == before, "all in one container")
        # As limits of the pod as a whole.
        node.create("c", resources=amounts("200m", "64Mi"))
        uid = node.api_ready("c")["metadata"]["uid"]
        group = [g for g in node.cgroups(uid) if (g / "memory.limit_in_bytes").exists() or (g / "memory.max").exists()][0]
        file = group / ("memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes")
        check(int(file.read_text()) == 64 << 20, "the pod's cgroup: %s" % file.read_text())
        check(node.api_pod("c")["status"]["qosClass"] == "Guaranteed", "QoS class")
        resize("c", None, resources=amounts("300m", "96Mi"))
        until("the pod grew", lambda: int(file.read_text()) == 96 << 20, 20)
        until("and shows it", lambda: node.api_pod("c")["status"]["resources"] == amounts("300m", "96Mi")
              and not conditions(node.api_pod("c")))
        check(node.api_pod("c")["status"]["containerStatuses"][0]["restartCount"] == 0, "no restart")
        # A static pod: its mirror follows.
        extra = "    resources: {limits: {cpu: %s}, requests: {cpu: 50m}}\n"
        node.write("s.yaml", node.manifest("s", extra=extra % "100m"))
        old = until("mirror", lambda: (node.mirror("s") or {}).get("status", {}).get("phase") == "Running" and node.mirror("s"), 20)
        ids = node.ids("s")
        node.write("s.yaml", node.manifest("s", extra=extra % "200m"))

        def follows():
            mirror = node.mirror("s")
            return mirror and mirror["metadata"]["annotations"][HASH] != old["metadata"]["annotations"][HASH] and \
                mirror["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "200m" and \
                ((mirror["status"].get("containerStatuses") or [{}])[0].get("resources") or {}).get("limits") == {"cpu": "200m"}
        until("mirror made anew", follows, 20)
        check(node.ids("s") == ids, "and its container runs on")


def find_kubectl():
    return os.environ.get("KUBELET_TEST_KUBECTL") or shutil.which("kubectl") or \
        skip("there is no kubectl: neither in PATH nor in KUBELET_TEST_KUBECTL")


def scenario_kubectl():
    """What people type: get, describe, run, delete."""
    kubectl = find_kubectl()
    with cluster() as (server, node):
        node.join()
        node.write("static.yaml", node.manifest("static"))

        def run(*words, ok=True):
            done = subprocess.run([kubectl, "--kubeconfig", server.admin, "-n", node.name, *words], text=True, timeout=30,
                                  capture_output=True, env={**os.environ, "HOME": str(node.dir)})
            check(not ok or done.returncode == 0, "kubectl %s: %s" % (" ".join(words), done.stderr))
            return done.stdout
        line = run("get", "nodes", "--no-headers").split()
        check(line[0] == node.name and line[1] == "Ready" and line[4].startswith("v1.36."), "get nodes: %s" % line)
        text = run("describe", "node", node.name)
        check("KubeletReady" in text and "://" in text, "describe node: %s" % text)
        run("run", "typed", "--image", node.image, "--image-pull-policy=IfNotPresent", "--command", "--", "sh", "-c",
            "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done")
        run("wait", "--for=condition=Ready", "--timeout=20s", "pod/typed")
        line = run("get", "pod", "typed", "-o", "wide", "--no-headers").split()
        check(line[1:3] == ["1/1", "Running"] and node.api_pod("typed")["status"]["podIP"] in line and node.name in line,
              "get pod -o wide: %s" % line)
        until("describe shows the events", lambda: "Started" in run("describe", "pod", "typed"), 10)
        until("mirror", lambda: mirrored(node, "static"), 10)
        text = run("-n", "default", "get", "pods", "--no-headers")
        check("static-" + node.name in text, "mirror: %s" % text)
        run("delete", "pod", "typed", "--timeout=20s")
        check(not node.api_ids("typed"), "no container is left")
        check("NotFound" not in text and run("get", "pods", "--no-headers", "--ignore-not-found") == "", "no pods")


def scenario_kubectl_streams():
    """logs, exec, attach, cp and port-forward, as people type them."""
    kubectl = find_kubectl()
    web = "mkdir -p /tmp/www; echo page >/tmp/www/index.html; httpd -p 8080 -h /tmp/www; echo line 1; echo line 2; "
    with tempfile.TemporaryDirectory(prefix="apiserver-e2e-") as folder, ApiServer(folder, "e2e%d" % os.getpid()) as server:
        # The API server calls the node by its address, and shows the certificate of an administrator.
        config = "address: 0.0.0.0\nauthentication: {x509: {clientCAFile: %s/pki/ca.crt}}" % folder
        with ClusterNode(server, config) as node:
            node.join()
            node.create("web", web + "trap 'exit 0' TERM; while read -r word; do echo got $word; done; sleep 3600 & wait",
                        container={"stdin": True})
            node.api_ready("web")

            def typed(*words, code=0, send=""):
                done = subprocess.run([kubectl, "--kubeconfig", server.admin, "-n", node.name, *words], input=send, text=True,
                                      timeout=60, capture_output=True, env={**os.environ, "HOME": str(node.dir)})
                check(done.returncode == code, "kubectl %s: %d %s" % (" ".join(words), done.returncode, done.stderr))
                return done.stdout
            check(typed("logs", "web") == "line 1\nline 2\n", "logs")
            check(typed("logs", "web", "--tail=1") == "line 2\n", "logs --tail")
            check("not found" in subprocess.run([kubectl, "--kubeconfig", server.admin, "-n", node.name, "logs", "none"], text=True,
                                                capture_output=True, timeout=30, check=False).stderr, "logs of a pod that is not there")
            check(typed("exec", "web", "--", "echo", "a  b") == "a  b\n", "exec")
            check(typed("exec", "-i", "web", "--", "cat", send="through\n" * 5000) == "through\n" * 5000, "exec -i")
            typed("exec", "web", "--", "sh", "-c", "exit 7", code=7)
            there, back = node.dir / "there", node.dir / "back"
            there.write_bytes(os.urandom(3 << 20))
            typed("cp", str(there), "web:/tmp/there")
            typed("cp", "web:/tmp/there", str(back))
            check(there.read_bytes() == back.read_bytes(), "cp both ways")
            follower = subprocess.Popen([kubectl, "--kubeconfig", server.admin, "-n", node.name, "logs", "-f", "web"], text=True,
                                        stdout=subprocess.PIPE)
            with subprocess.Popen([kubectl, "--kubeconfig", server.admin, "-n", node.name, "attach", "-i", "web"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as attached:
                attached.stdin.write("word\n")
                attached.stdin.flush()
                check(attached.stdout.readline() == "got word\n", "attach")
                attached.kill()
            check([follower.stdout.readline() for _ in range(3)] == ["line 1\n", "line 2\n", "got word\n"], "logs -f")
            forward = subprocess.Popen([kubectl, "--kubeconfig", server.admin, "-n", node.name, "port-forward", "web", ":8080"],
                                       text=True, stdout=subprocess.PIPE)
            port = int(forward.stdout.readline().split("127.0.0.1:")[1].split()[0])
            for _ in range(3):
                with urllib.request.urlopen("http://127.0.0.1:%d/index.html" % port, timeout=20) as page:
                    check(page.read() == b"page\n", "port-forward")
            forward.kill()
            forward.wait()
            node.server.delete("%s/web" % node.api_pods)
            check(follower.wait(30) == 0, "the followed log ends with the container")


if __name__ == "__main__":
    run_scenario(globals())
