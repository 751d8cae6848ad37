#!/usr/bin/python3
"""Statistics and metrics of a kubelet on a real runtime: `stats.py SCENARIO`."""
import json
import os
import re
import subprocess
import time

from cluster import find_kubectl
from harness import run_scenario, until
from metrics_server import GROUP, VERSION, MetricsServer
from server import check, node_and_client

OPEN = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"}
SERIES = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: (\S+))?$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse(text):
    """[(name, labels, value)]; fails on a line that is none, a series that comes twice, one without a head."""
    out, seen, family = [], set(), ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split(" ")[2]
        elif line and not line.startswith("#"):
            match = SERIES.match(line)
            check(match, "no series: %r" % line[:200])
            labels = dict(LABEL.findall(match[2] or ""))
            check(match[1].startswith(family), "%s under the head of %s" % (match[1], family))
            key = (match[1], tuple(sorted(labels.items())))
            check(key not in seen, "twice: %r" % line[:200])
            seen.add(key)
            out.append((match[1], labels, float(match[3])))
    return out


def value(series, metric, **labels):
    found = [v for n, l, v in series if n == metric and all(l.get(k) == w for k, w in labels.items())]
    check(len(found) == 1, "%s%s: %d series" % (metric, labels, len(found)))
    return found[0]


def get(client, path, headers=None):
    code, text = client.get(path, headers)
    check(code == 200, "%s: %s %s" % (path, code, text[:300]))
    return text


def pod_of(summary, name):
    found = [p for p in summary["pods"] if p["podRef"]["name"] == name]
    check(len(found) == 1, "pod %s in the summary: %d times" % (name, len(found)))
    return found[0]


def scenario_figures():
    """What pods use is what their containers see of it; all documents tell the same."""
    with node_and_client() as (node, client):
        # Half a CPU, 40 MB in an emptyDir, 20 MB beside the image, a log.
        node.create("busy", "head -c 40000000 /dev/zero > /data/f; head -c 20000000 /dev/zero > /layer; echo some words; "
                    "trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.02; done",
                    container={"volumeMounts": [{"name": "data", "mountPath": "/data"}],
                               "resources": {"limits": {"memory": "200Mi", "cpu": "900m"}}},
                    volumes=[{"name": "data", "emptyDir": {}}])
        node.create("quiet")
        busy = node.api_ready("busy")
        node.api_ready("quiet")
        until("all is written", lambda: client.get("/containerLogs/%s/busy/main" % node.name)[1] == "some words\n", 30)
        summary = json.loads(get(client, "/stats/summary"))
        check(summary["node"]["nodeName"] == node.name, "the node's name")
        check({"kubelet", "pods"} <= {c["name"] for c in summary["node"]["systemContainers"]}, "system containers")
        for key in ("cpu", "memory", "network", "fs", "runtime", "rlimit", "swap", "io"):
            check(summary["node"].get(key), "node.%s" % key)
        pod = pod_of(summary, "busy")
        check(pod["podRef"]["uid"] == busy["metadata"]["uid"], "uid")
        container = pod["containers"][0]
        check(container["name"] == "main" and container["cpu"]["usageNanoCores"] > 50_000_000, "CPU: %s" % container["cpu"])
        check(container["memory"]["availableBytes"] < 200 << 20, "memory: %s" % container["memory"])
        check(container["memory"]["workingSetBytes"] <= container["memory"]["usageBytes"], "working set")
        check(pod["network"]["name"] == "eth0" or pod["network"]["interfaces"], "network: %s" % pod["network"])
        check(pod["process_stats"]["process_count"] >= 1, "processes")
        data = [v for v in pod["volume"] if v["name"] == "data"][0]
        check(40_000_000 <= data["usedBytes"] < 41_000_000 and data["inodesUsed"] == 2, "volume: %s" % data)
        check(container["logs"]["usedBytes"] >= 4096, "logs: %s" % container["logs"])

        # The runtime counts writable layers every ten seconds.
        def layer():
            found = pod_of(json.loads(get(client, "/stats/summary")), "busy")["containers"][0].get("rootfs", {})
            return found.get("usedBytes", 0) >= 20_000_000
        until("the writable layer", layer, 40, 1)

        only = pod_of(json.loads(get(client, "/stats/summary?only_cpu_and_memory=true")), "busy")
        check(set(only) == {"podRef", "startTime", "containers", "cpu", "memory", "swap"}, "CPU and memory only: %s" % set(only))
        series = parse(get(client, "/metrics/cadvisor"))
        mine = {"namespace": node.name, "pod": "busy", "container": "main"}
        group = [g for g in node.cgroups(busy["metadata"]["uid"]) if "memory" in str(g) or "unified" not in str(g)][0]
        check(value(series, "container_spec_memory_limit_bytes", **mine) == 200 << 20, "limit")
        check(value(series, "container_spec_cpu_quota", **mine) == 90000, "quota")
        check(value(series, "container_memory_working_set_bytes", **mine) > 0, "working set of %s" % group)
        check(value(series, "container_cpu_usage_seconds_total", **mine) > 0.1, "CPU")
        ids = [l["name"] for n, l, v in series if n == "container_last_seen" and l["pod"] == "busy" and l["name"]]
        check(set(node.api_ids("busy")) < set(ids) and len(ids) == 2, "container and sandbox: %s" % ids)
        check([l for n, l, v in series if n == "container_network_receive_bytes_total" and l["pod"] == "busy"], "network")
        resource = parse(get(client, "/metrics/resource"))
        check(value(resource, "container_memory_working_set_bytes", **mine) > 0, "resource metrics")
        check(value(resource, "pod_cpu_usage_seconds_total", namespace=node.name, pod="busy") > 0.1, "of the pod")
        check(value(resource, "resource_scrape_error") == 0, "scrape error")

        # A container that has ended is nowhere, at once; its successor has figures of its own.
        before = node.api_ids("quiet")[0]
        node.cri.call("StopContainer", container_id=before, timeout=1)
        until("another container", lambda: [i for i in node.api_ids("quiet") if i != before], 40)
        until("figures of its own", lambda: node.api_ids("quiet")[0] in get(client, "/metrics/cadvisor"), 20)
        check(before not in get(client, "/metrics/cadvisor"), "the ended container is still there")
        node.server.delete("%s/quiet" % node.api_pods, grace=1)
        until("no figures of a pod that is gone", lambda: '"quiet"' not in get(client, "/metrics/cadvisor"), 30)


