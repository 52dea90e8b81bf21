# shellcheck shell=sh
# Functions for the packages of a host: which have newer versions, how to take them, and whether the host has to be
# restarted for it. What is known is kept in $LIBRARY/packages, which every look at the host reads (`doit plan`).

PACKAGES="$LIBRARY/packages"

# fetch_lists: fetch the lists of packages; what can't be fetched is an error, where apt-get would only warn.
fetch_lists() {
    if [ "$FAMILY" = apt ]; then
        apt_get -o APT::Update::Error-Mode=any update
    else
        dnf -q makecache --refresh
    fi
}

# newer: a line for each package that would be changed: `inst NAME OLD NEW ORIGIN`, `remv NAME OLD`; OLD is - for a new one.
newer() {
    if [ "$FAMILY" = apt ]; then
        # Where it can't tell, the host is not up to date. After an upgrade that was cut off it can't, and need not.
        planned=$(apt-get -s -o Debug::NoLocking=true -o APT::Install-Recommends=false full-upgrade) || half_done ||
            fail "apt-get can't tell what an upgrade would change: see its words above, and: apt-get -s full-upgrade"
        printf '%s\n' "$planned" | sed -n -E \
            -e 's/^Inst ([^ ]+) \[([^]]+)\] \(([^ ]+) ([^ ]+).*$/inst \1 \2 \3 \4/p' \
            -e 's/^Inst ([^ ]+) \(([^ ]+) ([^ ]+).*$/inst \1 - \2 \3/p' \
            -e 's/^Remv ([^ ]+) \[([^]]+)\].*$/remv \1 \2/p'
    else
        dnf -q check-update | awk 'NF == 3 { sub(/\.[^.]*$/, "", $1); print "inst", $1, "?", $2, $3 }' || :
    fi
}

# half_done: whether an upgrade was cut off.
half_done() {
    [ "$FAMILY" = apt ] && [ -n "$(dpkg --audit 2>&1)$(ls /var/lib/dpkg/updates)" ]
}

# restart_reason: print why the host has to be restarted; nothing if it does not. Debian's kernels ask for it only where
# unattended-upgrades or the like is there; a container has the kernel of its machine.
restart_reason() {
    if [ -e /run/reboot-required ]; then
        asking=$(sort -u /run/reboot-required.pkgs 2>/dev/null | head -n 3 | tr '\n' ' ')
        say "asked for by ${asking:-its packages}" | sed 's/ $//'
    elif in_container; then
        :
    elif [ "$FAMILY" = apt ]; then
        flavour=$(uname -r | sed -E 's/^[0-9.]+(\+[a-z0-9.+]*)?-([0-9]+-)?//')
        newest=$(find /boot -name "vmlinuz-*-$flavour" 2>/dev/null | sed 's/.*vmlinuz-//' | grep -E "^[0-9.+a-z]+-([0-9]+-)?$flavour\$" | sort -V | tail -n 1)
        if [ -n "$newest" ] && [ "$newest" != "$(uname -r)" ]; then
            say "kernel $newest is installed, and $(uname -r) runs"
        fi
    elif has needs-restarting && ! needs-restarting -r >/dev/null 2>&1; then
        say "needs-restarting says so"
    fi
}

# engine_version: print the engine's version, as it is installed.
engine_version() {
    dockerd --version 2>/dev/null | sed -E 's/^Docker version ([^,]+),.*/\1/'
}

# keep_packages WORD...: keep what a look found; `upgraded` stays as it was, or is now.
keep_packages() {
    before=$(sed -n 's/^upgraded //p' "$PACKAGES" 2>/dev/null | head -n 1)
    [ "$1" = looked ] || before=$(date +%s)
    {
        echo "looked $(date +%s)"
        [ -z "$before" ] || echo "upgraded $before"
        echo "waiting $2"
    } >"$PACKAGES.new"
    mv "$PACKAGES.new" "$PACKAGES"
}

# tell WORD: print all that there is to know, and keep it.
tell() {
    found=$(newer)
    say "$found"
    ! half_done || say "half_done"
    reason=$(restart_reason)
    [ -z "$reason" ] || say "restart $reason"
    ! in_container || say "container"
    say "engine $(engine_version)"
    keep_packages "$1" "$(printf '%s\n' "$found" | grep -c '^inst ' || :)"
}

# keep_needed NAME...: fail if an upgrade would remove one of these packages: the lists are newer than the plan's.
keep_needed() {
    found=$(newer)
    for name in "$@"; do
        ! printf '%s\n' "$found" | grep -qF "remv $name " ||
            fail "an upgrade would now remove $name, which the site needs: see apt-get -s full-upgrade"
    done
}

# take_newer NAME...: install them, unless that would remove one of these; files of configuration that were changed here
# stay as they are.
take_newer() {
    # A whole system takes longer than a step's few packages, and is not cut off for that.
    timeout() {
        shift
        command timeout 7000 "$@"
    }
    if [ "$FAMILY" = apt ]; then
        mend_dpkg
        keep_needed "$@"
        # All is here before the first package is touched.
        apt_get --download-only full-upgrade
        apt_get full-upgrade
    else
        dnf -y -q upgrade
    fi
}
