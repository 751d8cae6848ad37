#!/usr/bin/env bash
# maintainer_scripts.sh: the package's scripts by themselves, with stand-ins for systemctl and its kin. What dpkg makes of
# them as a whole is chroots.sh's, which needs a Debian.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{bin,run/systemd/system}
failed=0

# What `systemctl is-active` says is the content of state.
cat >"$work/bin/systemctl" <<S
#!/bin/sh
case \$* in *is-active*) cat $work/state ;; esac
S
cat >"$work/bin/deb-systemd-invoke" <<S
#!/bin/sh
echo "\$1" >>$work/calls
if [ "\$1" = stop ]; then echo inactive >$work/state; else echo active >$work/state; fi
S
printf '#!/bin/sh\n' >"$work/bin/deb-systemd-helper"
chmod 755 "$work"/bin/*

# script NAME ARGUMENT...: as deploy/package.sh assembles it, with folders of our own.
script() {
  sed -e "/^#LIB#\$/{r $top/deploy/debian/kubelet.maintscript-lib" -e 'd}' "$top/deploy/debian/kubelet.$1" |
    sed "s|/run/|$work/run/|g; s|/var/lib/|$work/lib/|g" >"$work/script"
  shift
  PATH=$work/bin:$PATH sh "$work/script" "$@" >>"$work/said" 2>/dev/null
}
begin() {
  rm -f "$work"/{calls,said}
  echo "$1" >"$work/state"
}
# calls_are NAME CALL...
calls_are() {
  local name=$1
  shift
  local found
  found=$({ cat "$work/calls" 2>/dev/null || true; } | tr "\n" " ")
  [ "$found" = "${*:+$* }" ] || { echo "FAILED $name: called: $found"; failed=1; }
}

begin active
script prerm remove
calls_are "a removal stops the service" stop
script postinst abort-remove
calls_are "called off: it is started again" stop restart
grep -q 'its removal was called off' "$work/said" || { echo "FAILED: it does not say so"; failed=1; }
script postinst abort-remove
calls_are "once" stop restart

begin inactive
script prerm remove
script postinst abort-remove
calls_are "what did not run is not started"

begin active
script prerm upgrade 1.36.3-1.1
script postinst abort-upgrade 1.36.3-1.1
calls_are "an upgrade that is called off had stopped nothing"

begin active
script prerm remove in-favour other 1
script postinst abort-remove in-favour other 1
calls_are "as well when another package was to take its place" stop restart

begin active
script prerm remove
script postrm remove
script postinst configure ""
script postinst abort-upgrade 1.36.3-1.1
calls_are "a removal that was carried out is forgotten" stop

[ $failed = 0 ]
