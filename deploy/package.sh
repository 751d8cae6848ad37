#!/usr/bin/env bash
# package.sh [--out DIR] [--kubelet PROGRAM [--conformance PROGRAM]] [--check]: the Debian package and the tar archive, out of a clone.
#
# Installs the Debian packages that are missing (as root), builds the release preset, and writes into DIR (build/package):
#   kubelet_VERSION_ARCH.deb            for Debian 12 and later
#   kubelet-dbgsym_VERSION_ARCH.deb     its debug symbols
#   kubelet-VERSION-linux-ARCH.tar.gz   the same files for other systems; INSTALL in it says where they go
#   --kubelet PROGRAM      packs a program that is built already; kubelet-conformance is then that of the same build folder
#   --conformance PROGRAM  or this one
#   --check            also runs lintian and systemd-analyze verify over the result
# The version is that of Kubernetes, with ours behind it: 1.36.2+cpp0.1.0-1 is newer than Kubernetes' own 1.36.2 and older
# than its 1.36.3.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=test/lib/common.sh
source "$top/test/lib/common.sh"
# shellcheck source=test/lib/packages.sh
source "$top/test/lib/packages.sh"

out=$top/build/package kubelet='' conformance='' check=''
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$(realpath -m "${2:?--out needs a directory}"); shift 2 ;;
    --kubelet) kubelet=$(realpath -e "${2:?--kubelet needs a program}"); shift 2 ;;
    --conformance) conformance=$(realpath -e "${2:?--conformance needs a program}"); shift 2 ;;
    --check) check=1; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) die "unknown argument $1 (see --help)" ;;
  esac
done
stage=$out/stage tree=$out/stage/tree

packages() {
  local wanted=("${package_packages[@]}" "${build_packages[@]}")
  [ -z "$check" ] || wanted+=("${package_check_packages[@]}")
  [ -z "$(missing_packages "${wanted[@]}")" ] || need_root
  install_packages "${wanted[@]}"
}

build() {
  local runner=test/conformance/kubelet-conformance
  if [ -n "$kubelet" ]; then
    [ -n "$conformance" ] || conformance=$(realpath -m "$(dirname "$kubelet")/../../$runner")
    [ -x "$conformance" ] || die "there is no $conformance (ninja kubelet-conformance makes it; or name one with --conformance)"
    return 0
  fi
  say "building the kubelet (the first time takes some minutes)"
  (cd "$top" && cmake --preset release -DKUBELET_TESTS=OFF >"$out/cmake.log") || die "cmake failed: $out/cmake.log"
  ninja -C "$top/build/release" -j "$(build_jobs)" kubelet kubelet-conformance
  kubelet=$top/build/release/src/app/kubelet
  [ -n "$conformance" ] || conformance=$top/build/release/$runner
}

# The changelog names the version once more; both have to move together.
find_version() {
  local kubernetes own
  kubernetes=$(sed -n 's/^set(KUBELET_KUBERNETES_VERSION "v\(.*\)")$/\1/p' "$top/CMakeLists.txt")
  own=$(sed -n 's/^project(kubelet VERSION \([0-9.]*\) .*/\1/p' "$top/CMakeLists.txt")
  version=$(dpkg-parsechangelog -l "$top/deploy/debian/changelog" -S Version)
  arch=$(dpkg --print-architecture)
  case $version in
    "$kubernetes+cpp$own-"*) ;;
    *) die "deploy/debian/changelog says $version, CMakeLists.txt says $kubernetes+cpp$own-…" ;;
  esac
  [ "$("$kubelet" --version)" = "Kubernetes v$kubernetes+cpp.$own" ] || die "$kubelet is $("$kubelet" --version), not $kubernetes+cpp.$own"
}

# put MODE SOURCE TARGET: a file of the package.
put() { install -D -m "$1" "$2" "$tree/$3"; }
# made MODE TARGET: the same, out of standard input.
made() {
  mkdir -p "$(dirname "$tree/$2")"
  cat >"$tree/$2"
  chmod "$1" "$tree/$2"
}

