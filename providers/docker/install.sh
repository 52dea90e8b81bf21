#!/bin/sh
# Run as root in a container made from a bare Debian or Ubuntu; what it leaves is committed as the host image.
# The packages are its arguments.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# Packages must not start their services here: there is no init, and they would belong to nobody.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d

# A container's file system is thrown away after a crash, so packages need not wait for the disk; nobody reads manuals
# on a host. Both stay, for what setup_hosts installs.
cat >/etc/dpkg/dpkg.cfg.d/skep <<'END'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
END
cat >/etc/apt/apt.conf.d/90skep <<'END'
Acquire::Languages "none";
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
END

apt-get update -q
# Docker's and chrony's own users and groups are made here, so that they are the same in every host. One call installs
# these packages, and upgrades those that are there.
apt-get upgrade -q -y "$@"

# Installed to save time, and not set up: setup_hosts writes their configuration and enables them.
for unit in docker.service docker.socket containerd.service chrony.service docker-registry.service; do
    systemctl disable -q "$unit" 2>/dev/null || true
done
# What belongs to a machine and not to a container. Kernel settings, modules and binary formats are the mother's, timers
# of apt hold its lock at the very moment when a fresh host installs its packages.
systemctl mask -q systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service systemd-udevd.service \
    systemd-udev-trigger.service systemd-journald-audit.socket sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount dev-hugepages.mount proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount \
    console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer \
    e2scrub_reap.service systemd-firstboot.service systemd-resolved.service systemd-networkd.service \
    systemd-networkd-wait-online.service ssh.socket

# A host may not set the clock: there is one, the mother's, and four chronyd would fight over it. So chronyd watches (-x).
mkdir -p /etc/systemd/system/chrony.service.d /etc/systemd/journald.conf.d
cat >/etc/systemd/system/chrony.service.d/skep.conf <<'END'
[Unit]
ConditionCapability=

[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd $DAEMON_OPTS -x
END
# The journal is the host's own: no kernel messages of the mother; warnings go to `docker logs` as well.
cat >/etc/systemd/journald.conf.d/skep.conf <<'END'
[Journal]
ReadKMsg=no
ForwardToConsole=yes
TTYPath=/dev/console
MaxLevelConsole=warning
SystemMaxUse=200M
END
systemctl enable -q ssh.service
systemctl set-default -q multi-user.target

# The admin user; its key is installed by `ensure`.
id -u skep >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' skep
printf 'skep ALL=(ALL:ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/skep
chmod 0440 /etc/sudoers.d/skep

# Each host has its own identity: made at its first start, never in an image.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/dbus/machine-id
: >/etc/machine-id
rm -f /usr/sbin/policy-rc.d
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt/* /usr/share/man/* /usr/share/info/* /usr/share/locale/*
find /usr/share/doc -type f ! -name copyright -delete
find /usr/share/doc -type d -empty -delete
mkdir -p /var/lib/docker /var/lib/containerd
