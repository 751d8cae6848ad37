#!/usr/bin/python3
"""The real kubectl against test-apiserver: kubectl.py PROGRAM. Needs kubectl (KUBELET_TEST_KUBECTL, else in
PATH); exits with 77 without it. The script plays the kubelet where one is needed."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}},
    "status": {
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"},
        "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
        "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian", "kernelVersion": "6.1"},
    },
}
MAP_AND_POD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c1}
data: {%s: "1"}
---
apiVersion: v1
kind: Pod
metadata: {name: p2}
spec: {containers: [{name: a, image: "busybox:%s"}]}
"""


class Kubectl:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def __call__(self, *words, stdin="", user="admin", fails=False):
        command = [self.program, "--kubeconfig", f"{self.directory}/{user}.conf", *words]
        env = dict(os.environ, HOME=self.directory)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env=env)
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(words)}: {done.returncode}\n{text}"
        return text


def expect(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in:\n{text}"


def nodes(kubectl):
    kubectl("create", "-f", "-", stdin=json.dumps(NODE), user="kubelet")
    expect(kubectl("get", "nodes", "-o", "wide"), "n1     Ready", "v1.36.0", "10.0.0.1")
    expect(kubectl("describe", "node", "n1"), "KubeletReady", "Non-terminated Pods:          (0 in total)")
    kubectl("cordon", "n1")
    expect(kubectl("get", "nodes"), "Ready,SchedulingDisabled")
    kubectl("uncordon", "n1")
    expect(kubectl("label", "node", "n1", "node-role.kubernetes.io/x=", user="kubelet", fails=True), "Forbidden")


def pods(kubectl):
    kubectl("run", "web", "--image=nginx")
    expect(kubectl("get", "pods", "-o", "wide"), "web    0/1     Pending   0", "n1")
    expect(kubectl("get", "pod", "web", "-o", "yaml"), "nodeName: n1", "kube-api-access-", "phase: Pending")
    expect(kubectl("describe", "pod", "web"), "Node:             n1/", "PodScheduled")
    kubectl("label", "pod", "web", "tier=front")
    kubectl("annotate", "pod", "web", "note=yes")
    expect(kubectl("get", "pods", "-l", "tier=front", "-o", "name"), "pod/web")
    patch = json.dumps({"status": {"phase": "Running", "containerStatuses": [
        {"name": "web", "ready": True, "restartCount": 0, "image": "nginx", "imageID": "", "state": {"running": {}}}]}})
    kubectl("patch", "pod", "web", "--subresource=status", "-p", patch, user="kubelet")
    expect(kubectl("get", "pods"), "web    1/1     Running")
    expect(kubectl("set", "image", "pod/web", "web=nginx:2"), "image updated")
    expect(kubectl("logs", "web", fails=True), "no kubelet port")


def deletions(kubectl):
    kubectl("delete", "pod", "web", "--wait=false")
    expect(kubectl("get", "pods"), "Terminating")
    kubectl("delete", "pod", "web", "--grace-period=0", "--force", "--wait=false", user="kubelet")
    expect(kubectl("get", "pods"), "No resources found")
    kubectl("run", "gone", "--image=nginx")
    kubectl("delete", "pod", "gone", "--grace-period=0", "--force")
    expect(kubectl("get", "pod", "gone", fails=True), 'pods "gone" not found')


def applying(kubectl):
    kubectl("apply", "-f", "-", stdin=MAP_AND_POD % ("a", "1"))
    expect(kubectl("apply", "-f", "-", stdin=MAP_AND_POD % ("b", "2")), "configmap/c1 configured", "pod/p2 configured")
    expect(kubectl("apply", "-f", "-", stdin=MAP_AND_POD % ("b", "2")), "configmap/c1 unchanged", "pod/p2 unchanged")
    expect(kubectl("get", "configmap", "c1", "-o", "jsonpath={.data}"), '{"b":"1"}')
    expect(kubectl("get", "pod", "p2", "-o", "jsonpath={.spec.containers[0].image}"), "busybox:2")
    wrong = (MAP_AND_POD % ("b", "2")).replace("spec:", "spek:")
    expect(kubectl("create", "-f", "-", stdin=wrong, fails=True), 'unknown field "spek"', "AlreadyExists")
    kubectl("delete", "pod", "p2", "--grace-period=0", "--force")


def events(kubectl):
    kubectl("run", "seen", "--image=nginx")
    uid = kubectl("get", "pod", "seen", "-o", "jsonpath={.metadata.uid}")
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "type": "Normal",
             "involvedObject": {"kind": "Pod", "name": "seen", "namespace": "default", "uid": uid}, "reason": "Pulled",
             "message": "it is here", "firstTimestamp": "2026-01-01T00:00:00Z", "count": 2,
             "lastTimestamp": "2026-01-01T00:00:00Z", "source": {"component": "kubelet", "host": "n1"}}
    kubectl("create", "-f", "-", stdin=json.dumps(event), user="kubelet")
    expect(kubectl("get", "events"), "Pulled", "pod/seen", "it is here")
    expect(kubectl("describe", "pod", "seen"), "Pulled", "it is here")
    kubectl("delete", "pod", "seen", "--grace-period=0", "--force")


def rest(kubectl):
    expect(kubectl("version"), "Server Version: v1.36")
    expect(kubectl("api-resources"), "runtimeclasses", "leases")
    expect(kubectl("auth", "whoami", user="kubelet"), "system:node:n1")
    expect(kubectl("auth", "whoami", user="bootstrap"), "system:bootstrap:")
    expect(kubectl("get", "pods", user="bootstrap", fails=True), "Forbidden")
    kubectl("create", "namespace", "tmp")
    kubectl("delete", "namespace", "tmp")
    assert "tmp" not in kubectl("get", "namespaces")


def main():
    program = os.environ.get("KUBELET_TEST_KUBECTL") or shutil.which("kubectl")
    if not program:
        print("SKIPPED: no kubectl; set KUBELET_TEST_KUBECTL")
        return 77
    with tempfile.TemporaryDirectory(prefix="kubectl-test-") as directory:
        server = subprocess.Popen([sys.argv[1], "--dir", directory], stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()  # it says where it is once it answers
            kubectl = Kubectl(program, directory)
            for step in (nodes, pods, deletions, applying, events, rest):
                print(step.__name__, flush=True)
                step(kubectl)
        finally:
            server.terminate()
            server.wait(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
