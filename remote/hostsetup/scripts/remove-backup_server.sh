# shellcheck shell=sh
# This host keeps no backups any more. What it has of them stays.

systemctl --quiet disable --now skep-backup-server.service
rm -f /etc/systemd/system/skep-backup-server.service /etc/skep/backup-server.unit /etc/skep/backup-server.name
rm -rf /etc/skep/backup-server
systemctl daemon-reload
say "stopped the backup server; the backups stay in $(cat /etc/skep/backup.root)"
