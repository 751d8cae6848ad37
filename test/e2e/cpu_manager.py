#!/usr/bin/python3
"""CPUs that containers have to themselves, on a real runtime: `cpu_manager.py SCENARIO`. Needs two CPUs."""
import json
import pathlib
import subprocess

from harness import Failed, Node, run_scenario, skip, until

STATIC = "cpuManagerPolicy: static\nreservedSystemCPUs: '0'\ncpuManagerReconcilePeriod: 2s\n"
WHOLE = "    resources: {requests: {cpu: '1', memory: 32Mi}, limits: {cpu: '1', memory: 32Mi}}"
PART = "    resources: {requests: {memory: 16Mi}}"


def check(good, what):
    if not good:
        raise Failed(what)


def cpus():
    """How many CPUs pods can have: what the root of all pods may use."""
    online = pathlib.Path("/sys/devices/system/cpu/online").read_text().strip()
    if online != "0-1":
        skip("these scenarios know what comes of the CPUs 0-1; here are %s" % online)


def pid(node, name):
    container = node.running(name)[0]
    info = json.loads(node.cri.call("ContainerStatus", container_id=container, verbose=True).info["info"])
    return info["pid"]


def allowed(node, name):
    """Cpus_allowed_list of the main process of a pod's container."""
    for line in pathlib.Path("/proc/%d/status" % pid(node, name)).read_text().splitlines():
        if line.startswith("Cpus_allowed_list"):
            return line.split()[1]
    return ""


def cgroup_file(node, name, controller, file):
    """Of the container's group; on cgroup v2 there is one for all controllers."""
    lines = pathlib.Path("/proc/%d/cgroup" % pid(node, name)).read_text().splitlines()
    groups = {c: path for line in lines for c in line.split(":")[1].split(",") for path in [line.split(":", 2)[2]]}
    folder = controller if controller in groups else ""
    trees = [t for t in node.cgroup_trees() if not folder or controller in t.name.split(",")]
    return pathlib.Path(str(trees[0]) + groups[folder], file)


def state(node):
    return json.loads((node.root / "cpu_manager_state").read_text())


def scenario_exclusive():
    """A Guaranteed pod gets CPU 1, all others make room, also after kill -9; they get it back when it goes."""
    cpus()
    with Node(STATIC) as node:
        node.write("shared.yaml", node.manifest("shared", extra=PART))
        node.start()
        node.running("shared")
        until("the shared pool is all CPUs", lambda: allowed(node, "shared") == "0-1")
        node.write("own.yaml", node.manifest("own", extra=WHOLE))
        node.running("own")
        check(allowed(node, "own") == "1", "it has CPU 1: %s" % allowed(node, "own"))
        file = cgroup_file(node, "own", "cpuset", "cpuset.cpus")
        check(file.read_text().strip() == "1", "%s: %s" % (file, file.read_text()))
        v1 = cgroup_file(node, "own", "cpu", "cpu.cfs_quota_us")
        if v1.exists():
            for quota in (v1, v1.parent.parent / v1.name):
                check(quota.read_text().strip() == "-1", "no quota: %s %s" % (quota, quota.read_text()))
        until("the others make room", lambda: allowed(node, "shared") == "0", 5)
        check(state(node)["defaultCpuSet"] == "0", "state: %s" % state(node))
        own, shared = node.ids("own"), node.ids("shared")

        node.write("late.yaml", node.manifest("late", extra=PART))
        node.running("late")
        check(allowed(node, "late") == "0", "a late pod shares: %s" % allowed(node, "late"))
        node.write("second.yaml", node.manifest("second", extra=WHOLE))
        until("there is none for a second", lambda: node.phase("second") == "Failed")
        status = node.pod("second")["status"]
        check(status["reason"] == "UnexpectedAdmissionError" and "requested=1, available=0" in status["message"],
              "refused: %s" % status)
        check("kubelet_cpu_manager_pinning_errors_total 1" in node.metrics(), "metrics: one was refused")
        (node.manifests / "second.yaml").unlink()

        before = (node.root / "cpu_manager_state").read_text()
        node.kill()
        node.start()
        node.running("own")
        check(node.ids("own") == own and node.ids("shared") == shared, "nothing was restarted")
        check((node.root / "cpu_manager_state").read_text() == before, "the state is as it was")
        check(allowed(node, "own") == "1" and allowed(node, "shared") == "0", "CPUs are as they were")

        (node.manifests / "own.yaml").unlink()
        until("the pool grows back", lambda: allowed(node, "shared") == "0-1" and allowed(node, "late") == "0-1", 15)
        check(state(node)["defaultCpuSet"] == "0-1" and "entries" not in state(node), "state: %s" % state(node))
        metrics = node.metrics()
        check("kubelet_cpu_manager_exclusive_cpu_allocation_count 0" in metrics, "metrics: nothing is given")


def scenario_edited():
    """An edited static pod has the CPU of the one before it; what was removed while no kubelet ran makes way."""
    cpus()
    with Node(STATIC) as node:
        node.write("own.yaml", node.manifest("own", extra=WHOLE))
        node.start()
        first = node.running("own")[0]
        node.write("own.yaml", node.manifest("own", extra=WHOLE).replace("run: e2e", "run: again").replace(
            "name: main", "name: other"))
        until("the edited pod runs", lambda: node.ids("own") and first not in node.ids("own"), 20)
        until("on the CPU", lambda: allowed(node, "own") == "1")
        node.kill()
        (node.manifests / "own.yaml").unlink()
        node.write("next.yaml", node.manifest("next", extra=WHOLE))
        node.start()
        node.running("next")
        check(not node.ids("own"), "the one before has ended")
        check(allowed(node, "next") == "1", "it has CPU 1: %s" % allowed(node, "next"))


def scenario_policy_changed():
    """A state of another policy keeps the kubelet from starting, and says which file to delete."""
    cpus()
    with Node(STATIC) as node:
        file = node.root / "cpu_manager_state"
        file.write_text('{"policyName":"none","defaultCpuSet":"","checksum":1353318690}')
        with open(node.log, "ab") as log:
            code = subprocess.run([node.binary, "--config", str(node.dir / "config.yaml"), "--root-dir",
                                   str(node.root), "--hostname-override", node.name, *node.flags],
                                  stdout=log, stderr=log, timeout=30, check=False).returncode
        text = node.log.read_text()
        check(code == 1, "it ends with 1: %s" % code)
        check('configured policy "static" differs from state checkpoint policy "none"' in text and str(file) in text,
              "it says why: %s" % text[-500:])
        file.unlink()
        node.start()
        until("the state is written", file.exists, 5)
        check(state(node)["policyName"] == "static", "state: %s" % state(node))


if __name__ == "__main__":
    run_scenario(globals())
