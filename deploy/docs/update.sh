#!/usr/bin/env bash
# update.sh [KUBELET]: writes reference.md anew, with a kubelet that was built from these sources (build/dev by default).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kubelet=${1:-$here/../../build/dev/src/app/kubelet}
"$kubelet" docs reference >"$here/reference.md.new"
mv "$here/reference.md.new" "$here/reference.md"
