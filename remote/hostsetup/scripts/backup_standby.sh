# shellcheck shell=sh
# Newest backups of services that this hive keeps restored, by a timer.

place /etc/skep/backup-standby.unit /etc/systemd/system/skep-backup-standby.service 0644
place /etc/skep/backup-standby.timer /etc/systemd/system/skep-backup-standby.timer 0644
if systemctl is-active --quiet skep-backup-standby.timer && written /etc/systemd/system/skep-backup-standby.timer; then
    restart_unit backup_standby
fi
enable_unit backup_standby
