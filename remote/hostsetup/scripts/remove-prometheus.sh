# shellcheck shell=sh
# No metrics are collected any more. What there is of them stays, and so does the package.

its_unit=$(unit prometheus)
systemctl --quiet disable --now "$its_unit"
rm -rf "/etc/systemd/system/$its_unit.d"
rm -f /etc/skep/monitoring/prometheus.conf /etc/skep/monitoring/prometheus.json /etc/skep/monitoring/rules.json
rm -f /etc/prometheus/skep/prometheus.json /etc/prometheus/skep/rules.json
rmdir /etc/skep/monitoring /etc/prometheus/skep 2>/dev/null || :
systemctl daemon-reload
say "stopped $its_unit; the metrics stay in /var/lib/prometheus/metrics2"
