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

# When the first ones are due, so that those that don't come are missed.
if ! python3 -I /usr/local/lib/skep/agent.pyz backup schedule >/tmp/skep-backup.$$ 2>&1; then
    tail -n 3 /tmp/skep-backup.$$ >&2
    rm -f /tmp/skep-backup.$$
    exit 1
fi
rm -f /tmp/skep-backup.$$
