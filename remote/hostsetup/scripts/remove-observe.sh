# shellcheck shell=sh
# This host tells nothing of itself any more.

remove_unit skep-observe.service
rm -f /etc/skep/observe.unit /etc/skep/observe.json
rm -f /var/lib/prometheus/node-exporter/skep.prom /var/lib/prometheus/node-exporter/.skep.prom.new
rm -rf /var/lib/skep/observe
systemctl daemon-reload
