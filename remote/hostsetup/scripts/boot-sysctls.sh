#!/bin/sh
# skep: set the kernel parameters in /etc/skep/sysctls, and give those that are no longer there the value back that they
# had, which /var/lib/skep/sysctls keeps. Run by skep-boot.service, since a kernel forgets them.
set -eu
kept=/var/lib/skep/sysctls
mkdir -p /var/lib/skep
touch "$kept"

# A parameter's file: in names . and / stand for each other.
file_of() {
    printf '/proc/sys/%s' "$1" | awk -F/proc/sys/ '{ gsub("/", "\001", $2); gsub("[.]", "/", $2); gsub("\001", ".", $2); print FS $2 }'
}

value_of() {
    tr -s '\t ' ' ' <"$1" | sed 's/ *$//'
}

# kept_in FILE NAME: whether the file has a value of a parameter.
kept_in() {
    awk -v name="$2" '$1 == name { found = 1 } END { exit !found }' "$1"
}

# load_for FILE: load the kernel's module that has a parameter, if it is not there yet: so early in a boot, nothing that
# uses the module has asked for it.
load_for() {
    case $1 in
    /proc/sys/net/bridge/*) module=br_netfilter ;;
    /proc/sys/net/netfilter/* | /proc/sys/net/nf_conntrack_max) module=nf_conntrack ;;
    /proc/sys/net/ipv4/vs/*) module=ip_vs ;;
    *) return 0 ;;
    esac
    if [ ! -e "$1" ] && command -v modprobe >/dev/null 2>&1; then
        modprobe -q "$module" || :
    fi
}

failed=0
: >"$kept.new"
while read -r name value; do
    file=$(file_of "$name")
    if kept_in /etc/skep/sysctls "$name"; then
        echo "$name $value" >>"$kept.new"
    elif [ -e "$file" ] && [ "$(value_of "$file")" != "$value" ]; then
        if printf '%s' "$value" >"$file"; then
            echo "$name is $value again"
        else
            echo "$name $value" >>"$kept.new"
            failed=1
        fi
    fi
done <"$kept"
while read -r name value; do
    file=$(file_of "$name")
    load_for "$file"
    if [ ! -e "$file" ]; then
        echo "sysctls: this kernel has no $name" >&2
        failed=1
        continue
    fi
    now=$(value_of "$file")
    if [ "$now" = "$value" ]; then
        continue
    fi
    # Before it is set: this may be killed at any moment, and the next time finds the new value.
    kept_in "$kept" "$name" || echo "$name $now" >>"$kept"
    if ! printf '%s' "$value" >"$file"; then
        echo "sysctls: $name can't be $value on this host (it is $now)" >&2
        failed=1
        continue
    fi
    kept_in "$kept.new" "$name" || echo "$name $now" >>"$kept.new"
    echo "$name is $value, and was $now"
done </etc/skep/sysctls
mv -f "$kept.new" "$kept"
exit "$failed"
