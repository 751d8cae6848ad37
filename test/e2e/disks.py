"""Disks for volumes: a file behind a loop device, and a claim that is bound to a PersistentVolume."""
import contextlib
import subprocess

from harness import skip


def holders(file):
    """The loop devices on a file or a device."""
    listed = subprocess.run(["losetup", "-n", "-O", "NAME", "-j", str(file)], capture_output=True, text=True)
    return listed.stdout.split()


@contextlib.contextmanager
def file_disk(file):
    """The path of a block device with what is in the file; None where there are none."""
    made = subprocess.run(["losetup", "-f", "--show", str(file)], capture_output=True, text=True)
    device = None if made.returncode else made.stdout.strip()
    try:
        yield device
    finally:
        if device:
            # What a kubelet that was killed had made of it: that would hold this one, and its file.
            for inner in holders(device):
                subprocess.run(["losetup", "-d", inner], check=False)
            subprocess.run(["losetup", "-d", device], check=False)


@contextlib.contextmanager
def loop_disk(node, begins=b"", size=1 << 20):
    """The path of a block device of this size; skips the scenario where there are none."""
    file = node.dir / "disk"
    with open(file, "wb") as disk:
        disk.write(begins)
        disk.truncate(size)
    with file_disk(file) as device:
        if device is None:
            skip("no loop devices")
        yield device


def bind_claim(server, node, name, volume_name, spec):
    """A claim of 1 MiB that is bound to a PersistentVolume with this spec."""
    claims = "/api/v1/namespaces/%s/persistentvolumeclaims" % node.name
    mode = {k: v for k, v in spec.items() if k == "volumeMode"}
    room = {"storage": "1Mi"}
    claim = server.create(claims, {"metadata": {"name": name}, "spec": {
        "accessModes": ["ReadWriteOnce"], "volumeName": volume_name, "resources": {"requests": room}, **mode}})
    server.create("/api/v1/persistentvolumes", {"metadata": {"name": volume_name}, "spec": {
        "capacity": room, "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": node.name, "name": name, "uid": claim["metadata"]["uid"]}, **spec}})
    server.patch("%s/%s/status" % (claims, name), {"status": {"phase": "Bound"}})
