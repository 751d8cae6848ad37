#!/usr/bin/python3
"""Rotation of logs, the pages about the process, reload, and what hostile clients do to it: `node_port.py SCENARIO`.

Sizes are those of a small machine: KUBELET_TEST_FULL=1 asks for ten writers, 10,000 connections, a body of 1 GB and a
hundred followers at 5 MB/s.
"""
import gzip
import http.client
import json
import multiprocessing
import os
import re
import socket
import ssl
import tempfile
import threading
import time
import contextlib

from harness import ApiServer, ClusterNode, run_scenario, sanitized, until
from kubelet_client import KubeletClient
from server import check

FULL = os.environ.get("KUBELET_TEST_FULL") == "1"
LINE = 1000  # bytes of a log line, about


@contextlib.contextmanager
def node_and_client(more=""):
    with tempfile.TemporaryDirectory(prefix="apiserver-e2e-") as folder:
        with ApiServer(folder, "e2e%d" % os.getpid()) as server:
            config = "authentication: {x509: {clientCAFile: %s}}\n%s" % (os.path.join(folder, "pki/ca.crt"), more)
            with ClusterNode(server, config) as node:
                node.join()
                admin = [os.path.join(folder, "pki/admin." + kind) for kind in ("crt", "key")]
                yield node, KubeletClient(node, admin)


def writer(megabytes_per_second, lines):
    """A command that writes numbered lines of about LINE bytes at that rate, a tenth of a second at a time."""
    each = max(1, int(megabytes_per_second * 1e6 / LINE / 10))
    return ("awk 'BEGIN { p = sprintf(\"%%%ds\", \"\"); gsub(/ /, \"x\", p); for (i = 0; i < %d; i++) { print i, p; "
            "if (i %% %d == 0) { fflush(); system(\"usleep 100000\") } } print \"all\", %d; fflush() }'; "
            "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done" % (LINE - 60, lines, each, lines))


def log_files(directory):
    """Files of 0.log, oldest first, with the sizes of what is in them."""
    names = sorted(n for n in os.listdir(directory) if n.startswith("0.log.") and not n.endswith(".tmp"))
    out = []
    for name in names + ["0.log"]:
        path = directory / name
        data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        out.append((name, data))
    return out


def numbers(data, carry):
    """Numbers of the lines in one file of CRI's form; `carry` is the start of a line that goes on."""
    found = []
    for raw in data.splitlines():
        _, _, tag, text = raw.split(b" ", 3)
        carry += text
        if tag.startswith(b"P"):
            continue
        found.append(carry.split(b" ", 1)[0])
        carry = b""
    return found, carry


def scenario_rotation():
    """Writers at 6 MB/s: no log gets beyond 1.5 times its limit, and no line is lost; older files are compressed."""
    writers, lines = (10, 60000) if FULL else (2, 30000)
    limit = 10 << 20
    with node_and_client("containerLogMaxSize: 10Mi\ncontainerLogMaxFiles: 100\n") as (node, client):
        names = ["writer%d" % i for i in range(writers)]
        for name in names:
            node.create(name, writer(6, lines))
        folders = {}
        for name in names:
            uid = node.api_ready(name, 60)["metadata"]["uid"]
            folders[name] = node.logs / ("%s_%s_%s" % (node.name, name, uid)) / "main"

        def done(folder):
            with open(folder / "0.log", "rb") as f:
                f.seek(max(0, os.fstat(f.fileno()).st_size - 100))
                return b"all %d" % lines in f.read()
        seen = []

        def ended():
            for folder in folders.values():
                with contextlib.suppress(FileNotFoundError):
                    seen.append((folder / "0.log").stat().st_size)
            with contextlib.suppress(FileNotFoundError):
                return all(done(f) for f in folders.values())
        until("all lines", ended, 240, 0.05)
        worst, files = max(seen), 0
        for name, folder in folders.items():
            until("compressed logs of " + name, lambda f=folder: not [n for n in os.listdir(f) if n.endswith(".tmp")] and
                  len([n for n in os.listdir(f) if re.fullmatch(r"0\.log\.[-0-9]+", n)]) <= 1, 60)
            carry, got = b"", []
            for file, data in log_files(folder):
                found, carry = numbers(data, carry)
                got += found
                worst = max(worst, len(data))
                files += 1
            wanted = [b"%d" % i for i in range(lines)] + [b"all"]
            check(got == wanted, "%s: %d lines of %d" % (name, len(got), len(wanted)))
        check(files >= 2 * writers, "rotated files: %d" % files)
        check(worst < 1.5 * limit, "a log of %.2f times its limit" % (worst / limit))
        print("%d writers, %d files, the largest %.2f times the limit" % (writers, files, worst / limit))


