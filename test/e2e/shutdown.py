#!/usr/bin/python3
"""Graceful shutdown of the node, with a logind on a private message bus: `shutdown.py SCENARIO`."""
import contextlib
import json
import os
import tempfile
import time

from fake_logind import Logind
from harness import ApiServer, ClusterNode, Failed, condition, run_scenario, until

SLOW = "trap 'sleep 1; exit 0' TERM; while :; do sleep 3600 & wait; done"
STUBBORN = "trap '' TERM; while :; do sleep 1; done"
MESSAGE = "Pod was terminated in response to imminent node shutdown."


def check(good, what):
    if not good:
        raise Failed(what)


@contextlib.contextmanager
def machine(config):
    """A logind, a server and a node that has not been started, whose system bus is logind's."""
    with tempfile.TemporaryDirectory(prefix="shutdown-e2e-") as folder, Logind(folder) as logind:
        before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = logind.address
        try:
            with ApiServer(folder, "e2e%d" % os.getpid()) as server, ClusterNode(server, config) as node:
                yield logind, server, node
        finally:
            os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS")
            if before is not None:
                os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


def ready_condition(node):
    found = [c for c in node.object()["status"]["conditions"] if c["type"] == "Ready"]
    return found[0] if found else {}


def disruption(pod):
    found = [c for c in pod["status"].get("conditions") or [] if c["type"] == "DisruptionTarget"]
    return found[0] if found else {}


def finished(node, name):
    """When its newest container ended, in nanoseconds."""
    return max(node.cri.call("ContainerStatus", container_id=c.id).status.finished_at for c in node.api_containers(name))


def scenario_ends_pods_by_priority():
    """Ordinary pods end before critical ones; the node is not ready, takes no pods, and lets go when all have ended."""
    with machine("shutdownGracePeriod: 40s\nshutdownGracePeriodCriticalPods: 20s\n") as (logind, server, node):
        node.write("static.yaml", node.manifest("static", SLOW).replace(
            "terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 5\n  priority: 2000001000"))
        node.join()
        node.create("web", SLOW)
        node.create("stubborn", STUBBORN, terminationGracePeriodSeconds=2)
        for name in ("web", "stubborn"):
            node.api_ready(name)
        static = node.running("static")
        until("the lock is held", logind.held, 20)
        check("Node:" not in node.cli("explain"), "nothing to tell of the node")
        logind.announce(True)
        until("the node is not ready", lambda: ready_condition(node).get("status") == "False", 10)
        check(ready_condition(node)["message"] == "node is shutting down", "it says why: %s" % ready_condition(node))
        check("shutting down" in node.cli("explain"), "explain says so")
        node.create("late")
        late = until("a late pod is refused",
                     lambda: (p := node.api_pod("late")) and p["status"].get("phase") == "Failed" and p, 15)
        check(late["status"]["reason"] == "NodeShutdown", "reason: %s" % late["status"])
        check(late["status"]["message"] == "Pod was rejected: Pod was rejected as the node is shutting down.",
              "message: %s" % late["status"])
        until("the lock is given back", lambda: not logind.held(), 45)
        released = time.monotonic()
        check(not node.ids("static") and not node.api_ids("web") and not node.api_ids("stubborn"), "nothing runs")
        for name in ("web", "stubborn"):
            pod = node.api_pod(name)
            # What ends with success all the same has succeeded, as upstream has it.
            told = tuple(pod["status"].get(key) for key in ("phase", "reason", "message"))
            want = ("Succeeded", None, None) if name == "web" else ("Failed", "Terminated", MESSAGE)
            check(told == want, "%s: %s" % (name, pod["status"]))
            check(disruption(pod).get("reason") == "TerminationByKubelet", "%s: %s" % (name, pod["status"]))
            check(disruption(pod).get("message") == MESSAGE, "%s: %s" % (name, pod["status"]))
        codes = {n: node.api_pod(n)["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
                 for n in ("web", "stubborn")}
        check(codes == {"web": 0, "stubborn": 137}, "web had its time: %s" % codes)
        critical = node.cri.call("ContainerStatus", container_id=static[0]).status
        for name in ("web", "stubborn"):
            check(finished(node, name) <= critical.finished_at, "%s ended before the critical pod" % name)
        events = [e for e in server.items("/api/v1/namespaces/default/events") if e["reason"] == "Shutdown"]
        check(events and events[0]["message"] == "Shutdown manager detected shutdown event", "event: %s" % events)
        state = json.loads((node.root / "graceful_node_shutdown_state").read_text())
        check(state["startTime"] < state["endTime"], "state: %s" % state)
        text = node.metrics()
        check("kubelet_graceful_shutdown_end_time_seconds 0" not in text, "metrics tell its end")
        print("the lock was given back after %.1f s" % (released - logind.calls[0][0]))
        # The machine goes down and comes up again: ordinary pods stay as they ended, static ones run again.
        node.terminate()
        node.join()
        node.running("static")
        check(node.api_pod("web")["status"]["phase"] == "Succeeded" and not node.api_ids("web"), "web stays as it ended")


def scenario_called_off():
    """A shutdown that is called off: the node is ready again and holds a new lock, and its static pods run again."""
    with machine("shutdownGracePeriod: 20s\n") as (logind, _, node):
        node.write("static.yaml", node.manifest("static"))
        node.join()
        node.running("static")
        before = node.ids("static")
        until("the lock is held", logind.held, 20)
        logind.announce(True)
        until("the lock is given back", lambda: not logind.held(), 20)
        until("the node is not ready", lambda: condition(node.object(), "Ready") == "False", 10)
        until("the static pod has ended", lambda: (node.mirror("static") or {}).get("status", {}).get("phase") == "Failed", 10)
        logind.announce(False)
        until("a new lock is held", logind.held, 20)
        until("the node is Ready", node.ready, 10)
        node.create("a")
        node.api_ready("a")
        node.running("static", 30)
        check(node.ids("static") != before, "in a new container")
        until("its mirror is Running", lambda: node.mirror("static")["status"]["phase"] == "Running", 20)


def scenario_stuck_group():
    """A pod that does not end in its group's time does not take the time of the others."""
    groups = "".join("\n- {priority: %d, shutdownGracePeriodSeconds: %d}" % g for g in ((0, 3), (2000000000, 20)))
    with machine("shutdownGracePeriodByPodPriority:%s\n" % groups) as (logind, _, node):
        node.join()
        node.create("stuck", STUBBORN, terminationGracePeriodSeconds=60)
        node.create("important", SLOW, priorityClassName="system-cluster-critical")
        for name in ("stuck", "important"):
            node.api_ready(name)
        until("the lock is held", logind.held, 20)
        began = time.monotonic()
        logind.announce(True)
        until("the lock is given back", lambda: not logind.held(), 40)
        took = time.monotonic() - began
        check(took < 20, "it did not wait for a minute: %.1f s" % took)
        important = node.api_pod("important")["status"]["containerStatuses"][0]["state"]["terminated"]
        check(important["exitCode"] == 0, "important ended in peace: %s" % important)
        until("stuck was killed", lambda: not node.api_ids("stuck"), 20)


if __name__ == "__main__":
    run_scenario(globals())
