# shellcheck shell=sh
# This host keeps no backups any more. What it has of them stays in /var/lib/docker/skep-backup.

remove_unit skep-backup-data.service
! mountpoint -q /var/lib/skep-backup || umount /var/lib/skep-backup
rm -f /etc/skep/backup-data.unit
systemctl daemon-reload
