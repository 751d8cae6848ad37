"""A kubelet under test: its directories, its process, and what the runtime holds of it."""
import http.client
import grpc
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

SKIP = 77


def skip(why):
    print("SKIPPED:", why)
    sys.exit(SKIP)


def stamped_image(folder):
    """An OCI layout of busybox with a layer of its own each time, so that nothing of an earlier run is at hand."""
    folder = pathlib.Path(folder)
    tar, rootfs = folder / "busybox.tar", folder / "rootfs"
    (rootfs / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), rootfs / "bin/busybox")
    for name in ("sh", "sleep", "cat", "ls"):
        (rootfs / "bin" / name).symlink_to("busybox")
    (rootfs / "stamp").write_text(str(time.time_ns()))
    subprocess.run([sys.executable, str(HERE.parent / "images" / "oci_image.py"), str(tar), "--rootfs", str(rootfs),
                    "--name", "unused", "--cmd", "sh"], check=True, stdout=subprocess.DEVNULL)
    return tar


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Failed(Exception):
    pass


def until(what, condition, seconds=30.0, every=0.02):
    """Polls `condition` until it is true; its value. Waits for events of other processes, so a clock cannot be turned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("not within %g s: %s" % (seconds, what))
        time.sleep(every)


def run_scenario(scope):
    """Runs the one that the command line names, of the functions scenario_NAME in `scope`."""
    program = os.path.basename(sys.argv[0])
    scenarios = {k[9:]: v for k, v in scope.items() if k.startswith("scenario_")}
    if len(sys.argv) != 2 or sys.argv[1] not in scenarios:
        sys.exit("usage: %s %s" % (program, " | ".join(scenarios)))
    started = time.monotonic()
    try:
        try:
            scenarios[sys.argv[1]]()
        finally:
            left = end_children()
        if left:
            raise Failed("left running: %s" % "; ".join(left))
    except Failed as error:
        sys.exit("FAILED %s: %s" % (sys.argv[1], error))
    print("ok %s (%.1f s)" % (sys.argv[1], time.monotonic() - started))


def end_children():
    """Kills what this process started and did not end itself, so that nothing outlives a scenario however it ends; its commands."""
    commands = []
    for pids in pathlib.Path("/proc/self/task").glob("*/children"):
        for pid in map(int, pids.read_text().split()):
            command = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if command:  # otherwise it has ended
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                commands.append(command)
    return commands


def sanitized():
    """Whether the program carries a sanitizer: it is several times slower, and its memory is the sanitizer's most of all."""
    return os.environ.get("KUBELET_TEST_PRESET") in ("asan", "tsan")


