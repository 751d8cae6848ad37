#!/usr/bin/python3
"""What volumes show and when: a kubelet between test-apiserver and fake-cri. `volume_kinds.py SCENARIO`."""
import base64
import json
import os
import shutil
import stat
import subprocess
import time

from disks import bind_claim, loop_disk
from fake_cluster import Admin, check, cluster
from harness import run_scenario, until


def volume(node, uid, plugin, name):
    return node.root / "pods" / uid / "volumes" / ("kubernetes.io~" + plugin) / name


def with_volumes(volumes):
    """The rest of a pod: these volumes, each mounted at its name."""
    mounts = [{"name": v["name"], "mountPath": "/" + v["name"]} for v in volumes]
    return {"container": {"volumeMounts": mounts}, "volumes": volumes}


def mounted(path):
    return any(line.split()[1] == str(path) for line in open("/proc/mounts", encoding="utf-8"))


def shows(path, text, seconds=10):
    until("%s shows %r" % (path, text), lambda: path.exists() and path.read_text() == text, seconds)


def scenario_freshness():
    """200 updates of a ConfigMap and a Secret: from before the API write to the file, p99 within 2 s; and after a burst
    of writes the last one is there as soon."""
    rounds = int(os.environ.get("KUBELET_TEST_UPDATES", "200"))
    with cluster() as (server, node):
        node.join()
        base = "/api/v1/namespaces/%s/" % node.name
        server.create(base + "configmaps", {"metadata": {"name": "cm"}, "data": {"k": "start"}})
        server.create(base + "secrets", {"metadata": {"name": "s"}, "stringData": {"k": "start"}})
        node.create("p", **with_volumes([{"name": "cm", "configMap": {"name": "cm"}},
                                         {"name": "s", "secret": {"secretName": "s"}}]))
        uid = node.api_ready("p")["metadata"]["uid"]
        files = {"configmaps/cm": volume(node, uid, "configmap", "cm") / "k",
                 "secrets/s": volume(node, uid, "secret", "s") / "k"}
        for path in files.values():
            shows(path, "start")
        admin = Admin(server)

        def write(which, text):
            kind, name = which.split("/")
            data = {"k": text} if kind == "configmaps" else {"k": base64.b64encode(text.encode()).decode()}
            admin.send("PUT", base + which, {"metadata": {"name": name}, "data": data})

        took = []
        for i in range(rounds):
            which = sorted(files)[i % 2]
            begun = time.monotonic()
            write(which, "round %d" % i)
            end = begun + 30
            while files[which].read_text() != "round %d" % i:
                check(time.monotonic() < end, "round %d is not in %s" % (i, files[which]))
                time.sleep(0.001)
            took.append(time.monotonic() - begun)
        took.sort()
        p99 = took[min(len(took) - 1, len(took) * 99 // 100)]
        print("%d updates: p50 %.1f ms, p99 %.1f ms, most %.1f ms" %
              (rounds, took[len(took) // 2] * 1e3, p99 * 1e3, took[-1] * 1e3))
        check(p99 <= 2.0, "p99 %.2f s" % p99)
        slowest = 0
        for burst in range(10):
            for i in range(20):
                write("configmaps/cm", "burst %d.%d" % (burst, i))
            begun = time.monotonic()
            shows(files["configmaps/cm"], "burst %d.19" % burst, 10)
            slowest = max(slowest, time.monotonic() - begun)
        print("after 20 writes in a row the last is there in %.1f ms at most" % (slowest * 1e3))
        check(slowest <= 2.0, "%.2f s after a burst" % slowest)


def scenario_claims():
    """A pod waits for its claim with the reason in an event, runs when it is bound, keeps its data, and needs no API
    server to start again; what cannot be served says so."""
    with cluster(config="volumeStatsAggPeriod: 2s\n") as (server, node):
        disk = node.dir / "disk"
        disk.mkdir()
        (disk / "data").write_text("1")
        node.join()
        claims = "/api/v1/namespaces/%s/persistentvolumeclaims" % node.name
        claim = server.create(claims, {"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeName": "pv-local", "resources": {"requests": {"storage": "1Gi"}}}})
        server.create("/api/v1/persistentvolumes", {"metadata": {
            "name": "pv-local", "annotations": {"pv.beta.kubernetes.io/gid": "4343"}}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": str(disk)},
            "claimRef": {"namespace": node.name, "name": "data", "uid": claim["metadata"]["uid"]}}})
        node.create("p", **with_volumes([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]),
                    securityContext={"fsGroup": 4242})
        why = "error processing PVC %s/data: PVC is not bound" % node.name
        until("the event names the claim", lambda: any(why in e["message"] for e in node.events("p", "FailedMount")), 20)
        check(not node.api_containers("p"), "nothing runs")
        server.patch(claims + "/data/status", {"status": {"phase": "Bound"}})
        pod = node.api_ready("p", 40)
        place = volume(node, pod["metadata"]["uid"], "local-volume", "pv-local")
        check(mounted(place), "%s is mounted" % place)
        check((place / "data").read_text() == "1", "it is the disk")
        check((disk / "data").stat().st_gid == 4242, "it was given to the fsGroup")
        check(not node.events("p", "AlreadyMountedVolume"), "nobody else has it")
        user = pod["status"]["containerStatuses"][0]["user"]["linux"]
        check(sorted(user["supplementalGroups"]) == [4242, 4343], "the container has the volume's group: %s" % user)
        text = node.metrics()
        for line in ('volume_manager_total_volumes{plugin_name="kubernetes.io/local-volume",state="actual_state_of_world"} 1',
                     'volume_plugin="kubernetes.io/local-volume",operation_name="volume_mount",status="success"',
                     'plugin_name="kubernetes.io/local-volume",operation_name="overall_volume_mount"'):
            check(line in text, "metrics have " + line)
        of = 'namespace="%s",persistentvolumeclaim="data"' % node.name
        text = until("the claim has figures", lambda: of in node.metrics() and node.metrics(), 30)
        for source in ("du", "statfs"):
            line = 'kubelet_volume_metric_collection_duration_seconds_count{metric_source="%s"}' % source
            check(line in text, "metrics have " + line)
        room = os.statvfs(disk)
        check("kubelet_volume_stats_capacity_bytes{%s} %d" % (of, room.f_blocks * room.f_frsize) in text,
              "the room is that of the disk: %s" % [line for line in text.splitlines() if of in line])
        for name in ("available_bytes", "used_bytes", "inodes", "inodes_free", "inodes_used"):
            check("kubelet_volume_stats_%s{%s} " % (name, of) in text, name)
        node.kill()
        node.start()
        until("also after a restart", lambda: of in node.metrics(), 30)
        found = [line for line in node.metrics().splitlines() if line.startswith("reconstruct_volume_operations")]
        # The claim, and what the API server mounts into every pod.
        check({"reconstruct_volume_operations_total 2", "reconstruct_volume_operations_errors_total 0"} <= set(found),
              "the volumes were found: %s" % found)
        server.delete(node.api_pods + "/p", 0)
        until("it is unmounted", lambda: not mounted(place), 20)
        until("its directory is gone", lambda: not (node.root / "pods" / pod["metadata"]["uid"]).exists(), 30)
        check((disk / "data").read_text() == "1", "the data stays")
        node.create("q", **with_volumes([{"name": "v", "iscsi": {"targetPortal": "192.0.2.1", "lun": 0,
                                                                 "iqn": "iqn.2001-04.com.example:x"}}]))
        what = "volume \"v\" : volumes of kind iscsi are not built yet"
        until("the kind is named", lambda: any(what in e["message"] for e in node.events("q", "FailedMount")), 20)


def scenario_sharing():
    """A second pod with another fsGroup is told that the volume has one, and changes no file; nor does a restart of the
    kubelet; the next pod that has it for itself does."""
    with cluster() as (server, node):
        disk = node.dir / "disk"
        disk.mkdir()
        (disk / "data").write_text("1")
        node.join()
        bind_claim(server, node, "data", "pv", {"local": {"path": str(disk)}, "mountOptions": ["sync", "noexec", "_netdev"]})
        pod = with_volumes([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])

        def group():
            return (disk / "data").stat().st_gid
        node.create("p", **pod, securityContext={"fsGroup": 4242})
        node.api_ready("p", 40)
        check(group() == 4242, "the first pod gave the files to its group")
        os.chown(disk / "data", 0, 7)
        node.create("q", **pod, securityContext={"fsGroup": 4343})
        node.api_ready("q", 40)
        told = until("the second pod is told", lambda: node.events("q", "AlreadyMountedVolume"), 10)
        check(told[0]["message"] == "The requested fsGroup is 4343, but the volume pv has GID 4242. "
              "The volume may not be shareable.", told[0]["message"])
        check(told[0]["type"] == "Warning" and not node.events("p", "AlreadyMountedVolume"), "as a warning, and only it")
        node.kill()
        sandboxes = {s.id for s in node.api_sandboxes("p")}
        for sandbox in sandboxes:
            node.cri.call("StopPodSandbox", pod_sandbox_id=sandbox)
        node.start()
        until("its volumes are prepared again", lambda: any(s.id not in sandboxes and s.state == 0
                                                            for s in node.api_sandboxes("p")), 60)
        node.api_ready("p", 60)
        check(group() == 7, "the files are as they were: %d" % group())
        for name in ("p", "q"):
            server.delete(node.api_pods + "/" + name, 0)
        until("nothing is mounted", lambda: str(disk) not in open("/proc/self/mountinfo", encoding="utf-8").read() and
              not list(node.root.glob("pods/*/volumes/kubernetes.io~local-volume/pv")), 30)
        node.create("r", **pod, securityContext={"fsGroup": 4343})
        node.api_ready("r", 40)
        check(group() == 4343, "the next owner gave them to its group")


def scenario_token_rotation():
    """A token is renewed in its file before it expires, in all of them that the pod has, and the container stays."""
    with cluster("--token-seconds", "20") as (server, node):
        node.join()
        node.create("p", **with_volumes([{"name": "t", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 3600}}]}}]))
        uid = node.api_ready("p")["metadata"]["uid"]
        ids = node.api_ids("p")

        def claims(text):
            body = text.split(".")[1]
            return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        files = list((node.root / "pods" / uid / "volumes/kubernetes.io~projected").glob("*/token"))
        check(len(files) == 2, "one of ours, one of the API server: %s" % files)
        before = {path: path.read_text() for path in files}
        for path in files:
            until("%s has another token" % path, lambda: path.read_text() != before[path], 60)
            old, new = claims(before[path]), claims(path.read_text())
            check(new["exp"] > old["exp"] and new["aud"] == old["aud"], "it lasts longer: %s %s" % (old, new))
            check(new["kubernetes.io"]["pod"]["uid"] == uid, "it is the pod's")
        check(node.api_ids("p") == ids, "same container")


