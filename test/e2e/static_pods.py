#!/usr/bin/python3
"""Static pods from end to end: `static_pods.py SCENARIO`; each asserts what an operator would see."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading

import grpc

from harness import Failed, FakeRuntime, Node, run_scenario, sanitized, skip, stamped_image, until

import registry  # noqa: E402  (test/lib, whose path harness adds)


def check(condition, what):
    if not condition:
        raise Failed(what)


def scenario_start_and_remove():
    """A manifest becomes a running pod with its log, and leaves nothing when it is removed."""
    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a", "echo hello; trap 'exit 0' TERM; sleep 3600 & wait"))
        node.running("a")
        pod = node.pod("a")
        status = pod["status"]["containerStatuses"][0]
        check(status["ready"] and status["restartCount"] == 0, "container is ready: %s" % status)
        check(pod["status"]["podIP"], "pod has an IP")
        uid = pod["metadata"]["uid"]
        log = node.logs / ("default_a-%s_%s" % (node.name, uid)) / "main" / "0.log"
        until("log line", lambda: log.exists() and "stdout F hello" in log.read_text())
        check("running" in node.cli("pods"), "kubelet pods shows it")
        (node.manifests / "a.yaml").unlink()
        until("sandbox gone", lambda: not node.sandboxes(), 20)
        until("files gone", lambda: not list(node.logs.iterdir()) and not list((node.root / "pods").iterdir()))
        until("pod list empty", lambda: node.pods() == [])


def scenario_bad_edits_do_not_harm():
    """1,000 random corruptions of a running pod's manifest: same container, and each problem is told."""
    with Node() as node:
        node.start()
        good = node.manifest("a")
        node.write("a.yaml", good)
        node.running("a")
        before = node.ids("a")
        dice = random.Random(20260101)
        path = node.manifests / "a.yaml"
        rounds = int(os.environ.get("KUBELET_TEST_CORRUPTIONS", "200" if sanitized() else "1000"))
        told = 0
        for i in range(rounds):
            data = good.encode()
            kind = dice.randrange(5)
            if kind == 0:
                # A cut that leaves a valid pod is an edit like any other; it is not what is tested here.
                cut = node.dir / "cut.yaml"
                while True:
                    cut.write_bytes(data[: dice.randrange(1, len(data))])
                    if not node.valid(cut):
                        break
                path.write_bytes(cut.read_bytes())
            elif kind == 1:
                garbled = bytearray(data)
                for _ in range(8):
                    garbled[dice.randrange(len(garbled))] = dice.randrange(256)
                path.write_bytes(bytes(garbled) + b"\nx: [")
            elif kind == 2:
                path.write_bytes(data + bytes(dice.randrange(256) for _ in range(100)) + b"\x00")
            elif kind == 3:
                path.write_bytes(b"")
            else:
                (node.manifests / "a.yaml.bak").write_bytes(data)
            if i % 50 == 0:
                name = "a.yaml.bak" if kind == 4 else "a.yaml"
                until("explain names " + name, lambda n=name: n in node.cli("explain"), 5)
                told += 1
                check(node.ids("a") == before, "same container after %d corruptions (kind %d)" % (i + 1, kind))
            (node.manifests / "a.yaml.bak").unlink(missing_ok=True)
        node.write("a.yaml", good)
        until("problem gone", lambda: "problem" not in node.cli("explain"), 5)
        check(node.ids("a") == before, "same container at the end")
        check(node.pod("a")["status"]["containerStatuses"][0]["restartCount"] == 0, "no restart")
        check(told > 0, "problems were looked for")


def scenario_bad_file_survives_restart():
    """A kubelet that starts while a manifest is bad keeps the pod it ran."""
    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a"))
        node.running("a")
        before = node.ids("a")
        node.kill()
        (node.manifests / "a.yaml").write_text("apiVersion: v1\nkind: Po")
        node.start()
        node.running("a")
        until("problem told", lambda: "a.yaml" in node.cli("explain"), 5)
        check(node.ids("a") == before, "same container")


