#!/usr/bin/python3
"""What people type, with the streams behind it: `kubectl.py SCENARIO`.

Against test-apiserver; or, with KUBELET_TEST_CLUSTER=ADMIN.conf and KUBELET_TEST_NODE=NAME, against a control plane that is
there, on the node of that name. KUBELET_TEST_FULL=1: copies of 100 MB and 100 connections at a time.
"""
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import pty
import select
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import termios
import threading
import time

from cluster import find_kubectl
from harness import ApiServer, ClusterNode, Failed, run_scenario, until
from server import check

FULL = os.environ.get("KUBELET_TEST_FULL") == "1"
WAIT = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"
# kubectl speaks WebSocket by itself, and SPDY when told.
WEBSOCKET = {}
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}


class Typist:
    """kubectl in one namespace of one cluster."""

    def __init__(self, kubeconfig, namespace, node, image, home):
        self.node, self.image, self.home = node, image, pathlib.Path(home)
        self.command = [find_kubectl(), "--kubeconfig", str(kubeconfig), "-n", namespace]
        self.namespace = namespace

    def environment(self, more):
        return {**os.environ, "HOME": str(self.home), **(more or {})}

    def run(self, *words, code=0, send=None, env=None, seconds=120):
        """Both outputs of a command that ends with that code."""
        done = subprocess.run([*self.command, *words], input=send, capture_output=True, timeout=seconds, check=False,
                              env=self.environment(env))
        out, err = done.stdout.decode(), done.stderr.decode()
        check(done.returncode == code, "kubectl %s: %d %s%s" % (" ".join(words), done.returncode, out[-500:], err[-500:]))
        return out, err

    def __call__(self, *words, **more):
        return self.run(*words, **more)[0]

    def start(self, *words, env=None, **more):
        return subprocess.Popen([*self.command, *words], env=self.environment(env), **more)

    def create(self, name, command=WAIT, container=None, **spec):
        main = {"name": "main", "image": self.image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", command],
                **(container or {})}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"run": name}},
               "spec": {"nodeName": self.node, "terminationGracePeriodSeconds": 2, "containers": [main], **spec}}
        self("create", "-f", "-", send=json.dumps(pod).encode())

    def ready(self, name):
        self("wait", "--for=condition=Ready", "--timeout=60s", "pod/" + name)

    def status(self, name):
        return json.loads(self("get", "pod", name, "-o", "json"))["status"]


@contextlib.contextmanager
def typist():
    image = os.environ.get("KUBELET_TEST_IMAGE", "kubelet.test/busybox:1")
    with tempfile.TemporaryDirectory(prefix="apiserver-e2e-") as folder:
        if "KUBELET_TEST_CLUSTER" in os.environ:
            name = "e2e%d" % os.getpid()
            kubectl = Typist(os.environ["KUBELET_TEST_CLUSTER"], name, os.environ["KUBELET_TEST_NODE"], image, folder)
            kubectl("create", "namespace", name)
            # The account of a namespace comes from a controller.
            until("the default account", lambda: "default" in kubectl("get", "serviceaccounts"), 30, 0.2)
            try:
                yield kubectl
            finally:
                kubectl("delete", "namespace", name, "--timeout=60s")
            return
        with ApiServer(folder, "e2e%d" % os.getpid()) as server:
            # The API server calls the node by its address, and shows the certificate of an administrator.
            config = "address: 0.0.0.0\nauthentication: {x509: {clientCAFile: %s/pki/ca.crt}}" % folder
            with ClusterNode(server, config) as node:
                node.join()
                yield Typist(server.admin, node.name, node.name, node.image, folder)


