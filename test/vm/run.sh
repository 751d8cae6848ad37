#!/usr/bin/env bash
# run.sh [--package FILE.deb | --kubelet PROGRAM] [--accel kvm|tcg] [--keep] [--seconds N]
#
# The kubelet under a real systemd on unified cgroups: makes a small Debian with Debian's kernel, boots it in qemu with
# systemd as PID 1, runs guest.py in it (through a reboot), and prints what that finds; the last line is `N passed, N failed`.
# Everything comes from the mirror that this machine's own apt uses. No network reaches into the guest, nor out of it.
#
#   --package FILE.deb  installs this package of the kubelet
#   --kubelet PROGRAM   without a package: deploy/package.sh makes one of this program (default: build/release, else build/dev)
#                       and of the kubelet-conformance of the same build folder
#   --accel             default: tcg, software emulation, which works everywhere; kvm is several times faster
#   --keep              keeps disk image and console log, and says where
#   --seconds N         ends the guest after so long (default 840)
# Run as root. The base system is kept in $KUBELET_TEST_CACHE (default /var/cache/kubelet-test) and made anew when its list
# of packages changes; without it a first run takes some two minutes more. Not part of test/run.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=test/lib/common.sh
source "$top/test/lib/common.sh"
PATH=$PATH:/usr/sbin:/sbin

# Of this machine:
host_packages=(qemu-system-x86 mmdebstrap e2fsprogs busybox-static gcc libc6-dev)
# Of the guest. The libraries are what the kubelet is linked with (third_party/README.md).
guest_packages=(
  linux-image-cloud-amd64 systemd-sysv dbus udev kmod iproute2 iptables mount procps python3
  runc containernetworking-plugins libyaml-cpp0.7 libnghttp2-14 libssl3 zlib1g libstdc++6 libsystemd0
)
package='' kubelet='' keep='' seconds=840 accel=tcg
while [ $# -gt 0 ]; do
  case $1 in
    --package) package=$(realpath "${2:?--package needs a file}"); shift 2 ;;
    --kubelet) kubelet=$(realpath "${2:?--kubelet needs a program}"); shift 2 ;;
    --accel) accel=${2:?--accel needs kvm or tcg}; shift 2 ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
    --keep) keep=1; shift ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
  esac
done
if [ -z "$package$kubelet" ]; then
  for each in release dev; do
    if [ -x "$top/build/$each/src/app/kubelet" ]; then kubelet=$top/build/$each/src/app/kubelet; break; fi
  done
fi
[ -n "$package$kubelet" ] || die "no kubelet is built; name one with --package or --kubelet"

cache=${KUBELET_TEST_CACHE:-/var/cache/kubelet-test}/vm
suite=bookworm

# proxies of this machine's apt, as options for the guest's.
apt_options() { apt-config dump 2>/dev/null | sed -nE 's/^(Acquire::https?::Proxy .*);$/--aptopt=\1/p'; }

# The initrd holds what this one virtual machine needs: a general one takes emulated processors half a minute to unpack.
# shellcheck disable=SC2016  # $1 is the hook's
slim_initrd='printf "virtio_pci\nvirtio_blk\next4\n" >>"$1/etc/initramfs-tools/modules"
  echo MODULES=list >"$1/etc/initramfs-tools/conf.d/vm"
  chroot "$1" update-initramfs -u'