def scenario_rotation_limits():
    """Small logs: files stay within their number, a follower misses nothing, a removed container's logs go, and a kubelet that
    died between renaming and reopening is made good."""
    with node_and_client("containerLogMaxSize: 40Ki\ncontainerLogMaxFiles: 3\ncontainerLogMonitorInterval: 3s\n") as (node, client):
        lines = 4000
        node.create("small", writer(0.4, lines))
        pod = node.api_ready("small")
        folder = node.logs / ("%s_small_%s" % (node.name, pod["metadata"]["uid"])) / "main"
        got, most = [], []

        def follow():
            with contextlib.suppress(OSError, http.client.HTTPException):
                client.follow("/containerLogs/%s/small/main?follow=true" % node.name, got.append)
        threading.Thread(target=follow, daemon=True).start()

        def all_there():
            most.append(len([n for n in os.listdir(folder) if not n.endswith(".tmp")]))
            return b"all %d\n" % lines in b"".join(got)
        until("all lines", all_there, 120, 0.05)
        text = b"".join(got).splitlines()
        check([l.split(b" ")[0] for l in text] == [b"%d" % i for i in range(lines)] + [b"all"],
              "followed %d lines of %d" % (len(text), lines))
        check(max(most) <= 5, "files: %d" % max(most))  # three, one just renamed, one being removed
        until("three files", lambda: len(os.listdir(folder)) <= 3, 20)
        # A kubelet that was killed between its two steps.
        node.kill()
        (folder / "0.log").rename(folder / "0.log.20990101-000000")
        node.start()
        until("the log is there again", (folder / "0.log").exists, 30)


def plain(port, path):
    """Code and text of a port without TLS."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ask_config(node):
    return node.cli("config", "status")


def scenario_pages():
    """Health, statusz and flagz, the node's logs, profiles, the log level, checkpoints: what they say to whom."""
    with node_and_client("enableSystemLogQuery: true\n") as (node, client):
        check(client.get("/healthz?verbose")[1] == "[+]ping ok\n[+]log ok\n[+]syncloop ok\n[+]device-plugin ok\nhealthz check passed\n", "healthz")
        check(client.get("/healthz/syncloop") == (200, "ok"), "syncloop")
        check(plain(node.healthz, "/healthz") == (200, "ok"), "the healthz port")
        check(plain(node.healthz, "/healthz/syncloop")[0] == 404, "the healthz port has one check")
        check(plain(node.readonly, "/exec/a/b/c") == (405, "Debug endpoints are disabled.\n"), "the read-only port")
        code, text = client.get("/flagz")
        check(code == 200 and "\nconfig=%s/config.yaml\n" % node.dir in text, "flagz: %s" % text[:300])
        code, text = client.get("/statusz", {"Accept": "application/json;as=Statusz;v=v1beta1;g=config.k8s.io"})
        check(code == 200 and json.loads(text)["kind"] == "Statusz", "statusz: %s" % text[:300])
        check(client.get("/livez")[0] == 404, "livez")
        code, text = client.get("/logs/")
        check(code == 200 and text.startswith("<!doctype html>"), "logs: %s" % text[:100])
        for path in ("/logs/../../etc/shadow", "/logs/..%2f..%2fetc%2fshadow", "/logs/%2fetc%2fshadow"):
            check(client.get(path)[0] in (403, 404), path)
        check(client.get("/logs/?query=no-such-service-here")[1] == "\nlog not found for no-such-service-here\n", "log query")
        check(client.get("/logs/?query=a&boot=1")[0] == 406, "a query that makes no sense")
        profile = client.raw("/debug/pprof/profile?seconds=1")
        check(gzip.decompress(profile), "a CPU profile")
        check(gzip.decompress(client.raw("/debug/pprof/heap")), "a heap profile")
        code, text = client.get("/debug/flags/v", method="PUT", body="5")
        check((code, text) == (200, "successfully set klog.logging.verbosity to 5\n"), "verbosity: %s" % text)
        node.create("web")
        node.api_ready("web")
        code, text = client.get("/checkpoint/%s/web/main" % node.name, method="POST")
        # Without CRIU the runtime refuses; with it there is an archive.
        if code == 200:
            path = json.loads(text)["items"][0]
            check(os.path.exists(path), path)
            os.unlink(path)
        else:
            check(code == 500 and text.startswith("checkpointing of %s/web/main failed (" % node.name), "checkpoint: %s" % text)
        check((node.root / "checkpoints").stat().st_mode & 0o7777 == 0o700, "mode of the checkpoints")
        metrics = client.get("/metrics")[1]
        for series in ('kubelet_http_requests_total{method="GET",path="healthz",server_type="readwrite",long_running="false"}',
                       'kubelet_http_requests_total{method="GET",path="exec",server_type="readonly",long_running="true"} 1',
                       'kubelet_http_inflight_requests{method="GET",path="metrics",server_type="readwrite",long_running="false"} 1'):
            check(series in metrics, "missing: " + series)


