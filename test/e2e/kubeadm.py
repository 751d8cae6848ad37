#!/usr/bin/python3
"""A control plane as kubeadm writes it, carried by one kubelet, without kubeadm: `kubeadm.py SCENARIO`.

The files are laid out as under /etc/kubernetes and /var/lib/kubelet. The API server is test-apiserver in a static pod on
the host's network; etcd, the controller manager and the scheduler are stood in for by a busybox that answers probes.
"""
import base64
import contextlib
import http.client
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from harness import ApiServer, Failed, Node, condition, free_port, run_scenario, skip, until

import registry  # noqa: E402  (test/lib, whose path harness adds)

MIRROR, HASH = "kubernetes.io/config.mirror", "kubernetes.io/config.hash"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
IMAGES = pathlib.Path(__file__).resolve().parent.parent / "images"


def check(good, what):
    if not good:
        raise Failed(what)


def patient(look):
    """What `look` says, or None while the API server is away."""
    def asked():
        try:
            return look()
        except (OSError, http.client.HTTPException, ValueError, Failed):
            return None
    return asked


def apiserver_image(folder, program):
    """An OCI layout of busybox and test-apiserver with the libraries it is linked with."""
    rootfs = folder / "apiserver-rootfs"
    for part in ("bin", "etc", "tmp", "run"):
        (rootfs / part).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), rootfs / "bin/busybox")
    (rootfs / "bin/sh").symlink_to("busybox")
    subprocess.run(["strip", "-o", str(rootfs / "bin/kube-apiserver"), str(program)], check=True)
    linked = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True).stdout
    for word in (w for w in linked.split() if w.startswith("/")):
        target = rootfs / word.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(word), target)
    tar = folder / "apiserver.tar"
    subprocess.run([sys.executable, str(IMAGES / "oci_image.py"), str(tar), "--rootfs", str(rootfs), "--name", "unused"],
                   check=True, stdout=subprocess.DEVNULL)
    return tar


class ControlPlane(ApiServer):
    """The API server of the static pod: it is the kubelet that starts and stops it."""

    def prepare(self):
        """What `kubeadm init phase certs` and `kubeconfig` leave: run once for its certificates, its port and its state."""
        super().start()
        super().stop()

    def __enter__(self):
        self.prepare()
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def answers(self):
        return self.must("GET", "/api/v1/namespaces/kube-system")


