#!/bin/sh
# Starts nginx in the foreground. A killed nginx leaves its door behind, and a socket that is there already
# cannot be listened at; no other edge of this installation runs beside this one.
set -eu
home=/var/lib/freehold
rm -f "$home/run/edge/door.sock"
mkdir -p /tmp/body /tmp/proxy
exec /usr/sbin/nginx -e stderr -c "$home/edge/nginx.conf" "$@"