def scenario_orphans():
    """What pods left while no kubelet ran goes in the first sweep, and is counted; files of an unknown kind stay."""
    with cluster() as (server, node):
        node.join()
        in_use = (node.object()["status"].get("volumesInUse") or [])
        check(in_use == [], "no kind that is attached is served: %s" % in_use)
        node.kill()
        gone = node.root / "pods" / "11111111-2222-3333-4444-555555555555"
        kept = node.root / "pods" / "99999999-2222-3333-4444-555555555555"
        (gone / "volumes/kubernetes.io~empty-dir/v").mkdir(parents=True)
        (gone / "volumes/kubernetes.io~empty-dir/v/data").write_text("1")
        (kept / "volumes/kubernetes.io~csi/v").mkdir(parents=True)
        (kept / "volumes/kubernetes.io~csi/v/data").write_text("1")
        node.start()
        lines = {"kubelet_orphan_pod_cleaned_volumes 2", "kubelet_orphan_pod_cleaned_volumes_errors 1"}
        until("both are counted", lambda: lines <= set(node.metrics().splitlines()), 30)
        until("the one is gone", lambda: not gone.exists(), 10)
        check((kept / "volumes/kubernetes.io~csi/v/data").read_text() == "1", "the other keeps its file")
        until("it is named", lambda: "Orphaned pod %s" % kept.name in node.cli("explain"), 10)
        found = {"reconstruct_volume_operations_total 2", "reconstruct_volume_operations_errors_total 1"}
        check(found <= set(node.metrics().splitlines()), "they were seen at the start")
        shutil.rmtree(kept)
        until("none is left", lambda: {"kubelet_orphan_pod_cleaned_volumes 0", "kubelet_orphan_pod_cleaned_volumes_errors 0"}
              <= set(node.metrics().splitlines()), 60)