class KubeadmNode(Node):
    """A kubelet as the unit of the kubeadm package starts it."""

    def __init__(self, server):
        super().__init__(name=server.node)
        self.server = server
        self.etc = self.dir / "etc/kubernetes"
        self.bootstrap, self.kubeconfig = self.etc / "bootstrap-kubelet.conf", self.etc / "kubelet.conf"
        self.settings, self.environment = self.root / "config.yaml", self.root / "kubeadm-flags.env"
        self.manifests = self.etc / "manifests"
        self.manifests.mkdir(parents=True)
        (self.etc / "pki").mkdir()
        shutil.copy(server.dir / "pki/ca.crt", self.etc / "pki/ca.crt")
        self.ports = {name: free_port() for name in COMPONENTS}
        self.ports["kube-apiserver"] = server.port

    def words(self):
        """ExecStart of 10-kubeadm.conf with its EnvironmentFile."""
        own = []
        if self.environment.exists():
            own = self.environment.read_text().split("=", 1)[1].strip().strip('"').split()
        return [self.binary, "--bootstrap-kubeconfig=%s" % self.bootstrap, "--kubeconfig=%s" % self.kubeconfig,
                "--config=%s" % self.settings, *own, "--root-dir=%s" % self.root, "--cert-dir=%s" % (self.root / "pki"), "-v=2"]

    def start(self, every=0.01):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words(), stdout=log, stderr=subprocess.STDOUT)
        until("healthz is ok", self.healthy, 30, every)

    def write_settings(self):
        """config.yaml and kubeadm-flags.env, with kubeadm's zeros that mean "the default"; what this machine needs below."""
        self.settings.write_text(f"""apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
    enabled: true
  x509:
    clientCAFile: {self.etc}/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
    cacheUnauthorizedTTL: 0s
cgroupDriver: cgroupfs
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {{}}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: {self.healthz}
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
kind: KubeletConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
memorySwap: {{}}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: {self.manifests}
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
# Not of kubeadm: several kubelets share the machine of a test.
address: 127.0.0.1
port: {self.https}
readOnlyPort: {self.readonly}
podLogsDir: {self.logs}
cgroupRoot: /{self.CGROUP_ROOT}
failCgroupV1: false
failSwapOn: false
evictionHard: {{}}
makeIPTablesUtilChains: false
""")
        self.environment.write_text('KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=%s --hostname-override=%s"\n'
                                    % (self.endpoint, self.name))

    def command(self, name, mark):
        if name == "kube-apiserver":
            return ["kube-apiserver", "--dir=%s" % self.server.dir, "--node=%s" % self.name, "--port=%d" % self.server.port,
                    "--state=%s" % (self.server.dir / "state"), "--bookmark-ms=%d" % (60000 + mark)]
        script = ("trap 'exit 0' TERM; mkdir /tmp/www; for f in healthz livez readyz; do echo ok > /tmp/www/$f; done; "
                  "httpd -f -h /tmp/www -p 127.0.0.1:%d & wait; : %d" % (self.ports[name], mark))
        return ["sh", "-c", script]

    def component(self, name, image, mark=0):
        """A manifest in kubeadm's form; its probes wait a second where kubeadm's wait ten."""
        scheme = "HTTPS" if name == "kube-apiserver" else "HTTP"

        def probe(kind, path, delay, failures):
            return f"""    {kind}:
      failureThreshold: {failures}
      httpGet:
        host: 127.0.0.1
        path: {path}
        port: probe-port
        scheme: {scheme}
      initialDelaySeconds: {delay}
      periodSeconds: 1
      timeoutSeconds: 15
"""
        command = "".join("    - %s\n" % self.quoted(word) for word in self.command(name, mark))
        return f"""apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/{name}.advertise-address.endpoint: 127.0.0.1:{self.ports[name]}
  labels:
    component: {name}
    tier: control-plane
  name: {name}
  namespace: kube-system
spec:
  containers:
  - command:
{command}    env:
    - name: ASAN_OPTIONS
      value: detect_leaks=0
    image: {image}
    imagePullPolicy: IfNotPresent
{probe("livenessProbe", "/livez", 1, 30)}    name: {name}
    ports:
    - containerPort: {self.ports[name]}
      name: probe-port
      protocol: TCP
{probe("readinessProbe", "/readyz", 0, 30)}    resources:
      requests:
        cpu: 10m
{probe("startupProbe", "/livez", 1, 60)}    volumeMounts:
    - mountPath: {self.server.dir}
      name: state
    - mountPath: /etc/kubernetes/pki
      name: k8s-certs
      readOnly: true
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: {self.server.dir}
      type: DirectoryOrCreate
    name: state
  - hostPath:
      path: {self.etc}/pki
      type: DirectoryOrCreate
    name: k8s-certs
status: {{}}
"""

    def end(self):
        """The kubelet, then its pods: what `kubeadm reset` does."""
        if self.process and self.process.poll() is None:
            self.kill()
        self.remove_sandboxes()

    @staticmethod
    def quoted(word):
        return "'" + word.replace("'", "''") + "'"

    def ready(self):
        node = self.server.get("/api/v1/nodes/" + self.name)
        return node if node and condition(node, "Ready") == "True" else None

    def mirror(self, name):
        return self.server.get("/api/v1/namespaces/kube-system/pods/%s-%s" % (name, self.name))

    def hash(self, name):
        """As kubeadm reads it: from the mirror."""
        pod = self.mirror(name)
        return pod["metadata"]["annotations"][HASH] if pod else None

    def well(self, name):
        """The mirror, once it shows the pod that runs now as ready."""
        pod = self.mirror(name)
        if not pod or pod["metadata"].get("deletionTimestamp") or not self.ids(name):
            return None
        status = pod["status"].get("containerStatuses") or [{}]
        ids = self.ids(name)  # none while one pod has gone and the next is not there yet
        shown = bool(ids) and status[0].get("containerID", "").endswith(ids[0])
        return pod if shown and pod["status"].get("phase") == "Running" and condition(pod, "Ready") == "True" else None

    def replace(self, name, text):
        """As `kubeadm upgrade` does: the old file goes to a backup, then the new one comes."""
        fresh, backup = self.dir / (name + ".new"), self.dir / (name + ".backup")
        fresh.write_text(text)
        os.rename(self.manifests / (name + ".yaml"), backup)
        os.rename(fresh, self.manifests / (name + ".yaml"))


