"""A container registry on loopback: Debian's docker-registry, its state in a folder of the test, images put in over HTTP."""
import base64
import crypt
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time

CACHE = pathlib.Path(os.environ.get("KUBELET_TEST_CACHE", "/var/cache/kubelet-test")) / "docker-registry"


def binary():
    """Path of the program; None when it cannot be had. The package is unpacked, not installed: it would start a service."""
    found = shutil.which("docker-registry")
    unpacked = CACHE / "usr/bin/docker-registry"
    if found or unpacked.exists():
        return found or str(unpacked)
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        fetched = subprocess.run(["apt-get", "download", "-q", "docker-registry"], cwd=work, capture_output=True)
        packages = list(pathlib.Path(work).glob("*.deb"))
        if fetched.returncode != 0 or not packages:
            return None
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(CACHE)], check=True)
    return str(unpacked) if unpacked.exists() else None


class Registry:
    def __init__(self, folder, user=None, password=None):
        """With a user, nobody else gets in (basic auth)."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.user, self.password = user, password
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        # containerd speaks plain HTTP with a registry of this name.
        self.host = "localhost:%d" % self.port
        self.process = None

    def start(self):
        config = self.folder / "registry.yml"
        auth = ""
        if self.user:
            users = self.folder / "htpasswd"
            salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
            users.write_text("%s:%s\n" % (self.user, crypt.crypt(self.password, salt)))
            auth = "auth: {htpasswd: {realm: test, path: %s}}" % users
        config.write_text(f"""version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {self.folder / 'blobs'}}}}}
http: {{addr: "127.0.0.1:{self.port}"}}
{auth}
""")
        self.process = subprocess.Popen([binary(), "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while self.request("GET", "/v2/")[0] != 200:
            if time.monotonic() > end:
                raise RuntimeError("the registry does not answer")
            time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def request(self, method, path, body=None, headers=None):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            headers = dict(headers or {})
            if self.user:
                headers["Authorization"] = "Basic " + self.secret()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except OSError:
            return 0, {}, b""

    def secret(self):
        return base64.b64encode(("%s:%s" % (self.user, self.password)).encode()).decode()

    def docker_config(self):
        """The config.json that lets one in."""
        return json.dumps({"auths": {self.host: {"auth": self.secret()}}})

    def push(self, tar, name, tag):
        """Puts the first image of an OCI layout into the registry; its reference."""
        with tarfile.open(tar) as layout:
            def blob(digest):
                return layout.extractfile("blobs/" + digest.replace(":", "/")).read()
            index = json.load(layout.extractfile("index.json"))
            manifest = blob(index["manifests"][0]["digest"])
            value = json.loads(manifest)
            for part in [value["config"], *value["layers"]]:
                self.put_blob(name, part["digest"], blob(part["digest"]))
        status, _, text = self.request("PUT", f"/v2/{name}/manifests/{tag}", manifest,
                                       {"Content-Type": index["manifests"][0]["mediaType"]})
        if status != 201:
            raise RuntimeError("cannot put the manifest: %d %r" % (status, text))
        return f"{self.host}/{name}:{tag}", "sha256:" + hashlib.sha256(manifest).hexdigest()

    def put_blob(self, name, digest, content):
        status, headers, text = self.request("POST", f"/v2/{name}/blobs/uploads/")
        if status != 202:
            raise RuntimeError("cannot begin an upload: %d %r" % (status, text))
        where = headers["Location"].split(f":{self.port}", 1)[-1]
        where += ("&" if "?" in where else "?") + "digest=" + digest
        status, _, text = self.request("PUT", where, content, {"Content-Type": "application/octet-stream"})
        if status != 201:
            raise RuntimeError("cannot put a blob: %d %r" % (status, text))
