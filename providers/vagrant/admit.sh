#!/bin/sh
# Run by Vagrant as root in a new machine, and whenever it is ensured: the admin user, the checkout's key, a host key of the
# machine's own, its whole disk. What it prints last is read by skep.
set -eu
admin=skep

id -u "$admin" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' "$admin"
ADMIN=$admin
@LET_IN@
if [ ! -e "/etc/sudoers.d/$admin" ]; then
    umask 0227
    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$admin" >"/etc/sudoers.d/.$admin.$$"
    mv "/etc/sudoers.d/.$admin.$$" "/etc/sudoers.d/$admin"
    umask 0022
fi

if [ -n "$PROXY" ]; then
    if [ -d /etc/apt ]; then
        printf 'Acquire::http::Proxy "%s";\nAcquire::https::Proxy "%s";\n' "$PROXY" "$PROXY" \
            >/etc/apt/apt.conf.d/90skep-proxy
    fi
    if [ -f /etc/dnf/dnf.conf ]; then
        sed -i '/^proxy *=/d' /etc/dnf/dnf.conf
        printf 'proxy=%s\n' "$PROXY" >>/etc/dnf/dnf.conf
    fi
else
    rm -f /etc/apt/apt.conf.d/90skep-proxy
fi

# Machines of one box would all have the box's keys. Made before the mark, so that a machine killed here gets others.
if [ ! -e /etc/skep/host-key ]; then
    rm -f /etc/ssh/ssh_host_*
    ssh-keygen -q -A
    mkdir -p /etc/skep
    : >/etc/skep/host-key
fi
# Each time: whoever is asked next must answer with the keys that are there.
systemctl restart ssh 2>/dev/null || systemctl restart sshd

# A disk larger than the box's: its last partition and file system grow, where the tools for it are there.
root=$(findmnt -n -o SOURCE /)
disk=/dev/$(lsblk -n -o PKNAME "$root" | head -n 1)
if [ -b "$disk" ] && [ "$disk" != /dev/ ] && command -v sfdisk >/dev/null; then
    number=$(cat "/sys/class/block/${root##*/}/partition" 2>/dev/null || :)
    if [ -n "$number" ]; then
        echo ', +' | sfdisk --quiet --no-reread --force -N "$number" "$disk" >/dev/null 2>&1 || :
        partx --update --nr "$number" "$disk" 2>/dev/null || :
        case $(findmnt -n -o FSTYPE /) in
            ext4) resize2fs "$root" >/dev/null 2>&1 || : ;;
            xfs) xfs_growfs / >/dev/null 2>&1 || : ;;
        esac
    fi
fi

for key in /etc/ssh/ssh_host_*_key.pub; do
    printf 'skep-host-key %s\n' "$(cut -d' ' -f1,2 "$key")"
done
