# shellcheck shell=sh
# This hive saves no data any more.

remove_unit skep-backup.timer
rm -f /etc/systemd/system/skep-backup.service
rm -f /etc/skep/backup-hive.timer /etc/skep/backup-hive.unit /etc/skep/backup.json
rm -f /var/lib/skep/backup/schedule.json
rm -rf /var/lib/skep/backup/status
rm -rf /etc/skep/backup
systemctl daemon-reload
