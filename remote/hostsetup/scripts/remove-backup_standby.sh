# shellcheck shell=sh
# This hive keeps no backup restored any more.

systemctl --quiet disable --now skep-backup-standby.timer
systemctl --quiet stop skep-backup-standby.service
rm -f /etc/systemd/system/skep-backup-standby.timer /etc/systemd/system/skep-backup-standby.service
rm -f /etc/skep/backup-standby.timer /etc/skep/backup-standby.unit
rm -f /var/lib/skep/backup/status/standby-*.json
rm -rf /var/lib/docker/skep-standby
systemctl daemon-reload
