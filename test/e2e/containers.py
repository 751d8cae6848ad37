#!/usr/bin/python3
"""What a pod asks of its containers, from end to end: `containers.py SCENARIO`. Containers write down what happens to
them, with the time, in a directory of the host."""
import contextlib
import json
import pathlib
import socket
import tempfile
import time

from harness import Failed, Node, run_scenario, until

# A container that tells when it starts and ends, and ends when it is asked to.
TELLS = "note start-NAME; trap 'note term-NAME; exit 0' TERM; while :; do sleep 0.1; done"


def check(condition, what):
    if not condition:
        raise Failed(what)


class Diary:
    """A directory that all containers of a pod share with the test: one file of lines `<nanoseconds> <what>`."""

    def __init__(self, node, folder):
        self.node = node
        self.file = pathlib.Path(folder) / "diary"
        self.file.touch()
        self.folder = folder

    # busybox' date has no nanoseconds: /proc/uptime has hundredths of a second.
    NOTE = "note() { echo $(cut -d' ' -f1 /proc/uptime) $1 >> /diary/diary; }; "

    def container(self, name, script=TELLS, **more):
        return {"name": name, "image": self.node.image, "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", self.NOTE + script.replace("NAME", name)],
                "volumeMounts": [{"name": "diary", "mountPath": "/diary"}], **more}

    def hook(self, script):
        return {"exec": {"command": ["sh", "-c", self.NOTE + script]}}

    def pod(self, name, containers, init=(), **spec):
        return json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"hostNetwork": True, "volumes": [{"name": "diary", "hostPath": {"path": self.folder}}],
                     "initContainers": list(init), "containers": list(containers), **spec}})

    def lines(self):
        return [line.split(" ", 1) for line in self.file.read_text().splitlines()]

    def what(self):
        return [what for _, what in self.lines()]

    def at(self, what):
        return [float(when) for when, w in self.lines() if w == what]

    def in_order(self, *events):
        told = self.what()
        places = [told.index(e) if e in told else -1 for e in events]
        check(-1 not in places and places == sorted(places), "%s happen in order; told: %s" % (events, told))


@contextlib.contextmanager
def station():
    with Node() as node:
        node.start()
        with tempfile.TemporaryDirectory(dir=node.dir) as folder:
            yield node, Diary(node, folder)


def remove(node, name):
    (node.manifests / (name + ".yaml")).unlink()
    until("sandbox gone", lambda: not node.sandboxes(name), 40)


def statuses(node, name, kind="containerStatuses"):
    pod = node.pod(name) or {}
    return {s["name"]: s for s in pod.get("status", {}).get(kind, [])}


def scenario_init_containers_in_order():
    """Init containers one after the other, a sidecar between them that stays; none runs again after kill -9."""
    with station() as (node, diary):
        init = [diary.container("i1", "note start-i1; sleep 0.5; note end-i1"),
                diary.container("s", restartPolicy="Always"),
                diary.container("i2", "note start-i2; sleep 0.5; note end-i2")]
        node.write("a.yaml", diary.pod("a", [diary.container("c")], init, terminationGracePeriodSeconds=5))
        until("c runs", lambda: "start-c" in diary.what(), 30)
        diary.in_order("start-i1", "end-i1", "start-s", "start-i2", "end-i2", "start-c")
        until("Running", lambda: node.phase("a") == "Running", 10)
        before = node.ids("a")
        check(len(before) == 2, "sidecar and regular container run")
        # Their records go as well: what is done stays done.
        for c in node.containers("a"):
            if c.state == 2:
                node.cri.call("RemoveContainer", container_id=c.id)
        node.kill()
        node.start()
        node.running("a")
        time.sleep(2)
        check(node.ids("a") == before, "the same containers run")
        check(diary.what().count("start-i1") == 1 and diary.what().count("start-i2") == 1, "no init container ran again")
        # A sidecar that ends is started again, and nothing else is.
        victim = next(c for c in node.containers("a") if c.state == 1 and c.metadata.name == "s")
        node.cri.call("StopContainer", container_id=victim.id, timeout=0)
        until("sidecar again", lambda: diary.what().count("start-s") == 2, 20)
        check(diary.what().count("start-c") == 1, "the regular container goes on")
        remove(node, "a")