def scenario_shared_root():
    """The root directory is a shared mount once the kubelet runs, however it was mounted, and not once more after each
    start."""
    with cluster() as (server, node):
        subprocess.run(["mount", "--bind", str(node.root), str(node.root)], check=True)
        subprocess.run(["mount", "--make-private", str(node.root)], check=True)

        def mounts():
            rows = [line.split() for line in open("/proc/%d/mountinfo" % node.process.pid, encoding="utf-8")]
            return [row[6:row.index("-")] for row in rows if row[4] == str(node.root)]
        node.join()
        check(len(mounts()) == 1 and mounts()[0] and mounts()[0][0].startswith("shared:"), "it is shared: %s" % mounts())
        node.kill()
        node.start()
        check(len(mounts()) == 1, "it is mounted once: %s" % mounts())


def scenario_resized_downward():
    """A file that tells a static pod its own CPU limit follows an edit of the manifest, which resizes the container in
    place."""
    with cluster() as (_, node):
        def write(cpu):
            node.write("d.yaml", node.manifest(
                "d", extra="    resources: {limits: {cpu: %dm, memory: 64Mi}, requests: {cpu: 10m, memory: 64Mi}}\n"
                           "    volumeMounts: [{name: d, mountPath: /d}]" % cpu,
                spec="  volumes: [{name: d, downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: main, "
                     "resource: limits.cpu, divisor: 1m}}]}}]"))
        write(100)
        node.join()
        node.running("d")
        file = volume(node, node.pod("d")["metadata"]["uid"], "downward-api", "d") / "cpu"
        shows(file, "100")
        before = node.ids("d")
        write(200)
        shows(file, "200", 20)
        check(node.ids("d") == before, "same container")


