# shellcheck shell=sh
# The backup of the services' data, by a timer.

install_packages restic
place /etc/skep/backup-hive.unit /etc/systemd/system/skep-backup.service 0644
if has systemd-analyze; then
    when=$(sed -n 's/^OnCalendar=//p' /etc/skep/backup-hive.timer)
    systemd-analyze calendar "$when" >/dev/null 2>&1 ||
        fail "backup.schedule: systemd does not read '$when' (man systemd.time, CALENDAR EVENTS)"
fi
place /etc/skep/backup-hive.timer /etc/systemd/system/skep-backup.timer 0644
if systemctl is-active --quiet skep-backup.timer && written /etc/systemd/system/skep-backup.timer; then
    restart_unit backup_hive
fi
enable_unit backup_hive