def scenario_documents():
    """Every document in both text forms, by every port that has it; and the names that dashboards read."""
    with node_and_client() as (node, client):
        node.create("web")
        node.api_ready("web")
        for path in ("/metrics", "/metrics/cadvisor", "/metrics/resource", "/metrics/probes", "/metrics/slis"):
            plain = get(client, path)
            parse(plain)
            check("# EOF" not in plain, "%s: an end that is OpenMetrics'" % path)
            text = get(client, path, OPEN)
            check(text.endswith("# EOF\n"), "%s: no end" % path)
            for line in text.splitlines():
                if line.startswith("# TYPE ") and line.endswith(" counter"):
                    check(not line.split(" ")[2].endswith("_total"), line)
        series = parse(get(client, "/metrics"))
        names = {n for n, l, v in series}
        for name in ("kubelet_running_pods", "kubelet_running_containers", "kubelet_pod_worker_duration_seconds_bucket",
                     "kubelet_runtime_operations_total", "kubelet_pleg_relist_duration_seconds_count", "kubelet_node_name",
                     "rest_client_requests_total", "process_cpu_seconds_total", "process_resident_memory_bytes",
                     "process_open_fds", "process_start_time_seconds", "kubernetes_build_info", "kubelet_started_pods_total",
                     "kubelet_started_containers_total", "kubernetes_feature_enabled", "kubelet_desired_pods",
                     "kubelet_active_pods", "kubelet_working_pods", "kubelet_cgroup_version"):
            check(name in names, "%s is not in /metrics" % name)
        check(value(series, "kubelet_running_pods") == 1, "running pods")
        check(value(series, "kubelet_running_containers", container_state="running") == 1, "running containers")
        check(value(series, "kubelet_desired_pods", static="") == 1, "desired pods")
        check(not [n for n in names if n.startswith("prober_")], "the prober has a document of its own")
        client.get("/healthz")
        check(value(parse(get(client, "/metrics/slis")), "kubernetes_healthcheck", name="syncloop") == 1, "health checks")
        check(client.get("/metrics/slis", method="DELETE") == (200, "metrics reset\n"), "reset")
        check("kubernetes_healthcheck{" not in get(client, "/metrics/slis"), "not reset")
        check(client.get("/stats/summary", method="PUT")[0] == 405, "a method that is none")
        check(client.get("/metrics/nothing")[0] == 404, "a document that is none")
        check(json.loads(client.get("/stats/summary", method="POST")[1])["node"], "POST")
        check("kubelet_running_pods" in node.metrics(), "the read-only port")
        # Many scrapes at a time are one look at the machine, and cost little.
        def cpu():
            return value(parse(get(client, "/metrics")), "process_cpu_seconds_total")
        before, started = cpu(), time.monotonic()
        for _ in range(20):
            get(client, "/metrics/cadvisor")
        spent = cpu() - before
        print("20 scrapes: %.0f ms of CPU in %.0f ms" % (spent * 1e3, (time.monotonic() - started) * 1e3))
        check(spent < 4, "20 scrapes of one pod cost %.1f s" % spent)


