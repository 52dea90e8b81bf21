#!/bin/sh
# skep: give this host the name in /etc/skep/hostname. Run by skep-boot.service, since a container's engine writes
# /etc/hostname anew at each start.
set -eu
want=$(cat /etc/skep/hostname)
if [ "$(cat /proc/sys/kernel/hostname)" != "$want" ]; then
    hostname "$want" 2>/dev/null || echo "$want" >/proc/sys/kernel/hostname
    echo "this host is now called $want"
fi
if [ "$(cat /etc/hostname 2>/dev/null)" != "$want" ]; then
    echo "$want" >/etc/hostname
    echo "wrote /etc/hostname"
fi
