# shellcheck shell=sh
# No backup of this hive's has to begin again any more.

remove_unit skep-backup-boot.service
rm -f /etc/skep/backup-boot.unit /var/lib/skep/backup/begun.json
systemctl daemon-reload