# What is linked statically has to be in the list of licences, with the notices of the packages it came from.
licences() {
  local name
  while read -r name; do
    grep -qx "Files: $name" "$top/deploy/debian/copyright" || die "deploy/debian/copyright does not tell of $name (third_party/README.md does)"
    put 644 "/usr/share/doc/$name/copyright" "usr/share/doc/kubelet/third-party/$name"
  done < <(sed -n '/^Linked statically/,/^Linked dynamically/s/^| \(lib[^ ]*\) |.*/\1/p' "$top/third_party/README.md")
  [ -n "$(ls "$tree/usr/share/doc/kubelet/third-party")" ] || die "no licences in third_party/README.md"
}

lay_out() {
  local each
  rm -rf "$stage"
  mkdir -p "$tree"
  put 755 "$kubelet" usr/bin/kubelet
  put 755 "$conformance" usr/bin/kubelet-conformance
  put 644 "$top/deploy/systemd/kubelet.service" usr/lib/systemd/system/kubelet.service
  put 644 "$top/deploy/systemd/05-kubeadm.conf" usr/lib/systemd/system/kubelet.service.d/05-kubeadm.conf
  put 644 "$top/deploy/systemd/kubelet.default" etc/default/kubelet
  "$kubelet" docs man | made 644 usr/share/man/man1/kubelet.1
  "$kubelet" docs man-config | made 644 usr/share/man/man5/kubelet-config.5
  "$conformance" --man | made 644 usr/share/man/man8/kubelet-conformance.8
  "$kubelet" completion bash | made 644 usr/share/bash-completion/completions/kubelet
  "$kubelet" completion zsh | made 644 usr/share/zsh/vendor-completions/_kubelet
  "$kubelet" completion fish | made 644 usr/share/fish/vendor_completions.d/kubelet.fish
  for each in "$top"/deploy/examples/*.yaml; do put 644 "$each" "usr/share/doc/kubelet/examples/$(basename "$each")"; done
  for each in "$top"/deploy/docs/*.md; do put 644 "$each" "usr/share/doc/kubelet/$(basename "$each")"; done
  licences
}

# The maintainer scripts share some functions; dpkg wants each whole.
lay_out_debian() {
  local each
  cp -r "$top/deploy/debian" "$stage/debian"
  for each in "$stage"/debian/kubelet.{preinst,postinst,prerm,postrm}; do
    sed -i -e "/^#LIB#\$/{r $stage/debian/kubelet.maintscript-lib" -e 'd}' "$each"
  done
  rm "$stage/debian/kubelet.maintscript-lib"
}

build_deb() {
  say "building the Debian package"
  lay_out_debian
  (cd "$stage" && SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -S Timestamp) dpkg-buildpackage -b -us -uc --no-pre-clean >"$out/deb.log" 2>&1) ||
    { tail -30 "$out/deb.log" >&2; die "dpkg-buildpackage failed: $out/deb.log"; }
}

# As the .deb has them: stripped, pages compressed; owned by root, with the date of the changelog.
build_tar() {
  local name=kubelet-${version%-*}-linux-$arch date
  say "packing $name.tar.gz"
  rm -rf "${out:?}/$name"
  dpkg-deb -x "$out/kubelet_${version}_$arch.deb" "$out/$name"
  rm -rf "$out/$name/usr/share/lintian" "$out/$name/usr/share/doc/kubelet/changelog.Debian.gz"
  cp "$top/deploy/docs/INSTALL.tar" "$out/$name/INSTALL"
  date=@$(dpkg-parsechangelog -l "$top/deploy/debian/changelog" -S Timestamp)
  tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mtime="$date" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
  rm -rf "${out:?}/$name"
}

verify() {
  local units=$out/verify
  say "lintian"
  lintian --fail-on error "$out/kubelet_${version}_$arch.deb"
  say "systemd-analyze verify"
  rm -rf "$units"
  dpkg-deb -x "$out/kubelet_${version}_$arch.deb" "$units"
  # The program and the pages are looked for where the package would put them.
  sed -i -e "s|=/usr/bin/kubelet|=$units/usr/bin/kubelet|" -e '/^Documentation=/d' "$units"/usr/lib/systemd/system/kubelet.service{,.d/*.conf}
  systemd-analyze verify "$units/usr/lib/systemd/system/kubelet.service"
  rm -rf "$units"
}

mkdir -p "$out"
packages
build
find_version
lay_out
build_deb
build_tar
if [ -n "$check" ]; then verify; fi
rm -rf "$stage"
ls -l "$out"/kubelet*"$arch".{deb,tar.gz}