def scenario_edit_replaces():
    """An edit ends the old pod and starts the new one; never two sandboxes of one name run."""
    with Node() as node:
        node.start()
        for i in range(5):
            node.write("a.yaml", node.manifest("a", "echo %d; sleep 3600" % i, spec="  hostNetwork: true"))
            until("version %d runs" % i, lambda n=i: any(
                "echo %d;" % n in str(c.get("command")) for p in node.pods() for c in p["spec"]["containers"])
                and node.phase("a") == "Running" and len(node.ids("a")) == 1, 20)
            ready = [s for s in node.sandboxes("a") if s.state == 0]
            check(len(ready) == 1, "one ready sandbox, found %d" % len(ready))


def scenario_adopts_after_kill():
    """kill -9 and start again: same containers, no restart, all Running again."""
    with Node() as node:
        node.start()
        names = ["a%d" % i for i in range(8)]
        for name in names:
            node.write(name + ".yaml", node.manifest(name))
        for name in names:
            node.running(name, 60)
        before = {n: node.ids(n) for n in names}
        for _ in range(3):
            node.kill()
            node.start()
            until("all Running", lambda: all(node.phase(n) == "Running" for n in names), 10)
        check(before == {n: node.ids(n) for n in names}, "same containers")


def scenario_kill_under_churn():
    """kill -9 at random points while manifests come and go: no duplicate and no lost pod."""
    with Node() as node:
        dice = random.Random(7)
        wanted = {}
        node.start()
        for step in range(12):
            for _ in range(3):
                name = "p%d" % dice.randrange(6)
                if name in wanted and dice.random() < 0.4:
                    del wanted[name]
                    (node.manifests / (name + ".yaml")).unlink()
                else:
                    wanted[name] = dice.randrange(3)
                    node.write(name + ".yaml", node.manifest(name, "echo %d; sleep 3600" % wanted[name]))
            stop = threading.Event()
            stop.wait(dice.random() * 0.6)
            node.kill()
            node.start()

        def settled():
            ready = [s.metadata.name for s in node.sandboxes() if s.state == 0]
            running = [c.labels["io.kubernetes.pod.name"] for c in node.containers() if c.state == 1]
            goal = sorted("%s-%s" % (n, node.name) for n in wanted)
            return sorted(ready) == goal and sorted(running) == goal
        until("the wanted pods, once each", settled, 60)


def scenario_remove_and_add():
    """Remove and re-add at random gaps: always converges, never two sandboxes of one name."""
    with Node() as node:
        dice = random.Random(3)
        node.start()
        text = node.manifest("a", spec="  hostNetwork: true")
        rounds = int(os.environ.get("KUBELET_TEST_CYCLES", "40"))
        pause = threading.Event()
        for i in range(rounds):
            node.write("a.yaml", text)
            pause.wait(dice.random() * 0.5)
            (node.manifests / "a.yaml").unlink()
            pause.wait(dice.random() * 0.2)
            ready = [s for s in node.sandboxes("a") if s.state == 0]
            check(len(ready) <= 1, "at most one ready sandbox in round %d" % i)
        node.write("a.yaml", text)
        node.running("a", 20)
        (node.manifests / "a.yaml").unlink()
        until("gone", lambda: not node.sandboxes("a"), 20)
        threads = len(os.listdir("/proc/%d/task" % node.process.pid))
        check(threads < 16, "fewer than 16 threads after all that: %d" % threads)


def scenario_restarts_with_backoff():
    """A container that fails starts again at once, then waits; status and explain say so."""
    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a", "echo bye; exit 3"))
        until("first restart", lambda: (node.pod("a") or {}).get("status", {}).get(
            "containerStatuses", [{}])[0].get("restartCount", 0) >= 1, 20)
        until("back-off", lambda: node.pod("a")["status"]["containerStatuses"][0]["state"].get(
            "waiting", {}).get("reason") == "CrashLoopBackOff", 20)
        status = node.pod("a")["status"]["containerStatuses"][0]
        check(status["lastState"]["terminated"]["exitCode"] == 3, "last exit code: %s" % status)
        check("back-off" in node.cli("explain", "a"), "explain tells of the back-off")


