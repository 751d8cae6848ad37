#!/usr/bin/env bash
# chroots.sh DEB [SUITE...]: a package of deploy/package.sh in small Debians of their own (bookworm and trixie by default).
#
# Each is made by debootstrap from the mirror that this machine uses, and removed at the end (KEEP=DIR keeps them below DIR and
# takes them up again). In each, with apt, and with a stand-in for systemctl that notes what is asked of it:
#   a node with the package of the Kubernetes project (a stand-in of the same layout) moves to ours and back,
#   a fresh installation, an upgrade to a later version of ours, remove and purge;
# and: every shared library is there, `kubelet --version` runs, pages and samples are good, the state of pods stays.
# As root; not part of test/run.sh, since it downloads two Debians. Ends in `N passed, N failed`.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=test/lib/common.sh
source "$top/test/lib/common.sh"

[ $# -gt 0 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
deb=$(realpath -e "$1")
shift
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
version=$(dpkg-deb -f "$deb" Version)
work=${KEEP:-$(mktemp -d /var/tmp/kubelet-chroots.XXXXXX)}
passed=0 failed=0
need_root
install_packages debootstrap dpkg-dev

check() {
  local name=$1
  shift
  if "$@" >"$work/check.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED $name: $*"
    sed 's/^/    /' "$work/check.log" | tail -20
  fi
}

finish() {
  local each
  for each in "${suites[@]}"; do umount "$work/$each/proc" 2>/dev/null || true; done
  [ -n "${KEEP:-}" ] || rm -rf "$work"
  echo "$passed passed, $failed failed"
  [ $failed = 0 ]
}
trap finish EXIT

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
apt_install() { inside apt-get install -y -q --no-install-recommends --allow-downgrades "$@"; }

make_root() {
  local uri
  if [ ! -x "$root/usr/bin/dpkg" ]; then
    uri=$(python3 "$top/test/lib/debian_suite.py" "$suite" | sed -n 's/^URIs: *//p')
    say "making a Debian $suite"
    debootstrap --variant=minbase "$suite" "$root" "$uri" >"$work/$suite.log" 2>&1 || die "debootstrap failed: $(tail -1 "$work/$suite.log")"
  fi
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  mkdir -p "$root/run/systemd/system" "$root/packages"
  rm -f "$root/calls" "$root/service"
  # What `systemctl is-active` says is the content of /service; start and restart make it `active`.
  cat >"$root/usr/local/systemctl" <<'S'
#!/bin/sh
for each; do case $each in -*) ;; *) verb=${verb:-$each} ;; esac; done
case $verb in
  is-active) cat /service 2>/dev/null || { echo inactive; exit 3; } ;;
  is-enabled) [ -e /etc/systemd/system/multi-user.target.wants/kubelet.service ] ;;
  start | restart) echo "$verb: $(/usr/bin/kubelet --version)" >>/calls; echo active >/service ;;
  preset | enable)
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -sf /usr/lib/systemd/system/kubelet.service /etc/systemd/system/multi-user.target.wants/kubelet.service ;;
  stop) echo stop >>/calls; echo inactive >/service ;;
  *) echo "$verb" >>/calls ;;
esac
S
  chmod 755 "$root/usr/local/systemctl"
  ln -sf /usr/local/systemctl "$root/usr/bin/systemctl"
}