def scenario_logs():
    """logs of what runs and what ran, whole and in part, and as it comes."""
    with typist() as kubectl:
        count = 20000
        kubectl.create("counter", "i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); [ $((i%%500)) != 0 ] || sleep 0.05; "
                       "done; sleep 1; echo last >&2; %s" % (count, WAIT))
        kubectl.create("ending", "echo out; sleep 1; echo err >&2; exit 3", restartPolicy="OnFailure")
        kubectl.ready("counter")
        wanted = "".join("line %d\n" % i for i in range(count))
        with kubectl.start("logs", "-f", "counter", stdout=subprocess.PIPE, text=True) as follower:
            got = [follower.stdout.readline() for _ in range(count + 1)]
            check(sorted(got) == sorted([*wanted.splitlines(True), "last\n"]), "logs -f: %d lines" % len(got))
            until("the whole log", lambda: len(kubectl("logs", "counter").splitlines()) == count + 1, 20)
            check(kubectl("logs", "counter", "--tail=2").splitlines() == ["line %d" % (count - 1), "last"], "--tail")
            check(kubectl("logs", "counter", "--limit-bytes=10") == "line 0\nlin", "--limit-bytes")
            check(kubectl("logs", "counter", "--since=1h").replace("last\n", "") == wanted, "--since")
            stamped = kubectl("logs", "counter", "--timestamps", "--tail=1").split()
            later = datetime.datetime.fromisoformat(stamped[0][:19]) + datetime.timedelta(seconds=2)
            check(stamped[1] == "last", "--timestamps: %s" % stamped)
            check(kubectl("logs", "counter", "--since-time=%sZ" % later.isoformat()) == "", "--since-time")
            check(kubectl("logs", "-l", "run=counter", "-c", "main", "--tail=1") == "last\n", "-l")
            kubectl("delete", "pod", "counter")
            check(follower.wait(30) == 0, "the followed log ends with the container")
        until("a restart", lambda: kubectl.status("ending")["containerStatuses"][0]["restartCount"] > 0, 60, 0.2)
        check(sorted(kubectl("logs", "ending", "--previous").split()) == ["err", "out"], "--previous")
        check("not found" in kubectl.run("logs", "none", code=1)[1], "logs of a pod that is not there")


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, kubectl, *words, size=(24, 80), env=None):
        self.master, slave = pty.openpty()
        self.resize(size)
        self.process = kubectl.start(*words, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = ""

    def resize(self, size):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, until_text, seconds=20):
        """What came since the last time, up to this text."""
        end = time.monotonic() + seconds
        while until_text not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise Failed("not on the terminal: %r in %r" % (until_text, self.text))
            try:
                self.text += os.read(self.master, 65536).decode()
            except OSError:  # the other side has closed it
                raise Failed("closed before %r: %r" % (until_text, self.text)) from None
        at = self.text.index(until_text) + len(until_text)
        out, self.text = self.text[:at], self.text[at:]
        return out

    def end(self, seconds=20):
        code = self.process.wait(seconds)
        os.close(self.master)
        return code


def scenario_exec():
    """exec: codes, both outputs, input to its end; a terminal with its size, and with that of later."""
    with typist() as kubectl:
        kubectl.create("shell")
        kubectl.ready("shell")
        for env in (WEBSOCKET, SPDY):
            check(kubectl.run("exec", "shell", "--", "sh", "-c", "echo out; echo err >&2", env=env) == ("out\n", "err\n"), "outputs")
            kubectl.run("exec", "shell", "--", "sh", "-c", "exit 7", code=7, env=env)
            data = os.urandom(3 << 20)
            out = kubectl("exec", "-i", "shell", "--", "sha256sum", send=data, env=env)
            check(out.split()[0] == hashlib.sha256(data).hexdigest(), "exec -i: %s" % out)
            terminal = Terminal(kubectl, "exec", "-it", "shell", "--", "sh", size=(31, 97), env=env)
            terminal.read("#")
            # The size comes on a stream of its own, so perhaps later than the first prompt.
            def shows(size, terminal=terminal):
                terminal.type("stty size; echo e''nd\n")
                return size in terminal.read("end\r\n")
            until("the size of the terminal", lambda: shows("31 97"), 20, 0.2)
            terminal.resize((43, 132))
            # kubectl leads its session, so the terminal has told it by itself.
            until("its later size", lambda: shows("43 132"), 20, 0.2)
            terminal.type("test -t 0 && test -t 1 && echo is''tty\n")
            terminal.read("istty")
            # What the keys of a terminal do.
            terminal.type("sleep 1000\n")
            time.sleep(0.5)
            terminal.type("\x03")
            terminal.read("#")
            terminal.type("exit 3\n")
            check(terminal.end() == 3, "the exit code of a terminal")


