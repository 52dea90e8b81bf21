# shellcheck shell=sh
# The functions that the scripts of all steps may use, beside those made from the tables of packages.py
# (`packages_of`, `unit`, `word`, `repository_of`). They run as root under `set -eu`, with nothing on standard input.
#
# What a script prints goes into the task's log; one that finds all as it should be prints nothing.

export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
LIBRARY=/var/lib/skep
WRITTEN=
REMEMBERED=
TESTS=

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

if has apt-get; then
    FAMILY=apt
elif has dnf; then
    FAMILY=dnf
else
    fail "this host has neither apt-get nor dnf: skep sets up Debian, Ubuntu and Enterprise Linux"
fi

# family: print `apt` or `dnf`.
family() {
    say "$FAMILY"
}

# in_container: whether this host shares its kernel, and with it its clock, with others.
in_container() {
    systemd-detect-virt --quiet --container
}

# ---- files

# settle PATH MODE: PATH.skep-new takes the place of PATH, unless it is the same.
settle() {
    chmod "$2" "$1.skep-new"
    if [ -f "$1" ] && [ ! -L "$1" ] && cmp -s "$1.skep-new" "$1"; then
        rm -f "$1.skep-new"
        chown root "$1"
        chmod "$2" "$1"
        return 0
    fi
    if grep -q " $1 " /proc/self/mountinfo; then
        # A container's engine mounts its /etc/hosts and /etc/hostname: they can be written, but not replaced.
        cat "$1.skep-new" >"$1"
        rm -f "$1.skep-new"
    else
        mv -f "$1.skep-new" "$1"
        ! has restorecon || restorecon "$1"
    fi
    WRITTEN="$WRITTEN $1 "
    say "wrote $1"
}

# put PATH MODE: write standard input (base64) to PATH, all of it or nothing.
put() {
    mkdir -p "${1%/*}"
    rm -f "$1.skep-new"
    (umask 077 && base64 -d >"$1.skep-new")
    settle "$1" "$2"
}

# place SOURCE PATH MODE: copy a file that a step wrote below /etc/skep to where this family has it.
place() {
    mkdir -p "${2%/*}"
    rm -f "$2.skep-new"
    (umask 077 && fitting "$1" >"$2.skep-new")
    settle "$2" "$3"
    remember "$2"
}