# peer_package VERSION: a package laid out as that of the Kubernetes project: same name and files, no restart by itself.
peer_package() {
  local tree=$work/peer
  rm -rf "$tree"
  mkdir -p "$tree"/{DEBIAN,usr/bin,usr/lib/systemd/system,etc/default,var/lib/kubelet,etc/kubernetes/manifests}
  printf '#!/bin/sh\necho "Kubernetes v%s"\n' "${1%-*}" >"$tree/usr/bin/kubelet"
  chmod 755 "$tree/usr/bin/kubelet"
  printf '[Service]\nExecStart=/usr/bin/kubelet\n[Install]\nWantedBy=multi-user.target\n' >"$tree/usr/lib/systemd/system/kubelet.service"
  echo KUBELET_EXTRA_ARGS= >"$tree/etc/default/kubelet"
  touch "$tree/var/lib/kubelet/.kubelet-keep" "$tree/etc/kubernetes/manifests/.kubelet-keep"
  echo /etc/default/kubelet >"$tree/DEBIAN/conffiles"
  printf 'Package: kubelet\nVersion: %s\nArchitecture: %s\nMaintainer: nobody <nobody@localhost>\nDescription: stand-in\n' "$1" "$(dpkg --print-architecture)" >"$tree/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$tree" "$root/packages/peer_$1.deb" >/dev/null
}

# The package of the project that brings kubeadm's own drop-in: nothing of it may be touched.
kubeadm_package() {
  local tree=$work/kubeadm
  rm -rf "$tree"
  mkdir -p "$tree"/{DEBIAN,usr/lib/systemd/system/kubelet.service.d}
  echo '[Service]' >"$tree/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
  printf 'Package: kubeadm\nVersion: 1.36.2-1.1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: stand-in\n' >"$tree/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$tree" "$root/packages/kubeadm.deb" >/dev/null
}

# later_package: ours, as its next version.
later_package() {
  rm -rf "$work/later"
  dpkg-deb -R "$deb" "$work/later"
  sed -i "s/^Version: .*/Version: $version.1/" "$work/later/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$work/later" "$root/packages/later.deb" >/dev/null
}

# A package that takes the place of ours and cannot be installed: dpkg takes the removal back.
hostile_package() {
  local tree=$work/hostile
  rm -rf "$tree"
  mkdir -p "$tree/DEBIAN"
  printf '#!/bin/sh\nexit 1\n' >"$tree/DEBIAN/preinst"
  chmod 755 "$tree/DEBIAN/preinst"
  printf 'Package: kubelet-hostile\nVersion: 1\nArchitecture: all\nProvides: kubelet\nConflicts: kubelet\nReplaces: kubelet\nMaintainer: nobody <nobody@localhost>\nDescription: stand-in\n' >"$tree/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$tree" "$root/packages/hostile.deb" >/dev/null
}

says() { grep -qF -- "$1" "$root/$2"; }
calls_are() { [ "$(grep -v '^daemon-reload' "$root/calls" | tr '\n' ' ')" = "$1 " ] || { cat "$root/calls"; return 1; }; }
gone() { [ ! -e "$root/$1" ]; }
not_owned_twice() { [ "$(inside dpkg -S "$1" | grep -c "^$2:")" = 1 ]; }
no_missing_library() { ! inside ldd /usr/bin/kubelet /usr/bin/kubelet-conformance | grep 'not found'; }

