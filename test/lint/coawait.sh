#!/usr/bin/env bash
# coawait.sh [BUILD_DIR]: the lint of co_await expressions (coawait.py), with its tool installed; default build/dev.
# The build folder must have been built, since units include generated headers. `--self-test` tests the lint itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/lib/common.sh
source "$here/../lib/common.sh"
install_packages clang-tools-14 ninja-build python3
exec python3 "$here/coawait.py" "${@:-$here/../../build/dev}"
