#!/usr/bin/env bash
# quickstart.sh [start|stop|status]: from a fresh Debian 12 to a running static pod, without an API server or a registry.
#
#   start   installs the packages that are missing, builds the kubelet, finds a containerd (the system's when it serves CRI,
#           else one of our own), makes an image out of Debian's busybox, starts the kubelet and one pod, and shows it
#   status  what runs, where its files are
#   stop    ends the pod, the kubelet and our containerd, and removes everything start made (not packages, not the build)
#
# Run as root. Everything lies under /var/lib/kubelet-quickstart; running start twice changes nothing.
# QUICKSTART_PORT, QUICKSTART_READ_ONLY_PORT, QUICKSTART_HEALTHZ_PORT and QUICKSTART_NODE replace 10250, 10255, 10248 and
# the host's name; QUICKSTART_KUBELET names a kubelet that is built already; QUICKSTART_OWN_CONTAINERD=1 leaves the
# system's containerd alone.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=test/lib/common.sh
source "$top/test/lib/common.sh"
# shellcheck source=test/lib/packages.sh
source "$top/test/lib/packages.sh"
PATH=$PATH:/usr/sbin:/sbin

state=${QUICKSTART_DIR:-/var/lib/kubelet-quickstart}
port=${QUICKSTART_PORT:-10250} read_only_port=${QUICKSTART_READ_ONLY_PORT:-10255} healthz_port=${QUICKSTART_HEALTHZ_PORT:-10248}
node=${QUICKSTART_NODE:-$(hostname | tr '[:upper:]' '[:lower:]')}
kubelet=${QUICKSTART_KUBELET:-$top/build/release/src/app/kubelet}
image=kubelet.test/busybox:1
pod=hello-$node
system_socket=/run/containerd/containerd.sock
node_runtime=$top/test/lib/containerd.sh

# The settings of a start are what a later stop or status works with.
# shellcheck disable=SC1091
load() { [ ! -f "$state/settings" ] || source "$state/settings"; }
save() {
  printf '%s=%q\n' socket "$socket" own_containerd "$own_containerd" kubelet "$kubelet" node "$node" pod "$pod" port "$port" \
    read_only_port "$read_only_port" healthz_port "$healthz_port" ctr_binary "$ctr_binary" imported "${imported:-}" \
    foreign_cgroups "$foreign_cgroups" >"$state/settings"
}
kubelet_pid() { cat "$state/kubelet.pid" 2>/dev/null; }
kubelet_runs() { local pid; pid=$(kubelet_pid) && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "--config=$state/config.yaml"; }
ctr() { "$ctr_binary" --address "$socket" --namespace k8s.io "$@"; }

build() {
  if [ -n "${QUICKSTART_KUBELET:-}" ]; then
    [ -x "$kubelet" ] || die "QUICKSTART_KUBELET: $kubelet is not a program"
    return
  fi
  say "building the kubelet (the first time takes some minutes)"
  (cd "$top" && cmake --preset release -DKUBELET_TESTS=OFF >"$state/cmake.log") || die "cmake failed: $state/cmake.log"
  ninja -C "$top/build/release" -j "$(build_jobs)" kubelet
}

# The system's containerd will do when it serves CRI (some packages switch that off) and lets us ask.
system_serves_cri() {
  [ -S $system_socket ] && type -P ctr >/dev/null && [ -z "${QUICKSTART_OWN_CONTAINERD:-}" ] &&
    command ctr --address $system_socket plugins ls 2>/dev/null | grep -E 'io.containerd.(grpc.v1|cri.v1)' | grep -qE ' (cri|runtime) .* ok'
}

# The name that the system's containerd was told to use as sandbox image; the pod needs it, registry or not.
configured_sandbox_image() { containerd config dump 2>/dev/null | sed -nE "s/^ *(sandbox|sandbox_image) = ['\"](.+)['\"]$/\2/p" | head -1; }

find_runtime() {
  if system_serves_cri; then
    say "using the system's containerd"
    socket=$system_socket own_containerd='' ctr_binary=$(type -P ctr)
  else
    say "starting a containerd in $state/containerd"
    own_containerd=1
    "$node_runtime" start "$state/containerd" --index auto >/dev/null
    ctr_binary=$("$top/test/lib/containerd_binaries.sh")/ctr
    socket=$state/containerd/containerd.sock
  fi
}

