# shellcheck shell=sh
# The hives' backups, on the volume of the engine's: this host is a container, and only its volumes outlive it.

mkdir -p /var/lib/docker/skep-backup /var/lib/skep-backup
place /etc/skep/backup-data.unit /etc/systemd/system/skep-backup-data.service 0644
enable_unit backup_data
must_hold mountpoint -q /var/lib/skep-backup