def scenario_runs_to_completion():
    """restartPolicy Never: Succeeded, with the termination message; its sandbox ends, its log stays."""
    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a", "echo -n because > /dev/termination-log; exit 0",
                                           spec="  restartPolicy: Never"))
        until("Succeeded", lambda: node.phase("a") == "Succeeded", 20)
        until("message", lambda: node.pod("a")["status"]["containerStatuses"][0]["state"]["terminated"].get(
            "message") == "because", 5)
        until("sandbox stopped", lambda: all(s.state != 0 for s in node.sandboxes("a")), 10)
        check(len(node.containers("a")) == 1, "the container is kept")


def scenario_sandbox_dies():
    """A sandbox that dies is made anew with the next attempt."""
    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a"))
        node.running("a")
        old = node.sandboxes("a")[0].id
        try:
            node.cri.call("StopPodSandbox", pod_sandbox_id=old)
        except grpc.RpcError as error:  # The kubelet ends the same sandbox meanwhile; one of the two finds no network.
            print("ended by two at once:", error.details())
        until("new sandbox", lambda: any(s.id != old and s.state == 0 and s.metadata.attempt == 1
                                         for s in node.sandboxes("a")), 20)
        node.running("a")


def scenario_missing_image():
    """An image that cannot be had: ErrImagePull or back-off with the reason; other pods are not held up."""
    with Node() as node:
        node.start()
        node.write("bad.yaml", node.manifest("bad").replace(node.image, "localhost:9/none:1"))
        node.write("good.yaml", node.manifest("good"))
        node.running("good", 15)
        reasons = ("ErrImagePull", "ImagePullBackOff")
        until("pull error shown", lambda: node.pod("bad")["status"]["containerStatuses"][0]["state"].get(
            "waiting", {}).get("reason") in reasons, 20)
        check("localhost:9/none:1" in node.cli("explain", "bad"), "explain names the image")


def scenario_pulls_from_a_registry():
    """A real registry: pulled when absent, not again when present, again with Always; away: back-off; then it works."""
    if registry.binary() is None:
        skip("docker-registry cannot be had")
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        store = registry.Registry(folder)
        store.start()
        try:
            tar = stamped_image(folder)
            image, digest = store.push(tar, "team/app", "1")
            node.start()
            node.write("late.yaml", node.manifest("late").replace(node.image, store.host + "/team/app:2"))
            until("the missing tag is told", lambda: "team/app:2" in node.cli("explain", "late"), 20)
            node.write("app.yaml", node.manifest("app").replace(node.image, image))
            node.running("app", 30)
            status = node.pod("app")["status"]["containerStatuses"][0]
            check(status["image"].endswith("/team/app:1"), "image named as asked for")
            check(digest in status["imageID"], "imageID carries the digest")
            check(pulls(node) == 1, "one pull")
            node.write("same.yaml", node.manifest("same").replace(node.image, image))
            node.running("same", 30)
            check(pulls(node) == 1, "IfNotPresent does not pull again")
            always = node.manifest("always").replace(node.image, image)
            check("IfNotPresent" in always, "the manifest names its policy")
            node.write("always.yaml", always.replace("IfNotPresent", "Always"))
            node.running("always", 30)
            check(pulls(node) == 2, "Always pulls again")
            store.push(tar, "team/app", "2")
            node.running("late", 60)
        finally:
            store.stop()
            for reference in ("team/app:1", "team/app:2"):
                node.cri.remove_image(store.host + "/" + reference)


PLUGIN = """#!/bin/sh
cat >> {folder}/asked
echo '{{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry",'\\
'"auth":{{"{host}":{{"username":"{user}","password":"{password}"}}}}}}'
"""


