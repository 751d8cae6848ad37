#!/usr/bin/env bash
# run.sh [--kubelet PATH] [--peer PATH] [--pods 1,50,110] [--fake 200,500] [--json FILE]
#
# Measures a kubelet: how soon it is ready, what it weighs, what it costs at rest, how fast it starts, recovers and ends
# pods. Prints one table, every figure also as a ratio; the progress goes to standard error. Nothing here passes or fails.
#   --kubelet PATH  the kubelet (default build/release/src/app/kubelet; build it with the release preset)
#   --peer PATH     another one, for example the Go kubelet, measured in the same run with the same configuration
#   --pods N,...    how many pods on the real runtime ("" for none);  --fake N,...  on the fake one ("" for none)
#   --fake-cri PATH the fake runtime (default: test/fakes/fake-cri of --kubelet's build tree)
#   --json FILE     appends one JSON line per run (all samples, so that one can judge the spread)
#   --idle S --settle S --repeat N --bursts N   seconds at rest (20), seconds before (5), single pods (7), bursts (2)
#
# The real runtime is KUBELET_TEST_CRI with the image KUBELET_TEST_IMAGE, else a containerd of its own, which goes again.
# Needs root, python3-grpcio, python3-protobuf and protobuf-compiler. Every wait is bounded (60 s and 3 s per
# pod); what waits longer ends the run, and the table shows what was measured until then.
#
# What the figures are
#   ready            exec -> first `ok` of /healthz, median of 5, against `kubelet --version` (loading the program)
#   RSS, CPU         at rest for --idle seconds with 0 and N pods; CPU by the process's CPU clock, in ms per s of wall time
#                    A kubelet may drop clean pages when it is quiet and fault them in again when a pod comes; the anonymous
#                    and the peak RSS do not move by that, so read all three.
#   one pod          the manifest's rename -> startedAt of its container by the runtime's clock, median of --repeat; the
#                    floor is the same requests sent directly, one after another, between any two of the kubelet's (which is
#                    stopped, SIGSTOP, so long: it would end pods that it does not know). The
#                    requests are recorded from this very kubelet (floor.py says how), so nothing in them differs.
#   burst            N manifests at once -> the last startedAt; floor with 1, 2, 3 and 4 pods in flight, best of all,
#                    in turn with the kubelet's bursts, best of --bursts
#   recovery         kill -9, exec -> /pods shows all N Running; and whether the containers are the same
#   removal          N manifests removed -> no container runs and no sandbox is ready; floor: StopContainer, StopPodSandbox
#   recorder         when, after the rename, which call is made; through a proxy that costs about 1 ms a call
# On the fake runtime a call takes no time, so there the floor is what the client in Python costs: compare kubelets, and
# a kubelet with itself.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=test/lib/common.sh
source "$top/test/lib/common.sh"

kubelet=$top/build/release/src/app/kubelet pods=1,50,110 fake=200,500 fake_cri='' more=()
while [ $# -gt 0 ]; do
  case $1 in
    --kubelet) kubelet=${2:?--kubelet needs a path}; shift 2 ;;
    --fake-cri) fake_cri=${2:?--fake-cri needs a path}; shift 2 ;;
    --pods) pods=${2-}; shift 2 ;;
    --fake) fake=${2-}; shift 2 ;;
    --peer | --json | --idle | --settle | --repeat | --bursts) more+=("$1" "${2:?$1 needs a value}"); shift 2 ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) die "unknown argument $1 (see --help)" ;;
  esac
done
need_root
[ -x "$kubelet" ] || die "$kubelet is not there; ninja -C build/release kubelet, or give --kubelet"
[ -n "$fake_cri" ] || fake_cri=$(dirname "$kubelet")/../../test/fakes/fake-cri
[ -z "$fake" ] || [ -x "$fake_cri" ] || die "$fake_cri is not there; ninja -C build/release fake-cri, or --fake ''"
/usr/bin/python3 -c 'import grpc, google.protobuf' || die "install python3-grpcio and python3-protobuf"

state=''
finish() {
  trap - EXIT
  [ -z "$state" ] || "$top/test/lib/containerd.sh" stop "$state" --purge
}
trap finish EXIT
trap 'exit 130' INT TERM
if [ -n "$pods" ] && [ -z "${KUBELET_TEST_CRI:-}" ]; then
  state=$(mktemp -d /run/kubelet-bench.XXXXXX)
  say "starting containerd in $state" >&2
  KUBELET_TEST_CRI=$("$top/test/lib/containerd.sh" start "$state" --root "/var/lib/${state#/run/}" --index auto)
  "$top/test/images/build.sh" "$state/images" >/dev/null
  "$top/test/lib/containerd.sh" import "$state" "$state"/images/*.tar
fi
export KUBELET_TEST_CRI=${KUBELET_TEST_CRI:-} KUBELET_TEST_IMAGE=${KUBELET_TEST_IMAGE:-kubelet.test/busybox:1}
/usr/bin/python3 "$top/test/bench/bench.py" --kubelet "$kubelet" --fake-cri "$fake_cri" --pods "$pods" --fake "$fake" "${more[@]}"
