#!/usr/bin/python3
"""Runs inside the virtual machine, once before and once after a reboot: what systemd, the kernel and the kubelet say of each
other. Speaks on the serial line: `VM ok NAME`, `VM FAILED NAME: why`, `VM done`; `LOG ...` is for reading after a failure."""
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

CGROUPS = pathlib.Path("/sys/fs/cgroup")
MANIFESTS = pathlib.Path("/etc/kubernetes/manifests")
STATE = pathlib.Path("/var/lib/vm-test.json")
NOTES = pathlib.Path("/var/lib/vm-notes")
UID = "11111111-2222-3333-4444-555555555555"
LINE = open("/dev/ttyS0", "w", encoding="utf-8")


def say(*words):
    print(*words, file=LINE, flush=True)


class Failed(Exception):
    pass


def check(good, what):
    if not good:
        raise Failed(what)


def until(what, look, seconds=300.0, every=0.3):
    """The processor may be emulated: bounds are wide, and only there to end."""
    end = time.monotonic() + seconds
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("not within %g s: %s" % (seconds, what))
        time.sleep(every)


def run(*words, ok=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if ok and done.returncode != 0:
        raise Failed("%s: %s" % (" ".join(words), done.stderr.strip()))
    return done.stdout.strip()


def unit(name, prop):
    return run("systemctl", "show", name, "--value", "-p", prop)


def pods():
    try:
        body = urllib.request.urlopen("http://127.0.0.1:10255/pods", timeout=10).read()
    except OSError:
        return {}
    return {p["metadata"]["name"].rsplit("-", 1)[0]: p for p in json.loads(body).get("items") or []}


def pod(name):
    return pods().get(name)


def status(name):
    known = pod(name) or {}
    return (known.get("status", {}).get("containerStatuses") or [{}])[0]


def container(name):
    """Id of the container that runs."""
    return status(name).get("containerID", "").split("://")[-1] if status(name).get("state", {}).get("running") else None


def running(name, seconds=300):
    return until(name + " runs", lambda: container(name), seconds)


def write(name, resources, command="trap 'exit 0' TERM; while :; do sleep 3600 & wait; done", uid="", policy="Always", grace=5, priority=0):
    text = f"""apiVersion: v1
kind: Pod
metadata:
  name: {name}
  {"uid: " + uid if uid else "labels: {run: vm}"}
spec:
  terminationGracePeriodSeconds: {grace}
  restartPolicy: {policy}
  {"priority: %d" % priority if priority else ""}
  volumes: [{{name: notes, hostPath: {{path: {NOTES}, type: DirectoryOrCreate}}}}]
  containers:
  - name: main
    image: kubelet.test/busybox:1
    imagePullPolicy: Never
    command: ["sh", "-c", {json.dumps(command)}]
    resources: {json.dumps(resources)}
    volumeMounts: [{{name: notes, mountPath: /notes}}]
"""
    (MANIFESTS / (".new-" + name)).write_text(text)
    os.rename(MANIFESTS / (".new-" + name), MANIFESTS / (name + ".yaml"))


def same(cpu, memory):
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


def slices(name):
    """Path of the pod's slice by its QoS class and uid."""
    known = pod(name)
    cls = known["status"]["qosClass"].lower()
    uid = known["metadata"]["uid"].replace("-", "_")
    if cls == "guaranteed":
        return "kubepods.slice/kubepods-pod%s.slice" % uid
    return "kubepods.slice/kubepods-%s.slice/kubepods-%s-pod%s.slice" % (cls, cls, uid)


def value(group, file):
    return (CGROUPS / group / file).read_text().strip()


def values(group):
    return {f: value(group, f) for f in ("memory.max", "cpu.max", "cpu.weight", "pids.max")}


def groups():
    """Every group of pods and what it is limited to."""
    found = [str(g.relative_to(CGROUPS)) for g in (CGROUPS / "kubepods.slice").glob("**/")]
    return {g: values(g) for g in found}


def test_systemd_and_unified_cgroups():
    check(pathlib.Path("/proc/1/comm").read_text().strip() == "systemd", "PID 1")
    check(run("stat", "-fc", "%T", str(CGROUPS)) == "cgroup2fs", "cgroups")


def test_unit_is_active_once_it_says_so():
    until("active", lambda: unit("kubelet", "ActiveState") == "active")
    check(unit("kubelet", "Type") == "notify", "Type: %s" % unit("kubelet", "Type"))
    until("healthz", lambda: run("python3", "-c", "import urllib.request as u;"
                                 "print(u.urlopen('http://127.0.0.1:10248/healthz').read().decode())", ok=False) == "ok")


def test_watchdog_is_fed():
    check(unit("kubelet", "WatchdogUSec") == "30s", "WatchdogUSec: " + unit("kubelet", "WatchdogUSec"))
    for _ in range(2):
        last = unit("kubelet", "WatchdogTimestampMonotonic")
        until("fed", lambda l=last: unit("kubelet", "WatchdogTimestampMonotonic") != l, 60)
    check(unit("kubelet", "NRestarts") == "0", "restarts: " + unit("kubelet", "NRestarts"))


def test_pods_run_in_slices_and_scopes():
    run("ctr", "-n", "k8s.io", "images", "import", "/opt/vm/images/pause.tar")
    run("ctr", "-n", "k8s.io", "images", "import", "/opt/vm/images/busybox.tar")
    write("guaranteed", same("200m", "64Mi"), uid=UID)
    write("burstable", {"requests": {"cpu": "100m", "memory": "16Mi"}})
    write("besteffort", {})
    for name in ("guaranteed", "burstable", "besteffort"):
        scope = "cri-containerd-%s.scope" % running(name)
        group = slices(name)
        check((CGROUPS / group / scope / "cgroup.procs").read_text().split(), "%s: no process in %s" % (name, scope))
        for each in (os.path.basename(group), scope):
            check(unit(each, "ActiveState") == "active", "%s: systemd says %s" % (each, unit(each, "ActiveState")))
        check(unit(scope, "ControlGroup") == "/%s/%s" % (group, scope), "%s: %s" % (scope, unit(scope, "ControlGroup")))
    check(slices("guaranteed").endswith("pod11111111_2222_3333_4444_555555555555.slice"), "uid in the name")


def test_limits_are_in_the_groups_and_in_systemd():
    group = slices("guaranteed")
    scope = "%s/cri-containerd-%s.scope" % (group, container("guaranteed"))
    want = {"memory.max": str(64 << 20), "cpu.max": "20000 100000", "cpu.weight": "8", "pids.max": "120"}
    check(values(group) == want, "guaranteed pod: %s" % values(group))
    check(value(scope, "memory.max") == str(64 << 20), "its container: %s" % values(scope))
    check(value(scope, "cpu.max") == "20000 100000", "its container: %s" % values(scope))
    name = os.path.basename(group)
    check((unit(name, "MemoryMax"), unit(name, "CPUWeight"), unit(name, "CPUQuotaPerSecUSec"), unit(name, "TasksMax")) ==
          (str(64 << 20), "8", "200ms", "120"), "systemd on the pod: %s" % run("systemctl", "show", name))
    group = slices("burstable")
    want = {"memory.max": "max", "cpu.max": "max 100000", "cpu.weight": "4", "pids.max": "120"}
    check(values(group) == want, "burstable pod: %s" % values(group))
    want["cpu.weight"] = "1"
    check(values(slices("besteffort")) == want, "best effort pod: %s" % values(slices("besteffort")))
    until("weight of the burstable", lambda: value("kubepods.slice/kubepods-burstable.slice", "cpu.weight") == "4")
    check(value("kubepods.slice/kubepods-besteffort.slice", "cpu.weight") == "1", "weight of best effort")


def test_node_allocatable_is_enforced():
    total = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) << 10
    check(int(value("kubepods.slice", "memory.max")) == total - (128 << 20) & ~4095, "memory: " + value("kubepods.slice", "memory.max"))
    check(value("kubepods.slice", "cpu.weight") == "36", "weight of 900m: " + value("kubepods.slice", "cpu.weight"))