def scenario_pulls_with_credentials():
    """A registry behind a password: refused without; with the node's config.json, or with a plugin, it works."""
    if registry.binary() is None:
        skip("docker-registry cannot be had")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        store = registry.Registry(folder / "file", "bob", "file pass:word")
        other = registry.Registry(folder / "plugin", "eve", "plugged")
        (folder / "bin").mkdir()
        plugin = folder / "bin/helper"
        plugin.write_text(PLUGIN.format(folder=folder, host=other.host, user=other.user, password=other.password))
        plugin.chmod(0o755)
        (folder / "providers.yaml").write_text(f"""apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: helper
  matchImages: ["{other.host}/team"]
  defaultCacheDuration: 10m
  apiVersion: credentialprovider.kubelet.k8s.io/v1
""")
        flags = ["--image-credential-provider-config", str(folder / "providers.yaml"),
                 "--image-credential-provider-bin-dir", str(folder / "bin")]
        with Node(flags=flags) as node:
            store.start()
            other.start()
            try:
                tar = stamped_image(folder)
                image, _ = store.push(tar, "team/app", "1")
                second, _ = other.push(tar, "team/app", "1")
                node.start()
                node.write("file.yaml", node.manifest("file").replace(node.image, image))
                node.write("plugin.yaml", node.manifest("plugin").replace(node.image, second))
                node.running("plugin", 30)
                check(f'"image":"{other.host}/team/app"' in (folder / "asked").read_text(), "the plugin was asked")
                until("refused without credentials", lambda: "ErrImagePull" in node.cli("explain", "file")
                      or "Back-off" in node.cli("explain", "file"), 20)
                check(store.password not in node.log.read_text(), "no password in the log")
                (node.root / "config.json").write_text(store.docker_config())
                node.running("file", 60)
                for text in (store.password, store.secret(), other.password):
                    check(text not in node.log.read_text(), "no password in the log")
                records = [f.read_text() for f in (node.root / "image_manager/pulled").iterdir()]
                check(len(records) == 1, "one image, one record: %s" % records)  # the same bytes in two repositories
                for host in (store.host, other.host):
                    check(f'"{host}/team/app":{{"nodePodsAccessible":true}}' in records[0], "record: %s" % records)
                check(not list((node.root / "image_manager/pulling").iterdir()), "no pull under way")
            finally:
                store.stop()
                other.stop()
                for host in (store.host, other.host):
                    node.cri.remove_image(host + "/team/app:1")


def scenario_image_volume():
    """An image as a volume: its files are there, read-only, and a sub path of it alone."""
    with Node() as node:
        node.start()
        volumes = "  volumes: [{name: tree, image: {reference: %s, pullPolicy: IfNotPresent}}]" % node.image
        mounts = "    volumeMounts: [{name: tree, mountPath: /tree}, {name: tree, mountPath: /part, subPath: bin}]"
        command = ("ls /tree/bin > /tmp/all; ls /part > /tmp/part; touch /tree/x || echo kept > /tmp/ro; "
                   "trap 'exit 0' TERM; sleep 3600 & wait")
        node.write("a.yaml", node.manifest("a", command, extra=mounts, spec=volumes))
        if not until("runs or cannot", lambda: node.phase("a") == "Running" or "image volume" in node.cli("explain", "a")
                     or "CreateContainerError" in node.cli("explain", "a"), 30) or node.phase("a") != "Running":
            skip("this runtime mounts no image volumes: " + node.cli("explain", "a"))
        container = node.containers("a")[0].id
        def cat(path):
            return node.cri.call("ExecSync", container_id=container, cmd=["cat", path], timeout=10).stdout.decode()
        until("written", lambda: "kept" in cat("/tmp/ro"), 10)
        check("busybox" in cat("/tmp/all"), "files of the image")
        # containerd mounts the whole image before 2.2, whatever sub path it is given.
        version = node.cri.call("Version").runtime_version
        whole = tuple(int(n) for n in version.lstrip("v").split(".")[:2]) < (2, 2)
        check(cat("/tmp/part") == cat("/tmp/all") or whole, "a part of it: %r" % cat("/tmp/part"))