def scenario_copy():
    """cp of much, both ways, and of a folder."""
    size = (100 << 20) if FULL else (8 << 20)
    with typist() as kubectl:
        kubectl.create("store")
        kubectl.ready("store")
        there, folder = kubectl.home / "there", kubectl.home / "folder"
        there.write_bytes(os.urandom(1 << 20) * (size >> 20))
        digest = hashlib.sha256(there.read_bytes()).hexdigest()
        folder.mkdir()
        for i in range(50):
            (folder / ("f%d" % i)).write_text("text %d" % i * i)
        for env, name in ((WEBSOCKET, "websocket"), (SPDY, "spdy")):
            back = kubectl.home / ("back-" + name)
            began = time.monotonic()
            kubectl("cp", str(there), "store:/tmp/there", env=env, seconds=300)
            middle = time.monotonic()
            check(kubectl("exec", "store", "--", "sha256sum", "/tmp/there").split()[0] == digest, "what arrived over " + name)
            kubectl("cp", "store:/tmp/there", str(back), env=env, seconds=300)
            end = time.monotonic()
            check(hashlib.sha256(back.read_bytes()).hexdigest() == digest, "what came back over " + name)
            print("%d MB over %s: %.1f s there, %.1f s back" % (size >> 20, name, middle - began, end - middle))
            back.unlink()
        kubectl("cp", str(folder), "store:/tmp/folder")
        kubectl("cp", "store:/tmp/folder", str(kubectl.home / "again"))
        names = sorted(p.name for p in folder.iterdir())
        check(sorted(p.name for p in (kubectl.home / "again").iterdir()) == names, "a folder")
        check(all((kubectl.home / "again" / n).read_bytes() == (folder / n).read_bytes() for n in names), "its files")


def scenario_attach():
    """attach to what reads its input, without and with a terminal."""
    with typist() as kubectl:
        kubectl.create("reader", "while read -r word; do echo got $word; done; echo closed; " + WAIT, container={"stdin": True})
        kubectl.create("screen", "stty -echo; while read -r word; do echo saw $word; stty size; done",
                       container={"stdin": True, "tty": True})
        kubectl.ready("reader")
        kubectl.ready("screen")
        for env, word in ((WEBSOCKET, "one"), (SPDY, "two")):
            with kubectl.start("attach", "-i", "reader", env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True) as attached:
                attached.stdin.write(word + "\n")
                attached.stdin.flush()
                check(attached.stdout.readline() == "got %s\n" % word, "attach")
                attached.kill()
            terminal = Terminal(kubectl, "attach", "-it", "screen", size=(40, 100), env=env)

            def size(terminal=terminal, word=word):
                terminal.type(word + "\n")
                terminal.read("saw " + word)
                return "40 100" in terminal.read("\r\n40 100", 2) if terminal.text else None

            def told(terminal=terminal, size=size):
                with contextlib.suppress(Failed):
                    return size()
                return False
            until("the size of an attached terminal", told, 30, 0.2)
            terminal.process.kill()
            terminal.end()
        check(kubectl("logs", "reader") == "got one\ngot two\n", "what was attached to runs on")


def talk(port, body):
    """Sends a text to the server; its digest as it came there, and what the server sends."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(b"%d\n" % len(body) + body)
        got = b""
        while data := connection.recv(1 << 16):
            got += data
    digest, _, rest = got.partition(b"\n")
    return digest.decode(), rest


@contextlib.contextmanager
def echo_server(data):
    """On a port of this machine: answers each text with its digest and `data`."""
    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            size = self.rfile.readline()
            if size:
                digest = hashlib.sha256(self.rfile.read(int(size))).hexdigest()
                self.wfile.write(digest.encode() + b"\n" + data)

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size, daemon_threads = 200, True
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def scenario_forward():
    """port-forward: many connections at a time, much in both directions, each with a checksum; and a port nobody listens on."""
    connections = 100 if FULL else 20
    data = os.urandom(2000000)
    # The pod is in the network of its node, where the server of this test listens: that of busybox drops connections by itself.
    with typist() as kubectl, echo_server(data) as listening:
        kubectl.create("echo", hostNetwork=True)
        kubectl.ready("echo")
        for env, name in ((WEBSOCKET, "websocket"), (SPDY, "spdy")):
            forward = kubectl.start("port-forward", "echo", ":%d" % listening, ":9", env=env, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)
            ports = {}
            while len(ports) < 2:
                line = forward.stdout.readline()
                check(line, "port-forward has ended")
                if "127.0.0.1:" in line:
                    local, _, remote = line.split("127.0.0.1:")[1].split()
                    ports[int(remote)] = int(local)
            wrong, done = [], []
            began = time.monotonic()

            def one(i, port=ports[listening], wrong=wrong, done=done):
                body = os.urandom(300000 + i)
                try:
                    digest, back = talk(port, body)
                    good = digest == hashlib.sha256(body).hexdigest() and back == data
                    (done if good else wrong).append("connection %d: %s, %d bytes back" % (i, digest, len(back)))
                except OSError as error:
                    wrong.append("connection %d: %s" % (i, error))
            threads = [threading.Thread(target=one, args=(i,)) for i in range(connections)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            check(not wrong and len(done) == connections, "%s: %d of %d failed: %s" % (name, len(wrong), connections, wrong[:3]))
            print("%d connections over %s: %.1f s" % (connections, name, time.monotonic() - began))
            # Nobody listens: that connection ends without a word.
            with contextlib.suppress(OSError):
                check(talk(ports[9], b"")[0] == "", "somebody answered on port 9")
            forward.kill()
            forward.wait()
        check(kubectl.status("echo")["containerStatuses"][0]["restartCount"] == 0, "the pod has noticed")


def scenario_proxy():
    """The node's own documents, through the API server."""
    with typist() as kubectl:
        kubectl.create("web", "echo a line; " + WAIT)
        kubectl.ready("web")
        base = "/api/v1/nodes/%s/proxy" % kubectl.node

        def raw(path, code=0):
            return kubectl("get", "--raw", base + path, code=code)
        mine = [p for p in json.loads(raw("/pods"))["items"] if p["metadata"]["namespace"] == kubectl.namespace]
        check([p["metadata"]["name"] for p in mine] == ["web"], "pods: %s" % [p["metadata"]["name"] for p in mine])
        check("web" in [p["metadata"]["name"] for p in json.loads(raw("/runningpods/"))["items"]], "running pods")
        check(raw("/healthz") == "ok", "healthz")
        check("[+]syncloop ok" in raw("/healthz?verbose"), "healthz?verbose")
        check(json.loads(raw("/configz"))["kubeletconfig"]["cgroupDriver"], "configz")
        summary = json.loads(raw("/stats/summary"))
        check(summary["node"]["nodeName"] == kubectl.node, "summary")
        check([p for p in summary["pods"] if p["podRef"]["name"] == "web" and p["cpu"]["usageCoreNanoSeconds"]], "the pod in it")
        for document, series in (("/metrics", "kubelet_running_pods"), ("/metrics/cadvisor", "container_memory_working_set_bytes{"),
                                 ("/metrics/resource", "pod_memory_working_set_bytes{"), ("/metrics/probes", "process_start_time"),
                                 ("/metrics/slis", "process_start_time")):
            check("\n" + series in raw(document), "%s is not in %s" % (series, document))
        check(raw("/logs/").startswith("<!doctype html>"), "logs/")
        check(raw("/containerLogs/%s/web/main" % kubectl.namespace) == "a line\n", "containerLogs")
        check(raw("/statusz").strip() != "" and raw("/flagz").strip() != "", "statusz, flagz")
        raw("/nothing", code=1)


