# shellcheck shell=sh
# Nobody is told of alarms any more. The package stays.

its_unit=$(unit alertmanager)
systemctl --quiet disable --now "$its_unit"
rm -rf "/etc/systemd/system/$its_unit.d"
rm -f /etc/skep/monitoring/alertmanager.conf /etc/skep/monitoring/alertmanager.json /etc/prometheus/skep/alertmanager.json
rmdir /etc/skep/monitoring /etc/prometheus/skep 2>/dev/null || :
systemctl daemon-reload
say "stopped $its_unit"