def pulls(node):
    """Successful pulls, as the kubelet counts them."""
    text = node.metrics()
    total, failed = (sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + "{")
                         and 'operation_type="pull_image"' in line)
                     for name in ("kubelet_runtime_operations_total", "kubelet_runtime_operations_errors_total"))
    return total - failed


def scenario_directory_vanishes():
    """A manifest directory that is gone for a moment stops nothing."""
    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a"))
        node.running("a")
        before = node.ids("a")
        away = node.dir / "away"
        node.manifests.rename(away)
        until("problem told", lambda: str(node.manifests) in node.cli("explain"), 30)
        check(node.ids("a") == before, "same container while it is away")
        away.rename(node.manifests)
        until("problem gone", lambda: "problem" not in node.cli("explain"), 30)
        check(node.ids("a") == before, "same container after it is back")


def scenario_pod_cidr():
    """podCIDR of the configuration is told to the runtime once, as soon as there is one."""
    def told():
        lines = [line for line in node.metrics().splitlines() if 'operation_type="update_runtime_config"' in line]
        return [line.split()[-1] for line in lines if line.startswith("kubelet_runtime_operations_total")]
    with tempfile.TemporaryDirectory() as folder:
        with FakeRuntime(folder) as runtime, Node("podCIDR: 10.77.0.0/24\n", endpoint=runtime.endpoint) as node:
            node.start()
            check(not told(), "nobody to tell yet")
            runtime.start()
            until("told", lambda: told() == ["1"], 20)
            node.write("a.yaml", node.manifest("a"))
            until("a runs", lambda: node.phase("a") == "Running", 20)
            check(told() == ["1"], "told once: %s" % told())


def scenario_runtime_comes_later():
    """No runtime at the start, then one, then another in its place: the kubelet says so and goes on by itself."""
    with tempfile.TemporaryDirectory() as folder:
        with FakeRuntime(folder) as runtime, Node(endpoint=runtime.endpoint) as node:
            node.start()
            node.write("a.yaml", node.manifest("a"))
            until("explain says that the runtime is away", lambda: "untime" in node.cli("explain"), 10)
            runtime.start()
            until("a runs", lambda: node.phase("a") == "Running", 20)
            runtime.kill()
            until("explain says that the runtime is away again", lambda: "unix:" in node.cli("explain")
                  or "connect" in node.cli("explain"), 40)
            check(node.process.poll() is None, "the kubelet lives")
            runtime.start("--no-events")
            until("a runs on the new runtime", lambda: node.ids("a"), 20)
            (node.manifests / "a.yaml").unlink()
            until("gone", lambda: not node.sandboxes("a"), 20)


def scenario_bad_start():
    """Bad flags and bad configurations end the kubelet with a message that names what is wrong."""
    node = Node()
    try:
        bad = node.dir / "bad.yaml"

        def run(*words):
            done = subprocess.run([node.binary, *words], capture_output=True, text=True, timeout=20)
            return done.returncode, done.stdout + done.stderr
        code, text = run("--no-such-flag")
        check(code == 1 and "unknown flag: --no-such-flag" in text, "unknown flag: %d %s" % (code, text))
        code, text = run("--config", str(node.dir / "none.yaml"))
        check(code == 1 and "none.yaml" in text, "missing file: %d %s" % (code, text))
        bad.write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: -1\n"
                       "featureGates: {NoSuchGate: true}\n")
        code, text = run("--config", str(bad))
        check(code == 1 and "maxPods" in text and "NoSuchGate" in text, "both problems: %d %s" % (code, text))
        code, text = run("config", "check", str(bad))
        check(code == 1 and "maxPods" in text and "bad.yaml" in text, "config check: %d %s" % (code, text))
        code, text = run("--version")
        check(code == 0 and text.startswith("Kubernetes v1.36."), "version: %s" % text)
        manifest = node.dir / "pod.yaml"
        manifest.write_text(node.manifest("a").replace("image:", "imagee:"))
        code, text = run("validate", str(manifest))
        check(code == 1 and "pod.yaml" in text and "image" in text, "validate: %d %s" % (code, text))
    finally:
        node.__exit__(None, None, None)


