#!/usr/bin/python3
"""The kubelet as a service: what it tells a service manager, and how upstream's node suite starts, asks and ends it. With
fake-cri, so that no runtime is needed. `service.py SCENARIO`."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import urllib.request

from harness import Failed, FakeRuntime, Node, run_scenario, skip, until


def check(good, what):
    if not good:
        raise Failed(what)


class ServiceManager:
    """The socket behind $NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(pathlib.Path(folder) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []

    def listen(self, seconds):
        """What was said, in the order of saying; waits `seconds` for one thing more."""
        self.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self.heard.append(self.socket.recv(4096).decode())
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        return self.heard

    def hears(self, what, seconds=60):
        until("the service manager hears " + what, lambda: what in self.listen(0.2), seconds)


@contextlib.contextmanager
def node(config="", flags=(), **environment):
    """A node on a fake runtime, and the variables that it starts with."""
    with tempfile.TemporaryDirectory(prefix="service-e2e-") as folder:
        with FakeRuntime(folder) as runtime:
            runtime.start("--no-logs")
            manager = ServiceManager(folder)
            os.environ.update(NOTIFY_SOCKET=manager.path, **environment)
            with Node(config, flags, endpoint=runtime.endpoint) as kubelet:
                yield kubelet, manager


def scenario_watchdog():
    """Ready when the loop turns; a sign of life every half period as long as it does, and no other."""
    with node(WATCHDOG_USEC="2000000") as (kubelet, manager):
        kubelet.start()
        manager.hears("READY=1")
        check(manager.heard[0] == "READY=1", "it is ready before it is alive: %s" % manager.heard)
        until("three signs of life", lambda: manager.listen(2).count("WATCHDOG=1") >= 3, 60)
        os.kill(kubelet.process.pid, signal.SIGSTOP)
        try:
            manager.listen(0.5)  # what was under way
            before = len(manager.heard)
            check(len(manager.listen(3)) == before, "a loop that stands gives no sign of life")
        finally:
            os.kill(kubelet.process.pid, signal.SIGCONT)
        until("it lives again", lambda: len(manager.listen(2)) > before, 60)
        check(kubelet.terminate() == 0, "SIGTERM ends it with 0")
        manager.hears("STOPPING=1")
        check(manager.heard[-1] == "STOPPING=1", "the last word: %s" % manager.heard[-3:])


def scenario_watchdog_of_another():
    """WATCHDOG_PID names another process (a wrapper): nobody asked us."""
    with node(WATCHDOG_USEC="2000000", WATCHDOG_PID="1") as (kubelet, manager):
        kubelet.start()
        manager.hears("READY=1")
        manager.listen(3)
        check("WATCHDOG=1" not in manager.heard, "no sign of life: %s" % manager.heard)


def scenario_watchdog_too_short():
    """As upstream: a start with it fails, and says why."""
    with node(WATCHDOG_USEC="1000000") as (kubelet, manager):
        try:
            kubelet.start()
        except Failed:
            pass
        check(kubelet.process.wait(20) == 1, "it ends with 1")
        check("WATCHDOG_USEC: watchdog timeout 1s is too small" in kubelet.log.read_text(), "it says why")
        check("READY=1" not in manager.listen(0.1), "it was not ready")


def scenario_no_service_manager():
    """No socket, none that listens: no matter."""
    with node() as (kubelet, manager):
        os.environ["NOTIFY_SOCKET"] = "/nonexistent/notify"
        kubelet.start()
        check(kubelet.terminate() == 0, "it ends with 0")
        del os.environ["NOTIFY_SOCKET"]
        kubelet.start()
        check(kubelet.terminate() == 0, "it ends with 0")


# What test/e2e_node/services/kubelet.go of Kubernetes 1.36 writes and passes, without systemd-run.
# (There kubeletCgroups is /kubelet; here it goes with the rest of this run.)
OWN_GROUP = "/%s/kubelet" % Node.CGROUP_ROOT
SUITE_CONFIG = """
authentication: {anonymous: {enabled: true}, webhook: {enabled: false, cacheTTL: 0s}, x509: {}}
authorization: {mode: AlwaysAllow, webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}}
kubeletCgroups: %s
systemCgroups: /system
serializeImagePulls: false
fileCheckFrequency: 10s
podCIDR: 10.100.0.0/24
evictionPressureTransitionPeriod: 30s
evictionMinimumReclaim: {nodefs.available: 5%%, nodefs.inodesFree: 5%%}
evictionHard: {memory.available: 1Mi, nodefs.available: "1%%", nodefs.inodesFree: "1%%"}
volumeStatsAggPeriod: 10s
featureGates: {NodeSwap: true, ContainerStopSignals: true}
""" % OWN_GROUP


def scenario_node_suite():
    """Flags of upstream's node suite, its health check, /configz, a drop-in, restarts by SIGTERM and SIGKILL."""
    with tempfile.TemporaryDirectory(prefix="kubelet.conf.d-") as drop_ins:
        pathlib.Path(drop_ins, "10-test.conf").write_text(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 77\n")
        pathlib.Path(drop_ins, "README").write_text("not a drop-in")
        flags = ["--runtime-cgroups=/docker-daemon", "--v", "4", "--feature-gates", "NodeSwap=true,ContainerStopSignals=true",
                 "--config-dir", drop_ins, "--kernel-memcg-notification=true"]
        with node(SUITE_CONFIG, flags) as (kubelet, _):
            kubelet.flags += ["--container-runtime-endpoint", kubelet.endpoint, "--image-service-endpoint", kubelet.endpoint]
            for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
                kubelet.start()
                head = urllib.request.Request("http://127.0.0.1:%d/healthz" % kubelet.healthz, method="HEAD",
                                              headers={"Authorization": "Bearer anything"})
                check(urllib.request.urlopen(head, timeout=5).status == 200, "HEAD /healthz")
                configz = until("/configz", lambda: configuration(kubelet), 30)
                check(configz["maxPods"] == 77 and configz["kubeletCgroups"] == OWN_GROUP, "configz: %s" % configz)
                check(configz["staticPodPath"] == str(kubelet.manifests), "the path of static pods")
                groups = pathlib.Path("/proc/%d/cgroup" % kubelet.process.pid).read_text()
                mine = [line.split(":", 2) for line in groups.splitlines()]
                check(all(group == OWN_GROUP for _, names, group in mine if names or len(mine) == 1), "groups: %s" % groups)
                summary = json.loads(urllib.request.urlopen("http://127.0.0.1:%d/stats/summary" % kubelet.readonly).read())
                check("kubelet" in [c["name"] for c in summary["node"]["systemContainers"]], "system container kubelet")
                kubelet.process.send_signal(end)
                check(kubelet.process.wait(10) in (0, -signal.SIGKILL), "it ends within the suite's 10 s")


def scenario_kernel_parameters():
    """A kubelet sets what the machine lacks; with protectKernelDefaults it refuses the machine and leaves it."""
    panic = pathlib.Path("/proc/sys/kernel/panic")
    if not os.access(panic, os.W_OK):
        skip("kernel parameters cannot be set here")
    with node() as (kubelet, _):  # its end sets back what was there before
        panic.write_text("0")
        kubelet.start()
        check(panic.read_text().strip() == "10", "kernel.panic: %s" % panic.read_text())
        kubelet.terminate()
        panic.write_text("0")
        config = kubelet.dir / "config.yaml"
        config.write_text(config.read_text() + "protectKernelDefaults: true\n")
        done = subprocess.run([kubelet.binary, "--config", str(config), "--root-dir", str(kubelet.root), *kubelet.flags],
                              capture_output=True, text=True, timeout=30)
        check(done.returncode == 1, "exit code %d" % done.returncode)
        check("error: protectKernelDefaults: invalid kernel flag: kernel.panic, expected value: 10, actual value: 0"
              in done.stderr, done.stderr[-500:])
        check(panic.read_text().strip() == "0", "it left kernel.panic alone")


def configuration(kubelet):
    request = urllib.request.Request("https://127.0.0.1:%d/configz" % kubelet.https,
                                     headers={"Accept": "application/json", "Authorization": "Bearer anything"})
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return json.loads(urllib.request.urlopen(request, timeout=5, context=context).read())["kubeletconfig"]
    except OSError:
        return None


def scenario_lock_file():
    """The second kubelet waits for the file's lock; the first gives way when it is to."""
    with tempfile.TemporaryDirectory(prefix="lock-e2e-") as folder:
        path = folder + "/kubelet.lock"
        with node("", ["--lock-file", path, "--exit-on-lock-contention"]) as (kubelet, _):
            kubelet.start()
            with subprocess.Popen(["flock", path, "cat"], stdin=subprocess.PIPE) as other:
                check(kubelet.process.wait(20) == 0, "it gives way")
                check("Another process wants the lock file" in kubelet.log.read_text(), "and says so")
                waiting = subprocess.Popen([kubelet.binary, "--config", str(kubelet.dir / "config.yaml"), "--root-dir",
                                            str(kubelet.root), "--lock-file", path, "--cert-dir", folder],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    until("it waits for the lock", lambda: "flock" in kernel_wait(waiting.pid) or waiting.poll() is not None, 20)
                    check(waiting.poll() is None and not kubelet_answers(kubelet), "it waits")
                    other.stdin.close()
                    until("it goes on", lambda: kubelet_answers(kubelet), 30)
                finally:
                    waiting.kill()
                    waiting.wait()


def kernel_wait(pid):
    """The system call that the process sleeps in, by its number's name (flock is all that is asked for)."""
    number = pathlib.Path("/proc/%d/syscall" % pid).read_text().split()[0]
    return "flock" if number == {"x86_64": "73", "aarch64": "32"}.get(os.uname().machine) else number


def kubelet_answers(kubelet):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen("http://127.0.0.1:%d/healthz" % kubelet.healthz, timeout=2).status == 200
    return False


def scenario_before_its_configuration():
    """Started before kubeadm has written its file: one line that names it, exit code 1, at once."""
    binary = os.environ["KUBELET_TEST_BINARY"]
    with tempfile.TemporaryDirectory() as folder:
        missing = folder + "/config.yaml"
        done = subprocess.run([binary, "--config=" + missing, "--kubeconfig=" + folder + "/kubelet.conf", "--root-dir=" + folder,
                               "--bootstrap-kubeconfig=" + folder + "/bootstrap.conf"], capture_output=True, text=True, timeout=60)
        check(done.returncode == 1, "exit code %d" % done.returncode)
        lines = (done.stdout + done.stderr).strip().splitlines()
        check(len(lines) == 1 and missing in lines[0], "its words: %s" % lines)


if __name__ == "__main__":
    run_scenario(globals())
