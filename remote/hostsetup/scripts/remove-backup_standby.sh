# shellcheck shell=sh
# This hive keeps no backup restored any more.

remove_unit skep-backup-standby.timer
remove_unit skep-backup-standby.service
rm -f /etc/skep/backup-standby.timer /etc/skep/backup-standby.unit
rm -f /var/lib/skep/backup/status/standby-*.json
rm -rf /var/lib/docker/skep-standby
systemctl daemon-reload