make_images() {
  local sandbox=
  imported="$image kubelet.test/pause:1"
  if [ -z "$own_containerd" ]; then
    sandbox=$(configured_sandbox_image)
    if [ -n "$sandbox" ] && ctr images ls -q | grep -qxF "$sandbox"; then sandbox=; fi
    imported="$imported $sandbox"
  fi
  say "making $image"
  PAUSE_ALIASES=$sandbox "$top/test/images/build.sh" "$state/images" >/dev/null
  local tar
  for tar in "$state"/images/*.tar; do ctr images import "$tar" >/dev/null || die "cannot import $tar into $socket"; done
}

# Without a CNI configuration (a bare system containerd) only pods on the host's network can start.
host_network() { [ -n "$own_containerd" ] || compgen -G '/etc/cni/net.d/*.conf*' >/dev/null && echo false || echo true; }

write_config() {
  mkdir -p "$state"/{manifests,pki,root,logs,volumeplugins}
  cat >"$state/config.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
# Pods come from this folder; there is no API server.
staticPodPath: $state/manifests
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
address: 127.0.0.1
port: $port
healthzPort: $healthz_port
# The read-only port has no authentication: for this machine only, and not for production.
readOnlyPort: $read_only_port
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
authorization: {mode: AlwaysAllow}
podLogsDir: $state/logs
volumePluginDir: $state/volumeplugins
C
  cat >"$state/hello.yaml" <<C
apiVersion: v1
kind: Pod
metadata:
  name: hello
  namespace: default
  labels: {app: hello}
spec:
  hostNetwork: $(host_network)
  terminationGracePeriodSeconds: 5
  containers:
  - name: main
    image: $image
    imagePullPolicy: IfNotPresent
    command: [sh, -c]
    args:
    - trap 'echo goodbye; exit 0' TERM; echo "hello from \$(hostname)"; while :; do sleep 60 & wait \$!; done
    resources:
      requests: {cpu: 10m, memory: 16Mi}
C
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_kubelet() {
  local each
  for each in $port $read_only_port $healthz_port; do
    if port_taken "$each"; then die "port $each is taken: is another kubelet running? (see QUICKSTART_PORT in $0)"; fi
  done
  say "starting the kubelet (log: $state/kubelet.log)"
  setsid nohup "$kubelet" --config="$state/config.yaml" --root-dir="$state/root" --cert-dir="$state/pki" \
    --hostname-override="$node" -v=2 >>"$state/kubelet.log" 2>&1 </dev/null &
  echo $! >"$state/kubelet.pid"
  if ! wait_until 30 curl -fsS "http://127.0.0.1:$healthz_port/healthz"; then
    tail -20 "$state/kubelet.log" >&2
    die "the kubelet does not answer on http://127.0.0.1:$healthz_port/healthz"
  fi
}

# pods: name, phase, address and restarts of every pod, as the read-only port tells.
pods() {
  curl -fsS "http://127.0.0.1:$read_only_port/pods" | python3 -c '
import json, sys
for pod in json.load(sys.stdin).get("items") or []:
    status = pod.get("status", {})
    restarts = sum(c.get("restartCount", 0) for c in status.get("containerStatuses", []))
    print(pod["metadata"]["namespace"], pod["metadata"]["name"], status.get("phase", "?"), status.get("podIP", "-"), restarts)'
}
pod_running() { pods | grep -q " $pod Running "; }
pod_logs() { cat "$state/logs/default_${pod}_"*/main/*.log 2>/dev/null; }

show() {
  say "curl http://127.0.0.1:$read_only_port/pods   (namespace, name, phase, address, restarts)"
  pods
  say "$kubelet pods --root-dir $state/root"
  "$kubelet" pods --root-dir "$state/root" || warn "'kubelet pods' failed"
  say "log of $pod"
  pod_logs
}

hints() {
  cat <<H

Look further:
  curl http://127.0.0.1:$healthz_port/healthz
  curl http://127.0.0.1:$read_only_port/metrics
  $kubelet explain $pod --root-dir $state/root
  tail -f $state/kubelet.log
  $ctr_binary --address $socket --namespace k8s.io tasks ls
Change or add pods:  $state/manifests (YAML or JSON, one pod per file)
End it all:          $0 stop
H
}

start() {
  need_root
  load
  if kubelet_runs && pod_running; then
    say "already running"
    show
    hints
    return
  fi
  mkdir -p "$state"
  # Another kubelet's cgroups, even empty ones, are not ours to remove at the end.
  foreign_cgroups=${foreign_cgroups-$(compgen -G '/sys/fs/cgroup/*/kubepods' || compgen -G '/sys/fs/cgroup/kubepods' || true)}
  install_packages "${build_packages[@]}" "${node_packages[@]}" curl
  build
  find_runtime
  save
  make_images
  save
  write_config
  cp "$state/hello.yaml" "$state/manifests/hello.yaml"
  kubelet_runs || start_kubelet
  say "waiting for pod $pod"
  if ! wait_until 60 pod_running; then
    pods || true
    tail -20 "$state/kubelet.log" >&2
    die "pod $pod is not running after 60 s: $state/kubelet.log"
  fi
  wait_until 5 pod_logs || true
  show
  hints
}

