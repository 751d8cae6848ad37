"""A kubelet under test: its directories, its process, and what the runtime holds of it."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

SKIP = 77


def skip(why):
    print("SKIPPED:", why)
    sys.exit(SKIP)


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
        self.process = subprocess.Popen([self.program, "--socket", str(self.socket), *flags],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("fake runtime listens", self.socket.exists)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)


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
        self.healthz, self.readonly = free_port(), free_port()
        self.name = name or "e2e%d" % os.getpid()
        self.flags = list(flags)
        self.process = None
        self.log = self.dir / "kubelet.log"
        (self.dir / "config.yaml").write_text(f"""apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: {self.manifests}
podLogsDir: {self.logs}
containerRuntimeEndpoint: {self.endpoint}
healthzPort: {self.healthz}
readOnlyPort: {self.readonly}
address: 127.0.0.1
cgroupDriver: cgroupfs
cgroupRoot: /{self.CGROUP_ROOT}
failCgroupV1: false
failSwapOn: false
{config}
""")
        self.make_cgroup_root()
        import cri  # noqa: E402  (from test/lib, needs grpcio)
        self.cri = cri.Cri(self.endpoint)

    # cgroupRoot must exist, and on cgroup v1 a cpuset says what it may use.
    CGROUPS = pathlib.Path("/sys/fs/cgroup")
    CGROUP_ROOT = "kubelet-e2e"

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
            # A sandbox that was being made when the kubelet was killed comes into the list late.
            until("cgroup %s removed" % group, lambda g=group: self.rmdir(g) or self.remove_sandboxes(), 20, 0.1)

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
            print("--- kubelet log, last 60 lines")
            print("\n".join(self.log.read_text().splitlines()[-60:]))
        if self.process:
            self.kill()
        self.remove_sandboxes()
        for line in open("/proc/mounts", encoding="utf-8"):
            point = line.split()[1]
            if point.startswith(str(self.dir)):
                subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.remove_cgroup_root()

    def remove_sandboxes(self):
        for sandbox in self.sandboxes():
            self.cri.call("StopPodSandbox", pod_sandbox_id=sandbox.id)
            self.cri.call("RemovePodSandbox", pod_sandbox_id=sandbox.id)
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

    def metrics(self):
        return urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.readonly, timeout=5).read().decode()

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
