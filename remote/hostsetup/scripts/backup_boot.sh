# shellcheck shell=sh
# Backups that a power cut ended: what they held goes on, and they begin again.

place /etc/skep/backup-boot.unit /etc/systemd/system/skep-backup-boot.service 0644
enable_unit backup_boot