# fitting SOURCE: print a file; the engine's with the MTU of the host's way out, where that is smaller than Ethernet's and
# the file names none: docker0 has 1500 otherwise, and what does not fit through the network may get lost. The networks of
# the swarm follow docker0 (remote/swarm/builtin_networks.py).
NETWORK_DEVICES=/sys/class/net
DAEMON=/etc/skep/daemon.json
fitting() {
    size=1500
    if [ "$1" = "$DAEMON" ] && has ip; then
        device=$(ip -4 route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
        size=$(cat "$NETWORK_DEVICES/${device:-none}/mtu" 2>/dev/null || echo 1500)
    fi
    if [ "$size" -lt 1500 ] && ! grep -q '"mtu"' "$1"; then
        sed "1s/{/{\n  \"mtu\": $size,/" "$1"
    else
        cat "$1"
    fi
}

# block PATH SOURCE MODE [SED]: put the lines of SOURCE at the end of PATH, between two marks. The rest of PATH stays,
# or is what SED makes of it.
block() {
    [ -e "$1" ] || : >"$1"
    {
        awk '/^# >>> skep$/ { skip = 1 } !skip { print } /^# <<< skep$/ { skip = 0 }' "$1" | sed -E -e "${4:-}"
        echo '# >>> skep'
        cat "$2"
        echo '# <<< skep'
    } >"$1.skep-new"
    settle "$1" "$3"
    remember "$1"
}

# written PATH: whether this run wrote it.
written() {
    case $WRITTEN in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# remember PATH...: the step's marker holds these files too, so that a change by hand is found.
remember() {
    REMEMBERED="$REMEMBERED $*"
}

# must_hold COMMAND WORD...: the marker holds this too: each reading of the markers runs it. For what is neither a file nor a unit.
must_hold() {
    "$@" >/dev/null 2>&1 || fail "does not hold, though the step was applied: $*"
    TESTS="${TESTS}test $*
"
}

# ---- packages

# install_packages NAME...: see that these (names of packages.py) are installed. With all there: 10 ms, no network.
install_packages() {
    missing=
    for name in "$@"; do
        names=$(packages_of "$name")
        # shellcheck disable=SC2086 # a list of words
        installed $names || missing="$missing $name"
    done
    [ -n "$missing" ] || return 0
    wait_for_cloud_init
    for name in $missing; do
        names=$(packages_of "$name")
        say "installing $names"
        # shellcheck disable=SC2086 # a list of words
        "${FAMILY}_install" "$(repository_of "$name")" $names
    done
}

# installed PACKAGE...: whether all of them are.
installed() {
    if [ "$FAMILY" = apt ]; then
        [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$@" 2>/dev/null | grep -cx installed)" -ge $# ]
    else
        rpm -q --quiet "$@"
    fi
}

apt_install() {
    shift
    mend_dpkg
    # Lists that a step fetched within the hour do, unless they turn out to be too old.
    if [ -n "$(find "$LIBRARY/apt-lists" -mmin -60 2>/dev/null)" ] && apt_get install "$@"; then
        return 0
    fi
    apt_get update
    : >"$LIBRARY/apt-lists"
    apt_get install "$@"
}

# apt_get ORDER PACKAGE...: apt-get, waiting up to ten minutes for another one (a new host updates itself).
LOCK_PAUSE=5
apt_get() {
    tries=0
    until timeout 1500 apt-get -q -y -o DPkg::Lock::Timeout=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=false "$@" >"$LIBRARY/apt.log" 2>&1; do
        tries=$((tries + 1))
        # apt-get would wait for most of its locks by itself, without a word.
        if [ $tries -lt 120 ] && grep -q 'Could not get lock' "$LIBRARY/apt.log"; then
            say_locked
            sleep "$LOCK_PAUSE"
            continue
        fi
        tail -n 15 "$LIBRARY/apt.log"
        return 1
    done
}

# say_locked: at the first of many tries, say who holds the lock that apt-get or dpkg waits for.
say_locked() {
    if [ $tries -eq 1 ]; then
        holder=$(sed -n 's/.*[Ii]t is held by process \([0-9]* ([^)]*)\).*/\1/p' "$LIBRARY/apt.log" | head -n 1)
        say "waiting for another program that installs packages (${holder:-it holds the lock of dpkg})"
    fi
}

# mend_dpkg: finish what an interrupted dpkg left half done; apt-get refuses to work before.
mend_dpkg() {
    if [ -z "$(dpkg --audit 2>&1)$(ls /var/lib/dpkg/updates)" ]; then
        return 0
    fi
    tries=0
    until dpkg --force-confdef --force-confold --configure -a >"$LIBRARY/apt.log" 2>&1; do
        tries=$((tries + 1))
        if [ $tries -lt 120 ] && grep -q 'is locked by another process' "$LIBRARY/apt.log"; then
            say_locked
            sleep "$LOCK_PAUSE"
            continue
        fi
        # A package may lack one that it depends on, which dpkg can't get.
        apt_get --fix-broken install
        return
    done
}

# Untested, as all of dnf.
dnf_install() {
    case $1 in
    https://*) [ -e "/etc/yum.repos.d/${1##*/}" ] || curl -fsS -o "/etc/yum.repos.d/${1##*/}" "$1" ;;
    ?*) rpm -q --quiet "$1" || dnf -y -q install "$1" ;;
    esac
    shift
    timeout 1500 dnf -y -q --setopt=install_weak_deps=False install "$@"
}

# ---- units

# last_words UNIT: what it said last, without its small talk.
last_words() {
    journalctl --unit "$1" --lines 80 --no-pager --output cat | grep -v 'level=info' | tail -n 12 >&2 || :
}

# unit_failed UNIT: say why and end.
unit_failed() {
    last_words "$1"
    fail "$1 did not start"
}

# wait_for_cloud_init: wait until cloud-init is done with this boot, ten minutes at most: it rewrites apt's sources and
# installs packages. It writes result.json last. One that ended with errors (exit status 1, or 2) has ended:
# https://cloudinit.readthedocs.io/en/latest/explanation/return_codes.html
CLOUD_INIT=/run/cloud-init
CLOUD_INIT_WAIT=600
cloud_init_says() {
    cloud-init status --long 2>&1 | tail -n 4 | tr '\n' ' '
}

wait_for_cloud_init() {
    if [ ! -d "$CLOUD_INIT" ] || [ -e "$CLOUD_INIT/result.json" ] || ! has cloud-init; then
        return 0
    fi
    # One that is installed and switched off, or not started, is nothing to wait for.
    case $(cloud-init status 2>/dev/null) in
    *running*) ;;
    *) return 0 ;;
    esac
    say "waiting for cloud-init, which is at work on this host's first boot"
    ended=0
    timeout "$CLOUD_INIT_WAIT" cloud-init status --wait >/dev/null 2>&1 || ended=$?
    case $ended in
    0 | 2) ;;
    124) fail "cloud-init is still at work after $CLOUD_INIT_WAIT s ($(cloud_init_says)): see \
/var/log/cloud-init-output.log on the host, then run doit again" ;;
    *) say "cloud-init ended with errors: $(cloud_init_says)" ;;
    esac
}

