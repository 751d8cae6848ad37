"""A client of the kubelet's HTTPS port: documents, logs, and streams over SPDY and WebSocket."""
import base64
import http.client
import json
import os
import socket
import ssl
import struct
import urllib.parse
import zlib

from harness import Failed


class KubeletClient:
    """`certificate`: files of certificate and key; None: nothing is shown."""

    def __init__(self, node, certificate=None):
        self.port = node.https
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        if certificate:
            self.context.load_cert_chain(*certificate)

    def raw(self, path):
        """The bytes of an answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.context)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def get(self, path, headers=None, method="GET", body=None):
        """Code and text."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.context)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def follow(self, path, take):
        """Hands every piece of a followed log to `take` until its end; raises when it is cut off."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=self.context)
        connection.request("GET", path)
        response = connection.getresponse()
        while True:
            data = response.read1(65536)
            if not data:
                break
            take(data)
        connection.close()

    def upgrade(self, path, headers, method="POST"):
        """The connection after a 101, with what came behind it."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        stream = self.context.wrap_socket(plain)
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: kubelet"] + ["%s: %s" % pair for pair in headers]
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = stream.recv(4096)
            if not more:
                raise Failed("no answer to the upgrade: %r" % data)
            data += more
        head, rest = data.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Failed("not upgraded: %r %r" % (head, rest))
        return stream, rest


def exec_path(namespace, pod, container, command, **options):
    query = [("command", word) for word in command] + [(name, "1") for name, on in options.items() if on]
    return "/exec/%s/%s/%s?%s" % (namespace, pod, container, urllib.parse.urlencode(query))


class Frames:
    """Reads whole frames of a stream."""

    def __init__(self, stream, rest):
        self.stream, self.data = stream, rest

    def take(self, size):
        while len(self.data) < size:
            more = self.stream.recv(65536)
            if not more:
                return None
            self.data += more
        out, self.data = self.data[:size], self.data[size:]
        return out


def outcome(status):
    """Exit code by the status of the error stream."""
    known = json.loads(status)
    if known["status"] == "Success":
        return 0
    causes = known.get("details", {}).get("causes", [])
    codes = [int(c["message"]) for c in causes if c.get("reason") == "ExitCode"]
    return codes[0] if codes else known["message"]


def spdy_exec(client, path, stdin=None):
    """(stdout, stderr, exit code or message) of a command over SPDY/3.1."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v4.channel.k8s.io")]
    stream, rest = client.upgrade(path, headers)
    deflate = zlib.compressobj()
    kinds = ["error"] + (["stdin"] if stdin is not None else []) + ["stdout", "stderr"]
    ids = {}
    for number, kind in enumerate(kinds):
        ids[kind] = 2 * number + 1
        block = struct.pack(">III", 1, len(b"streamtype"), 0)[:8] + b"streamtype" + struct.pack(">I", len(kind)) + kind.encode()
        body = struct.pack(">IIH", ids[kind], 0, 0) + deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)
        stream.sendall(struct.pack(">II", 0x80030001, len(body)) + body)
    if stdin is not None:
        stream.sendall(struct.pack(">II", ids["stdin"], len(stdin)) + stdin)
        stream.sendall(struct.pack(">II", ids["stdin"], 1 << 24))
    got = {number: b"" for number in ids.values()}
    frames = Frames(stream, rest)
    while True:
        head = frames.take(8)
        if head is None:
            break
        first, second = struct.unpack(">II", head)
        body = frames.take(second & 0xffffff)
        if not first >> 31 and first in got:
            got[first] += body
    stream.close()
    if not got[ids["error"]]:
        raise Failed("the stream ended without an outcome")
    return got[ids["stdout"]], got[ids["stderr"]], outcome(got[ids["error"]])


def websocket_frame(payload):
    mask = os.urandom(4)
    size = struct.pack(">B", 0x80 | len(payload)) if len(payload) < 126 else struct.pack(">BH", 0x80 | 126, len(payload))
    return b"\x82" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def websocket_exec(client, path, stdin=None, version="v5"):
    """The same over WebSocket."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()),
               ("Sec-WebSocket-Protocol", version + ".channel.k8s.io")]
    stream, rest = client.upgrade(path, headers, "GET")
    if stdin is not None:
        stream.sendall(websocket_frame(b"\0" + stdin))
        stream.sendall(websocket_frame(b"\xff\0"))
    got = {1: b"", 2: b"", 3: b""}
    frames = Frames(stream, rest)
    while True:
        head = frames.take(2)
        if head is None or head[0] & 15 == 8:
            break
        size = head[1] & 127
        if size >= 126:
            size = int.from_bytes(frames.take(2 if size == 126 else 8), "big")
        payload = frames.take(size)
        if payload:
            got[payload[0]] += payload[1:]
    stream.close()
    if not got[3]:
        raise Failed("the stream ended without an outcome")
    return got[1], got[2], outcome(got[3])