class FakeRuntime:
    """The program fake-cri: a runtime that comes, goes and forgets."""

    def __init__(self, folder, program=None):
        binary = pathlib.Path(os.environ.get("KUBELET_TEST_BINARY", "")).resolve()
        self.program = program or binary.parents[2] / "test" / "fakes" / "fake-cri"
        if not self.program.exists():
            skip("%s is not built" % self.program)
        self.socket = pathlib.Path(folder) / "cri.sock"
        self.endpoint = "unix://%s" % self.socket
        self.process = None

    def start(self, *flags):
        # Built with ThreadSanitizer it would pass over so many races of gRPC's own that it is too slow to be a runtime.
        self.process = subprocess.Popen([self.program, "--socket", str(self.socket), *flags],
                                        env=dict(os.environ, TSAN_OPTIONS="report_bugs=0"),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("fake runtime listens", self.socket.exists)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def __enter__(self):
        """Not started yet: a test says when, and with which flags."""
        return self

    def __exit__(self, kind, value, trace):
        if self.process and self.process.poll() is None:
            self.kill()


class ApiServer:
    """The program test-apiserver: a control plane for one node, and an administrator's client for it."""

    def __init__(self, folder, node, flags=(), program=None):
        binary = pathlib.Path(os.environ.get("KUBELET_TEST_BINARY", "")).resolve()
        self.program = program or binary.parents[2] / "test" / "fakes" / "test-apiserver"
        if not self.program.exists():
            skip("%s is not built" % self.program)
        self.dir = pathlib.Path(folder)
        self.node, self.user = node, "system:node:" + node
        self.flags = list(flags)
        self.process, self.port, self.control_url = None, 0, None
        self.kubeconfig, self.bootstrap, self.admin = (str(self.dir / (n + ".conf")) for n in ("kubelet", "bootstrap", "admin"))

    def start(self):
        """Also again: at the same port and with the state it had at stop()."""
        (self.dir / "url").unlink(missing_ok=True)
        with open(self.dir / "apiserver.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--dir", str(self.dir), "--node", self.node, "--port", str(self.port), "--state",
                 str(self.dir / "state"), *self.flags], stdout=log, stderr=subprocess.STDOUT)

        def there():
            if self.process.poll() is not None:
                raise Failed("test-apiserver ended with %d" % self.process.returncode)
            return (self.dir / "url").exists()
        until("test-apiserver answers", there, 20)
        self.port = int((self.dir / "url").read_text().strip().rsplit(":", 1)[1])
        self.control_url = (self.dir / "control").read_text().strip()

    def stop(self):
        """Ends it; connections break. What is stored is kept for the next start()."""
        self.process.terminate()
        self.process.wait(10)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def connect(self, timeout):
        context = ssl.create_default_context(cafile=str(self.dir / "pki/ca.crt"))
        context.load_cert_chain(str(self.dir / "pki/admin.crt"), str(self.dir / "pki/admin.key"))
        context.set_alpn_protocols(["http/1.1"])
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    def request(self, method, path, body=None, kind="application/json"):
        """Code and decoded body."""
        connection = self.connect(10)
        try:
            headers = {"Accept": "application/json"}
            if body is not None:
                headers["Content-Type"] = kind
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()

    def must(self, method, path, body=None, kind="application/json"):
        code, answer = self.request(method, path, body, kind)
        if code >= 300:
            raise Failed("%s %s: %d %s" % (method, path, code, answer.get("message")))
        return answer

    def get(self, path):
        """None when there is no such object."""
        code, answer = self.request("GET", path)
        if code == 404:
            return None
        if code != 200:
            raise Failed("GET %s: %d %s" % (path, code, answer.get("message")))
        return answer

    def items(self, path):
        return self.must("GET", path).get("items") or []

    def create(self, path, body):
        return self.must("POST", path, body)

    def patch(self, path, body):
        return self.must("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path, grace=None):
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        return self.must("DELETE", path, options)

    def control(self, path, body=None, method=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.control_url + "/_test/" + path, data, {"Content-Type": "application/json"},
                                         method=method)
        return json.loads(urllib.request.urlopen(request, timeout=10).read())

    def do(self, action, **arguments):
        return self.control("do", {"action": action, **arguments})

    def fault(self, **fault):
        """For the kubelet's calls only; fields as in fakes/api_faults.h."""
        return self.control("faults", {"user": self.user, "count": -1, **fault})

    def no_faults(self):
        return self.control("faults", method="DELETE")

    def calls(self):
        return self.control("calls")


class Watch:
    """A long watch in a thread of its own: every event since `start`, in order."""

    def __init__(self, server, path):
        version = server.must("GET", path)["metadata"]["resourceVersion"]
        self.events, self.error = [], None
        self.connection = server.connect(600)
        self.connection.request("GET", "%s?watch=true&timeoutSeconds=3600&resourceVersion=%s" % (path, version))
        self.response = self.connection.getresponse()
        if self.response.status != 200:
            raise Failed("watch: %d" % self.response.status)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while line := self.response.readline():
                self.events.append(json.loads(line))
            self.error = "the watch ended"
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.error = str(error)


# What a kubelet sets for good (os/kernel_tunables.h), and what is no test's to leave on a developer's machine.
TUNABLES = [pathlib.Path("/proc/sys", f) for f in ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic",
                                                   "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
                                                   "kernel/keys/root_maxbytes")]


def read_tunables():
    return {f: f.read_text() for f in TUNABLES if f.exists()}


def restore_tunables(before):
    for file, text in before.items():
        if file.read_text() != text:
            try:
                file.write_text(text)
            except OSError as error:
                print("%s stays as the kubelet set it: %s" % (file, error))