migrate() {
  say "$suite: from the Kubernetes project's package to ours and back"
  rm -f "$root/calls"
  echo 'KUBELET_EXTRA_ARGS=--v=3' >"$root/etc/default/kubelet.mine"
  apt_install /packages/peer_1.36.2-1.1.deb /packages/kubeadm.deb >"$root/log" 2>&1
  # The owner has edited the file, which must not stop an unattended apt.
  mv "$root/etc/default/kubelet.mine" "$root/etc/default/kubelet"
  mkdir -p "$root"/var/lib/kubelet/pods/{one,two}
  echo x >"$root/var/lib/kubelet/config.yaml"
  echo active >"$root/service"
  check "ours is newer" dpkg --compare-versions "$version" gt 1.36.2-1.1
  check "the next one of theirs is newer" dpkg --compare-versions "$version" lt 1.36.3-1.1
  check "move to ours" apt_install "/packages/$(basename "$deb")"
  cp "$work/check.log" "$root/log"
  check "it restarts the service once, into the new program" calls_are "restart: Kubernetes v1.36.2+cpp.0.1.0"
  check "it says so" says "the containers of 2 pods were not touched" log
  check "the owner's settings stay" says --v=3 etc/default/kubelet
  check "kubeadm's drop-in stays kubeadm's" not_owned_twice /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf kubeadm
  check "folders stay" test -d "$root/etc/kubernetes/manifests"
  rm -f "$root/calls"
  check "move back" apt_install /packages/peer_1.36.2-1.1.deb
  cp "$work/check.log" "$root/log"
  check "back: it restarts the service once, into the old program" calls_are "restart: Kubernetes v1.36.2"
  check "back: it says so" says "gives its place to the kubelet 1.36.2-1.1" log
  check "back: the owner's settings stay" says --v=3 etc/default/kubelet
  check "back: kubeadm's drop-in is there" test -e "$root/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
  check "back: nothing of ours is left" gone usr/lib/systemd/system/kubelet.service.d/05-kubeadm.conf
  check "back: the state of the pods stays" test -d "$root/var/lib/kubelet/pods/two"
  rm -f "$root/calls"
  check "move on to their next one, from ours" apt_install "/packages/$(basename "$deb")"
  check "as an upgrade" apt_install /packages/peer_1.36.3-1.1.deb
  check "into it" says "restart: Kubernetes v1.36.3" calls
  inside apt-get purge -y -q kubelet kubeadm >/dev/null 2>&1
  rm -rf "$root/var/lib/kubelet" "$root/etc/default/kubelet"
}

install_fresh() {
  say "$suite: fresh, upgrade, remove, purge"
  rm -f "$root/calls" "$root/service"
  check "fresh installation" apt_install "/packages/$(basename "$deb")"
  cp "$work/check.log" "$root/log"
  check "fresh: nothing is started" gone service
  check "fresh: it says why" says "enabled, and not started" log
  check "fresh: enabled" test -L "$root/etc/systemd/system/multi-user.target.wants/kubelet.service"
  check "no library is missing" no_missing_library
  check "--version" inside kubelet --version
  check "help" inside kubelet --help
  check "the conformance runner" inside kubelet-conformance --list
  check "sample configurations" inside sh -c 'kubelet config check /usr/share/doc/kubelet/examples/*.yaml'
  check "pages" test -s "$root/usr/share/doc/kubelet/reference.md"
  check "files are as they were packed" inside dpkg --verify kubelet
  mkdir -p "$root"/var/lib/kubelet/pods/one
  echo active >"$root/service"
  rm -f "$root/calls"
  check "upgrade" apt_install /packages/later.deb
  check "upgrade: one restart" calls_are "restart: Kubernetes v1.36.2+cpp.0.1.0"
  rm -f "$root/calls"
  check "a removal that fails" bash -c "! chroot '$root' env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg -B -i /packages/hostile.deb"
  cp "$work/check.log" "$root/log"
  check "called off: stopped and started again" calls_are "stop restart: Kubernetes v1.36.2+cpp.0.1.0"
  check "called off: it says so" says "its removal was called off" log
  rm -f "$root/calls"
  check "remove" inside apt-get remove -y -q kubelet
  cp "$work/check.log" "$root/log"
  check "remove: stopped" calls_are stop
  check "remove: it says what runs on" says "stopped; the containers of 1 pod run on" log
  check "purge" inside apt-get purge -y -q kubelet
  cp "$work/check.log" "$root/log"
  check "purge: it says what is left" says "left as they are: 1 pod that run" log
  check "purge: the state of the pods stays" test -d "$root/var/lib/kubelet/pods/one"
  check "purge: settings are gone" gone etc/default/kubelet
  check "purge: not enabled any more" gone etc/systemd/system/multi-user.target.wants/kubelet.service
  rm -rf "$root/var/lib/kubelet"
}

for suite in "${suites[@]}"; do
  root=$work/$suite
  make_root
  cp "$deb" "$root/packages/"
  peer_package 1.36.2-1.1
  peer_package 1.36.3-1.1
  kubeadm_package
  later_package
  hostile_package
  inside apt-get update -q >/dev/null 2>&1
  migrate
  install_fresh
  umount "$root/proc"
done
