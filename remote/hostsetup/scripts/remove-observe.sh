# shellcheck shell=sh
# This host tells nothing of itself any more.

systemctl --quiet disable --now skep-observe.service
rm -f /etc/systemd/system/skep-observe.service /etc/skep/observe.unit /etc/skep/observe.json
rm -f /var/lib/prometheus/node-exporter/skep.prom /var/lib/prometheus/node-exporter/.skep.prom.new
rm -rf /var/lib/skep/observe
systemctl daemon-reload
