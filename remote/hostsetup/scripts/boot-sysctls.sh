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

failed=0
: >"$kept.new"
while read -r name value; do
    if awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' /etc/skep/sysctls; then
        echo "$name $value" >>"$kept.new"
    elif [ "$(value_of "$(file_of "$name")")" != "$value" ]; then
        if printf '%s' "$value" >"$(file_of "$name")"; then
            echo "$name is $value again"
        else
            echo "$name $value" >>"$kept.new"
            failed=1
        fi
    fi
done <"$kept"
while read -r name value; do
    file=$(file_of "$name")
    if [ ! -e "$file" ]; then
        echo "sysctls: this kernel has no $name" >&2
        failed=1
        continue
    fi
    now=$(value_of "$file")
    if [ "$now" = "$value" ]; then
        continue
    fi
    if ! printf '%s' "$value" >"$file"; then
        echo "sysctls: $name can't be $value on this host (it is $now)" >&2
        failed=1
        continue
    fi
    if ! awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' "$kept.new"; then
        echo "$name $now" >>"$kept.new"
    fi
    echo "$name is $value, and was $now"
done </etc/skep/sysctls
mv -f "$kept.new" "$kept"
exit "$failed"
