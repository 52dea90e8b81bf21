# shellcheck shell=sh
# The firewall: rules made by /etc/skep/firewall, which a unit runs at boot. /etc/skep/firewall.on says whether the
# site wants it.

if [ "$(cat /etc/skep/firewall.on)" = no ]; then
    if [ -e "/etc/systemd/system/$(unit firewall)" ]; then
        # Stopping it takes its chains out.
        systemctl --quiet disable --now "$(unit firewall)"
        rm -f "/etc/systemd/system/$(unit firewall)"
        systemctl daemon-reload
        say "took the firewall's rules out"
    fi
else
    install_packages iptables
    pick_iptables
    if systemctl is-active --quiet firewalld.service; then
        # It would drop what this lets in: each of the two must accept a packet.
        say "firewalld gives way"
        systemctl --quiet disable --now firewalld.service
    fi
    place /etc/skep/firewall.unit "/etc/systemd/system/$(unit firewall)" 0644
    # Before the unit is asked to: what it says about a mistake is seen here, and the old rules stay as they are.
    /etc/skep/firewall check
    if systemctl is-active --quiet "$(unit firewall)"; then
        # Not by a restart, which would leave the host open for a moment.
        /etc/skep/firewall start
    fi
    enable_unit firewall
    # Something else may flush what the unit had loaded.
    must_hold iptables -w -C INPUT -j SKEP-INPUT
    must_hold iptables -w -C DOCKER-USER -j SKEP-DOCKER
fi