def test_limits_survive_a_daemon_reload():
    before = groups()
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "systemd-networkd")  # a job of its own, after which systemd has written what it wants
    time.sleep(3)
    check(groups() == before, "before: %s after: %s" % (before, groups()))


def test_cpu_limit_is_enforced():
    write("busy", same("100m", "32Mi"), "while :; do :; done")
    running("busy")
    group = slices("busy")

    def throttled():
        return dict(line.split() for line in value(group, "cpu.stat").splitlines())
    until("throttled", lambda: int(throttled()["nr_throttled"]) > 5)
    first, begin = int(throttled()["usage_usec"]), time.monotonic()
    time.sleep(5)
    used, took = int(throttled()["usage_usec"]) - first, time.monotonic() - begin
    check(used / took < 200000, "100m used %d us in %.1f s" % (used, took))


def test_memory_limit_ends_in_oomkilled():
    """The kernel ends the container each time. That it did so the runtime learns from a file of a group that systemd removes
    in the same moment, and on a slow machine it comes too late now and then: then the exit code is all there is."""
    reasons = []
    for number in range(4):
        name = "oom%d" % number
        write(name, same("300m", "32Mi"), "sleep 1; exec tail /dev/zero", policy="Never")
        ended = until("it ends", lambda n=name: status(n).get("state", {}).get("terminated"))
        check(ended["exitCode"] == 137, "ended: %s" % ended)
        until("phase", lambda n=name: pod(n)["status"]["phase"] == "Failed")
        reasons.append(ended["reason"])
        if ended["reason"] == "OOMKilled":
            break
    check(reasons[-1] == "OOMKilled", "reasons: %s" % reasons)
    check("Memory cgroup out of memory" in run("journalctl", "-k", "-o", "cat"), "the kernel's log")