def scenario_limits_and_volumes():
    """Limits reach the pod's cgroup; emptyDir and hostPath are mounted; env and hosts file are there."""
    with Node() as node:
        shared = node.dir / "shared"
        shared.mkdir()
        (shared / "in").write_text("from the host")
        extra = """    resources:
      requests: {cpu: 100m, memory: 16Mi}
      limits: {cpu: 200m, memory: 32Mi}
    env:
    - {name: A, value: one}
    - {name: B, value: $(A)-two}
    - name: NODE
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    volumeMounts:
    - {name: scratch, mountPath: /scratch}
    - {name: host, mountPath: /host}
"""
        spec = """  volumes:
  - {name: scratch, emptyDir: {}}
  - name: host
    hostPath: {path: %s, type: Directory}
""" % shared
        node.start()
        command = "echo $B $NODE > /host/out; cp /host/in /scratch/copy; cat /etc/hosts > /host/hosts; hostname >> /host/out; sleep 3600"
        node.write("a.yaml", node.manifest("a", command, extra, spec))
        node.running("a")
        uid = node.pod("a")["metadata"]["uid"]
        until("written", lambda: (shared / "out").exists() and len((shared / "out").read_text().splitlines()) == 2, 10)
        lines = (shared / "out").read_text().splitlines()
        check(lines == ["one-two " + node.name, "a-" + node.name], "environment and hostname: %s" % lines)
        check(node.pod("a")["status"]["podIP"] in (shared / "hosts").read_text(), "hosts file has the pod's IP")
        copies = list((node.root / "pods" / uid / "volumes").glob("*/scratch/copy"))
        check(copies and copies[0].read_text() == "from the host", "emptyDir holds the copy")
        # Not by a search: the groups of other tests come and go meanwhile.
        groups = [g for g in (tree / node.CGROUP_ROOT / "kubepods/burstable" / ("pod" + uid) for tree in node.cgroup_trees()) if g.is_dir()]
        check(groups, "the pod has a cgroup")
        limits = [g / "memory.limit_in_bytes" for g in groups] + [g / "memory.max" for g in groups]
        check(any(f.exists() and f.read_text().strip() == str(32 << 20) for f in limits), "memory limit of the pod")
        check(node.pod("a")["status"]["qosClass"] == "Burstable", "QoS class")
        (node.manifests / "a.yaml").unlink()
        until("gone", lambda: not node.sandboxes("a") and not (node.root / "pods" / uid).exists(), 20)
        check((shared / "in").read_text() == "from the host", "the host's directory is untouched")
        until("cgroup gone", lambda: not any(g.exists() for g in groups), 10)


def scenario_security_contexts():
    """fsGroup on a volume, a sub path and a variable out of a file, a host name of its own; one that must not be root."""
    with Node() as node:
        node.start()
        command = ("id; stat -c '%a %g %u' /data; echo V=$V; stat -c 'sub %g' /sub; echo x > /data/new; "
                   "stat -c 'new %g %u' /data/new; hostname; sleep 3600")
        extra = """    env:
    - {name: V, valueFrom: {fileKeyRef: {volumeName: data, path: app.env, key: V}}}
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: data, mountPath: /sub, subPathExpr: of-$(V)}
"""
        spec = """  hostname: shown
  securityContext: {runAsUser: 1000, fsGroup: 4242}
  volumes:
  - {name: data, emptyDir: {}}
  initContainers:
  - name: init
    image: %s
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "echo \\"V='a'\\" > /data/app.env"]
    volumeMounts:
    - {name: data, mountPath: /data}
""" % node.image
        node.write("a.yaml", node.manifest("a", command, extra, spec))
        node.running("a")
        lines = output(node, "a", "shown")
        check("uid=1000" in lines[0] and "4242" in lines[0], "identity: %s" % lines[0])
        check(lines[1:] == ["2777 4242 0", "V=a", "sub 4242", "new 4242 1000", "shown"], "inside: %s" % lines[1:])
        node.write("b.yaml", node.manifest("b", extra="    securityContext: {runAsNonRoot: true}\n"))
        text = "container has runAsNonRoot and image will run as root"
        until("refusal is explained", lambda: text in node.cli("explain", "b-" + node.name), 20)


