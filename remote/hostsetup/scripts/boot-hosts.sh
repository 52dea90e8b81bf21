#!/bin/sh
# skep: keep the lines of /etc/skep/hosts in /etc/hosts, between two marks, and their names out of all other lines
# (installers and cloud-init give a host's own name to 127.0.1.1, where no other host finds it). Run by
# skep-boot.service, since a container's engine writes /etc/hosts anew at each start.
set -eu
new=/etc/hosts.skep-new
touch /etc/hosts
awk '
    FNR == NR { for (i = 2; i <= NF; i++) ours[$i] = 1; next }
    /^# >>> skep$/ { skip = 1 }
    skip { if (/^# <<< skep$/) skip = 0; next }
    /^[ \t]*(#|$)/ { print; next }
    {
        sub(/#.*/, "")
        kept = ""
        dropped = 0
        for (i = 2; i <= NF; i++) { if ($i in ours) dropped = 1; else kept = kept " " $i }
        if (!dropped) print
        else if (kept != "") print $1 kept
    }
' /etc/skep/hosts /etc/hosts >"$new"
{
    echo '# >>> skep'
    cat /etc/skep/hosts
    echo '# <<< skep'
} >>"$new"
chmod 0644 "$new"
if cmp -s "$new" /etc/hosts; then
    rm -f "$new"
    exit 0
fi
if grep -q ' /etc/hosts ' /proc/self/mountinfo; then
    # Mounted: it can be written, but not replaced.
    cat "$new" >/etc/hosts
    rm -f "$new"
else
    mv -f "$new" /etc/hosts
fi
echo "wrote /etc/hosts"