def scenario_reload():
    """SIGHUP and changed files: what can be is taken over, the rest is told, a bad file changes nothing."""
    with node_and_client() as (node, client):
        file = node.dir / "config.yaml"
        good = file.read_text()
        file.write_text(good + "containerLogMaxFiles: 7\nmaxPods: 55\nenableProfilingHandler: false\n")
        until("the file is read", lambda: "containerLogMaxFiles" in ask_config(node), 20)
        report = ask_config(node)
        check("restart   needed for maxPods" in report and "enableProfilingHandler" in report, report)
        configz = json.loads(client.get("/configz")[1])["kubeletconfig"]
        check(configz["containerLogMaxFiles"] == 7 and configz["maxPods"] == 110, "configz: %s" % configz)
        check(client.get("/debug/pprof/heap")[0] == 405, "a handler that was switched off")
        file.write_text(good + "maxPods: nonsense\n")
        os.kill(node.process.pid, 1)
        until("the refusal", lambda: "problem" in ask_config(node), 20)
        check(json.loads(client.get("/configz")[1])["kubeletconfig"]["containerLogMaxFiles"] == 7, "a bad file changes nothing")
        file.write_text(good)
        os.kill(node.process.pid, 1)
        until("back", lambda: client.get("/debug/pprof/cmdline")[0] == 200, 20)
        check(json.loads(client.get("/configz")[1])["kubeletconfig"]["containerLogMaxFiles"] == 5, "the default again")


def memory(node):
    """Private memory of the process in MB."""
    text = open("/proc/%d/smaps_rollup" % node.process.pid).read()
    return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) / 1024


class Peak:
    """Anonymous memory of the process in MB: now, and the most of the time since the last look."""

    def __init__(self, node):
        self.path, self.most = "/proc/%d/status" % node.process.pid, 0.0
        threading.Thread(target=self.watch, daemon=True).start()

    def now(self):
        with contextlib.suppress(OSError):
            with open(self.path) as status:
                found = re.search(r"^RssAnon:\s+(\d+)", status.read(), re.M)  # none of one that has ended
                return int(found[1]) / 1024 if found else 0.0
        return 0.0

    def watch(self):
        while now := self.now():
            self.most = max(self.most, now)
            time.sleep(0.05)

    def take(self):
        most, self.most = max(self.most, self.now()), 0.0
        return most


def connect(node, context=None):
    plain = socket.create_connection(("127.0.0.1", node.https), timeout=20)
    return context.wrap_socket(plain) if context else plain


