# shellcheck shell=sh
# This host sends nobody its logs any more.

remove_unit skep-logs-shipper.service
rm -f /etc/skep/logs-shipper.unit
rm -rf /etc/skep/logs "$LIBRARY/logs"
systemctl daemon-reload