def scenario_block():
    """A local PersistentVolume of volumeMode Block is a device in the pod's directory, held while the pod is there."""
    with cluster() as (server, node), loop_disk(node, b"marker") as device:
        block(server, node, device)


def block(server, node, device):
    node.join()
    bind_claim(server, node, "data", "pv-block", {"volumeMode": "Block", "local": {"path": device}})
    node.create("p", container={"volumeDevices": [{"name": "v", "devicePath": "/dev/data"}]},
                volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    pod = node.api_ready("p", 40)
    uid = pod["metadata"]["uid"]
    link = node.root / "pods" / uid / "volumeDevices/kubernetes.io~local-volume/pv-block"
    held = node.root / "plugins/kubernetes.io~local-volume/volumeDevices/pv-block" / uid
    check(os.readlink(link) == device, "the link leads to the device")
    check(os.stat(held).st_rdev == os.stat(device).st_rdev, "the device is held")

    def holders():
        return subprocess.run(["losetup", "-n", "-O", "NAME", "-j", str(held)], capture_output=True, text=True).stdout
    check(holders(), "by a loop device")
    with open(link, "rb") as disk:
        check(disk.read(6) == b"marker", "it is the disk")
    of = 'kubelet_volume_stats_capacity_bytes{namespace="%s",persistentvolumeclaim="data"} %d' % (node.name, 1 << 20)
    until("its size is told", lambda: of in node.metrics(), 30)
    node.create("q", container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
                volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    what = "volume v has volumeMode Block, but is specified in volumeMounts"
    until("a mount of it is refused", lambda: any(what in e["message"] for e in node.events("q", "FailedMount")), 20)
    node.kill()
    server.delete(node.api_pods + "/p", 0)
    node.start()
    until("all of it goes", lambda: not held.exists() and not holders() and not link.parent.exists(), 40)


def scenario_disk():
    """A local PersistentVolume that is a disk: a filesystem is made when it is empty, its pods share it, a restart of the
    kubelet does not touch it, and the last pod takes it away; one for other nodes waits for their labels."""
    with cluster() as (server, node), loop_disk(node, size=16 << 20) as device:
        node.join()
        affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "disk", "operator": "In", "values": ["here"]}]}]}}
        bind_claim(server, node, "data", "pv-disk", {"local": {"path": device}, "nodeAffinity": affinity})
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        node.create("p", **with_volumes(volumes), securityContext={"fsGroup": 4242})
        why = 'MountVolume.NodeAffinity check failed for volume "pv-disk" : no matching NodeSelectorTerms'
        until("the event names the affinity", lambda: any(why in e["message"] for e in node.events("p", "FailedMount")), 20)
        server.patch("/api/v1/nodes/" + node.name, {"metadata": {"labels": {"disk": "here"}}})
        uid = node.api_ready("p", 60)["metadata"]["uid"]
        place = volume(node, uid, "local-volume", "pv-disk")
        point = node.root / "plugins/kubernetes.io/local-volume/mounts/pv-disk"
        check(mounted(place) and mounted(point), "the disk is mounted, and bound into the pod")
        check(place.stat().st_gid == 4242, "it was given to the fsGroup")
        (place / "data").write_text("1")
        node.create("q", **with_volumes(volumes))
        other = volume(node, node.api_ready("q", 40)["metadata"]["uid"], "local-volume", "pv-disk")
        check((other / "data").read_text() == "1", "pods share the disk")
        of = 'kubelet_volume_stats_capacity_bytes{namespace="%s",persistentvolumeclaim="data"} %d' % (
            node.name, os.statvfs(place).f_blocks * os.statvfs(place).f_frsize)
        until("its room is told", lambda: of in node.metrics(), 30)
        node.kill()
        server.delete(node.api_pods + "/p", 0)
        node.start()
        until("the first pod's bind goes", lambda: not place.exists(), 40)
        check(mounted(point) and (other / "data").read_text() == "1", "the other keeps the disk")
        server.delete(node.api_pods + "/q", 0)
        until("the disk is unmounted", lambda: not mounted(point) and not point.exists(), 40)
        node.create("r", **with_volumes(volumes))
        again = volume(node, node.api_ready("r", 40)["metadata"]["uid"], "local-volume", "pv-disk")
        check((again / "data").read_text() == "1", "no filesystem is made over data")
        server.delete(node.api_pods + "/r", 0)
        until("the disk is unmounted again", lambda: not mounted(point), 40)


