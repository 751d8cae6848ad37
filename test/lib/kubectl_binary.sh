#!/usr/bin/env bash
# kubectl_binary.sh: prints the path of a kubectl, fetching one if need be; exit 1 with a message when none can be had.
# In this order: $KUBELET_TEST_KUBECTL; the one in PATH; the package of Debian's testing suite, unpacked under
# $KUBELET_TEST_CACHE and not installed (test/lib/debian_package.sh). To forget it, remove the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/lib/common.sh
source "$here/common.sh"
# shellcheck source=test/lib/debian_package.sh
source "$here/debian_package.sh"
suite=${KUBELET_TEST_KUBECTL_SUITE:-testing}
dir=${KUBELET_TEST_CACHE:-/var/cache/kubelet-test}/kubectl/$suite

if [ -n "${KUBELET_TEST_KUBECTL:-}" ]; then
  echo "$KUBELET_TEST_KUBECTL"
  exit
fi
command -v kubectl && exit
if [ ! -x "$dir/usr/bin/kubectl" ]; then
  say "fetching kubectl from Debian $suite" >&2
  fetch_from_suite "$suite" kubectl "$dir" usr/bin/kubectl version --client || die "Debian $suite has no kubectl to be reached from here"
fi
echo "$dir/usr/bin/kubectl"