class Node:
    def __init__(self, config="", flags=(), endpoint=None, binary=None, name=None):
        self.binary = binary or os.environ.get("KUBELET_TEST_BINARY") or skip("KUBELET_TEST_BINARY is not set")
        self.endpoint = endpoint or os.environ.get("KUBELET_TEST_CRI") or skip("KUBELET_TEST_CRI is not set")
        self.image = os.environ.get("KUBELET_TEST_IMAGE", "kubelet.test/busybox:1")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="kubelet-e2e-"))
        self.manifests = self.dir / "manifests"
        self.root = self.dir / "root"
        self.logs = self.dir / "pod-logs"
        for d in (self.manifests, self.root, self.logs):
            d.mkdir()
        self.healthz, self.readonly, self.https = free_port(), free_port(), free_port()
        self.name = name or "e2e%d" % os.getpid()
        self.flags = list(flags)
        if "--cert-dir" not in self.flags:
            self.flags += ["--cert-dir", str(self.dir / "pki")]
        self.process = None
        self.log = self.dir / "kubelet.log"
        (self.dir / "config.yaml").write_text(f"""apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: {self.manifests}
podLogsDir: {self.logs}
containerRuntimeEndpoint: {self.endpoint}
healthzPort: {self.healthz}
readOnlyPort: {self.readonly}
{"" if "address:" in config else "address: 127.0.0.1"}
port: {self.https}
cgroupDriver: cgroupfs
cgroupRoot: /{self.CGROUP_ROOT}
failCgroupV1: false
failSwapOn: false
{"" if "eviction" in config else "evictionHard: {}"}
makeIPTablesUtilChains: false
{config}
""")
        self.make_cgroup_root()
        self.tunables = read_tunables()
        import cri  # noqa: E402  (from test/lib, needs grpcio)
        self.cri = cri.Cri(self.endpoint)

    # cgroupRoot must exist, and on cgroup v1 a cpuset says what it may use. One of its own for each run: a kubelet
    # removes the groups, with all that runs in them, of pods that it does not know.
    CGROUPS = pathlib.Path("/sys/fs/cgroup")
    CGROUP_ROOT = "kubelet-e2e-%d" % os.getpid()

    def cgroup_trees(self):
        v2 = (self.CGROUPS / "cgroup.controllers").exists()
        return [self.CGROUPS] if v2 else [self.CGROUPS / c for c in os.listdir(self.CGROUPS)]

    def make_cgroup_root(self):
        # The tree "unified" of a hybrid machine has no controllers: a runtime uses it, a kubelet does not look there.
        for tree in (t for t in self.cgroup_trees() if t.name != "unified"):
            group = tree / self.CGROUP_ROOT
            group.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if tree != self.CGROUPS and (group / file).exists():
                    (group / file).write_text((tree / file).read_text())

    def remove_cgroup_root(self):
        # Looks only below our own root: other groups come and go while a glob walks.
        groups = [g for tree in self.cgroup_trees() for g in (tree / self.CGROUP_ROOT).glob("**/")]
        for group in sorted(groups, key=lambda p: -len(p.parts)):
            # A sandbox that was being made when the kubelet was killed comes into the list late. And containerd can
            # lose a container whose start it had begun: then `runc init` waits for ever, and only we know of it. (A
            # kubelet that lives ends what is left in a pod's group.)
            patience = time.monotonic() + 5

            def gone(group=group, patience=patience):
                if time.monotonic() > patience:
                    self.kill_all_in(group)
                return self.rmdir(group) or self.remove_sandboxes()
            until("cgroup %s removed" % group, gone, 20, 0.1)

    @staticmethod
    def kill_all_in(group):
        try:
            pids = (group / "cgroup.procs").read_text().split()
        except OSError:
            return
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass

    @staticmethod
    def rmdir(group):
        try:
            group.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and self.log.exists():
            print("--- kubelet log, last 200 lines")
            print("\n".join(self.log.read_text().splitlines()[-200:]))
        if self.process:
            self.kill()
        restore_tunables(self.tunables)
        self.remove_sandboxes()
        for line in reversed(list(open("/proc/mounts", encoding="utf-8"))):
            point = line.split()[1]
            if point.startswith(str(self.dir)):
                subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.remove_cgroup_root()

    def remove_sandboxes(self):
        """A runtime can fail a removal that meets what the kubelet just killed was doing: a container "is in starting state"."""
        def removed(sandbox):
            try:
                self.cri.call("StopPodSandbox", pod_sandbox_id=sandbox.id)
                self.cri.call("RemovePodSandbox", pod_sandbox_id=sandbox.id)
                return True
            except grpc.RpcError as e:
                print("sandbox %s: %s" % (sandbox.id, e.details()))
                return False
        for sandbox in self.sandboxes():
            until("sandbox %s is removed" % sandbox.id, lambda s=sandbox: removed(s), 30, 0.2)
        return False

    def start(self, every=0.01):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--config", str(self.dir / "config.yaml"), "--root-dir", str(self.root),
                 "--hostname-override", self.name, "-v=2", *self.flags], stdout=log, stderr=subprocess.STDOUT)
        until("healthz is ok", self.healthy, 20, every)

    def healthy(self):
        if self.process.poll() is not None:
            raise Failed("kubelet ended with %d" % self.process.returncode)
        try:
            return urllib.request.urlopen("http://127.0.0.1:%d/healthz" % self.healthz, timeout=2).read() == b"ok"
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def cli(self, *words):
        done = subprocess.run([self.binary, *words, "--root-dir", str(self.root)], capture_output=True, text=True)
        return done.stdout + done.stderr

    def valid(self, path):
        return subprocess.run([self.binary, "validate", str(path)], capture_output=True).returncode == 0

    def write(self, name, text):
        temporary = self.dir / "new-manifest"
        temporary.write_text(text)
        temporary.rename(self.manifests / name)

    def metrics(self, document=""):
        return urllib.request.urlopen("http://127.0.0.1:%d/metrics%s" % (self.readonly, document), timeout=5).read().decode()

    def pods(self):
        body = urllib.request.urlopen("http://127.0.0.1:%d/pods" % self.readonly, timeout=10).read()
        return json.loads(body).get("items") or []

    def pod(self, name):
        found = [p for p in self.pods() if p["metadata"]["name"] == "%s-%s" % (name, self.name)]
        return found[0] if found else None

    def phase(self, name):
        pod = self.pod(name)
        return pod["status"].get("phase") if pod else None

    def running(self, name, seconds=30):
        return until(name + " runs", lambda: self.phase(name) == "Running" and self.ids(name), seconds)

    def mine(self, labels):
        return labels.get("io.kubernetes.pod.name", "").endswith("-" + self.name)

    def sandboxes(self, name=None):
        return [s for s in self.cri.sandboxes() if self.mine(s.labels)
                and (name is None or s.metadata.name == "%s-%s" % (name, self.name))]

    def containers(self, name=None):
        return [c for c in self.cri.containers() if self.mine(c.labels)
                and (name is None or c.labels["io.kubernetes.pod.name"] == "%s-%s" % (name, self.name))]

    def ids(self, name):
        """Ids of the running containers of a pod."""
        return sorted(c.id for c in self.containers(name) if c.state == 1)

    def manifest(self, name, command="trap 'exit 0' TERM; while :; do sleep 3600 & wait; done", extra="", spec=""):
        return f"""apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{run: e2e}}
spec:
  terminationGracePeriodSeconds: 1
{spec}
  containers:
  - name: main
    image: {self.image}
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", {json.dumps(command)}]
{extra}
"""


