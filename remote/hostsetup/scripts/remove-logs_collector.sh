# shellcheck shell=sh
# This host takes no logs any more. What it has of them stays.

remove_unit skep-logs-collector.service
remove_unit skep-logs-trim.service
rm -f /etc/logrotate.d/skep-logs
rm -f /etc/skep/logs-trim.unit /etc/skep/logs-collector.unit /etc/skep/logs-collector.rotation /etc/skep/logs-collector.name
rm -rf /etc/skep/logs-collector
# A person may use rsyslog's own unit from now on.
rm -f "$LIBRARY/rsyslog-is-skeps"
systemctl daemon-reload
say "stopped the collector of logs; what it has stays in /var/log/services and /var/log/hosts"