def scenario_load():
    """Slow clients, very many connections, a huge body, many followers: memory stays bounded, pods and other clients do not notice."""
    connections, body, followers, rate, slow_ones = (10000, 1 << 30, 100, 5, 500) if FULL else (1000, 64 << 20, 20, 0.5, 20)
    with node_and_client() as (node, client):
        node.create("web", writer(rate, int(rate * 1e6 / LINE * 120)))
        pod = node.api_ready("web")
        before, peak = memory(node), Peak(node)
        anonymous = peak.now()

        def told(what):
            print("%s: RssAnon %.1f MB before, %.1f at most" % (what, anonymous, peak.take()))

        def alive(what):
            began = time.monotonic()
            check(client.get("/healthz") == (200, "ok"), "healthz during " + what)
            took = time.monotonic() - began
            print("healthz during %s: %.2f s" % (what, took))
            check(took < 15, "healthz took %.1f s during %s" % (took, what))

        # In a process of their own: all threads of this one share one interpreter, and it is not that which is tried.
        got = multiprocessing.Array("Q", followers)

        def follow(i):
            def take(data):
                got[i] += len(data)
            # The end of the test cuts them off.
            with contextlib.suppress(OSError, http.client.HTTPException):
                client.follow("/containerLogs/%s/web/main?follow=true" % node.name, take)

        def follow_all():
            threads = [threading.Thread(target=follow, args=(i,), daemon=True) for i in range(followers)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        multiprocessing.get_context("fork").Process(target=follow_all, daemon=True).start()
        until("all follow", lambda: all(got), 120, 0.1)
        time.sleep(5)
        alive("following")
        used = memory(node)
        check(sanitized() or used < before + 60 + followers, "%d followers: %.0f MB more" % (followers, used - before))
        told("%d followers, %d MB sent" % (followers, sum(got) >> 20))

        # Bytes that come one at a time, and connections that never say anything.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        slow = [connect(node, context) for _ in range(slow_ones)]
        for s in slow:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        dripping = True

        def drip():
            while dripping:
                for s in slow:
                    with contextlib.suppress(OSError):
                        s.sendall(b"x")
                time.sleep(1)
        threading.Thread(target=drip, daemon=True).start()
        alive("%d slow clients" % slow_ones)
        told("%d slow clients" % slow_ones)
        idle = []
        with contextlib.suppress(OSError):
            while len(idle) < connections:
                idle.append(connect(node))
        alive("%d connections" % len(idle))
        used = memory(node)
        check(sanitized() or used < before + 150 + followers, "%d connections: %.0f MB more" % (len(idle), used - before))
        check(len(idle) == connections, "%d connections of %d" % (len(idle), connections))
        told("%d idle connections" % len(idle))
        dripping = False
        for s in idle + slow:
            s.close()

        # A body that has no end: refused before it is taken in.
        c = http.client.HTTPSConnection("127.0.0.1", node.https, timeout=60, context=client.context)
        c.putrequest("PUT", "/debug/flags/v")
        c.putheader("Content-Length", str(body))
        c.endheaders()
        sent, block, most = 0, b"9" * 65536, 0.0
        with contextlib.suppress(OSError):
            while sent < body:
                c.send(block)
                sent += len(block)
                if sent % (16 << 20) == 0:
                    most = max(most, memory(node))
        # What comes after the refusal is dropped for a moment, so that the client gets to read it.
        with contextlib.suppress(OSError, http.client.HTTPException):
            check(c.getresponse().status == 413, "a huge body")
        c.close()
        check(sanitized() or most < before + 150 + followers, "a huge body: %.0f MB more" % (most - before))
        alive("a huge body")
        check(sanitized() or memory(node) < before + 150 + followers, "a huge body: %.0f MB more" % (memory(node) - before))
        told("a body of %d MB" % (body >> 20))
        again = node.api_pod("web")
        check(again["status"]["containerStatuses"][0]["restartCount"] == 0 and
              again["metadata"]["uid"] == pod["metadata"]["uid"], "the pod has noticed")


if __name__ == "__main__":
    run_scenario(globals())