class ClusterNode(Node):
    """A node of `server`. The pods of its tests are in the namespace that is named as the node is."""

    def __init__(self, server, config="", flags=None, **more):
        super().__init__(config=config, name=server.node, **more)
        self.server = server
        self.certificates = self.dir / "pki"
        self.flags = list(flags if flags is not None else ["--kubeconfig", server.kubeconfig])
        if "--cert-dir" not in self.flags:
            self.flags += ["--cert-dir", str(self.certificates)]
        server.create("/api/v1/namespaces", {"metadata": {"name": self.name}})
        self.api_pods = "/api/v1/namespaces/%s/pods" % self.name

    def mine(self, labels):
        return super().mine(labels) or labels.get("io.kubernetes.pod.namespace") == self.name

    def object(self):
        return self.server.get("/api/v1/nodes/" + self.name)

    def ready(self):
        node = self.object()
        return node if node and condition(node, "Ready") == "True" else None

    def join(self, seconds=30):
        self.start()
        return until("the node is Ready", self.ready, seconds)

    def api_pod(self, name):
        return self.server.get("%s/%s" % (self.api_pods, name))

    def body(self, name, command="trap 'exit 0' TERM; while :; do sleep 3600 & wait; done", container=None, **spec):
        main = {"name": "main", "image": self.image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", command]}
        main.update(container or {})
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"run": "e2e"}},
                "spec": {"nodeName": self.name, "terminationGracePeriodSeconds": 5, "containers": [main], **spec}}

    def create(self, name, *words, **more):
        return self.server.create(self.api_pods, self.body(name, *words, **more))

    def api_ready(self, name, seconds=30):
        def look():
            pod = self.api_pod(name)
            good = pod and pod["status"].get("phase") == "Running" and condition(pod, "Ready") == "True"
            return pod if good else None
        return until(name + " is Running and Ready at the API server", look, seconds)

    def api_sandboxes(self, name):
        return [s for s in self.cri.sandboxes() if s.metadata.name == name and s.metadata.namespace == self.name]

    def api_containers(self, name):
        return [c for c in self.cri.containers() if c.labels.get("io.kubernetes.pod.namespace") == self.name
                and c.labels.get("io.kubernetes.pod.name") == name]

    def api_ids(self, name):
        return sorted(c.id for c in self.api_containers(name) if c.state == 1)

    def cgroups(self, uid):
        return [g for tree in self.cgroup_trees() for g in (tree / self.CGROUP_ROOT).glob("kubepods/**/pod%s" % uid)]

    def exec(self, name, command):
        """Output of a command in the pod's container."""
        done = self.cri.call("ExecSync", container_id=self.api_ids(name)[0], cmd=["sh", "-c", command], timeout=10)
        return done.stdout.decode()

    def events(self, name, reason):
        return [e for e in self.server.items("/api/v1/namespaces/%s/events" % self.name)
                if e["involvedObject"].get("name") == name and e.get("reason") == reason]

    def mirror(self, name):
        return self.server.get("/api/v1/namespaces/default/pods/%s-%s" % (name, self.name))


def condition(thing, kind):
    found = [c["status"] for c in thing["status"].get("conditions") or [] if c["type"] == kind]
    return found[0] if found else None