def scenario_debug():
    """debug: a container beside those of the pod, that sees their processes; and a pod on the node."""
    with typist() as kubectl:
        kubectl.create("web", "echo $$$$ >/tmp/mine; " + WAIT)
        kubectl.ready("web")
        options = ["--image=" + kubectl.image, "--image-pull-policy=IfNotPresent"]
        kubectl("debug", "web", *options, "-c", "look", "--target=main", "--", "sh", "-c",
                "cat /proc/1/root/tmp/mine; tr '\\0' ' ' </proc/1/cmdline; echo; ip -o -4 addr show eth0 || true")
        address = kubectl.status("web")["podIP"]

        def ended():
            found = [c for c in kubectl.status("web").get("ephemeralContainerStatuses") or [] if c["name"] == "look"]
            return found and found[0]["state"].get("terminated")
        check(until("the ephemeral container's end", ended, 60, 0.2)["exitCode"] == 0, "its code")
        text = kubectl("logs", "web", "-c", "look")
        check(text.startswith("1\n") and "sleep 3600" in text, "the target's processes: %r" % text)
        check(address in text, "the pod's network: %r" % text)
        # One that is spoken to.
        terminal = Terminal(kubectl, "debug", "-it", "web", *options, "-c", "talk", "--", "sh")
        terminal.type("\n")
        terminal.read("#", 60)
        terminal.type("echo he''re; exit 5\n")
        terminal.read("here")
        terminal.end()
        code = until("the end of it", lambda: [c["state"]["terminated"]["exitCode"] for c in kubectl.status("web")["ephemeralContainerStatuses"]
                                               if c["name"] == "talk" and "terminated" in c["state"]], 30, 0.2)
        check(code == [5], "its code: %s" % code)
        check(kubectl.status("web")["containerStatuses"][0]["restartCount"] == 0, "the pod has noticed")
        # On the node: host namespaces, and its files below /host.
        out, err = kubectl.run("debug", "node/" + kubectl.node, *options, "--", "cat", "/host/proc/sys/kernel/random/boot_id")
        name = (out + err).split("pod ")[1].split()[0]
        until("the node's debugger", lambda: kubectl.status(name).get("phase") == "Succeeded", 60, 0.2)
        check(kubectl("logs", name) == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(), "the node's file")


if __name__ == "__main__":
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    run_scenario(globals())