OBJECTS = """apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {mode: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: pw}
stringData: {pw: %s}
"""


def scenario_local_objects():
    """A static pod reads a ConfigMap and a Secret from files: on tmpfs, live, last good wins; its mirror names neither."""
    with cluster() as (server, node):
        objects = node.dir / "objects"
        objects.mkdir()

        def write(name, text):
            (node.dir / "new").write_text(text)
            (node.dir / "new").rename(objects / name)
        extra = """    envFrom: [{configMapRef: {name: app}}]
    env: [{name: PW, valueFrom: {secretKeyRef: {name: pw, key: pw}}}]
    volumeMounts: [{name: c, mountPath: /c}, {name: s, mountPath: /s}]"""
        spec = "  volumes: [{name: c, configMap: {name: app}}, {name: s, secret: {secretName: pw, defaultMode: 0400}}]"
        node.write("a.yaml", node.manifest("a", extra=extra, spec=spec))
        node.join()
        until("it is refused without the flag", lambda: "static pods may not reference secrets" in node.cli("explain"), 10)
        node.kill()
        node.flags += ["--local-objects-dir", str(objects)]
        node.start()
        until("the missing object is named", lambda: "configmap \"app\" not found" in node.cli("explain", "a"), 20)
        write("app.yaml", OBJECTS % ("one", "hush"))
        node.running("a", 30)
        uid = node.pod("a")["metadata"]["uid"]
        c, s = volume(node, uid, "configmap", "c") / "mode", volume(node, uid, "secret", "s") / "pw"
        check(c.read_text() == "one" and s.read_text() == "hush", "both are there")
        check(mounted(s.parent) and stat.S_IMODE(s.stat().st_mode) == 0o400, "the secret is on a tmpfs of its own")
        begun = time.monotonic()
        write("app.yaml", OBJECTS % ("two", "hush"))
        shows(c, "two")
        print("a change of the file shows after %.0f ms" % ((time.monotonic() - begun) * 1e3))
        write("app.yaml", (OBJECTS % ("three", "x")).replace("kind: Secret", "kind: Sekret"))
        until("the bad file is named", lambda: "document 2: kind: Invalid value: \"Sekret\"" in node.cli("explain"), 10)
        check(c.read_text() == "two" and s.read_text() == "hush", "last good is kept")
        mirror = until("the mirror is there", lambda: node.mirror("a"), 20)
        shown = mirror["spec"]["containers"][0]
        check(not shown.get("envFrom") and not shown.get("env"), "the mirror names no object: %s" % shown)
        check(all("emptyDir" in v for v in mirror["spec"]["volumes"]), "nor do its volumes")
        node.kill()
        write("app.yaml", OBJECTS % ("four", "louder"))
        before = node.ids("a")
        node.start()
        shows(c, "four", 30)
        shows(s, "louder", 30)
        check(node.ids("a") == before, "same container")
        check("hush" not in node.log.read_text() and "louder" not in node.log.read_text(), "no secret in the log")


if __name__ == "__main__":
    run_scenario(globals())
