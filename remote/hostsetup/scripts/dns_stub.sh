# shellcheck shell=sh
# A service of the site publishes port 53, where systemd-resolved's stub listens on hosts that have it (Ubuntu). The
# stub goes, systemd-resolved stays, and /etc/resolv.conf names the servers that it asks.

if systemctl is-active --quiet systemd-resolved.service; then
    servers=/run/systemd/resolve/resolv.conf
    if [ "$(readlink -f /etc/resolv.conf)" = /run/systemd/resolve/stub-resolv.conf ]; then
        grep -q '^nameserver' "$servers" || fail "systemd-resolved knows no name server; its stub can't be turned off"
        # First the link, which works with the stub and without it.
        ln -sfn ../run/systemd/resolve/resolv.conf /etc/resolv.conf.skep-new
        mv -fT /etc/resolv.conf.skep-new /etc/resolv.conf
        say "/etc/resolv.conf names the servers themselves"
    fi
    target=/etc/systemd/resolved.conf.d/skep.conf
    place /etc/skep/resolved.conf "$target" 0644
    if written "$target" || ss -Hlnu 'sport = :53' | grep -q '127\.0\.0\.53'; then
        systemctl restart systemd-resolved.service
        say "turned systemd-resolved's stub off"
    fi
fi