def test_removed_pod_leaves_no_unit():
    group = slices("busy")
    name = os.path.basename(group)
    (MANIFESTS / "busy.yaml").unlink()
    until("group gone", lambda: not (CGROUPS / group).exists())
    until("unit gone", lambda: name not in run("systemctl", "list-units", "--all", "--plain", "--no-legend", name))


def lives(names, before):
    check({n: container(n) for n in names} == before, "same containers")
    check(all(status(n)["restartCount"] == 0 for n in names), "no restart")


def again(what, cause):
    names = ("guaranteed", "burstable", "besteffort")
    before = {n: running(n) for n in names}
    limits = groups()
    old = unit("kubelet", "MainPID")
    cause()
    until(what, lambda: unit("kubelet", "ActiveState") == "active" and unit("kubelet", "MainPID") not in ("0", old))
    until("it knows its pods", lambda: {n: container(n) for n in names} == before)
    lives(names, before)
    check(groups() == limits, "limits: %s, now %s" % (limits, groups()))


def test_restart_of_the_unit():
    again("restarted", lambda: run("systemctl", "restart", "kubelet"))


def test_kill():
    again("started again after SIGKILL", lambda: run("systemctl", "kill", "-s", "KILL", "kubelet"))


def test_watchdog_bites():
    again("started again after it hung", lambda: run("systemctl", "kill", "-s", "STOP", "kubelet"))
    check(int(unit("kubelet", "NRestarts")) >= 1, "restarts: " + unit("kubelet", "NRestarts"))


def test_stop_leaves_the_pods():
    def stop():
        before = container("guaranteed")
        run("systemctl", "stop", "kubelet")
        check(unit("kubelet", "Result") == "success", "Result: " + unit("kubelet", "Result"))
        time.sleep(2)
        check(before in run("ctr", "-n", "k8s.io", "tasks", "ls"), "the container runs on")
        run("systemctl", "start", "kubelet")
    again("started", stop)


def test_a_shutdown_is_held_up():
    """A delay lock at logind, for as long as both periods together; logind's own limit of 5 s is raised for it."""
    until("lock", lambda: "kubelet" in run("systemd-inhibit", "--list", "--no-legend", "--no-pager", ok=False))
    until("delay", lambda: run("busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
                               "org.freedesktop.login1.Manager", "InhibitDelayMaxUSec", ok=False) == "t 60000000")


def test_pods_that_note_their_end():
    """For the reboot: when each was told to end, and when it did, by the clock of this boot."""
    for name, priority in (("ordinary", 0), ("critical", 2000000000)):
        note = "cut -d' ' -f1 /proc/uptime >/notes/%s." % name
        write(name, {}, "trap '%sterm; sleep 2; %send; sync; exit 0' TERM; while :; do sleep 3600 & wait; done"
              % (note.replace("'", '"'), note.replace("'", '"')), grace=15, priority=priority)
    for name in ("ordinary", "critical"):
        running(name)
        check(not list(NOTES.glob(name + ".*")), name + ": no note yet")