# keep_name [PATH]: see that no agent of a cloud gives this host another name. At each boot and lease, hooks of
# networkd-dispatcher, dhclient and NetworkManager call Google's google_set_hostname, which sets the short name and
# writes it into /etc/hosts: https://github.com/GoogleCloudPlatform/guest-configs/blob/master/src/usr/bin/google_set_hostname
# dhclient's hook is a link to it, which is read by the shell that runs the other hooks: what takes its place never exits.
keep_name() {
    renamer=${1:-/usr/bin/google_set_hostname}
    [ -f "$renamer" ] || return 0
    ! grep -q '^# Made by skep' "$renamer" || return 0
    if [ "$FAMILY" = apt ]; then
        # A newer version of its package goes where this one went.
        dpkg-divert --quiet --local --rename --divert "$renamer.diverted" --add "$renamer"
    fi
    printf '%s\n' '#!/bin/sh' '# Made by skep, which gives this host its name: does nothing.' : >"$renamer"
    chmod 0755 "$renamer"
    say "google_set_hostname no longer changes this host's name"
}

# enable_unit NAME: see that it starts at boot and is active.
enable_unit() {
    if [ "$1" = boot ]; then
        wait_for_cloud_init
    fi
    keep_name
    its_unit=$(unit "$1")
    if [ "$(systemctl show --property NeedDaemonReload --value "$its_unit")" = yes ]; then
        systemctl daemon-reload
    fi
    systemctl is-enabled --quiet "$its_unit" 2>/dev/null || systemctl --quiet enable "$its_unit"
    if ! systemctl is-active --quiet "$its_unit"; then
        say "starting $its_unit"
        systemctl reset-failed "$its_unit" 2>/dev/null || :
        timeout 150 systemctl start "$its_unit" || unit_failed "$its_unit"
    fi
}

# restart_unit NAME: start it anew.
restart_unit() {
    its_unit=$(unit "$1")
    say "restarting $its_unit"
    systemctl daemon-reload
    systemctl reset-failed "$its_unit" 2>/dev/null || :
    timeout 150 systemctl restart "$its_unit" || unit_failed "$its_unit"
}

# remove_unit UNIT: stop a unit that skep made, and remove it; nothing is done if it is gone, as after half a removal.
remove_unit() {
    [ -e "/etc/systemd/system/$1" ] || return 0
    systemctl --quiet disable --now "$1"
    rm -f "/etc/systemd/system/$1"
}

# older_than NAME FILE...: whether the unit was started before one of its files became what it is. The file's time
# counts, not only this run: a run that was killed between writing and restarting is made good by the next.
older_than() {
    # Microseconds, which systemctl tells only since version 248.
    since=$(busctl get-property org.freedesktop.systemd1 \
        "/org/freedesktop/systemd1/unit/$(unit "$1" | sed 's/-/_2d/g; s/[.]/_2e/g')" \
        org.freedesktop.systemd1.Unit ActiveEnterTimestamp)
    shift
    for file in "$@"; do
        # Both, for the clock may have been set back meanwhile.
        if written "$file" || [ "$(stat -c %.6Y "$file" | tr -d .)" -gt "${since#t }" ]; then
            return 0
        fi
    done
    return 1
}

# wait_units NAME...: wait up to half a minute until all are active.
wait_units() {
    for name in "$@"; do
        its_unit=$(unit "$name")
        tries=0
        until systemctl is-active --quiet "$its_unit"; do
            tries=$((tries + 1))
            if [ $tries -ge 60 ] || systemctl is-failed --quiet "$its_unit"; then
                unit_failed "$its_unit"
            fi
            sleep 0.5
        done
    done
}

# ---- the packet filter

# pick_iptables: make `iptables` the one that this kernel understands, for Docker too (as kind does). An unloaded
# module looks the same as none, so the usual one is taken wherever it works.
pick_iptables() {
    if iptables -w -n -L INPUT >/dev/null 2>&1 && iptables -w -t nat -n -L OUTPUT >/dev/null 2>&1; then
        return 0
    fi
    for kind in nft legacy; do
        has "iptables-$kind" || continue
        if "iptables-$kind" -w -n -L INPUT >/dev/null 2>&1 && "iptables-$kind" -w -t nat -n -L OUTPUT >/dev/null 2>&1; then
            say "this kernel takes iptables-$kind only"
            update-alternatives --quiet --set iptables "/usr/sbin/iptables-$kind" 2>/dev/null
            update-alternatives --quiet --set ip6tables "/usr/sbin/ip6tables-$kind" 2>/dev/null
            return 0
        fi
    done
    fail "neither iptables-nft nor iptables-legacy works on this kernel: $(iptables -w -n -L INPUT 2>&1 | head -n 1)"
}
