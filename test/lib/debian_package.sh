# shellcheck shell=bash
# A package of another Debian suite for the tests, without installing it: fetched and verified by apt from the mirror this
# machine already uses, then unpacked. No further suite is enabled for the machine, no service starts, dpkg's state stays
# as it is. Sourced, after common.sh.

# suite_config SUITE DIR: an apt configuration that knows only that suite, with lists and cache of its own below DIR, and
# nothing of what is installed (a package of that name from elsewhere might have a higher version).
suite_config() {
  local suite=$1 dir=$2
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  : >"$dir/status"
  python3 "$(dirname "${BASH_SOURCE[0]}")/debian_suite.py" "$suite" >"$dir/suite.sources" || return 1
  cat >"$dir/apt.conf" <<C
Dir::Etc::SourceList "$dir/suite.sources";
Dir::Etc::SourceParts "$dir/none";
Dir::State::Lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
C
  APT_CONFIG=$dir/apt.conf apt-get update -qq >&2
}

# unpack_package APT_CONFIG PACKAGE DIR PROGRAM [ARGUMENT...]: the candidate under that apt configuration, into DIR, if its
# PROGRAM (a path within it) runs here with these arguments.
unpack_package() {
  local config=$1 package=$2 dir=$3 program=$4 fetch
  shift 4
  fetch=$(mktemp -d)
  if ! (cd "$fetch" && APT_CONFIG=$config apt-get download -q "$package" >&2 2>/dev/null && dpkg-deb -x "$package"_*.deb tree) ||
    ! "$fetch/tree/$program" "$@" >/dev/null 2>&1; then
    rm -rf "$fetch"
    return 1
  fi
  mkdir -p "$(dirname "$dir")"
  rm -rf "$dir"
  mv "$fetch/tree" "$dir"
  rm -rf "$fetch"
}

# fetch_from_suite SUITE PACKAGE DIR PROGRAM [ARGUMENT...]: both of the above.
fetch_from_suite() {
  local suite=$1 work status=0
  shift
  work=$(mktemp -d)
  chmod 755 "$work"
  suite_config "$suite" "$work" && unpack_package "$work/apt.conf" "$@" || status=1
  rm -rf "$work"
  return $status
}