def scenario_top():
    """`kubectl top`, by what metrics-server makes of /metrics/resource."""
    kubectl = find_kubectl()
    with node_and_client() as (node, client):
        server = node.server
        node.create("busy", "head -c 40000000 /dev/zero >/memory/f; while :; do i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; "
                    "sleep 0.01; done", container={"volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
                                                   "resources": {"limits": {"memory": "100Mi", "cpu": "300m"}}},
                    volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}])
        node.create("two", initContainers=[{"name": "side", "image": node.image, "imagePullPolicy": "IfNotPresent",
                                            "restartPolicy": "Always", "command": ["sleep", "3600"]}])
        for name in ("busy", "two"):
            node.api_ready(name)
        pki = server.dir / "pki"
        metrics = MetricsServer(node.name, lambda: get(client, "/metrics/resource"), (pki / "server.crt", pki / "server.key"))
        try:
            server.do("aggregate", group=GROUP, version=VERSION, port=metrics.port)

            def top(*words):
                """Lines of a table without its head; empty while there are no figures."""
                done = subprocess.run([kubectl, "--kubeconfig", server.admin, "top", *words, "--no-headers"], text=True, timeout=30,
                                      capture_output=True, check=False, env={**os.environ, "HOME": str(node.dir)})
                if done.returncode != 0:
                    check("not available" in done.stderr or "not found" in done.stderr or "no metrics" in done.stderr,
                          "kubectl top %s: %s" % (" ".join(words), done.stderr))
                return [line.split() for line in done.stdout.splitlines()]

            def there():
                metrics.scrape()
                return len(top("pod", "-n", node.name)) == 2 and top("node")
            until("figures of all", there, 60, 2)
            rows = {row[0]: row for row in top("pod", "-n", node.name)}
            cpu, memory = int(rows["busy"][1].rstrip("m")), int(rows["busy"][2].rstrip("Mi"))
            check(1 < cpu <= 400, "CPU of what may use 300m: %dm" % cpu)
            check(38 <= memory < 100, "memory of what holds 40 MB: %dMi" % memory)
            check(int(rows["two"][1].rstrip("m")) < 100, "what sleeps: %s" % rows["two"])
            each = top("pod", "two", "-n", node.name, "--containers")
            check(sorted(row[1] for row in each) == ["main", "side"], "--containers: %s" % each)
            [line] = top("node", node.name)
            check(line[0] == node.name and line[1].endswith("m") and line[2].endswith("%"), "top node: %s" % line)
            total = json.loads(get(client, "/stats/summary"))["node"]["memory"]["workingSetBytes"] / (1 << 20)
            check(abs(int(line[3].rstrip("Mi")) - total) < total / 2, "memory of the node: %s, %d MB" % (line, total))
            check(not metrics.problems, "; ".join(metrics.problems))
        finally:
            metrics.close()


if __name__ == "__main__":
    run_scenario(globals())
