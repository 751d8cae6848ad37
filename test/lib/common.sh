# shellcheck shell=bash
# Helpers shared by the scripts under test/ and deploy/. Sourced, never run; the caller sets `set -euo pipefail`.

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# need_root: everything here that touches mounts, cgroups or packages wants root; say so early.
need_root() { [ "$(id -u)" = 0 ] || die "run as root"; }

# missing_packages NAME...: prints those that dpkg does not know as installed.
missing_packages() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s\n' "$name"
  done
}

# install_packages NAME...: installs only what is missing; no network is touched when nothing is.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  apt-get update -qq || warn "apt-get update failed; trying with the package lists at hand"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "cannot install: ${missing[*]}"
}

# build_jobs: compilers at once; each may want 1.2 GB of memory, and a small machine has cores enough to run out of it.
build_jobs() { awk -v cores="$(nproc)" '/^MemAvailable:/ {n = int($2 / 1.2e6); print n < 1 ? 1 : n < cores ? n : cores}' /proc/meminfo; }

# wait_until SECONDS COMMAND...: polls every 100 ms; false when time is up.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# end_process PID [SECONDS]: SIGTERM, then SIGKILL when it is still there. A pid that is gone is a success.
end_process() {
  local pid=$1
  kill -TERM "$pid" 2>/dev/null || return 0
  wait_until "${2:-10}" process_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  wait_until 5 process_gone "$pid"
}
# A zombie that its parent has not reaped yet counts as gone.
process_gone() { [ ! -r "/proc/$1/stat" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }
