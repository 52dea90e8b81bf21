# shellcheck shell=sh
# The logs, on the volume of the engine's: this host is a container, and only its volumes outlive it.

mkdir -p /var/lib/docker/skep-logs/services /var/lib/docker/skep-logs/hosts /var/log/services /var/log/hosts
place /etc/skep/logs-data.unit /etc/systemd/system/skep-logs-data.service 0644
enable_unit logs_data
must_hold mountpoint -q /var/log/services
must_hold mountpoint -q /var/log/hosts
