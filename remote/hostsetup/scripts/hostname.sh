# shellcheck shell=sh
# The host's name, for the kernel and for the next boot. Not by hostnamectl: that wants D-Bus, and can't replace the
# /etc/hostname that a container's engine mounts.

if [ -d /etc/cloud ]; then
    place /etc/skep/cloud.cfg /etc/cloud/cloud.cfg.d/99-skep.cfg 0644
fi
enable_unit boot
/etc/skep/boot.d/hostname
remember /etc/hostname
must_hold grep -qxF "$(cat /etc/skep/hostname)" /proc/sys/kernel/hostname
