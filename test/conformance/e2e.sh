#!/usr/bin/env bash
# The runner on a real runtime: a few cases have to pass, and one that is wrong has to fail.
#   e2e.sh RUNNER    needs KUBELET_TEST_BINARY and KUBELET_TEST_CRI; 77 without
set -euo pipefail
runner=${1:?usage: e2e.sh RUNNER}
for need in KUBELET_TEST_BINARY KUBELET_TEST_CRI; do
  [ -n "${!need:-}" ] || { echo "SKIPPED: $need is not set"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
  "$runner" --end-other-pods --kubelet "$KUBELET_TEST_BINARY" --cri "$KUBELET_TEST_CRI" --patience 3 --kubelet-log "$work/log" --work-dir "$work/run" "$@"
}

focus='^(lifecycle/(succeeds|fails|graceful-deletion)|restart/on-failure-restarts|init/serial|sidecar/runs-beside'
focus+='|probes/http-liveness-restarts|hooks/pre-stop-exec|env/config-map-all|volumes/secret-files|images/always|messages/from-file'
focus+='|server/exec|static/runs|disruption/restart-disturbs-nothing)$'
run --focus "$focus" --tap "$work/tap" --junit "$work/junit" --results "$work/results" --html "$work/html" || { tail -40 "$work/log"; exit 1; }
grep -q '^1\.\.15$' "$work/tap"
python3 -c 'import sys, xml.etree.ElementTree as x; assert len(x.parse(sys.argv[1]).getroot()) == 15' "$work/junit"
"$runner" --compare "$work/results" "$work/results" | grep -q '<b>server/exec</b>'

# A runtime that has a pod already is left alone.
cri=("$(dirname "$0")/../lib/cri.py" --endpoint "$KUBELET_TEST_CRI")
sandbox=$(/usr/bin/python3 "${cri[@]}" run conformance-neighbour)
code=0
"$runner" --kubelet "$KUBELET_TEST_BINARY" --cri "$KUBELET_TEST_CRI" --work-dir "$work/run" --focus '^lifecycle/succeeds$' >"$work/out" 2>&1 || code=$?
left=$(/usr/bin/python3 "${cri[@]}" pods | grep -c conformance-neighbour || true)
/usr/bin/python3 "${cri[@]}" rmp "$sandbox" >/dev/null
cat "$work/out"
[ $code = 2 ] || { echo "the exit code is $code and not 2"; exit 1; }
grep -q 'in use: .*/conformance-neighbour' "$work/out"
[ "$left" = 1 ] || { echo "the other pod is gone"; exit 1; }

cat >"$work/wrong.yaml" <<'Y'
- name: wrong
  requirement: A case that expects what does not come fails, and says what came instead.
  field: status.phase
  spec: {containers: [{sh: exit 3}]}
  until: [phase == Failed]
  expect: [phase == Succeeded]
- name: right
  requirement: The others go on.
  field: status.phase
  spec: {containers: [{sh: exit 0}]}
  until: [phase == Succeeded]
Y
code=0
run --cases "$work/wrong.yaml" >"$work/out" || code=$?
cat "$work/out"
[ $code = 1 ] || { echo "the exit code is $code and not 1"; exit 1; }
grep -q '^FAILED wrong/wrong$' "$work/out"
grep -q 'phase == Succeeded: it is `Failed`' "$work/out"
[ ! -e "$work/run" ] || { echo "the runner left its directory behind"; exit 1; }
