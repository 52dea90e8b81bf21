# shellcheck shell=sh
# This host sees to no backups any more.

systemctl --quiet disable --now skep-backup-keep.timer
rm -f /etc/systemd/system/skep-backup-keep.timer /etc/systemd/system/skep-backup-keep.service
rm -f /etc/skep/backup-keep.timer /etc/skep/backup-keep.unit /etc/skep/backup-repository.json
systemctl daemon-reload
