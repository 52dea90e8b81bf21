# shellcheck shell=sh
# This host sees to no backups any more.

remove_unit skep-backup-keep.timer
rm -f /etc/systemd/system/skep-backup-keep.service
rm -f /etc/skep/backup-keep.timer /etc/skep/backup-keep.unit /etc/skep/backup-repository.json
# How the upkeep ended, what places off the site have, which standby was told what: another host's by now.
rm -f /var/lib/skep/backup/repository.json /var/lib/skep/backup/off-site.json /var/lib/skep/backup/standby.json
if [ -f /etc/skep/backup-files/known ]; then
    while read -r path; do
        rm -f "$path"
    done </etc/skep/backup-files/known
fi
rm -rf /etc/skep/backup-files
systemctl daemon-reload
