"""A stand-in for metrics-server: reads a node's /metrics/resource by metrics-server's rules (0.8: pkg/scraper/client/resource,
pkg/storage) and serves metrics.k8s.io/v1beta1 of it, as `kubectl top` asks for it. One node."""
import http.server
import json
import ssl
import threading
import time

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
NODE = ("node_cpu_usage_seconds_total", "node_memory_working_set_bytes")
CONTAINER = ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_start_time_seconds")
FRESH = 10.0  # seconds; a container younger than that has no speed


def label(labels, name):
    """As metrics-server finds it: the first text that looks like it, not unescaped."""
    begin = labels.index(name + '="') + len(name) + 2
    return labels[begin:labels.index('"', begin)]


class Point:
    def __init__(self):
        self.at = self.started = None  # seconds since the epoch
        self.cpu = self.memory = 0

    def set(self, name, value, stamp):
        if name.endswith("start_time_seconds"):
            self.started = value
            return
        self.at = stamp
        if "_cpu_" in name:
            self.cpu = value
        else:
            self.memory = value

    def whole(self):
        return bool(self.at and self.cpu and self.memory)


def decode(text, now):
    """The node's point, or None; and {(namespace, pod): {container: point}} of pods whose containers are all whole."""
    node, pods = Point(), {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, rest = line.rsplit("}", 1) if "}" in line else line.split(" ", 1)
        name, _, labels = series.partition("{")
        words = rest.split()
        stamp = int(words[1]) / 1000 if len(words) > 1 else now
        if name in NODE:
            node.set(name, float(words[0]), stamp)
        elif name in CONTAINER:
            pod = pods.setdefault((label(labels, "namespace"), label(labels, "pod")), {})
            pod.setdefault(label(labels, "container"), Point()).set(name, float(words[0]), stamp)
    return node if node.whole() else None, {k: p for k, p in pods.items() if all(c.whole() for c in p.values())}


class MetricsServer:
    """`read` gives the document; `certificate` are files of a certificate and its key. Scrapes when told."""

    def __init__(self, node, read, certificate, resolution=15.0):
        self.node, self.read, self.resolution = node, read, resolution
        self.last, self.before = ({}, {}), ({}, {})  # nodes, containers by (namespace, pod, container)
        self.problems = []
        handler = type("Handler", (Handler,), {"metrics": self})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def scrape(self):
        node, pods = decode(self.read(), time.time())
        if node is None:
            self.problems.append("no whole figures of the node")
        points = ({self.node: node} if node else {}, {(*pod, c): p for pod, cs in pods.items() for c, p in cs.items()})
        self.before = tuple(self.earlier(i, points[i]) for i in (0, 1))
        self.last = points

    def earlier(self, i, points):
        """The point that the speed counts from: of the scrape before, or the start of a container that is new."""
        out = {}
        for key, point in points.items():
            old = self.last[i].get(key)
            if point.started and FRESH <= point.at - point.started < self.resolution:
                out[key] = Point()
                out[key].at, out[key].memory = point.started, point.memory
            elif old and (not point.started or point.started < old.at):
                if point.at > old.at:
                    out[key] = old
                elif key in self.before[i]:
                    out[key] = self.before[i][key]
        return out

    def usage(self, i, key):
        last, before = self.last[i].get(key), self.before[i].get(key)
        if not last or not before:
            return None
        if last.cpu < before.cpu:
            self.problems.append("%s: CPU time goes backwards" % (key,))
            return None
        speed = (last.cpu - before.cpu) / (last.at - before.at)
        return {"usage": {"cpu": "%dn" % (speed * 1e9), "memory": "%d" % last.memory},
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(last.at)), "window": "%.3fs" % (last.at - before.at)}

    def nodes(self):
        found = self.usage(0, self.node)
        return [{"kind": "NodeMetrics", "apiVersion": GROUP + "/" + VERSION, "metadata": {"name": self.node}, **found}] if found else []

    def pods(self, namespace):
        pods = {}
        for space, pod, container in self.last[1]:
            if namespace in ("", space):
                pods.setdefault((space, pod), []).append(container)
        out = []
        for (space, pod), containers in sorted(pods.items()):
            usages = {c: self.usage(1, (space, pod, c)) for c in containers}
            if not all(usages.values()):
                continue
            first = next(iter(usages.values()))
            out.append({"kind": "PodMetrics", "apiVersion": GROUP + "/" + VERSION, "metadata": {"name": pod, "namespace": space},
                        "timestamp": first["timestamp"], "window": first["window"],
                        "containers": [{"name": c, "usage": u["usage"]} for c, u in sorted(usages.items())]})
        return out

    def answer(self, path):
        """A document, or None."""
        words = path.split("?")[0].strip("/").split("/")
        if words[:3] != ["apis", GROUP, VERSION]:
            return None
        rest = words[3:]
        if not rest:
            verbs = ["get", "list"]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP + "/" + VERSION, "resources": [
                {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": verbs},
                {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": verbs}]}
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        items, kind = (self.nodes(), "NodeMetrics") if rest[0] == "nodes" else (self.pods(namespace), "PodMetrics")
        if len(rest) > 1:
            return next((item for item in items if item["metadata"]["name"] == rest[1]), None)
        return {"kind": kind + "List", "apiVersion": GROUP + "/" + VERSION, "metadata": {}, "items": items}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.metrics.answer(self.path)
        missing = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
                   "message": "no metrics known for " + self.path}
        body = json.dumps(found or missing).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass
