#!/usr/bin/env python3
"""Writes a one-layer container image as an OCI layout in a tar file, for a host without a registry.

The result depends only on the folder's content and the arguments (times are 0, owners root, entries sorted), so the
same input gives the same digests on every machine. Import it with `ctr -n k8s.io images import FILE`.

    oci_image.py OUT.tar --rootfs DIR --name REF [--name REF ...] [--cmd WORD ...] [--entrypoint WORD ...]
                 [--env K=V ...] [--user U] [--workdir D] [--stop-signal S] [--label K=V ...]
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import stat
import sys
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
OCI = "application/vnd.oci.image."


class Layout:
    """An OCI image layout under construction: blobs by digest, and the index that names the images."""

    def __init__(self):
        self.blobs = {}
        self.manifests = []

    def put(self, media_type, content):
        """Stores a blob; returns the descriptor by which other blobs refer to it."""
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    def put_json(self, media_type, value):
        return self.put(media_type, json.dumps(value, sort_keys=True, separators=(",", ":")).encode())

    def name(self, descriptor, reference):
        annotations = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
        self.manifests.append(dict(descriptor, annotations=annotations))

    def write(self, path):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": self.manifests}
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
        files.update(("blobs/sha256/" + digest, content) for digest, content in self.blobs.items())
        with tarfile.open(path, "w") as out:
            for name in sorted(files):
                info = tarfile.TarInfo(name)
                info.size = len(files[name])
                out.addfile(info, io.BytesIO(files[name]))


def layer_tar(rootfs):
    """The folder as an uncompressed, reproducible tar. Hard links become copies; sockets are left out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(walk(rootfs)):
            info = tar.gettarinfo(os.path.join(rootfs, path), arcname=path)
            if info is None:
                continue
            info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
            if stat.S_ISREG(os.lstat(os.path.join(rootfs, path)).st_mode):
                with open(os.path.join(rootfs, path), "rb") as content:
                    info.type, info.linkname = tarfile.REGTYPE, ""
                    info.size = os.fstat(content.fileno()).st_size
                    tar.addfile(info, content)
            else:
                tar.addfile(info)
    return buffer.getvalue()


def walk(top):
    for folder, dirs, files in os.walk(top):
        for entry in dirs + files:
            yield os.path.relpath(os.path.join(folder, entry), top)


def image_config(args, diff_id):
    run = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + args.env}
    optional = {"Entrypoint": args.entrypoint, "Cmd": args.cmd, "User": args.user, "WorkingDir": args.workdir,
                "StopSignal": args.stop_signal, "Labels": dict(pair.split("=", 1) for pair in args.label)}
    run.update((key, value) for key, value in optional.items() if value)
    machine = platform.machine()
    return {"architecture": ARCHITECTURES.get(machine, machine), "os": "linux", "config": run,
            "rootfs": {"type": "layers", "diff_ids": [diff_id]}, "history": [{"created_by": "oci_image.py"}]}


def build(args):
    layout = Layout()
    tar = layer_tar(args.rootfs)
    layer = layout.put(OCI + "layer.v1.tar+gzip", gzip.compress(tar, compresslevel=1, mtime=0))
    config = layout.put_json(OCI + "config.v1+json", image_config(args, "sha256:" + hashlib.sha256(tar).hexdigest()))
    manifest = layout.put_json(OCI + "manifest.v1+json", {
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": [layer]})
    for reference in args.name:
        layout.name(manifest, reference)
    layout.write(args.out)
    return manifest["digest"]


def parse(argv):
    parser = argparse.ArgumentParser(description="write a one-layer OCI image tar")
    parser.add_argument("out")
    parser.add_argument("--rootfs", required=True)
    parser.add_argument("--name", action="append", required=True, help="repeat for aliases")
    parser.add_argument("--entrypoint", nargs="+")
    parser.add_argument("--cmd", nargs="+")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--user", default="")
    parser.add_argument("--workdir", default="")
    parser.add_argument("--stop-signal", default="")
    args = parser.parse_args(argv)
    if not os.path.isdir(args.rootfs):
        parser.error("--rootfs %s is not a folder" % args.rootfs)
    return args


if __name__ == "__main__":
    arguments = parse(sys.argv[1:])
    print(arguments.name[0], build(arguments))