@contextlib.contextmanager
def control_plane():
    """Everything `kubeadm init` has made before it starts the kubelet's unit, and the two images of the API server."""
    if registry.binary() is None:
        skip("docker-registry cannot be had")
    with tempfile.TemporaryDirectory(prefix="kubeadm-e2e-") as work:
        folder = pathlib.Path(work)
        (folder / "server").mkdir()
        with ControlPlane(folder / "server", "e2e%d" % os.getpid()) as server, KubeadmNode(server) as node:
            store = registry.Registry(folder / "registry")
            store.start()
            try:
                tar = apiserver_image(folder, server.program)
                images = [store.push(tar, "kube-apiserver", tag)[0] for tag in ("v1.36.0", "v1.36.1")]
                try:
                    yield server, node, images
                finally:
                    node.end()
                    for image in images:
                        node.cri.remove_image(image)
            finally:
                store.stop()


def scenario_control_plane():
    """An empty machine becomes a Ready control plane, is upgraded one component after the other, and loses nothing."""
    with control_plane() as (server, node, images):
        preflight(node)
        started = time.monotonic()
        unit_before_its_files(node)
        init(node, server, images[0])
        print("Ready control plane after %.1f s" % (time.monotonic() - started))
        certificates(node)
        marked(node, server)
        upgrade(node, images)
        api_server_away(node, server)
        restarted(node, server)


def preflight(node):
    text = subprocess.run([node.binary, "--version"], capture_output=True, text=True, check=True).stdout
    check(text.startswith("Kubernetes v1.36."), "kubelet --version, which kubeadm parses: %r" % text)


def unit_before_its_files(node):
    """systemd starts the unit over and over until kubeadm has written its files: each try is short, and says why."""
    for _ in range(2):
        done = subprocess.run(node.words(), capture_output=True, text=True, timeout=20)
        told = done.stdout + done.stderr
        check(done.returncode == 1, "exit code %d" % done.returncode)
        check(str(node.settings) in told and len(told.splitlines()) <= 3, "what the journal gets each time: %r" % told)
    check(not (node.root / "pki").exists() and not node.kubeconfig.exists(), "nothing was begun")


def init(node, server, image):
    shutil.copy(server.bootstrap, node.bootstrap)
    for name in COMPONENTS:
        (node.manifests / (name + ".yaml")).write_text(
            node.component(name, image if name == "kube-apiserver" else node.image))
    node.write_settings()
    node.start()
    until("the API server that the kubelet started answers", patient(server.answers), 60)
    until("the node is Ready at it", patient(node.ready), 30)
    for name in COMPONENTS:
        pod = until("mirror of %s, Running and Ready" % name, patient(lambda n=name: node.well(n)), 30)
        notes = pod["metadata"]["annotations"]
        check(notes[MIRROR] == notes[HASH] and notes["kubernetes.io/config.source"] == "file", "annotations: %s" % notes)
        check(pod["metadata"]["labels"] == {"component": name, "tier": "control-plane"}, "labels: %s" % pod["metadata"])
        check(pod["spec"]["priority"] == 2000001000 and pod["spec"]["hostNetwork"], "spec: %s" % pod["spec"])
        check(pod["status"]["containerStatuses"][0]["restartCount"] == 0, "no restart: %s" % pod["status"])


def certificates(node):
    """TLS bootstrap is over: kubelet.conf is written, and kubeadm deletes the bootstrap file."""
    current = node.root / "pki/kubelet-client-current.pem"
    check(current.is_symlink() and node.kubeconfig.exists(), "kubelet.conf and its certificate")
    check(str(current) in node.kubeconfig.read_text(), "kubelet.conf names the certificate that rotates")
    node.bootstrap.unlink()


def marked(node, server):
    """What the phases mark-control-plane and upload-config put on the node stays there."""
    path = "/api/v1/nodes/" + node.name
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    server.must("PATCH", path, {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""},
                                             "annotations": {"kubeadm.alpha.kubernetes.io/cri-socket": node.endpoint}},
                                "spec": {"taints": [taint]}}, "application/strategic-merge-patch+json")


def still_marked(node):
    known = until("the node is Ready", patient(node.ready), 30)
    check(known["metadata"]["labels"].get("node-role.kubernetes.io/control-plane") == "", "labels: %s" % known["metadata"])
    check([t["key"] for t in known["spec"]["taints"]] == ["node-role.kubernetes.io/control-plane"], "taints: %s" % known["spec"])