def scenario_sidecars_end_last():
    """At the end the regular container goes first, then the sidecars in reverse order; all hooks begin at once."""
    with station() as (node, diary):
        def hooked(name, **more):
            return diary.container(name, lifecycle={"preStop": diary.hook("note hook-%s; sleep 1" % name)}, **more)
        init = [hooked("s1", restartPolicy="Always"), hooked("s2", restartPolicy="Always")]
        node.write("a.yaml", diary.pod("a", [hooked("c")], init, terminationGracePeriodSeconds=20))
        until("c runs", lambda: "start-c" in diary.what(), 30)
        node.running("a")
        remove(node, "a")
        diary.in_order("term-c", "term-s2", "term-s1")
        hooks = [diary.at("hook-" + name)[0] for name in ("c", "s1", "s2")]
        check(max(hooks) - min(hooks) < 0.9, "hooks begin together: %s" % hooks)
        for name in ("c", "s1", "s2"):
            check(diary.at("term-" + name)[0] - diary.at("hook-" + name)[0] >= 0.9, "the hook of %s comes first" % name)


def scenario_completion_ends_sidecars():
    """A pod whose regular containers are done ends its sidecars and has succeeded."""
    with station() as (node, diary):
        node.write("a.yaml", diary.pod("a", [diary.container("c", "note start-c; sleep 0.5; exit 0")],
                                       [diary.container("s", restartPolicy="Always")], restartPolicy="Never",
                                       terminationGracePeriodSeconds=5))
        until("Succeeded", lambda: node.phase("a") == "Succeeded", 30)
        diary.in_order("start-s", "start-c", "term-s")
        check(diary.what().count("start-s") == 1, "the sidecar is not started again")


def scenario_pre_stop_before_term():
    """The preStop hook is done before the stop signal; one that hangs is bounded by the grace period."""
    with station() as (node, diary):
        done = diary.container("c", lifecycle={"preStop": diary.hook("note hook; sleep 1; note hooked")})
        node.write("a.yaml", diary.pod("a", [done], terminationGracePeriodSeconds=10))
        until("c runs", lambda: "start-c" in diary.what(), 30)
        node.running("a")
        remove(node, "a")
        diary.in_order("hook", "hooked", "term-c")
        hangs = diary.container("d", lifecycle={"preStop": diary.hook("note hang; sleep 1000")})
        node.write("b.yaml", diary.pod("b", [hangs], terminationGracePeriodSeconds=3))
        node.write("e.yaml", diary.pod("e", [diary.container("e")], terminationGracePeriodSeconds=1))
        until("both run", lambda: {"start-d", "start-e"} <= set(diary.what()), 30)
        node.running("b")
        node.running("e")
        (node.manifests / "b.yaml").unlink()
        until("the hook hangs", lambda: "hang" in diary.what(), 10)
        begun = time.monotonic()
        remove(node, "e")
        check(time.monotonic() - begun < 2.5, "another pod does not wait for it")
        until("b is gone", lambda: not node.sandboxes("b"), 20)
        waited = diary.at("term-d")[0] - diary.at("hang")[0]
        check(2.5 < waited < 5, "the stop signal comes when the grace period is over: %.1f s" % waited)


def scenario_kill_during_pre_stop():
    """kill -9 in the middle of a preStop hook: the next kubelet runs it, from what the container carries."""
    with station() as (node, diary):
        slow = diary.container("c", lifecycle={"preStop": diary.hook("note hook; sleep 0.5; note hooked")})
        node.write("a.yaml", diary.pod("a", [slow], terminationGracePeriodSeconds=10))
        until("c runs", lambda: "start-c" in diary.what(), 30)
        node.running("a")
        (node.manifests / "a.yaml").unlink()
        until("the hook began", lambda: "hook" in diary.what(), 10)
        node.kill()
        node.start()
        until("sandbox gone", lambda: not node.sandboxes("a"), 20)
        check(diary.what().count("hook") >= 2, "the hook ran again: %s" % diary.what())
        check(diary.what().index("term-c") > diary.what().index("hooked"), "and before the stop signal")


def scenario_what_hangs_holds_up_its_own_pod():
    """A postStart hook, a startup probe and a pull that never end: another pod starts and ends as ever meanwhile."""
    with station() as (node, diary), socket.create_server(("127.0.0.1", 0)) as silent:
        note = {"exec": {"command": ["sh", "-c", diary.NOTE + "note NAME; sleep 1000"]}}

        def noting(name):
            return json.loads(json.dumps(note).replace("NAME", name))
        pods = {"hook": diary.container("hook", lifecycle={"postStart": noting("hooking")}),
                "probe": diary.container("probe", startupProbe={**noting("probing"), "timeoutSeconds": 1000}),
                "pull": {**diary.container("pull"), "image": "127.0.0.1:%d/none:1" % silent.getsockname()[1],
                         "imagePullPolicy": "Always"}}
        for name, container in pods.items():
            node.write(name + ".yaml", diary.pod(name, [container], terminationGracePeriodSeconds=1))

        def all_hang():
            return {"hooking", "probing"} <= set(diary.what()) and "pulling image" in node.cli("pods")
        until("all of them hang", all_hang, 40)
        silent.settimeout(20)
        with silent.accept()[0]:  # the runtime asks, and hears nothing
            begun = time.monotonic()
            node.write("a.yaml", diary.pod("a", [diary.container("a")], terminationGracePeriodSeconds=1))
            until("a runs", lambda: "start-a" in diary.what(), 10)
            remove(node, "a")
            check(time.monotonic() - begun < 8, "it comes and goes: %.1f s" % (time.monotonic() - begun))
            check(all_hang(), "and they still hang")
            check(not {"start-pull", "term-hook", "term-probe"} & set(diary.what()), "told: %s" % diary.what())
            for name in pods:
                (node.manifests / (name + ".yaml")).unlink()
        until("nothing is left of them", lambda: not any(node.sandboxes(name) for name in pods), 60)


