#!/usr/bin/env bash
# containerd_binaries.sh: prints a folder that holds containerd, containerd-shim-runc-v2 and ctr, fetching them if need be.
# Kubernetes 1.36 expects containerd 2.x; Debian 12 has 1.6. So, in this order:
#   1. $KUBELET_TEST_CONTAINERD_BIN, when set;
#   2. containerd 2.x or newer in PATH;
#   3. the package of Debian's testing suite (it needs no more than Debian 12's libc and runc);
#   4. Debian 12's own package, with a warning.
# A package is fetched and verified by apt, then unpacked under $KUBELET_TEST_CACHE, not installed: no further suite is
# enabled for the machine, no service starts, dpkg's state stays as it is. To forget it, remove the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/lib/common.sh
source "$here/common.sh"
cache=${KUBELET_TEST_CACHE:-/var/cache/kubelet-test}/containerd
suite=${KUBELET_TEST_CONTAINERD_SUITE:-testing}

major() { "$1" --version 2>/dev/null | grep -oE ' v?[0-9]+\.[0-9]+' | head -1 | tr -dc '0-9.' | cut -d. -f1; }

# unpack_package APT_CONFIG DIR: the candidate of containerd under that apt configuration, into DIR/usr/bin.
unpack_package() {
  local config=$1 dir=$2 fetch
  fetch=$(mktemp -d)
  (cd "$fetch" && APT_CONFIG=$config apt-get download -q containerd >&2 2>/dev/null && dpkg-deb -x containerd_*.deb tree) ||
    { rm -rf "$fetch"; return 1; }
  if ! "$fetch/tree/usr/bin/containerd" --version >/dev/null 2>&1; then
    rm -rf "$fetch"
    return 1
  fi
  mkdir -p "$(dirname "$dir")"
  rm -rf "$dir"
  mv "$fetch/tree" "$dir"
  rm -rf "$fetch"
}

# newer_suite_config DIR: an apt configuration that knows only $suite, with lists and cache of its own below DIR.
newer_suite_config() {
  local dir=$1
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  python3 "$here/debian_suite.py" "$suite" >"$dir/suite.sources" || return 1
  cat >"$dir/apt.conf" <<C
Dir::Etc::SourceList "$dir/suite.sources";
Dir::Etc::SourceParts "$dir/none";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
C
  APT_CONFIG=$dir/apt.conf apt-get update -qq >&2
}

fetch_newer() {
  local work status=0
  work=$(mktemp -d)
  chmod 755 "$work"
  newer_suite_config "$work" && unpack_package "$work/apt.conf" "$cache/$suite" || status=1
  rm -rf "$work"
  return $status
}

if [ -n "${KUBELET_TEST_CONTAINERD_BIN:-}" ]; then
  [ -x "$KUBELET_TEST_CONTAINERD_BIN/containerd" ] || die "KUBELET_TEST_CONTAINERD_BIN: no containerd in $KUBELET_TEST_CONTAINERD_BIN"
  echo "$KUBELET_TEST_CONTAINERD_BIN"
  exit
fi
if found=$(command -v containerd) && [ "$(major "$found")" -ge 2 ] 2>/dev/null; then
  dirname "$found"
  exit
fi
if [ ! -x "$cache/$suite/usr/bin/containerd" ]; then
  say "fetching containerd from Debian $suite" >&2
  if ! fetch_newer; then
    warn "Debian $suite cannot be reached: falling back to this release's containerd (no RuntimeConfig, no CRI events)"
    [ -n "$found" ] && { dirname "$found"; exit; }
    suite=own
    [ -x "$cache/own/usr/bin/containerd" ] || unpack_package /dev/null "$cache/own" || die "cannot fetch containerd"
  fi
fi
echo "$cache/$suite/usr/bin"
