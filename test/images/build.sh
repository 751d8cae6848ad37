#!/usr/bin/env bash
# build.sh OUTDIR: makes the images the tests use, as tar files to import, out of this machine's own packages.
#   busybox.tar  kubelet.test/busybox:1   Debian's static busybox with all applets; runs `sh`
#   pause.tar    kubelet.test/pause:1     pause.c, static; the sandbox image
# Further names, for suites that insist on theirs: BUSYBOX_ALIASES and PAUSE_ALIASES (space separated).
# KUBELET_TEST_IMAGE and KUBELET_TEST_PAUSE replace the first names.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUTDIR}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

names() { printf -- '--name %s ' "$@"; }

busybox_rootfs() {
  local root=$1 applet
  mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,root,home,proc,sys,dev,run,var/log,var/run}
  mkdir -m 1777 "$root/tmp" "$root/var/tmp"
  install -m 755 "$(command -v busybox)" "$root/bin/busybox"
  while read -r applet; do
    [ "$applet" = bin/busybox ] || ln -sf /bin/busybox "$root/$applet"
  done < <("$root/bin/busybox" --list-full)
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf "hosts: files dns\n" >"$root/etc/nsswitch.conf"
}

command -v busybox >/dev/null || { echo "build.sh: busybox is missing (Debian package busybox-static)" >&2; exit 1; }
if ldd "$(command -v busybox)" >/dev/null 2>&1; then
  echo "build.sh: $(command -v busybox) is not static; install busybox-static" >&2
  exit 1
fi
busybox_rootfs "$work/busybox"
# shellcheck disable=SC2046,SC2086  # words on purpose
python3 "$here/oci_image.py" "$out/busybox.tar" --rootfs "$work/busybox" --cmd sh \
  $(names "${KUBELET_TEST_IMAGE:-kubelet.test/busybox:1}" ${BUSYBOX_ALIASES:-})

mkdir "$work/pause"
"${CC:-gcc}" -static -Os -s -Wall -Werror -o "$work/pause/pause" "$here/pause.c"
# shellcheck disable=SC2046,SC2086
python3 "$here/oci_image.py" "$out/pause.tar" --rootfs "$work/pause" --user 65535:65535 --entrypoint /pause \
  $(names "${KUBELET_TEST_PAUSE:-kubelet.test/pause:1}" ${PAUSE_ALIASES:-})
