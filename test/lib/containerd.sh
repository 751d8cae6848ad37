#!/usr/bin/env bash
# containerd.sh: a containerd of one's own, beside and apart from any other on the machine.
#
#   containerd.sh start DIR [--root DIR2] [--index N|auto]   write the configuration, start it, wait until it serves CRI
#   containerd.sh import DIR IMAGE.tar...               load images (test/images/build.sh makes them)
#   containerd.sh ctr DIR ARGUMENTS...                  its ctr, in the namespace of Kubernetes
#   containerd.sh status DIR                            prints the endpoint; exit 1 when it does not run
#   containerd.sh stop DIR [--purge]                    end every container, then containerd; --purge forgets images too
#   containerd.sh leftovers DIR                         prints what a stop should have removed; exit 1 if anything
#
# DIR holds socket, configuration, state, CNI configuration and log; DIR2 (default DIR/root) the images and snapshots.
# The pod network is a bridge of its own, kt<N> with 10.88.<N>.0/24 (N: 1..254, default 64): pods reach each other and
# this machine, and nothing else. Nothing is masqueraded, and the range of service addresses (10.96.0.0/12) goes nowhere.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/lib/common.sh
source "$here/common.sh"
PATH=$PATH:/usr/sbin:/sbin

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
  exit 2
}

sandbox_image=${KUBELET_TEST_PAUSE:-kubelet.test/pause:1}
services=10.96.0.0/12

# load: the settings of the instance in $dir, as written by start.
# shellcheck disable=SC1091
load() { [ -f "$dir/instance" ] && source "$dir/instance"; }
pid_of() { cat "$dir/containerd.pid" 2>/dev/null; }
# The pid file may be stale and the pid reused: only a process that carries our configuration counts.
running() { local pid; pid=$(pid_of) && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "--config $dir/config.toml"; }
ctr() { "$bin/ctr" --address "$dir/containerd.sock" --namespace k8s.io "$@"; }
serves_cri() { ctr plugins ls | grep -E 'io.containerd.(grpc.v1|cri.v1)' | grep -qE ' (cri|runtime) .* ok' && [ -S "$dir/containerd.sock" ]; }

# Without CAP_SYS_RESOURCE an oom_score_adj below one's own cannot be set; containerd can clamp it.
restrict_oom() { (( (0x$(awk '/^CapEff/{print $2}' /proc/self/status) >> 24) & 1 )) && echo false || echo true; }

# snapshotter: overlayfs where the filesystem of $root allows it (not on an overlay, not in every sandbox), else copies.
snapshotter() {
  local probe=$root/.overlay-probe result=native
  mkdir -p "$probe"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
    umount "$probe/merged"
    result=overlayfs
  fi
  rm -rf "$probe"
  echo $result
}

common_config() {
  cat <<C
root = '$root'
state = '$dir/state'
oom_score = 0
disabled_plugins = ['io.containerd.internal.v1.tracing', 'io.containerd.tracing.processor.v1.otlp']

[grpc]
  address = '$dir/containerd.sock'

[debug]
  level = 'info'

[plugins.'io.containerd.internal.v1.opt']
  path = '$root/opt'

C
}

