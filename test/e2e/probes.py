#!/usr/bin/python3
"""Probes from end to end, on static pods: `probes.py SCENARIO`."""
import threading
import time

from harness import Failed, Node, condition, run_scenario, until

SERVER = ("mkdir -p /tmp/www; echo ok > /tmp/www/healthz; httpd -p 8080 -h /tmp/www; "
          "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done")


def check(what_holds, what):
    if not what_holds:
        raise Failed(what)


def probe(kind, action, period=1, failures=1, **more):
    lines = "".join("      %s: %s\n" % item for item in more.items())
    return "    %sProbe:\n      %s\n      periodSeconds: %d\n      failureThreshold: %d\n%s" % (kind, action, period, failures, lines)


HTTP = "httpGet: {path: /%s, port: 8080}"
TCP = "tcpSocket: {port: %s}"
EXEC = 'exec: {command: ["sh", "-c", "%s"]}'


def container(pod):
    return ((pod or {}).get("status", {}).get("containerStatuses") or [{}])[0]


def is_ready(node, name):
    pod = node.pod(name)
    return bool(pod) and condition(pod, "Ready") == "True" and container(pod).get("ready") is True


def inside(node, name, command):
    """Runs a command in the container of a pod; its exit code."""
    return node.cri.exec(node.ids(name)[0], ["sh", "-c", command])


def scenario_readiness_gates_ready():
    """Ready follows the probe, both ways, and nothing restarts; http, with a startup probe over tcp before it."""
    with Node() as node:
        node.start()
        extra = probe("startup", TCP % 8080, failures=30) + probe("readiness", HTTP % "ready")
        node.write("a.yaml", node.manifest("a", SERVER, extra))
        node.running("a")
        until("started", lambda: container(node.pod("a")).get("started"))
        until("told that it is not ready", lambda: "Readiness probe failed: HTTP probe failed with statuscode: 404" in node.log.read_text())
        check(not is_ready(node, "a"), "not ready while the page is missing")
        for _ in range(2):
            inside(node, "a", "echo ok > /tmp/www/ready")
            until("ready", lambda: is_ready(node, "a"), 10)
            inside(node, "a", "rm /tmp/www/ready")
            until("not ready", lambda: not is_ready(node, "a"), 10)
        check(container(node.pod("a"))["restartCount"] == 0, "no restart")
        metrics = node.metrics("/probes")
        check('prober_probe_total{probe_type="Readiness",result="failed",container="main"' in metrics, "failures are counted")
        check('prober_probe_total{probe_type="Startup",result="successful"' in metrics, "successes are counted")


def scenario_ready_survives_kill():
    """kill -9 and start, several times: a container that is started and ready is never shown otherwise."""
    with Node() as node:
        node.start()
        names = ["a", "b", "c"]
        extra = [probe("startup", TCP % 8080, 1, 30) + probe("readiness", HTTP % "healthz", 1, 3),
                 probe("readiness", EXEC % "true", 2, 3), probe("readiness", TCP % 8080, 5, 3)]
        for name, more in zip(names, extra):
            node.write(name + ".yaml", node.manifest(name, SERVER, more))
        for name in names:
            until(name + " ready", lambda n=name: is_ready(node, n), 60)
        before = {n: node.ids(n) for n in names}
        time.sleep(3)  # what was found out is kept within two seconds
        flips, over = [], threading.Event()

        def watch():
            while not over.is_set():
                try:
                    pods = node.pods()
                except (OSError, ValueError):
                    continue
                for pod in pods:
                    status = container(pod)
                    if status.get("containerID") and not (status.get("ready") and status.get("started")):
                        flips.append((pod["metadata"]["name"], status))
                over.wait(0.01)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for _ in range(4):
                node.kill()
                node.start()
                until("all there", lambda: all(is_ready(node, n) for n in names), 10)
                time.sleep(2)
        finally:
            over.set()
            watcher.join()
        check(not flips, "never shown unready: %s" % flips[:2])
        check(before == {n: node.ids(n) for n in names}, "same containers")
        inside(node, "a", "rm /tmp/www/healthz")
        until("and the probe is believed again", lambda: not is_ready(node, "a"), 15)


def scenario_liveness_restarts():
    """exec, http and tcp: a failing liveness probe restarts its container, one that succeeds leaves it alone."""
    with Node() as node:
        node.start()
        extra = {"exec": probe("liveness", EXEC % "test -e /tmp/www/healthz", 1, 2),
                 "http": probe("liveness", HTTP % "healthz", 1, 2),
                 "tcp": probe("liveness", TCP % 8080, 1, 2),
                 "slow": probe("liveness", EXEC % "test -e /tmp/www/healthz || sleep 20", 1, 1, timeoutSeconds=1)}
        for name, more in extra.items():
            node.write(name + ".yaml", node.manifest(name, SERVER, more))
        for name in extra:
            node.running(name, 60)
        time.sleep(4)
        for name in extra:
            check(container(node.pod(name))["restartCount"] == 0, name + " is left alone")
        for name in extra:
            inside(node, name, "rm /tmp/www/healthz; [ %s = tcp ] && killall httpd; true" % name)
        for name in extra:
            until(name + " is restarted", lambda n=name: container(node.pod(n)).get("restartCount") == 1, 40)
        log = node.log.read_text()
        for text in ("Liveness probe failed: HTTP probe failed with statuscode: 404", "timed out after 1s",
                     "connect: connection refused"):
            check(text in log, "the log tells: " + text)


def scenario_timed_out_execs_leave_nothing():
    """Probes that fork and hang, holding their output or not: their children go with them, round after round."""
    with Node() as node:
        node.start()
        hold = "sleep 1234; true"
        let_go = "sleep 4321 >/dev/null 2>&1 & sleep 4321 >/dev/null 2>&1; true"
        node.write("a.yaml", node.manifest("a", SERVER, probe("readiness", EXEC % hold, 2, 1, timeoutSeconds=1)))
        node.write("b.yaml", node.manifest("b", SERVER, probe("readiness", EXEC % let_go, 2, 1, timeoutSeconds=1)))
        for name in ("a", "b"):
            node.running(name)

        def failures():
            return node.log.read_text().count("timed out after 1s")
        until("ten rounds have timed out", lambda: failures() >= 10, 60)
        most = 0
        for name in ("a", "b"):
            for number in ("1234", "4321"):
                most += inside(node, name, "exit $(ps | grep -c '[s]leep %s')" % number)
        check(most <= 5, "no more processes than the rounds of now: %d" % most)


def scenario_startup_failure_restarts():
    """A startup probe that never succeeds restarts its container; the liveness probe behind it is not asked."""
    with Node() as node:
        node.start()
        extra = probe("startup", EXEC % "false", 1, 3) + probe("liveness", EXEC % "touch /tmp/asked", 1, 1)
        node.write("a.yaml", node.manifest("a", SERVER, extra))
        node.running("a")
        check(container(node.pod("a")).get("started") is False, "not started")
        until("restarted", lambda: container(node.pod("a")).get("restartCount", 0) >= 1, 40)
        node.running("a")
        check(inside(node, "a", "test -e /tmp/asked") != 0, "liveness was not asked")


if __name__ == "__main__":
    run_scenario(globals())
