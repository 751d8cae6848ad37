#!/usr/bin/env bash
# containerd_binaries.sh: prints a folder that holds containerd, containerd-shim-runc-v2 and ctr, fetching them if need be.
# Kubernetes 1.36 expects containerd 2.x; Debian 12 has 1.6. So, in this order:
#   1. $KUBELET_TEST_CONTAINERD_BIN, when set;
#   2. containerd 2.x or newer in PATH;
#   3. the package of Debian's testing suite (it needs no more than Debian 12's libc and runc);
#   4. Debian 12's own package, with a warning.
# A package is unpacked under $KUBELET_TEST_CACHE, not installed (test/lib/debian_package.sh). To forget it, remove the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/lib/common.sh
source "$here/common.sh"
# shellcheck source=test/lib/debian_package.sh
source "$here/debian_package.sh"
cache=${KUBELET_TEST_CACHE:-/var/cache/kubelet-test}/containerd
suite=${KUBELET_TEST_CONTAINERD_SUITE:-testing}

major() { "$1" --version 2>/dev/null | grep -oE ' v?[0-9]+\.[0-9]+' | head -1 | tr -dc '0-9.' | cut -d. -f1; }

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
  if ! fetch_from_suite "$suite" containerd "$cache/$suite" usr/bin/containerd --version; then
    warn "Debian $suite cannot be reached: falling back to this release's containerd (no RuntimeConfig, no CRI events)"
    [ -n "$found" ] && { dirname "$found"; exit; }
    suite=own
    [ -x "$cache/own/usr/bin/containerd" ] || unpack_package /dev/null containerd "$cache/own" usr/bin/containerd --version || die "cannot fetch containerd"
  fi
fi
echo "$cache/$suite/usr/bin"