def upgrade(node, images):
    """Static pods are changed one by one; of each kubeadm waits for the new hash, then for the pod. The rest runs on."""
    for name in COMPONENTS:
        before = until("hash of " + name, patient(lambda n=name: node.hash(n)), 10)
        others = {n: node.ids(n) for n in COMPONENTS if n != name}
        old = node.ids(name)
        began = time.monotonic()
        node.replace(name, node.component(name, images[1] if name == "kube-apiserver" else node.image, mark=1))
        until("new hash of " + name, patient(lambda n=name, b=before: node.hash(n) not in (None, b)), 60)
        print("%s: new hash after %.1f s" % (name, time.monotonic() - began))
        pod = until(name + " is Running and Ready", patient(lambda n=name: node.well(n)), 60)
        check(node.ids(name) != old, name + " is a new container")
        check({n: node.ids(n) for n in others} == others, "the others run on while %s changes" % name)
        if name == "kube-apiserver":
            check(pod["spec"]["containers"][0]["image"] == images[1], "image: %s" % pod["spec"])


def api_server_away(node, server):
    """Its manifest is taken away and put back, as to renew certificates: nothing else notices, and it is mirrored again."""
    path, aside = node.manifests / "kube-apiserver.yaml", node.dir / "aside.yaml"
    others = {n: node.ids(n) for n in COMPONENTS if n != "kube-apiserver"}
    os.rename(path, aside)
    until("the API server has ended", lambda: not node.sandboxes("kube-apiserver"), 60)
    check(patient(server.answers)() is None, "nobody answers")
    check({n: node.ids(n) for n in others} == others, "the others run on")
    os.rename(aside, path)
    until("it answers again", patient(server.answers), 60)
    for name in COMPONENTS:
        until(name + " is Running and Ready", patient(lambda n=name: node.well(n)), 60)
    check({n: node.ids(n) for n in others} == others, "the others run on")
    still_marked(node)


def restarted(node, server):
    """A kubelet that is killed and started again finds its control plane, without the bootstrap file."""
    before = {n: node.ids(n) for n in COMPONENTS}
    mirrors = {n: node.mirror(n)["metadata"]["uid"] for n in COMPONENTS}
    node.kill()
    node.start()
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + node.name
    old = server.get(lease)["spec"]["renewTime"]
    until("the lease is renewed", lambda: server.get(lease)["spec"]["renewTime"] > old, 30)
    check({n: node.ids(n) for n in COMPONENTS} == before, "same containers")
    check({n: node.mirror(n)["metadata"]["uid"] for n in COMPONENTS} == mirrors, "same mirrors")
    still_marked(node)


def inline(text):
    return base64.b64encode(text.encode()).decode()


def scenario_certificate_of_init():
    """`kubeadm init` writes kubelet.conf with a certificate in it, and looks for the file of one that rotates right after.

    Whether another has been issued by then is a matter of luck; here it has not."""
    with tempfile.TemporaryDirectory(prefix="kubeadm-e2e-") as folder:
        flags = ("--approval", "manual")
        with ApiServer(folder, "e2e%d" % os.getpid(), flags) as server, KubeadmNode(server) as node:
            pki = server.dir / "pki"
            pair = "client-certificate-data: %s, client-key-data: %s" % tuple(
                inline((pki / file).read_text()) for file in ("kubelet.crt", "kubelet.key"))
            node.kubeconfig.write_text(f"""apiVersion: v1
clusters:
- cluster: {{certificate-authority-data: {inline((pki / "ca.crt").read_text())}, server: "https://127.0.0.1:{server.port}"}}
  name: kubernetes
contexts:
- context: {{cluster: kubernetes, user: "system:node:{node.name}"}}
  name: system:node:{node.name}@kubernetes
current-context: system:node:{node.name}@kubernetes
kind: Config
users:
- name: system:node:{node.name}
  user: {{{pair}}}
""")
            node.write_settings()
            node.start()
            until("the node is Ready", node.ready, 30)
            current = node.root / "pki/kubelet-client-current.pem"
            check(current.exists(), "kubelet-client-current.pem is there")
            # kubelet-finalize: the kubeconfig is made to name it, and the unit restarted.
            text = node.kubeconfig.read_text()
            node.kubeconfig.write_text(text.replace(pair, "client-certificate: %s, client-key: %s" % (current, current)))
            check(node.terminate() == 0, "exit code of the unit")
            node.start()
            until("the node is Ready", node.ready, 30)


if __name__ == "__main__":
    run_scenario(globals())