# base: prints the tar of a Debian with the guest's packages, made when it is not there.
base() {
  local list tar options
  list=$(printf '%s\n' "${guest_packages[@]}" | sort)
  tar=$cache/$suite-$(printf '%s\n%s' "$list" "$slim_initrd" | sha256sum | cut -c1-16).tar
  if [ ! -f "$tar" ]; then
    say "making a Debian $suite" >&2
    mkdir -p "$cache"
    rm -f "$cache"/*.tar "$cache"/*.new
    mapfile -t options < <(apt_options)
    python3 "$top/test/lib/debian_suite.py" "$suite" >"$cache/debian.sources"
    mmdebstrap --quiet --variant=minbase --mode=root --format=tar --aptopt='Acquire::Check-Valid-Until "false"' "${options[@]}" \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --include="$(printf '%s\n' "$list" | paste -sd,)" --customize-hook="$slim_initrd" \
      "$suite" "$tar.new" "$cache/debian.sources" >&2
    mv "$tar.new" "$tar"
  fi
  echo "$tar"
}

work=$(mktemp -d /var/tmp/kubelet-vm.XXXXXX)
qemu=
finish() {
  [ -z "$qemu" ] || end_process "$qemu" 5
  if [ -n "$keep" ]; then say "kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

install_kubelet() {
  local root=$1
  if [ -z "$package" ]; then
    [ -x "$top/deploy/package.sh" ] || die "there is no deploy/package.sh; name a package with --package"
    "$top/deploy/package.sh" --out "$work/package" --kubelet "$kubelet" >"$work/package.log" 2>&1 || { tail "$work/package.log"; die "no package"; }
    package=$(echo "$work"/package/kubelet_*.deb)
  fi
  cp "$package" "$root/root/kubelet.deb"
  # Its dependencies are among the guest's packages.
  chroot "$root" env DEBIAN_FRONTEND=noninteractive dpkg --install /root/kubelet.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; die "the package cannot be installed"; }
}

# fill ROOT: what makes the Debian there a node, and the test of it.
fill() {
  local root=$1 bin
  bin=$("$top/test/lib/containerd_binaries.sh")
  install -m 755 "$bin"/{containerd,containerd-shim-runc-v2,ctr} "$root/usr/local/bin/"
  mkdir -p "$root"/{etc/containerd,etc/cni/net.d,etc/kubernetes/manifests,var/lib/kubelet,opt/vm,etc/systemd/network,etc/systemd/system/kubelet.service.d}
  install -m 644 "$here"/guest/containerd.service "$root/etc/systemd/system/"
  install -m 644 "$here"/guest/containerd.toml "$root/etc/containerd/config.toml"
  install -m 644 "$here"/guest/cni.conflist "$root/etc/cni/net.d/10-bridge.conflist"
  install -m 644 "$here"/guest/eth.network "$root/etc/systemd/network/"
  install -m 644 "$here"/guest/config.yaml "$root/var/lib/kubelet/config.yaml"
  install -m 644 "$here"/guest/standalone.conf "$root/etc/systemd/system/kubelet.service.d/90-standalone.conf"
  install -m 644 "$here"/guest/vm-test.service "$root/etc/systemd/system/"
  install -m 755 "$here"/guest/guest.py "$root/opt/vm/guest.py"
  "$top/test/images/build.sh" "$root/opt/vm/images" >/dev/null
  install -m 755 /bin/busybox "$root/opt/vm/busybox"
  install_kubelet "$root"
  echo vm >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n10.0.2.15 vm\n' >"$root/etc/hosts"
  echo '/dev/vda / ext4 rw 0 1' >"$root/etc/fstab"
  : >"$root/etc/resolv.conf"
  chroot "$root" systemctl -q enable systemd-networkd containerd kubelet vm-test
  chroot "$root" systemctl -q mask serial-getty@ttyS0 apt-daily.timer apt-daily-upgrade.timer systemd-timesyncd
}

disk() {
  local root=$work/root
  mkdir "$root"
  tar -C "$root" -xf "$1"
  fill "$root"
  cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
  cp "$root"/boot/initrd.img-* "$work/initrd"
  truncate -s 3G "$work/disk"
  mke2fs -q -t ext4 -d "$root" "$work/disk"
  rm -rf "$root"
}

boot() {
  # -no-reboot is absent: a reboot is part of the test. The guest has a network card that leads nowhere.
  qemu-system-x86_64 -accel "$accel" -machine q35 -cpu max -smp 1 -m 1024 -nographic -nodefaults -no-user-config \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" \
    -append 'root=/dev/vda rw console=ttyS0 systemd.unified_cgroup_hierarchy=1 systemd.show_status=0 no_timer_check panic=1' \
    -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" -netdev user,id=n,restrict=on -device virtio-net-pci,netdev=n,romfile= \
    -device virtio-rng-pci -serial "file:$work/console" </dev/null >"$work/qemu.log" 2>&1 &
  qemu=$!
}

# watch: passes on what the guest says until it is done.
watch() {
  local end=$((SECONDS + seconds)) seen=0 lines
  while :; do
    lines=$({ tr -d '\r' <"$work/console"; } 2>/dev/null | grep -a '^VM ' || true)
    tail -n +$((seen + 1)) <<<"$lines" | sed -n 's/^VM //p'
    [ -z "$lines" ] || seen=$(wc -l <<<"$lines")
    if grep -q '^VM done' <<<"$lines"; then return 0; fi
    process_gone "$qemu" && { cat "$work/qemu.log"; warn "the guest ended too early"; return 1; }
    [ $SECONDS -lt $end ] || { warn "the guest is not done after $seconds s"; return 1; }
    sleep 1
  done
}

need_root
install_packages "${host_packages[@]}"
tar=$(base)
say "filling the disk"
disk "$tar"
say "booting"
boot
failed=0
watch || { failed=1; echo "--- console, last lines"; tail -60 "$work/console" 2>/dev/null; }
passed=$(grep -ac '^VM ok ' "$work/console" || true)
failed=$((failed + $(grep -ac '^VM FAILED ' "$work/console" || true)))
if [ $failed -gt 0 ]; then grep -a '^LOG ' "$work/console" | sed 's/^LOG //' || true; fi
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ "$passed" -gt 0 ]
