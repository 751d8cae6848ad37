#!/usr/bin/env bash
# run.sh [--preset dev|asan|tsan|release|clang] [--fuzz SECONDS] [--quick] [--jobs N]
#
# Everything from a bare Debian 12 to a verdict: installs the packages that are missing, configures, builds, lints, starts
# a containerd of its own, runs every test against it, stops it and looks whether anything is left behind.
# The last line is `N passed, N failed`, counted in test cases; the exit code follows it.
#   --fuzz SECONDS  also builds the fuzz targets with clang and runs each so long
#   --quick         no containerd (tests of the real runtime skip themselves, and say so) and no co_await lint
# Tests find: KUBELET_TEST_CRI (endpoint), KUBELET_TEST_IMAGE, KUBELET_TEST_PAUSE, KUBELET_TEST_BINARY (the kubelet, if built),
# KUBELET_TEST_KUBECTL (in PATH, else the package of Debian testing, unpacked and not installed).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=test/lib/common.sh
source "$top/test/lib/common.sh"
# shellcheck source=test/lib/packages.sh
source "$top/test/lib/packages.sh"

preset=dev fuzz_seconds=0 quick='' jobs=$(nproc)
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --fuzz) fuzz_seconds=${2:?--fuzz needs seconds}; shift 2 ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift 2 ;;
    --quick) quick=1; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) die "unknown argument $1 (see --help)" ;;
  esac
done
case $preset in dev | asan | tsan | release | clang) ;; *) die "--preset $preset: no such preset" ;; esac

build=$top/build/$preset
passed=0 failed=0
add() { passed=$((passed + $1)) failed=$((failed + $2)); }

# check NAME COMMAND...: one verdict out of one command; its output is shown either way.
check() {
  local name=$1
  shift
  say "$name"
  if "$@"; then
    add 1 0
  else
    echo "FAILED $name"
    add 0 1
  fi
}

finish() {
  local status=$?
  trap - EXIT
  stop_node || add 0 1
  [ $status = 0 ] || [ $failed -gt 0 ] || add 0 1
  echo "$passed passed, $failed failed"
  [ $failed = 0 ] && exit 0 || exit 1
}

packages() {
  local wanted=("${build_packages[@]}" "${test_packages[@]}")
  [ -n "$quick" ] || wanted+=("${node_packages[@]}" "${clang_packages[@]}")
  if [ "$preset" = clang ] || [ "$fuzz_seconds" -gt 0 ]; then wanted+=("${clang_packages[@]}"); fi
  [ -z "$(missing_packages "${wanted[@]}")" ] || need_root
  install_packages "${wanted[@]}"
}

build() {
  say "building $preset"
  (cd "$top" && cmake --preset "$preset" -DKUBELET_TESTS=ON >"$build.configure.log" 2>&1) || { tail -30 "$build.configure.log"; die "cmake failed"; }
  ninja -C "$build" -j "$jobs"
}

lint() {
  check "lint: rooms" python3 "$top/test/lint/rooms.py" "$top"
  check "lint: rooms can fail" python3 "$top/test/lint/rooms.py" --self-test
  [ -z "$quick" ] || return 0
  check "lint: co_await" "$top/test/lint/coawait.sh" "$build" --jobs "$jobs"
  check "lint: co_await can fail" "$top/test/lint/coawait.sh" --self-test
}

# What a kubelet sets at its start, as upstream's does; it is put back at the end.
kernel_parameters=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes)