def test_the_shutdown_ended_pods_in_order():
    noted = {}
    for name in ("ordinary.term", "ordinary.end", "critical.term", "critical.end"):
        check((NOTES / name).exists(), "%s is not there: %s" % (name, os.listdir(NOTES) if NOTES.exists() else "no notes"))
        noted[name] = float((NOTES / name).read_text())
    check(noted["ordinary.end"] - noted["ordinary.term"] >= 2, "had its time: %s" % noted)
    check(noted["critical.end"] - noted["critical.term"] >= 2, "had its time: %s" % noted)
    check(noted["critical.term"] >= noted["ordinary.end"], "critical pods end last: %s" % noted)


def test_pods_come_back_after_a_reboot():
    before = json.loads(STATE.read_text())
    until("active", lambda: unit("kubelet", "ActiveState") == "active")
    for name, old in before["containers"].items():
        check(running(name) != old, name + ": a new container")
    until("limits as before: %s" % before["limits"], lambda: {g: v for g, v in groups().items() if ".scope" not in g} == before["limits"])
    ended = until("the pod that ended is known", lambda: pod("oom0"))
    check(ended["status"]["phase"] == "Failed" and not container("oom0"), "what ended is not run again: %s" % ended["status"])


def test_conformance_runner_makes_slices():
    """The last test: its kubelet ends the pods of the service's. The runtime says systemd, so the groups have to be slices."""
    run("systemctl", "stop", "kubelet")
    done = subprocess.run(["kubelet-conformance", "--kubelet", "/usr/bin/kubelet", "--cri", "unix:///run/containerd/containerd.sock",
                           "--busybox", "/opt/vm/busybox", "--end-other-pods", "--patience", "5", "--parallel", "2",
                           "--focus", "^resources/(guaranteed-group|burstable-group|limits-of-container|qos-groups)$"],
                          capture_output=True, text=True, timeout=500, check=False)
    check(done.returncode == 0, "exit code %d: %s" % (done.returncode, (done.stdout + done.stderr)[-1500:].replace("\n", " | ")))
    check("4 passed" in done.stdout, done.stdout[-300:])
    check(not list(CGROUPS.glob("conformance*")), "groups are left: %s" % list(CGROUPS.glob("conformance*")))


BEFORE = (
    test_systemd_and_unified_cgroups, test_unit_is_active_once_it_says_so, test_watchdog_is_fed, test_pods_run_in_slices_and_scopes,
    test_limits_are_in_the_groups_and_in_systemd, test_node_allocatable_is_enforced, test_limits_survive_a_daemon_reload,
    test_cpu_limit_is_enforced, test_memory_limit_ends_in_oomkilled, test_removed_pod_leaves_no_unit, test_restart_of_the_unit,
    test_kill, test_watchdog_bites, test_stop_leaves_the_pods, test_a_shutdown_is_held_up, test_pods_that_note_their_end)
AFTER = (test_the_shutdown_ended_pods_in_order, test_pods_come_back_after_a_reboot, test_a_shutdown_is_held_up, test_unit_is_active_once_it_says_so, test_watchdog_is_fed,
         test_limits_are_in_the_groups_and_in_systemd, test_limits_survive_a_daemon_reload, test_conformance_runner_makes_slices)


def report(since):
    for words in (["systemctl", "status", "kubelet", "--no-pager", "-l"], ["systemd-cgls", "--no-pager", "kubepods.slice"],
                  ["journalctl", "-u", "kubelet", "-u", "containerd", "--no-pager", "-o", "cat", "--since", since]):
        for line in run(*words, ok=False).splitlines()[-70:]:
            say("LOG", line[:400])


def main():
    rebooted = STATE.exists()
    for test in AFTER if rebooted else BEFORE:
        name = test.__name__[5:] + (" (rebooted)" if rebooted and test in BEFORE else "")
        started, since = time.monotonic(), time.strftime("%Y-%m-%d %H:%M:%S")
        try:
            test()
            say("VM ok %s (%.1f s)" % (name, time.monotonic() - started))
        except Exception as error:  # whatever it is, the next test has its say
            say("VM FAILED %s: %s: %s" % (name, type(error).__name__, error))
            report(since)
    if rebooted:
        say("VM done")
        run("systemctl", "poweroff")
        return
    limits = {g: v for g, v in groups().items() if ".scope" not in g}
    STATE.write_text(json.dumps({"containers": {n: container(n) for n in ("guaranteed", "burstable", "besteffort")},
                                 "limits": limits}))
    os.sync()
    run("systemctl", "reboot")


if __name__ == "__main__":
    sys.exit(main())
