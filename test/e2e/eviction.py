#!/usr/bin/python3
"""Evictions with a real runtime: `eviction.py SCENARIO`. Thresholds are such that any machine is beyond them."""
import contextlib
import os
import re
import tempfile
import time

from harness import ApiServer, ClusterNode, Failed, Watch, condition, run_scenario, until

# With exit code 0 it would have succeeded, evicted or not.
GRACEFUL = "trap 'sleep 1; exit 7' TERM; while :; do sleep 3600 & wait; done"
NO_THRESHOLDS = "evictionHard: {}\n"


def check(good, what):
    if not good:
        raise Failed(what)


@contextlib.contextmanager
def cluster(config):
    with tempfile.TemporaryDirectory(prefix="eviction-e2e-") as folder:
        with ApiServer(folder, "e2e%d" % os.getpid()) as server, ClusterNode(server, config) as node:
            yield server, node


def memory_total():
    """KiB."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(next(line for line in lines if line.startswith("MemTotal:")).split()[1])


def set_config(node, old, new):
    path = node.dir / "config.yaml"
    text = path.read_text()
    check(old in text, "the configuration has %r" % old)
    path.write_text(text.replace(old, new))


def asks(**resources):
    return {"resources": {"requests": {k.replace("_", "-"): v for k, v in resources.items()}}}


def limits(**resources):
    return {"resources": {"limits": {k.replace("_", "-"): v for k, v in resources.items()}}}


def evicted(node, name, seconds=90):
    def look():
        pod = node.api_pod(name)
        return pod if pod and pod["status"].get("phase") == "Failed" else None
    pod = until("%s is evicted" % name, look, seconds, 0.1)
    check(pod["status"].get("reason") == "Evicted", "%s: %s" % (name, pod["status"]))
    return pod


def disruption(pod):
    found = [c for c in pod["status"].get("conditions") or [] if c["type"] == "DisruptionTarget"]
    return found[0] if found else None


def event_of(node, name):
    return until("event of %s" % name, lambda: node.events(name, "Evicted"), 10)[0]


def exit_code(pod):
    return pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]


def counted(node, signal):
    found = re.search(r'kubelet_evictions\{eviction_signal="%s"\} (\d+)' % re.escape(signal), node.metrics())
    return int(found.group(1)) if found else 0


def scenario_memory():
    """Memory is short: who uses most goes first, critical pods stay, best-effort pods are refused."""
    threshold = "%dKi" % (memory_total() - 512)
    with cluster(NO_THRESHOLDS) as (server, node):
        node.write("static.yaml", node.manifest("static"))
        node.join()
        node.create("system", container=asks(memory="4Ki"), priorityClassName="system-cluster-critical")
        node.create("small", GRACEFUL, container=asks(memory="4Ki"))
        node.create("big", "dd if=/dev/zero of=/m/file bs=1M count=32; " + GRACEFUL,
                    container={"volumeMounts": [{"name": "m", "mountPath": "/m"}], **asks(memory="4Ki")},
                    volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}])
        for name in ("system", "small", "big"):
            node.api_ready(name)
        watch = Watch(server, node.api_pods)
        node.terminate()
        set_config(node, NO_THRESHOLDS, "evictionHard:\n  memory.available: %s\n" % threshold)
        node.start()
        until("MemoryPressure", lambda: condition(node.object(), "MemoryPressure") == "True", 20)
        big, small = evicted(node, "big"), evicted(node, "small")
        failed = [e["object"]["metadata"]["name"] for e in watch.events if e["object"]["status"].get("phase") == "Failed"]
        check(failed.index("big") < failed.index("small"), "big went before small: %s" % failed)
        first, second = event_of(node, "big"), event_of(node, "small")
        message = (r"^The node was low on resource: memory. Threshold quantity: %s, available: \d+([KMG]i)?. "
                   r"(Container main was using \d+([KMG]i)?, request is 4Ki, has larger consumption of memory. )?$" % threshold)
        for pod, event in ((big, first), (small, second)):
            text = pod["status"]["message"]
            check(re.match(message, text), "message: %r" % text)
            check(event["type"] == "Warning" and event["message"] == text, "event: %s" % event)
            notes = event["metadata"].get("annotations") or {}
            if "Container main" in text:
                check(notes.get("starved_resource") == "memory" and notes.get("offending_containers") == "main",
                      "annotations: %s" % notes)
            target = disruption(pod)
            check(target and target["status"] == "True" and target["reason"] == "TerminationByKubelet"
                  and target["message"] == text, "condition: %s" % target)
        used = re.search(r"Container main was using (\d+)[KM]i", small["status"]["message"] + big["status"]["message"])
        check(used, "they told what they used")
        check(counted(node, "memory.available") + counted(node, "allocatableMemory.available") == 2, "metrics")
        # Looks again and again, and still finds nobody.
        node.running("static")
        node.api_ready("system")
        time.sleep(11)
        check(node.ids("static") and node.api_ids("system"), "critical pods stay")
        node.create("effortless")
        refused = evicted(node, "effortless", 20)
        check(refused["status"]["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. ",
              "refusal: %s" % refused["status"])
        node.create("tolerant", tolerations=[{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}])
        until("a pod that tolerates it is let in", lambda: node.api_containers("tolerant"), 30)
        text = node.cli("explain")
        check("Node: memory.available is below %s: " % threshold in text, "explain tells of the node: %s" % text)
        check("over        Evicted: The node was low on resource: memory." in node.cli("explain", "big"),
              "explain tells why: %s" % node.cli("explain", "big"))
        until("node event", lambda: [e for e in server.items("/api/v1/namespaces/default/events")
                                     if e["reason"] == "EvictionThresholdMet"
                                     and e["message"] == "Attempting to reclaim memory"], 10)
        uid = big["metadata"]["uid"]
        until("nothing is left but logs", lambda: not node.cgroups(uid) and not node.api_ids("big"), 20)


def scenario_soft():
    """A soft threshold gives a grace period to the node and, capped, to the pod."""
    config = ("evictionHard: {}\nevictionSoft:\n  memory.available: %dKi\nevictionSoftGracePeriod:\n"
              "  memory.available: 12s\nevictionMaxPodGracePeriod: 6\n" % (memory_total() - 512))
    with cluster(config) as (_, node):
        node.join()
        until("MemoryPressure", lambda: condition(node.object(), "MemoryPressure") == "True", 20)
        node.create("polite", GRACEFUL, container=asks(memory="4Ki"), terminationGracePeriodSeconds=60)
        node.create("stubborn", "trap '' TERM; while :; do sleep 1; done", container=asks(memory="4Ki"),
                    terminationGracePeriodSeconds=60)
        check(exit_code(evicted(node, "polite")) == 7, "it ended by itself")
        began = time.monotonic()
        check(exit_code(evicted(node, "stubborn")) == 137, "it was killed")
        check(time.monotonic() - began < 60, "and its minute was capped")


def scenario_disk():
    """The disk is too full: remains of ended pods go, then pods; their status stays, and nobody is let in."""
    with cluster(NO_THRESHOLDS + "imageMinimumGCAge: 1h\n") as (_, node):
        node.join()
        node.create("done", "exit 0", restartPolicy="Never")
        node.create("writer", "dd if=/dev/zero of=/file bs=1M count=8; " + GRACEFUL)
        node.create("idle", GRACEFUL)
        until("done", lambda: node.api_pod("done")["status"].get("phase") == "Succeeded", 30)
        for name in ("writer", "idle"):
            node.api_ready(name)
        log = list(node.logs.glob("*_done_*/main/0.log"))
        check(log and node.api_containers("done"), "the ended pod keeps its container and its log")
        node.terminate()
        set_config(node, NO_THRESHOLDS, "evictionHard:\n  nodefs.available: 99.9%\n")
        node.start()
        until("DiskPressure", lambda: condition(node.object(), "DiskPressure") == "True", 20)
        until("the remains are gone", lambda: not node.api_containers("done") and not log[0].exists(), 30)
        pods = [evicted(node, name) for name in ("writer", "idle")]
        for pod in pods:
            check(re.match(r"The node was low on resource: ephemeral-storage. Threshold quantity: \d+\S*, available: \d+\S*. ",
                           pod["status"]["message"]), pod["status"]["message"])
        done = node.api_pod("done")
        check(done["status"]["phase"] == "Succeeded" and exit_code(done) == 0, "done tells how it ended: %s" % done["status"])
        check(counted(node, "nodefs.available") == 2, "metrics")
        node.create("late", container=asks(memory="4Ki"))
        late = evicted(node, "late", 20)
        check(late["status"]["message"] == "Pod was rejected: The node had condition: [DiskPressure]. ", "%s" % late["status"])


def scenario_process_ids():
    """Process ids are short: the node says so, and a pod goes."""
    with cluster(NO_THRESHOLDS) as (_, node):
        node.join()
        node.create("a", GRACEFUL)
        node.api_ready("a")
        node.terminate()
        set_config(node, NO_THRESHOLDS, "evictionHard:\n  pid.available: 100M\n")
        node.start()
        until("PIDPressure", lambda: condition(node.object(), "PIDPressure") == "True", 20)
        pod = evicted(node, "a")
        check(re.match(r"^The node was low on resource: pids. Threshold quantity: 100M, available: \d+[kM]?. $",
                       pod["status"]["message"]), pod["status"]["message"])


def scenario_storage_limits():
    """Pods beyond limits of their own: of an emptyDir, of all containers, of one of them; those within run on."""
    write = "dd if=/dev/zero of=%s bs=1M count=4; " + GRACEFUL
    volume = {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "2Mi"}}]}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    with cluster(NO_THRESHOLDS) as (_, node):
        node.join()
        node.create("volume", write % "/v/file", container=mount, **volume)
        node.create("within", "dd if=/dev/zero of=/v/file bs=1M count=1; " + GRACEFUL, container=mount, **volume)
        node.create("layer", write % "/file", container=limits(ephemeral_storage="2Mi"))
        two = node.body("one-of-two", write % "/file", container=limits(ephemeral_storage="2Mi"))
        other = dict(two["spec"]["containers"][0], name="other", command=["sleep", "3600"], **limits(ephemeral_storage="1Gi"))
        two["spec"]["containers"].append(other)
        node.server.create(node.api_pods, two)
        node.create("logs", "while :; do echo 0123456789012345678901234567890123456789; done | head -n 200000; " + GRACEFUL,
                    container=limits(ephemeral_storage="2Mi"))
        words = {
            "volume": 'Usage of EmptyDir volume "v" exceeds the limit "2Mi". ',
            "layer": "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
            "one-of-two": 'Container main exceeded its local ephemeral storage limit "2Mi". ',
            "logs": "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
        }
        for name, message in words.items():
            pod = evicted(node, name)
            check(pod["status"]["message"] == message, "%s: %r" % (name, pod["status"]["message"]))
            check(disruption(pod) is None, "%s: it is its own doing" % name)
            check(event_of(node, name)["message"] == message, "event of %s" % name)
        node.api_ready("within")
        check(not any(node.events("within", "Evicted")), "within stays")
        for signal, count in (("emptydirfs.limit", 1), ("ephemeralpodfs.limit", 2), ("ephemeralcontainerfs.limit", 1)):
            check(counted(node, signal) == count, "metrics of %s" % signal)


def scenario_kernel_alarm():
    """With kernelMemcgNotification the kernel tells that pods come near what they may have together."""
    reserved = memory_total() * 1024 - (300 << 20)
    config = ("evictionHard:\n  memory.available: 100Mi\nkernelMemcgNotification: true\n"
              "systemReserved: {memory: '%d'}\n" % reserved)
    with cluster(config) as (_, node):
        node.join()
        node.create("grower", "while [ ! -e /m/go ]; do sleep 0.1; done; dd if=/dev/zero of=/m/file bs=1M count=230; sleep 3600",
                    container={"volumeMounts": [{"name": "m", "mountPath": "/m"}], **asks(memory="4Ki")},
                    volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}])
        node.api_ready("grower")
        time.sleep(21)  # thresholds are set at the kernel with the next look
        check("an alarm" not in node.log.read_text(), "no alarm before")
        node.exec("grower", "touch /m/go")
        pod = evicted(node, "grower", 30)
        check(pod["status"]["message"].startswith("The node was low on resource: memory. Threshold quantity: 100Mi, "),
              pod["status"]["message"])
        check("an alarm" in node.log.read_text(), "the kernel told")
        check(counted(node, "allocatableMemory.available") == 1, "metrics")


if __name__ == "__main__":
    run_scenario(globals())