# The two configuration formats say the same; keys below "runtime" are shared.
runtime_config() { # runtime_config TABLE [LINE]: LINE is one more for the table "containerd" below it
  cat <<C
  restrict_oom_score_adj = $(restrict_oom)
  netns_mounts_under_state_dir = true

  [plugins.'$1'.cni]
    $cni_bin
    conf_dir = '$dir/cni/net.d'
    max_conf_num = 1

  [plugins.'$1'.containerd]
    default_runtime_name = 'runc'
    ${2:-}

    [plugins.'$1'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'

      [plugins.'$1'.containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = '$dir/runc'
C
}

write_config() {
  local version cni_bin
  version=$("$bin/containerd" --version | grep -oE ' v?[0-9]+\.[0-9]+' | head -1 | tr -dc '0-9.')
  # 2.1 renamed the key and warns, through every client, about the old one.
  cni_bin="bin_dir = '${CNI_BIN_DIR:-/usr/lib/cni}'"
  if [ "$(printf '%s\n' 2.1 "$version" | sort -V | head -1)" = 2.1 ]; then
    cni_bin="bin_dirs = ['${CNI_BIN_DIR:-/usr/lib/cni}']"
  fi
  if [ "${version%%.*}" -ge 2 ]; then
    cat <<C
version = 3
$(common_config)

[plugins.'io.containerd.nri.v1.nri']
  disable = true

[plugins.'io.containerd.cri.v1.images']
  snapshotter = '$1'

  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '$sandbox_image'

[plugins.'io.containerd.cri.v1.runtime']
$(runtime_config io.containerd.cri.v1.runtime)
C
  else
    cat <<C
version = 2
$(common_config)

[plugins.'io.containerd.grpc.v1.cri']
  sandbox_image = '$sandbox_image'
$(runtime_config io.containerd.grpc.v1.cri "snapshotter = '$1'")
C
  fi
}

write_cni() {
  mkdir -p "$dir/cni/net.d"
  cat >"$dir/cni/net.d/10-bridge.conflist" <<C
{
  "cniVersion": "0.4.0",
  "name": "$bridge",
  "plugins": [
    {
      "type": "bridge", "bridge": "$bridge", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "$dir/cni/addresses",
        "ranges": [[{ "subnet": "$subnet" }]], "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true }, "snat": true }
  ]
}
C
}

# Pods may talk to their own subnet and to this machine's addresses (the local table comes first); the rest is refused.
fence_up() {
  fence_down
  ip rule add iif "$bridge" to "$subnet" pref "$pref" lookup main
  ip rule add iif "$bridge" pref $((pref + 1)) unreachable
  ip route add blackhole $services metric "$pref"
}
fence_down() {
  while ip rule del pref "$pref" 2>/dev/null; do :; done
  while ip rule del pref $((pref + 1)) 2>/dev/null; do :; done
  ip route del blackhole $services metric "$pref" 2>/dev/null || true
}

# free_index: a number whose bridge and addresses nobody uses; starts at a different place in each process.
free_index() {
  local n i
  for n in {0..149}; do
    i=$((100 + ($$ + n) % 150))
    if ! ip link show "kt$i" >/dev/null 2>&1 && ! ip rule show pref $((20000 + 2 * i)) | grep -q . &&
      ! ip route show root "10.88.$i.0/24" | grep -q .; then
      echo "$i"
      return
    fi
  done
  die "no free 10.88.x.0/24"
}

start() {
  local index=64 bin
  root=$dir/root
  load || true
  while [ $# -gt 0 ]; do
    case $1 in
      --root) root=$2; shift 2 ;;
      --index) index=$2; shift 2 ;;
      *) usage ;;
    esac
  done
  if running && serves_cri; then
    echo "unix://$dir/containerd.sock"
    return
  fi
  need_root
  [ "$index" != auto ] || index=$(free_index)
  if [ "$index" -lt 1 ] || [ "$index" -gt 254 ]; then die "--index $index: want 1 to 254"; fi
  install_packages runc containernetworking-plugins iproute2 iptables
  bin=$("$here/containerd_binaries.sh")
  bridge=kt$index subnet=10.88.$index.0/24 pref=$((20000 + 2 * index))
  mkdir -p "$dir" "$root"
  printf '%s=%q\n' bin "$bin" root "$root" index "$index" bridge "$bridge" subnet "$subnet" pref "$pref" >"$dir/instance"
  write_config "$(snapshotter)" >"$dir/config.toml"
  write_cni
  fence_up
  setsid nohup "$bin/containerd" --config "$dir/config.toml" >>"$dir/containerd.log" 2>&1 </dev/null &
  echo $! >"$dir/containerd.pid"
  wait_until 30 serves_cri || { tail -20 "$dir/containerd.log" >&2; die "containerd did not come up: $dir/containerd.log"; }
  echo "unix://$dir/containerd.sock"
}

import_images() {
  if ! load || ! running; then die "no containerd runs in $dir"; fi
  local tar
  for tar in "$@"; do ctr images import "$tar" >/dev/null || die "cannot import $tar"; done
}

stop_containers() {
  local id
  for id in $(ctr tasks ls -q); do ctr tasks kill -a -s KILL "$id" 2>/dev/null || true; done
  for id in $(ctr tasks ls -q); do ctr tasks rm -f "$id" >/dev/null 2>&1 || true; done
  for id in $(ctr containers ls -q); do ctr containers rm "$id" >/dev/null 2>&1 || true; done
}

# What is left when containerd cannot be asked any more (it crashed, it hangs): runc knows its containers by itself.
force_containers() {
  local each
  for each in "$dir"/runc/k8s.io/*/; do
    [ ! -d "$each" ] || runc --root "$dir/runc/k8s.io" delete --force "$(basename "$each")" || true
  done
}

# Shims outlive containerd by design; these are ours by the address they report to.
our_shims() {
  local cmdline
  for cmdline in /proc/[0-9]*/cmdline; do
    { tr '\0' ' ' <"$cmdline"; } 2>/dev/null | grep -F -- containerd-shim | grep -qF -- "-address $dir/containerd.sock" &&
      basename "$(dirname "$cmdline")"
  done
  return 0
}

# A process in a mount namespace of its own that sees our snapshots (as lower layers of its root) runs in our container.
our_containers() {
  local each
  grep -lF "$root/" /proc/[0-9]*/mountinfo 2>/dev/null | while read -r each; do
    each=${each#/proc/} each=${each%/mountinfo}
    [ "$(readlink "/proc/$each/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ] || echo "$each"
  done || true
}

our_mounts() { awk -v a="$dir/" -v b="$root/" 'index($5, a) == 1 || index($5, b) == 1 {print $5}' /proc/self/mountinfo | tac; }

stop() {
  load || return 0
  need_root
  if running; then
    ! serves_cri || stop_containers
    end_process "$(pid_of)" 15
  fi
  force_containers
  python3 "$here/cni_release.py" "$bridge" --plugins "${CNI_BIN_DIR:-/usr/lib/cni}"
  local each
  for each in $(our_shims); do end_process "$each" 3; done
  our_mounts | while read -r each; do umount -l "$each" || true; done
  ip link del "$bridge" 2>/dev/null || true
  fence_down
  rm -f "$dir"/containerd.pid "$dir"/containerd.sock*
  rm -rf "$dir/state" "$dir/runc" "$dir/cni"
  [ "${1:-}" != --purge ] || rm -rf "$root" "$dir"
}

leftovers() {
  root=${root:-$dir/root}
  load || true
  {
    our_mounts | sed 's/^/mount /'
    our_shims | sed 's/^/process /'
    our_containers | sed 's/^/container process /'
    if running; then echo "containerd $(pid_of)"; fi
    if [ -n "${bridge:-}" ] && ip link show "$bridge" >/dev/null 2>&1; then echo "bridge $bridge"; fi
    if [ -n "${pref:-}" ]; then ip rule | grep -F "iif $bridge " | sed 's/^/rule /' || true; ip route show type blackhole | grep -w "metric $pref" | sed 's/^/route /' || true; fi
  } | { grep . && return 1 || return 0; }
}

[ $# -ge 2 ] || usage
command=$1 dir=$(realpath -m "$2")
shift 2
case $command in
  start) start "$@" ;;
  import) import_images "$@" ;;
  ctr) load || die "no instance in $dir"; ctr "$@" ;;
  status) load && running && serves_cri || exit 1; echo "unix://$dir/containerd.sock" ;;
  stop) stop "$@" ;;
  leftovers) leftovers ;;
  *) usage ;;
esac