state='' root=''
start_node() {
  need_root
  state=$(mktemp -d /run/kubelet-test.XXXXXX) root=/var/lib/${state#/run/}
  "$top/test/lib/traces.sh" >"$state.before"
  (cd /proc/sys && grep -H . "${kernel_parameters[@]}") >"$state.kernel" || true
  other_runtimes=$(pgrep -cx 'containerd|crio|dockerd' || true)
  say "starting containerd in $state"
  KUBELET_TEST_CRI=$("$top/test/lib/containerd.sh" start "$state" --root "$root" --index auto)
  "$top/test/images/build.sh" "$state/images" >/dev/null
  "$top/test/lib/containerd.sh" import "$state" "$state"/images/*.tar
  export KUBELET_TEST_CRI KUBELET_TEST_IMAGE=${KUBELET_TEST_IMAGE:-kubelet.test/busybox:1}
  export KUBELET_TEST_PAUSE=${KUBELET_TEST_PAUSE:-kubelet.test/pause:1}
}

# processes_of RUN: those that inherited this run's mark and are still there, other than ourselves.
processes_of() {
  local environ pid
  for environ in /proc/[0-9]*/environ; do
    pid=${environ#/proc/}
    pid=${pid%/environ}
    if [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] || process_gone "$pid"; then continue; fi
    grep -qzxF "KUBELET_TEST_RUN=$1" "$environ" 2>/dev/null && printf 'process %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
  done
  return 0
}

# stop_node: ends the containerd and compares the kernel's state with what it was. While other runtimes work on this
# machine their pods come and go too, so then only what can be told apart as ours is an error.
stop_node() {
  [ -n "$state" ] || return 0
  local run=$state left=0 new
  state=
  say "stopping containerd"
  new=$(processes_of "$run")
  [ -z "$new" ] || { echo "FAILED left running by the tests:"; echo "$new"; left=1; }
  "$top/test/lib/containerd.sh" stop "$run" || left=1
  "$top/test/lib/containerd.sh" leftovers "$run" || { echo "FAILED left behind by containerd"; left=1; }
  "$top/test/lib/containerd.sh" stop "$run" --purge
  rmdir /sys/fs/cgroup/{,*/}k8s.io 2>/dev/null || true
  new=$("$top/test/lib/traces.sh" | comm -13 "$run.before" -)
  if [ -n "$new" ] && [ "$other_runtimes" -gt 0 ]; then
    warn "new since the start (another runtime runs here, so this need not be ours):"
    echo "$new" >&2
  elif [ -n "$new" ]; then
    echo "FAILED left behind by the tests:"
    echo "$new"
    left=1
  fi
  while IFS=: read -r name value; do
    [ "$(cat "/proc/sys/$name")" = "$value" ] || echo "$value" >"/proc/sys/$name" || left=1
  done <"$run.kernel"
  rm -f "$run.before" "$run.kernel"
  if [ $left = 0 ]; then add 1 0; fi
  return $left
}

# The tests with kubectl skip themselves, and say so, when there is none.
find_kubectl() {
  local found
  if found=$("$top/test/lib/kubectl_binary.sh"); then
    export KUBELET_TEST_KUBECTL=$found
  else
    warn "no kubectl: tests with it are skipped (set KUBELET_TEST_KUBECTL to have them)"
  fi
}

run_tests() {
  say "tests"
  local log=$build/ctest.log
  if [ -x "$build/src/app/kubelet" ]; then export KUBELET_TEST_BINARY=$build/src/app/kubelet; fi
  export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$top/test/tsan.supp}
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} KUBELET_TEST_RUN=${state:-none} KUBELET_TEST_PRESET=$preset
  rm -f "$build"/junit*.xml
  run_ctest "$build/junit.xml" -j "$jobs" 2>&1 | tee "$log" || true
  local again results=("$build/junit.xml")
  again=$(python3 "$top/test/lib/results.py" --again "$build/junit.xml")
  if [ -n "$again" ]; then
    say "once more, by itself: $again"
    run_ctest "$build/junit-again.xml" -R "$again" 2>&1 | tee -a "$log" || true
    results+=("$build/junit-again.xml")
  fi
  unset KUBELET_TEST_RUN
  count "$(python3 "$top/test/lib/results.py" "${results[@]}" || true)"
}
run_ctest() {
  local junit=$1
  shift
  ctest --test-dir "$build" --timeout "${KUBELET_TEST_TIMEOUT:-600}" --output-on-failure --no-tests=error \
    --test-output-size-passed 10000000 --test-output-size-failed 10000000 --output-junit "$junit" "$@"
}

# count TEXT: shows a report that ends in `N passed, N failed`, and adds that up; a report without one is a failure.
count() {
  local last
  sed '$d' <<<"$1"
  last=$(tail -1 <<<"$1")
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    add "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  else
    add 0 1
  fi
}

fuzz() {
  local target name targets
  say "building the fuzz targets"
  (cd "$top" && cmake --preset fuzz >"$top/build/fuzz.configure.log" 2>&1) || { tail -30 "$top/build/fuzz.configure.log"; die "cmake failed"; }
  mapfile -t targets < <(ninja -C "$top/build/fuzz" -t targets all | sed -n 's|^\(test/.*fuzz[^/]*\): CXX_EXECUTABLE_LINKER.*|\1|p')
  [ ${#targets[@]} -gt 0 ] || { warn "there are no fuzz targets"; return; }
  ninja -C "$top/build/fuzz" -j "$jobs" "${targets[@]}"
  for target in "${targets[@]}"; do
    name=$(basename "$target")
    check "fuzz: $name for $fuzz_seconds s" fuzz_one "$top/build/fuzz/$target" "$top/build/fuzz/corpus/$name"
  done
}
# Seeds, where a room has some, lie in test/<room>/corpus/<target>; findings stay beside the corpus.
fuzz_one() {
  local seeds=() each
  mkdir -p "$2"
  for each in "$top"/test/*/corpus/"$(basename "$1")"; do [ ! -d "$each" ] || seeds+=("$each"); done
  "$1" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=0 -verbosity=0 -artifact_prefix="$2." "$2" "${seeds[@]}"
}

mkdir -p "$top/build"
trap finish EXIT
trap 'exit 130' INT TERM
packages
build
add 1 0
lint
[ -n "$quick" ] || start_node
find_kubectl
run_tests
[ "$fuzz_seconds" = 0 ] || fuzz
