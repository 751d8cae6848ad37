# shellcheck shell=bash disable=SC2034
# The Debian packages each task needs, in one place; third_party/README.md says why and under which licence. Sourced.

build_packages=(
  g++ cmake ninja-build ccache python3
  libboost1.81-dev libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libabsl-dev
  libc-ares-dev libre2-dev zlib1g-dev libyaml-cpp-dev libssl-dev libnghttp2-dev
)
test_packages=(catch2 libyaml-dev mold procps python3-grpcio python3-protobuf dbus-daemon)
clang_packages=(clang-14 clang-tools-14 libclang-rt-14-dev)
# A node for tests and for the quick start; containerd itself comes through containerd_binaries.sh.
node_packages=(runc containernetworking-plugins iproute2 iptables busybox-static gcc libc6-dev mount e2fsprogs)
# deploy/package.sh: the Debian package, and what judges it.
package_packages=(debhelper dpkg-dev fakeroot)
package_check_packages=(lintian systemd groff man-db)