status() {
  load
  if [ ! -d "$state" ]; then echo "not started"; return 1; fi
  if ! kubelet_runs; then echo "the kubelet does not run (files: $state)"; return 1; fi
  echo "kubelet: pid $(kubelet_pid), containerd: $socket, files: $state"
  show
}

containers_of_pod() { ctr containers ls -q "labels.\"io.kubernetes.pod.name\"==$pod"; }
pod_gone() { [ -z "$(containers_of_pod)" ]; }
tasks_gone() { ! ctr tasks ls | grep -qF "$(containers_of_pod | head -1)" || pod_gone; }

stop_pod() {
  kubelet_runs || return 0
  say "ending pod $pod"
  rm -f "$state"/manifests/*
  if [ -n "$own_containerd" ]; then
    # Our containerd goes as a whole; it is enough that the pod ended in peace.
    wait_until 30 tasks_gone || warn "pod $pod still runs; ending it by force"
  else
    wait_until 120 pod_gone || warn "pod $pod left containers in $socket: $(containers_of_pod | tr '\n' ' ')"
  fi
}

# The kubelet keeps empty cgroups for its pods, and links to their logs; rmdir takes only what nobody uses.
remove_traces() {
  local each
  awk -v dir="$state/root" '$5 == dir || index($5, dir "/") == 1 {print $5}' /proc/self/mountinfo | tac | while read -r each; do umount -l "$each" || true; done
  [ -n "${foreign_cgroups:-}" ] || find /sys/fs/cgroup -depth -type d \( -path '*/kubepods' -o -path '*/kubepods/*' \) -exec rmdir {} + 2>/dev/null || true
  if [ -d /var/log/containers ]; then
    find /var/log/containers -maxdepth 1 -lname "$state/*" -delete
    rmdir /var/log/containers 2>/dev/null || true
  fi
}

# forget_images: our names, and the references by digest that containerd's CRI side added for them.
forget_images() {
  local digests
  # shellcheck disable=SC2086
  digests=$(ctr images ls | awk -v names=" ${imported:-} " 'index(names, " " $1 " ") {print $3}' | sort -u)
  [ -n "$digests" ] || return 0
  ctr images ls | grep -F "$digests" | awk '{print $1}' | xargs -r "$ctr_binary" --address "$socket" --namespace k8s.io images rm >/dev/null
}

stop() {
  need_root
  if [ ! -d "$state" ]; then echo "not started"; return; fi
  load
  if [ -n "${socket:-}" ]; then stop_pod; fi
  if kubelet_runs; then
    say "ending the kubelet"
    end_process "$(kubelet_pid)" 30
  fi
  if [ -f "$state/containerd/instance" ]; then
    say "ending our containerd"
    "$node_runtime" stop "$state/containerd"
    "$node_runtime" leftovers "$state/containerd" || warn "containerd left the above behind"
  elif [ -n "${socket:-}" ]; then
    forget_images
    pod_gone || warn "without a kubelet nobody ended pod $pod in $socket: $0 start, then $0 stop, will"
  fi
  remove_traces
  rm -rf "$state"
  say "stopped; nothing is left under $state"
}

case ${1:-start} in
  start) start ;;
  stop) stop ;;
  status) status ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac
