#!/usr/bin/python3
"""The kubelet's own HTTPS port on a real runtime: `server.py SCENARIO`."""
import contextlib
import os
import tempfile
import threading
import time

from harness import ApiServer, ClusterNode, Failed, run_scenario, until
from kubelet_client import KubeletClient, exec_path, spdy_exec, websocket_exec


FULL = os.environ.get("KUBELET_TEST_FULL") == "1"


def check(good, what):
    if not good:
        raise Failed(what)


@contextlib.contextmanager
def node_and_client():
    with tempfile.TemporaryDirectory(prefix="apiserver-e2e-") as folder:
        with ApiServer(folder, "e2e%d" % os.getpid()) as server:
            ca = os.path.join(folder, "pki/ca.crt")
            config = "authentication: {x509: {clientCAFile: %s}}" % ca
            with ClusterNode(server, config) as node:
                node.join()
                admin = [os.path.join(folder, "pki/admin." + kind) for kind in ("crt", "key")]
                yield node, KubeletClient(node, admin)


def scenario_access():
    """Who shows nothing, or what is not ours, gets in nowhere; who is known gets what it asks for."""
    with node_and_client() as (node, client):
        for path in ("/healthz", "/pods", "/metrics", "/configz", "/runningpods/", "/containerLogs/a/b/c", "/nothing"):
            for stranger, headers in ((KubeletClient(node), {}), (KubeletClient(node), {"Authorization": "Bearer x"})):
                code, text = stranger.get(path, headers)
                check((code, text) == (401, "Unauthorized"), "%s: %s %s" % (path, code, text))
        check(client.get("/healthz") == (200, "ok"), "healthz")
        node.create("web")
        node.api_ready("web")
        code, text = client.get("/pods")
        check(code == 200 and '"web"' in text, "pods: %s %s" % (code, text[:200]))
        code, text = client.get("/runningpods/")
        check(code == 200 and '"web"' in text, "running pods: %s %s" % (code, text[:200]))
        code, text = client.get("/configz")
        check(code == 200 and text.startswith('{"kubeletconfig":{'), "configz: %s" % text[:200])
        check(client.get("/nothing") == (404, "404 page not found\n"), "what is not there")
        check(client.get("/pods", method="POST")[0] == 405, "a method that is none")


def scenario_logs():
    """Logs of running, ended and waiting containers; following goes over rotations without losing or repeating a byte: a dozen,
    a thousand with KUBELET_TEST_FULL=1."""
    lines, rotations = (40000, 1000) if FULL else (3000, 12)
    with node_and_client() as (node, client):
        logs = "/containerLogs/%s/%%s/main" % node.name
        check(client.get(logs % "nothing") == (404, 'pod "nothing" does not exist'), "a pod that is not there")
        node.create("counter", "i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); [ $((i%%10)) != 0 ] || sleep 0.01; done; "
                    "trap 'echo end; exit 0' TERM; while :; do sleep 3600 & wait; done" % lines)
        node.api_ready("counter")
        got, done = [], threading.Event()

        def follow():
            client.follow(logs % "counter" + "?follow=true", got.append)
            done.set()
        threading.Thread(target=follow, daemon=True).start()
        pod = node.api_pod("counter")
        container = pod["status"]["containerStatuses"][0]["containerID"].split("://")[1]
        directory = node.logs / ("%s_counter_%s" % (node.name, pod["metadata"]["uid"])) / "main"
        for number in range(rotations):
            pieces = len(got)
            until("more of the log", lambda p=pieces: len(got) > p, 30, 0.001)
            (directory / "0.log").rename(directory / ("0.log.20260101-%06d" % number))
            node.cri.call("ReopenContainerLog", container_id=container)
        until("all lines", lambda: b"line %d\n" % (lines - 1) in b"".join(got[-20:]), 300)
        node.server.delete("%s/counter" % node.api_pods)
        until("the end of following", done.is_set, 20)
        wanted = b"".join(b"line %d\n" % i for i in range(lines)) + b"end\n"
        check(b"".join(got) == wanted, "followed: %d bytes of %d" % (len(b"".join(got)), len(wanted)))
        print("%d bytes over %d rotations" % (len(wanted), rotations))

        node.create("ending", "for i in 1 2 3; do echo out $i; done; sleep 0.5; echo err >&2; exit 3", restartPolicy="OnFailure")
        until("a restart", lambda: (node.api_pod("ending")["status"].get("containerStatuses") or [{}])[0].get("restartCount"), 30)
        check(client.get(logs % "ending" + "?previous=true") == (200, "out 1\nout 2\nout 3\nerr\n"), "previous")
        check(client.get(logs % "ending" + "?previous=true&tailLines=1")[1] == "err\n", "tail")
        check(client.get(logs % "ending" + "?previous=true&limitBytes=3")[1] == "out", "limit")
        stamped = client.get(logs % "ending" + "?previous=true&timestamps=true&tailLines=1")[1]
        check(len(stamped.split(" ")[0]) in (30, 35) and stamped.endswith(" err\n"), "timestamps: %r" % stamped)
        check(client.get(logs % "ending" + "?sinceTime=2100-01-01T00:00:00Z") == (200, ""), "since")
        check(client.get(logs % "ending" + "?tailLines=x")[0] == 400, "a query that is none")

        node.create("waiting", container={"image": "kubelet.test/none:1", "imagePullPolicy": "Never"})
        until("an image that is not there", lambda: "ErrImageNeverPull" in str(node.api_pod("waiting")["status"]), 20)
        code, text = client.get(logs % "waiting")
        check(code == 400 and text == 'container "main" in pod "waiting" is waiting to start: ErrImageNeverPull', text)


def scenario_streams():
    """Commands over SPDY, WebSocket v5 (translated) and v4 (the runtime's own): output, input, exit code."""
    with node_and_client() as (node, client):
        node.create("shell")
        node.api_ready("shell")

        def path(command, **options):
            return exec_path(node.name, "shell", "main", ["sh", "-c", command], output=True, error=True, **options)

        for run in (spdy_exec, websocket_exec, lambda c, p: websocket_exec(c, p, version="v4")):
            out = run(client, path("echo out; echo err >&2; exit 7"))
            check(out == (b"out\n", b"err\n", 7), "exit code: %s" % (out,))
            check(run(client, path("head -c 300000 /dev/zero | tr '\\0' x"))[::2] == (b"x" * 300000, 0), "much output")
        for run in (spdy_exec, websocket_exec):
            check(run(client, path("cat", input=True), b"input") == (b"input", b"", 0), "input, and its end")
            check("not-there" in str(run(client, exec_path(node.name, "shell", "main", ["not-there"], output=True, error=True))[2]),
                  "a command that is not there")
        code, text = client.get("/run/%s/shell/main?cmd=echo+hello" % node.name, method="POST")
        check((code, text) == (200, "hello\n"), "run: %s %s" % (code, text))
        code, text = client.get(path("true"), method="POST")
        check(code == 500 and "Upgrade request required" in text, "no upgrade: %s %s" % (code, text))
        code, text = client.get(path("true").replace("/main?", "/other?"), method="POST")
        check(code == 500 and text == 'container not found ("other")', "another container: %s %s" % (code, text))

        # A command whose kubelet ends has not succeeded.
        result = []

        def cut():
            result.append(spdy_exec(client, path("echo start; sleep 60"))[2])
        thread = threading.Thread(target=cut)
        thread.start()
        time.sleep(1)
        node.terminate()
        thread.join(20)
        check(result == ["error streaming: the kubelet is being restarted"], "cut off: %s" % result)


if __name__ == "__main__":
    run_scenario(globals())