def output(node, name, last):
    """What a container has written, once the line `last` is there."""
    uid = node.pod(name)["metadata"]["uid"]
    log = node.logs / ("default_%s-%s_%s" % (name, node.name, uid)) / "main" / "0.log"
    until("output", lambda: log.exists() and " %s\n" % last in log.read_text())
    return [" ".join(line.split()[3:]) for line in log.read_text().splitlines()]


def scenario_user_namespaces():
    """A pod with `hostUsers: false` has ids of its own, over a restart too, and gives them back; or it is told why it cannot."""
    with Node() as node:
        node.start()
        command = ("cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c '%u %g' /data /etc/hosts; "
                   "echo x > /data/new; stat -c 'new %u %g' /data/new; echo end; sleep 3600")
        spec = """  hostUsers: false
  securityContext: {runAsUser: 1000, fsGroup: 4242}
  volumes:
  - {name: data, emptyDir: {}}
"""
        extra = "    volumeMounts:\n    - {name: data, mountPath: /data}\n"
        node.write("a.yaml", node.manifest("a", command, extra, spec))
        handlers = node.cri.call("Status").runtime_handlers
        if not any(h.name == "" and h.features.user_namespaces for h in handlers):
            text = "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
            until("refusal is explained", lambda: text in node.cli("explain", "a-" + node.name), 20)
            return
        node.running("a")
        uid = node.pod("a")["metadata"]["uid"]
        lines = output(node, "a", "end")
        inside, first, length = lines[0].split()
        check(inside == "0" and int(first) >= 65536 and length == "65536", "id map: %s" % lines[0])
        check(lines[1].split() == lines[0].split(), "groups are mapped as users: %s" % lines[1])
        # Files keep their owners on the node, and the pod sees them so.
        check(lines[2:] == ["1000", "0 4242", "0 0", "new 1000 4242", "end"], "inside: %s" % lines[2:])
        new = next((node.root / "pods" / uid / "volumes").glob("*/data/new")).stat()
        check((new.st_uid, new.st_gid) == (1000, 4242), "on the node: %d %d" % (new.st_uid, new.st_gid))
        file = node.root / "pods" / uid / "userns"
        saved = json.loads(file.read_text())
        entry = {"hostId": int(first), "containerId": 0, "length": 65536}
        check(saved == {"uidMappings": [entry], "gidMappings": [entry]}, "file: %s" % saved)
        node.kill()
        node.start()
        node.write("b.yaml", node.manifest("b", spec="  hostUsers: false"))
        node.running("b")
        other = node.root / "pods" / node.pod("b")["metadata"]["uid"] / "userns"
        check(json.loads(file.read_text()) == saved, "ids stay")
        check(json.loads(other.read_text()) != saved, "ids of another pod")
        (node.manifests / "a.yaml").unlink()
        until("ids are given back", lambda: not file.exists(), 40)


def cgroup_file(node, uid, controller, file):
    """Of the pod's cgroup, and of its one container's below it."""
    v2 = (node.CGROUPS / "cgroup.controllers").exists()
    tree = (node.CGROUPS if v2 else node.CGROUPS / controller) / node.CGROUP_ROOT
    group = next(tree.glob("**/pod" + uid))
    sums = (group / file).read_text().strip()
    return sums, {p.name: (p / file).read_text().strip() for p in group.iterdir() if p.is_dir()}


