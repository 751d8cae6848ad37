#!/usr/bin/python3
"""Volumes of a kubelet between test-apiserver and fake-cri: what is left of them when everything is killed at random, and
what a mount that does not answer does to others. Needs root. `volumes.py SCENARIO`."""
import contextlib
import ctypes
import hashlib
import os
import pathlib
import random
import re
import struct
import subprocess
import tempfile
import threading
import time

from disks import bind_claim, file_disk, holders
from fake_cluster import Admin, Seen, check, cluster
from harness import Failed, run_scenario, skip, until

FAST = "kubeAPIQPS: 2000\nkubeAPIBurst: 2000\neventRecordQPS: 0\n"


def mounts_below(path):
    """Mount points below a directory, not the directory itself."""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        points = [line.split()[4] for line in table]
    return [p for p in points if p.startswith(str(path) + "/")]


def checksums(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def huge_pages():
    """How many pods can have one."""
    return int(HUGE.read_text()) if HUGE.exists() else 0


def every_kind(host, which, claims):
    """A pod spec with a volume of each kind, and of these claims, of which every tenth pod only has the device: each that
    has it holds a loop device. Half of the pods have an fsGroup."""
    projected = {"sources": [
        {"configMap": {"name": "settings", "items": [{"key": "k0", "path": "deep/k0"}]}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]}
    volumes = {
        "disk": {"emptyDir": {}},
        "memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        "data": {"hostPath": {"path": str(host / "data"), "type": "Directory"}},
        "own": {"hostPath": {"path": str(host / "made" / ("p%d" % which)), "type": "DirectoryOrCreate"}},
        "config": {"configMap": {"name": "settings"}},
        "secret": {"secret": {"secretName": "keys", "defaultMode": 0o400}},
        "down": {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        "all": {"projected": projected},
        "image": {"image": {"reference": "example.org/files:1", "pullPolicy": "IfNotPresent"}},
    }
    container, devices = {}, {}
    for name in claims:
        kind = devices if name == "device" else volumes
        if kind is volumes or which % 10 == 0:
            kind[name] = {"persistentVolumeClaim": {"claimName": name}}
    if which < huge_pages():
        volumes["huge"] = {"emptyDir": {"medium": "HugePages-2Mi"}}
        container["resources"] = {"limits": {"hugepages-2Mi": "2Mi", "memory": "16Mi", "cpu": "1m"}}
    mounts = [{"name": name, "mountPath": "/v/" + name} for name in volumes]
    mounts += [{"name": "data", "mountPath": "/s/dir", "subPath": "sub/dir"},
               {"name": "data", "mountPath": "/s/file", "subPath": "sub/file-1"},
               {"name": "disk", "mountPath": "/s/new", "subPath": "made/here"},
               {"name": "config", "mountPath": "/s/key", "subPath": "k1"}]
    for name in set(claims) - {"device"}:
        mounts.append({"name": name, "mountPath": "/s/" + name, "subPath": "sub/dir"})
    container["volumeMounts"] = mounts
    container["volumeDevices"] = [{"name": name, "devicePath": "/dev/" + name} for name in devices]
    both = {**volumes, **devices}
    more = {"terminationGracePeriodSeconds": 1, "volumes": [{"name": n, **v} for n, v in both.items()]}
    if which % 2:
        more["securityContext"] = {"fsGroup": 4242}
    return container, more


def plant(host):
    """What has to be there afterwards: in a host path, in a local volume and on a disk that is one, whose file this makes."""
    (host / "made").mkdir()
    for where in ("data", "local"):
        (host / where / "sub/dir").mkdir(parents=True)
        for i in range(200):
            (host / where / "sub" / ("file-%d" % i)).write_text("precious %d\n" % i)
            (host / where / "sub/dir" / ("file-%d" % i)).write_text("more precious %d\n" % i)
    with open(host / "disk.img", "wb") as disk:
        disk.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(host / "data"), str(host / "disk.img")], check=True)
    with open(host / "device.img", "wb") as disk:
        disk.truncate(1 << 20)
    return checksums(host / "data")


def on_disk(host):
    """What is on the disk when nobody has it mounted any more, its filesystem in order."""
    fsck = ["e2fsck", "-f", "-n", str(host / "disk.img")]
    until("the filesystem of the disk is in order", lambda: not subprocess.run(fsck, capture_output=True).returncode, 20)
    (host / "read").mkdir()
    subprocess.run(["debugfs", "-R", "rdump /sub %s" % (host / "read"), str(host / "disk.img")], check=True,
                   capture_output=True)
    return checksums(host / "read")


def kill_at_random(node, dice, longest):
    """kill -9 and start again, never at the same step; the mounts that there were."""
    time.sleep(dice.uniform(0.05, longest))
    node.kill()
    there = mounts_below(node.root)
    time.sleep(dice.uniform(0, 0.2))
    node.start()
    return there


def scenario_stress():
    """Pods with volumes of every kind come and go while the kubelet is killed: afterwards nothing is left, and the host
    directory, the local volume and the disk that they had have lost no file. KUBELET_TEST_VOLUME_PODS=200 is the long
    form; huge pages are there when the machine has some (vm.nr_hugepages), disks when it has loop devices."""
    if os.geteuid() != 0:
        skip("mounts need root")
    count = int(os.environ.get("KUBELET_TEST_VOLUME_PODS", "40"))
    seed = int(os.environ.get("KUBELET_TEST_SEED", str(random.randrange(1 << 30))))
    print("seed %d" % seed)
    dice = random.Random(seed)
    with contextlib.ExitStack() as stack:
        host = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volumes-e2e-")))
        before = plant(host)
        disk, device = [stack.enter_context(file_disk(host / name)) for name in ("disk.img", "device.img")]
        server, node = stack.enter_context(cluster(config=FAST, runtime_flags=("--sandbox-ms", "30", "--create-ms", "5")))
        claims = {"local": {"local": {"path": str(host / "local")}}}
        if disk and device:
            claims["filesystem"] = {"local": {"path": disk}}
            claims["device"] = {"volumeMode": "Block", "local": {"path": device}}
        wanted = {name: "/pv-%s-" % name for name in claims}
        if huge_pages():
            wanted["huge"] = "~empty-dir/huge"
        print("with " + ", ".join(wanted))
        base = "/api/v1/namespaces/%s/" % node.name
        server.create(base + "configmaps", {"metadata": {"name": "settings"}, "data": {"k%d" % i: "x" * 100 for i in range(20)}})
        server.create(base + "secrets", {"metadata": {"name": "keys"}, "data": {"password": "c2VjcmV0"}})
        for name, spec in claims.items():
            bind_claim(server, node, name, "pv-%s-%s" % (name, node.name), spec)
        node.join()
        names = ["p%d" % i for i in range(count)]
        trouble, mounted = [], threading.Event()

        def come_and_go(mine, dice):
            try:
                admin = Admin(server)
                for name in mine:
                    container, more = every_kind(host, int(name[1:]), claims)
                    admin.send("POST", node.api_pods, node.body(name, container=container, **more))
                    time.sleep(dice.uniform(0, 0.1))
                mounted.wait(120)
                for name in dice.sample(mine, len(mine)):
                    time.sleep(dice.uniform(0, 12.0 / len(mine)))
                    admin.send("DELETE", "%s/%s" % (node.api_pods, name))
            except (Failed, OSError) as error:
                trouble.append(error)
        threads = [threading.Thread(target=come_and_go, args=(names[w::4], random.Random(dice.random()))) for w in range(4)]
        for thread in threads:
            thread.start()
        most = 0
        kills = 0
        seen, running = set(), False
        while any(thread.is_alive() for thread in threads):
            # A slow machine gets more time to mount anything.
            there = kill_at_random(node, dice, 2.5 + kills / 3)
            most = max(most, len(there))
            seen |= {name for name, part in wanted.items() if any(part in point for point in there)}
            running = running or any(pod["status"].get("phase") == "Running" for pod in server.items(node.api_pods))
            kills += 1
            if most > count and running and seen == set(wanted):
                mounted.set()
        for thread in threads:
            thread.join()
        check(not trouble, "all pods were made and deleted: %s" % trouble)
        check(most > count, "volumes were mounted at all: %d" % most)
        check(seen == set(wanted), "each of these was mounted: %s" % seen)
        check(running, "pods with all that do run")
        last = time.monotonic()
        pods = node.root / "pods"

        def left():
            loops = holders(device) if device else []
            return mounts_below(node.root) + [str(p) for p in pods.iterdir()] + loops
        try:
            until("no mount and no directory is left", lambda: not left(), 60, 0.1)
        except Failed as error:
            raise Failed("%s: %s\n%s" % (error, left()[:20], node.cli("explain"))) from None
        print("%d pods, %d kills of the kubelet, at most %d mounts: clean %.1f s after the last"
              % (count, kills, most, time.monotonic() - last))
        for where in ("data", "local"):
            check(checksums(host / where) == before, "the directory %s has lost nothing" % where)
        if disk:
            check(on_disk(host) == before, "the disk has lost nothing")
        until("the pods are gone from the API server", lambda: not server.items(node.api_pods), 120, 0.5)


class DeadMount:
    """A FUSE file system that takes requests and answers none: who asks it hangs where no signal reaches him."""

    def __init__(self, path):
        self.path = str(path)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % self.fd
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"server:/dead", self.path.encode(), b"fuse.dead", 0, options.encode()) != 0:
            os.close(self.fd)
            raise OSError(ctypes.get_errno(), "mount of a FUSE file system")
        self.taken = 0
        self.stop = False
        self.thread = threading.Thread(target=self.serve)
        os.set_blocking(self.fd, False)
        self.thread.start()

    def serve(self):
        while not self.stop:
            try:
                request = os.read(self.fd, 1 << 18)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            except OSError:
                return
            opcode, unique = struct.unpack_from("<IQ", request, 4)
            if opcode == 26:  # FUSE_INIT: 7.31, everything else 0
                body = struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
                os.write(self.fd, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
            elif opcode != 2:
                self.taken += 1

    def end(self):
        self.stop = True
        self.thread.join()
        os.close(self.fd)
        ctypes.CDLL(None).umount2(self.path.encode(), 2)


@contextlib.contextmanager
def dead_mount(path):
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        skip("needs root and /dev/fuse")
    path.mkdir()
    try:
        dead = DeadMount(path)
    except OSError as error:
        skip("no FUSE here: %s" % error)
    try:
        yield dead
    finally:
        dead.end()


def states(pid):
    """State letters of the threads of a process."""
    return [line.split()[1] for task in pathlib.Path("/proc/%d/task" % pid).iterdir()
            for line in (task / "status").read_text().splitlines() if line.startswith("State:")]


def scenario_dead_mount():
    """Two servers that do not answer, 20 pods on them: 50 other pods with host paths start as ever, the kubelet hangs
    nowhere and names the mounts; the 20 go when they are deleted, and start once the servers answer with anything."""
    with tempfile.TemporaryDirectory(prefix="volumes-e2e-") as folder:
        host = pathlib.Path(folder)
        with dead_mount(host / "dead1") as one, dead_mount(host / "dead2") as two, cluster(config=FAST) as (server, node):
            node.join()
            admin, seen = Admin(server), Seen(server, node.api_pods)

            def pod(name, path):
                volumes = [{"name": "v", "hostPath": {"path": str(path), "type": "DirectoryOrCreate"}}]
                mounts = [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/s", "subPath": "a/b"}]
                admin.send("POST", node.api_pods, node.body(name, container={"volumeMounts": mounts}, volumes=volumes,
                                                            terminationGracePeriodSeconds=1))
            for i in range(20):
                pod("stuck%d" % i, host / ("dead%d" % (1 + i % 2)) / "sub")
            until("both are asked", lambda: one.taken and two.taken, 20)
            # Those whose own call hangs are told so, those behind them what it is that they wait for.
            until("each pod's explanation names its mount", lambda: all(
                "the mount %s (fuse.dead server:/dead)" % (host / ("dead%d" % (1 + i % 2))) in node.cli("explain", "stuck%d" % i)
                for i in range(20)), 20)
            time.sleep(1.5)
            started = {}
            for i in range(50):
                pod("good%d" % i, host / ("good%d" % i))
                started["good%d" % i] = time.monotonic()
            until("the others are Ready", lambda: len(seen.look().ready) == 50, 60)
            took = sorted(seen.ready[n] - started[n] for n in started)
            print("50 pods beside 20 stuck ones: median %.0f ms, p99 %.0f ms" % (took[25] * 1000, took[49] * 1000))
            check(took[49] <= 30, "they started in %.1f s" % took[49])
            # One that waits for a disk is so for a moment.
            until("no thread of the kubelet hangs", lambda: "D" not in states(node.process.pid), 10)
            told = node.cli("explain")
            for name in ("dead1", "dead2"):
                check("No answer from the mount %s (fuse.dead server:/dead) since " % (host / name) in told,
                      "explain names %s: %s" % (name, told[-2000:]))
            # The first of each mount still wait for their answer; those behind them were refused.
            until("it tells the pods", lambda: "  volume      v: " in node.cli("explain", "stuck9"), 20)
            events = until("FailedMount", lambda: node.events("stuck9", "FailedMount"), 10)
            check('MountVolume.SetUp failed for volume "v" : ' in events[0]["message"], events[0]["message"])
            for i in range(10):
                admin.send("DELETE", "%s/stuck%d" % (node.api_pods, i))
            until("the stuck ones go when they are deleted", lambda: not [n for n in seen.look().there
                                                                          if n.startswith("stuck") and int(n[5:]) < 10], 60)
            # Past the deadline of the first calls, so that all are in their back-off.
            until("the next attempt is 20 seconds away", lambda: re.search("next in ([2-9][0-9]s|[1-9]m)", node.cli("explain", "stuck11")), 120)
            one.end = two.end = lambda: None
            for dead in (one, two):
                DeadMount.end(dead)
            ended = time.monotonic()
            until("the rest starts at once when the mounts are gone", lambda: len(seen.look().ready) == 60, 15)
            print("10 pods that were stuck run %.1f s after the mounts were gone" % (time.monotonic() - ended))
            until("explain has no more to tell", lambda: "No answer" not in node.cli("explain"), 30, 0.5)


if __name__ == "__main__":
    run_scenario(globals())
