#!/bin/sh
# packages.sh NAME...: installs those of these Debian packages that are missing.  Where there is no apt-get, whoever runs it has seen to them.
set -eu
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || exit 0
missing=
for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
echo "installing$missing" >&2
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$sudo apt-get update -qq >&2
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >&2
