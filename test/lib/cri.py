#!/usr/bin/python3
"""A small CRI client for looking at a runtime and cleaning it, since Debian packages no crictl.

    cri.py [--endpoint unix:///...] pods | ps | images | version
    cri.py run NAME [--image REF] [-- COMMAND...]     a pod of one container; prints its sandbox id
    cri.py exec CONTAINER COMMAND...                  output and exit code of a command
    cri.py rmp [SANDBOX...]                           stop and remove pods (all of them without an id)

Needs Debian's python3-grpcio, python3-protobuf and protoc; the messages come out of proto/cri. Ids may be shortened.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto" / "cri" / "runtime" / "v1" / "api.proto"


def load_messages():
    """Compiles the proto into a temporary module: the tree stays free of generated Python."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", "-I", str(PROTO.parent), "--python_out", folder, PROTO.name], check=True)
        sys.path.insert(0, folder)
        import api_pb2  # pylint: disable=import-outside-toplevel,import-error
        sys.path.pop(0)
    return api_pb2


class Cri:
    def __init__(self, endpoint):
        self.api = load_messages()
        self.channel = grpc.insecure_channel(endpoint)

    def call(self, method, service="RuntimeService", **fields):
        request, response = (getattr(self.api, method + kind) for kind in ("Request", "Response"))
        stub = self.channel.unary_unary("/runtime.v1.%s/%s" % (service, method),
                                        request_serializer=request.SerializeToString,
                                        response_deserializer=response.FromString)
        return stub(request(**fields), timeout=60)

    def sandboxes(self):
        return self.call("ListPodSandbox").items

    def containers(self):
        return self.call("ListContainers").containers

    def run(self, name, image, command):
        logs = tempfile.mkdtemp(prefix="cri-logs-")
        config = self.api.PodSandboxConfig(
            metadata=self.api.PodSandboxMetadata(name=name, namespace="default", uid="cri-py-" + name),
            hostname=name, log_directory=logs, linux=self.api.LinuxPodSandboxConfig())
        sandbox = self.call("RunPodSandbox", config=config).pod_sandbox_id
        container = self.api.ContainerConfig(
            metadata=self.api.ContainerMetadata(name="main"), image=self.api.ImageSpec(image=image),
            command=command, log_path="main.log")
        made = self.call("CreateContainer", pod_sandbox_id=sandbox, config=container, sandbox_config=config)
        self.call("StartContainer", container_id=made.container_id)
        return sandbox

    def remove(self, ids):
        for sandbox in self.sandboxes():
            if not ids or any(sandbox.id.startswith(prefix) for prefix in ids):
                self.call("StopPodSandbox", pod_sandbox_id=sandbox.id)
                self.call("RemovePodSandbox", pod_sandbox_id=sandbox.id)
                print(sandbox.id)

    def remove_image(self, reference):
        self.call("RemoveImage", "ImageService", image={"image": reference})

    def exec(self, prefix, command):
        ids = [c.id for c in self.containers() if c.id.startswith(prefix)]
        if len(ids) != 1:
            sys.exit("cri.py: %d containers match %s" % (len(ids), prefix))
        done = self.call("ExecSync", container_id=ids[0], cmd=command, timeout=50)
        sys.stdout.buffer.write(done.stdout)
        sys.stderr.buffer.write(done.stderr)
        return done.exit_code


def state(enum, value):
    return enum.Name(value).split("_", 1)[1].lower()


def main():
    parser = argparse.ArgumentParser(description="a small CRI client")
    parser.add_argument("--endpoint", default=os.environ.get("KUBELET_TEST_CRI", ""))
    parser.add_argument("--image", default=os.environ.get("KUBELET_TEST_IMAGE", "kubelet.test/busybox:1"))
    parser.add_argument("action", choices=["pods", "ps", "images", "version", "run", "exec", "rmp"])
    parser.add_argument("words", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.endpoint:
        parser.error("--endpoint or KUBELET_TEST_CRI is needed")
    cri = Cri(args.endpoint)
    words = [word for word in args.words if word != "--"]
    if args.action == "pods":
        for pod in cri.sandboxes():
            print(pod.id[:13], state(cri.api.PodSandboxState, pod.state), pod.metadata.namespace + "/" + pod.metadata.name)
    elif args.action == "ps":
        for c in cri.containers():
            print(c.id[:13], state(cri.api.ContainerState, c.state), c.metadata.name, "attempt", c.metadata.attempt,
                  "pod", c.pod_sandbox_id[:13])
    elif args.action == "images":
        for image in cri.call("ListImages", service="ImageService").images:
            print(image.id[:19], " ".join(image.repo_tags))
    elif args.action == "version":
        print(cri.call("Version", version="v1"))
    elif args.action == "run":
        print(cri.run(words[0], args.image, words[1:] or ["sleep", "3600"]))
    elif args.action == "exec":
        return cri.exec(words[0], words[1:])
    else:
        cri.remove(words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
