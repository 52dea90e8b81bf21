# shellcheck shell=sh
# Docker Engine. /etc/skep/docker.admin names who may use its socket.

install_packages iptables
pick_iptables
target=/etc/docker/daemon.json
# Before the package is installed, so that the engine starts with it the first time.
if has dockerd && dockerd --help 2>&1 | grep -q -- --validate; then
    told=$(dockerd --validate --config-file /etc/skep/daemon.json 2>&1) ||
        fail "setup_hosts.daemon: dockerd does not take it: $told"
fi
if [ -e "$target" ]; then
    cp -p "$target" "$LIBRARY/daemon.json.old"
fi
place /etc/skep/daemon.json "$target" 0644
# One that is started from here on reads it anyway.
running=no
! systemctl is-active --quiet "$(unit docker)" || running=yes
# There the engine starts no container without the program that loads profiles, which its package only recommends.
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
    install_packages apparmor
fi
install_packages docker

restart_engine() {
    systemctl daemon-reload
    systemctl reset-failed "$(unit docker)" 2>/dev/null || :
    timeout 150 systemctl restart "$(unit docker)"
}

if [ $running = yes ] && older_than docker "$target"; then
    say "restarting the engine"
    if ! restart_engine; then
        last_words "$(unit docker)"
        if written "$target" && [ -e "$LIBRARY/daemon.json.old" ]; then
            cp -p "$LIBRARY/daemon.json.old" "$target"
            restart_engine || :
            fail "the engine does not start with the new daemon.json (setup_hosts.daemon?); the old one is back"
        fi
        fail "the engine does not start"
    fi
fi
enable_unit docker

admin=$(cat /etc/skep/docker.admin)
if [ "$admin" != root ] && ! id -nG "$admin" | tr ' ' '\n' | grep -qx docker; then
    usermod --append --groups docker "$admin"
    say "$admin may use the engine"
fi