def scenario_resize_in_place():
    """Editing CPU and memory of a manifest resizes the running container, also over kill -9; a bad file harms nothing."""
    def resources(cpu, memory, policy=""):
        return """    resources:
      limits: {cpu: %s, memory: %s}
      requests: {cpu: 100m, memory: 32Mi}
%s""" % (cpu, memory, policy)

    with Node() as node:
        node.start()
        node.write("a.yaml", node.manifest("a", extra=resources("200m", "64Mi")))
        node.running("a")
        before, uid = node.ids("a"), node.pod("a")["metadata"]["uid"]
        v2 = (node.CGROUPS / "cgroup.controllers").exists()
        quota, memory = ("cpu.max", "memory.max") if v2 else ("cpu.cfs_quota_us", "memory.limit_in_bytes")

        def limits():
            (pod_quota, quotas), (pod_memory, memories) = (
                cgroup_file(node, uid, "cpu", quota), cgroup_file(node, uid, "memory", memory))
            ids = [k for k in quotas if any(i in k for i in before)]
            check(len(ids) == 1, "one group of %s in %s" % (before, quotas))
            return [int(t.split()[0]) for t in (pod_quota, quotas[ids[0]], pod_memory, memories[ids[0]])]

        check(limits() == [20000, 20000, 64 << 20, 64 << 20], "limits at first: %s" % limits())
        node.write("a.yaml", node.manifest("a", extra=resources("300m", "96Mi")))
        until("grown", lambda: limits() == [30000, 30000, 96 << 20, 96 << 20], 20)
        check(node.pod("a")["metadata"]["uid"] == uid, "same uid")
        shown = until("status shows it", lambda: node.pod("a")["status"]["containerStatuses"][0]["resources"]["limits"]
                      == {"cpu": "300m", "memory": "96Mi"} and node.pod("a")["status"])
        check(shown["containerStatuses"][0]["restartCount"] == 0 and node.ids("a") == before, "no restart")
        node.kill()
        node.write("a.yaml", node.manifest("a", extra=resources("150m", "48Mi")))
        node.start()
        until("shrunk by the next kubelet", lambda: limits() == [15000, 15000, 48 << 20, 48 << 20], 20)
        check(node.ids("a") == before, "still the same container")
        node.kill()
        for name in ("allocated_pods_state", "actuated_pods_state"):
            check((node.root / name).exists(), name)
            (node.root / name).write_text("{")
        node.start()
        node.running("a")
        until("set aside", lambda: (node.root / "actuated_pods_state.bad").exists())
        until("written anew", lambda: (node.root / "actuated_pods_state").exists())
        check(node.ids("a") == before and limits()[1] == 15000, "a bad file changes nothing")
        policy = "    resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]\n"
        node.write("b.yaml", node.manifest("b", extra=resources("200m", "64Mi", policy)))
        node.running("b")
        old = node.ids("b")
        node.write("b.yaml", node.manifest("b", extra=resources("250m", "64Mi", policy)))
        until("restarted as its policy says", lambda: node.ids("b") and node.ids("b") != old, 20)
        until("once", lambda: node.pod("b")["status"]["containerStatuses"][0]["restartCount"] == 1)
        check(len([s for s in node.sandboxes("b") if s.state == 0]) == 1, "in its sandbox")
        node.write("b.yaml", node.manifest("b", extra=resources("250m", "64Mi", policy).replace("cpu: 100m", "cpu: 99k", 1)
                                           .replace("250m", "99k", 1)))
        until("deferred", lambda: [c["reason"] for c in node.pod("b")["status"]["conditions"]
                                   if c["type"] == "PodResizePending"] == ["Deferred"], 20)
        check(node.pod("b")["status"]["containerStatuses"][0]["restartCount"] == 1, "it runs on as it is")


if __name__ == "__main__":
    run_scenario(globals())
