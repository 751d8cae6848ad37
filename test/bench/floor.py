"""The raw floor: what a kubelet asks of the runtime to start a pod, asked directly and with nothing in between.

The requests are not made up here. A kubelet starts one pod through recorder.py, and its RunPodSandbox, CreateContainer
and StartContainer are sent again with only the identity changed: wherever the recorded pod's name or uid stands (labels,
annotations, cgroup parent, log directory, sources of mounts) stands another of the same length. So the runtime does the
same work (masked paths, mounts, ports, DNS, limits), for whichever kubelet was recorded. The directories and files that
the mounts name are copied from the recorded pod before the clock starts; that work is the kubelet's. Other calls that
a kubelet makes on the way (ImageStatus, ContainerStatus, ...) are its own affair and not part of the floor.
"""
import pathlib
import queue
import secrets
import shutil
import threading
import time

from google.protobuf.descriptor import FieldDescriptor

STARTING = ("RunPodSandbox", "CreateContainer", "StartContainer")


def substitute(message, words):
    """Replaces each key of `words` by its value in every string of a message, as deep as it goes."""
    def new(text):
        for old, by in words.items():
            text = text.replace(old, by)
        return text

    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if isinstance(next(iter(value.values())), str):
                pairs = {new(k) if isinstance(k, str) else k: new(v) for k, v in value.items()}
                value.clear()
                value.update(pairs)
        elif field.type == FieldDescriptor.TYPE_STRING:
            if field.label == FieldDescriptor.LABEL_REPEATED:
                value[:] = [new(v) for v in value]
            else:
                setattr(message, field.name, new(value))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in (value if field.label == FieldDescriptor.LABEL_REPEATED else [value]):
                substitute(each, words)


class Floor:
    """`node` is the (ended) kubelet that was recorded: its directories hold what the requests' mounts name."""

    def __init__(self, cri, node, calls):
        self.cri, self.node, self.count, self.pods = cri, node, 0, []
        self.sandbox = cri.api.RunPodSandboxRequest.FromString(calls["RunPodSandbox"].request)
        self.container = cri.api.CreateContainerRequest.FromString(calls["CreateContainer"].request)
        self.name, self.uid = self.sandbox.config.metadata.name, self.sandbox.config.metadata.uid

    def prepare(self):
        """Requests and directories of one more pod."""
        self.count += 1
        prefix = "%04d" % self.count
        pod = {"name": prefix + self.name[len(prefix):], "uid": secrets.token_hex(20)[:len(self.uid)]}
        words = {self.name: pod["name"], self.uid: pod["uid"], self.uid.replace("-", "_"): pod["uid"]}
        for kind, message in (("sandbox", self.sandbox), ("container", self.container)):
            pod[kind] = type(message)()
            pod[kind].CopyFrom(message)
            substitute(pod[kind], words)
        pod["dirs"] = [pathlib.Path(pod["sandbox"].config.log_directory), self.node.root / "pods" / pod["uid"]]
        shutil.copytree(self.node.root / "pods" / self.uid, pod["dirs"][1], symlinks=True)
        (pod["dirs"][0] / self.container.config.metadata.name).mkdir(parents=True)
        for mount in pod["container"].config.mounts:
            if not pathlib.Path(mount.host_path).exists():
                raise AssertionError("the floor has no %s" % mount.host_path)
        self.pods.append(pod)
        return pod

    def send(self, method, request):
        response = getattr(self.cri.api, method + "Response")
        stub = self.cri.channel.unary_unary("/runtime.v1.RuntimeService/" + method,
                                            request_serializer=type(request).SerializeToString,
                                            response_deserializer=response.FromString)
        return stub(request, timeout=120)

    def start(self, pod):
        pod["began"] = time.time()
        pod["id"] = self.send("RunPodSandbox", pod["sandbox"]).pod_sandbox_id
        pod["container"].pod_sandbox_id = pod["id"]
        pod["started"] = self.send("CreateContainer", pod["container"]).container_id
        self.send("StartContainer", self.cri.api.StartContainerRequest(container_id=pod["started"]))

    def stop(self, pod):
        self.send("StopContainer", self.cri.api.StopContainerRequest(container_id=pod["started"], timeout=1))
        self.send("StopPodSandbox", self.cri.api.StopPodSandboxRequest(pod_sandbox_id=pod["id"]))

    def remove(self, pod):
        """All that is left of a pod; not timed."""
        if "id" in pod:
            self.send("StopPodSandbox", self.cri.api.StopPodSandboxRequest(pod_sandbox_id=pod["id"]))
            self.send("RemovePodSandbox", self.cri.api.RemovePodSandboxRequest(pod_sandbox_id=pod["id"]))
        for each in pod["dirs"]:
            shutil.rmtree(each, ignore_errors=True)
        for tree in self.node.cgroup_trees():
            self.node.rmdir(tree / pod["sandbox"].config.linux.cgroup_parent.lstrip("/"))

    @staticmethod
    def in_flight(parallel, work, items):
        """work(item) for all items, `parallel` at a time; raises what one of them raised."""
        todo, errors = queue.SimpleQueue(), []
        for item in items:
            todo.put(item)

        def take():
            while not errors:
                try:
                    work(todo.get_nowait())
                except queue.Empty:
                    return
                except Exception as error:  # pylint: disable=broad-except
                    errors.append(error)

        threads = [threading.Thread(target=take) for _ in range(parallel)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def run(self, count, parallel):
        """(seconds to the last startedAt, seconds to stop them all) of `count` pods, `parallel` in flight."""
        pods = [self.prepare() for _ in range(count)]
        try:
            began = time.time()
            self.in_flight(parallel, self.start, pods)
            started = max(started_at(self.cri, pod["started"]) for pod in pods) - began
            began = time.time()
            self.in_flight(parallel, self.stop, pods)
            return started, time.time() - began
        finally:
            self.in_flight(4, self.remove, pods)
            self.pods = [p for p in self.pods if p not in pods]


def started_at(cri, container):
    """By the runtime's clock (CRI gives nanoseconds since the epoch), which on one machine is ours."""
    return cri.call("ContainerStatus", container_id=container).status.started_at / 1e9
