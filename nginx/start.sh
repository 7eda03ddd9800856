#!/bin/sh
# Starts nginx in the foreground. A killed nginx leaves its door behind, and a socket that is there already
# cannot be listened at; no other edge of this installation runs beside this one.
set -eu
home=/var/lib/freehold
rm -f "$home/run/edge/door.sock"
# As many connections as the engine lets us have: a visitor's and a house's are two files.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
exec /usr/sbin/nginx -e stderr -c "$home/edge/nginx.conf" "$@"