def scenario_post_start():
    """A postStart hook holds up later containers; one that fails ends its container, which backs off."""
    with station() as (node, diary):
        first = diary.container("a", lifecycle={"postStart": diary.hook("sleep 1; note warm")})
        node.write("a.yaml", diary.pod("a", [first, diary.container("b")], terminationGracePeriodSeconds=1))
        until("b runs", lambda: "start-b" in diary.what(), 30)
        diary.in_order("start-a", "warm", "start-b")
        bad = diary.container("c", lifecycle={"postStart": diary.hook("exit 7")})
        node.write("b.yaml", diary.pod("b", [bad], terminationGracePeriodSeconds=5))
        until("ended and tried again", lambda: statuses(node, "b").get("c", {}).get("restartCount", 0) >= 1, 30)
        until("back-off", lambda: statuses(node, "b")["c"]["state"].get("waiting", {}).get("reason") in
              ("CrashLoopBackOff", "PostStartHookError"), 20)
        check("term-c" in diary.what(), "it was asked to end")
        check("FailedPostStartHook" in node.log.read_text(), "an event tells of it")


def scenario_restart_rules():
    """A rule lets one exit code of a Never pod restart; RestartAllContainers begins anew in the same sandbox."""
    with station() as (node, diary):
        rule = {"exitCodes": {"operator": "In", "values": [42]}}
        once = "note start-NAME; if [ -e /diary/NAME ]; then exit 0; fi; touch /diary/NAME; exit 42"
        node.write("a.yaml", diary.pod("a", [diary.container(
            "c", once, restartPolicy="Never", restartPolicyRules=[{"action": "Restart", **rule}])],
            restartPolicy="Never"))
        until("Succeeded", lambda: node.phase("a") == "Succeeded", 40)
        check(diary.what().count("start-c") == 2, "it ran twice")
        again = "note start-NAME; if [ -e /diary/NAME ]; then sleep 1000; fi; touch /diary/NAME; sleep 1; exit 42"
        asks = diary.container("d", again, restartPolicy="Never",
                               restartPolicyRules=[{"action": "RestartAllContainers", **rule}])
        init = [diary.container("i", "note start-i"), diary.container("s", restartPolicy="Always")]
        node.write("b.yaml", diary.pod("b", [asks, diary.container("e")], init, restartPolicy="Never",
                                       terminationGracePeriodSeconds=5))
        until("all again", lambda: all(diary.what().count("start-" + n) == 2 for n in "isde"), 60)
        check(len(node.sandboxes("b")) == 1, "the sandbox is kept")
        until("counts", lambda: all(s["restartCount"] == 1 for s in statuses(node, "b").values()), 10)
        logs = list(node.logs.glob("*_b-*/e/*.log"))
        check(len(logs) == 2, "the logs are kept: %s" % logs)
        until("condition", lambda: any(c["type"] == "AllContainersRestarting" and c["status"] == "False"
                                       for c in node.pod("b")["status"]["conditions"]), 10)
        for name in ("a", "b"):
            remove(node, name)


def scenario_last_words_from_the_log():
    """terminationMessagePolicy FallbackToLogsOnError: the end of the log speaks for a container that failed."""
    with station() as (node, diary):
        loud = diary.container("c", "for i in $(seq 200); do echo line $i; done; exit 3",
                               terminationMessagePolicy="FallbackToLogsOnError")
        quiet = diary.container("d", "echo nothing; exit 0", terminationMessagePolicy="FallbackToLogsOnError")
        node.write("a.yaml", diary.pod("a", [loud, quiet], restartPolicy="Never"))
        until("Failed", lambda: node.phase("a") == "Failed", 30)
        until("message", lambda: statuses(node, "a")["c"]["state"]["terminated"].get("message", "").endswith(
            "line 199\nline 200\n"), 10)
        message = statuses(node, "a")["c"]["state"]["terminated"]["message"]
        check(message.startswith("line 121\n"), "80 lines of it: %r" % message[:40])
        check("message" not in statuses(node, "a")["d"]["state"]["terminated"], "what succeeded needs no excuse")


if __name__ == "__main__":
    run_scenario(globals())
