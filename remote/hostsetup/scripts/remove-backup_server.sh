# shellcheck shell=sh
# This host keeps no backups any more. What it has of them stays.

remove_unit skep-backup-server.service
rm -f /etc/skep/backup-server.unit /etc/skep/backup-server.name
rm -rf /etc/skep/backup-server
systemctl daemon-reload
say "stopped the backup server; the backups stay in $(cat /etc/skep/backup.root)"
