# shellcheck shell=sh
# This host tells no metrics any more. The package stays.

its_unit=$(unit node_metrics)
systemctl --quiet disable --now "$its_unit"
rm -rf "/etc/systemd/system/$its_unit.d" /etc/skep/monitoring/node.conf
rmdir /etc/skep/monitoring 2>/dev/null || :
systemctl daemon-reload
say "stopped $its_unit"
