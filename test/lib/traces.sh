#!/usr/bin/env bash
# traces.sh: prints what a node leaves in the kernel, one sorted line each: mounts, loop devices, cgroups, network namespaces, links,
# routing rules and port mappings (not the constant rules that the portmap plugin sets up once). Two listings, before and after, tell what was left behind.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
{
  awk '{print "mount", $5}' /proc/self/mountinfo
  losetup -nO NAME 2>/dev/null | sed 's/^/loop /' || true
  find /sys/fs/cgroup -type d 2>/dev/null | sed 's/^/cgroup /'
  ip netns list 2>/dev/null | awk '{print "netns", $1}'
  ip -o link | awk -F': ' '{sub(/@.*/, "", $2); print "link", $2}'
  ip rule | awk '{$1 = ""; sub(/ \[detached\]/, ""); print "rule" $0}'
  iptables-save 2>/dev/null | grep -E '^-A CNI-(DN-|SN-|HOSTPORT-DNAT)' | sed 's/^/iptables /' || true
} | sort -u
