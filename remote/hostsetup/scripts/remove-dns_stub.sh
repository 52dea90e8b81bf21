# shellcheck shell=sh
# No service publishes port 53 any more: systemd-resolved's stub comes back, and /etc/resolv.conf names it.

target=/etc/systemd/resolved.conf.d/skep.conf
rm -f /etc/skep/resolved.conf
if [ -e "$target" ]; then
    rm -f "$target"
    if systemctl is-active --quiet systemd-resolved.service; then
        systemctl restart systemd-resolved.service
        if [ "$(readlink -f /etc/resolv.conf)" = /run/systemd/resolve/resolv.conf ]; then
            ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf.skep-new
            mv -fT /etc/resolv.conf.skep-new /etc/resolv.conf
        fi
        say "turned systemd-resolved's stub on again"
    fi
fi
