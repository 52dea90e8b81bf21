#!/bin/sh
# Run as root on the mother, in a mount and a process namespace of its own: everything in here dies with skep, and after
# kill -9 nothing is left, neither files nor mounts nor processes. All of it is in memory: it waits for no disk.
# Prints the host image's root file system as a tar archive; whatever else there is to say goes to the error output.
#
# Arguments: suite, mirror, a directory to mount on, the script that installs the packages, the directory in the image
# that keeps the suite's bases, then the packages.
set -eu
suite=$1 mirror=$2 top=$3 install=$4 bases=$5
shift 5
exec 3>&1 1>&2
export LC_ALL=C

mount -t proc proc /proc || :  # the old one has the numbers of another namespace
mount -t tmpfs -o mode=755,size=4g tmpfs "$top"
root=$top/root

# mmdebstrap takes two thirds of debootstrap's time for the same packages: with the hook it has /bin as a link from the
# start, and needs no program that makes it one.
hooks=/usr/share/mmdebstrap/hooks/maybe-merged-usr
command -v mmdebstrap >/dev/null || echo "mmdebstrap is not installed, so debootstrap does it, which takes longer"
if command -v mmdebstrap >/dev/null && [ -d "$hooks" ] && TMPDIR=$top mmdebstrap --mode=root --variant=minbase \
    --format=directory --skip=cleanup/apt --hook-dir="$hooks" "$suite" "$root" "$mirror"; then
    printf 'deb %s %s main\n' "$mirror" "$suite" >"$root/etc/apt/sources.list"
    # debootstrap calls none of them installed automatically, for apt to remove.
    rm -f "$root/var/lib/apt/extended_states" "$root/var/cache/apt/archives/lock"
else
    # Not where mmdebstrap may have failed, whose mounts may still be there.
    root=$top/once-more
    debootstrap --variant=minbase "$suite" "$root" "$mirror"
fi
rm -f "$root"/var/cache/apt/archives/*.deb "$root"/var/log/*.log "$root/etc/resolv.conf" "$root/etc/hostname"

@DEBIAN@
# It is kept in the image as it is, for hosts that are to make a base of this suite from this mirror. It is the same as
# one that is made there as long as the mirror's release is the same.
case $mirror in *ubuntu*) has_base=no ;; *) has_base=yes ;; esac # a base of Ubuntu has more sources
[ $has_base = no ] || for release in "$root"/var/lib/apt/lists/*_dists_"${suite}"_InRelease; do
    [ ! -f "$release" ] || echo "$(sha256sum <"$release" | cut -c1-64) $mirror" >"$top/release"
done
if [ -s "$top/release" ]; then
    : >"$root/etc/machine-id"
    tar -C "$root" --numeric-owner --exclude='./var/lib/apt/lists/*' --exclude='./var/cache/apt/*.bin' -cf "$top/base" .
    gzip -1 <"$top/base" >"$top/base.gz" &
    packed=$!
fi

# What packages run while they are installed may not set the mother's kernel.
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
cp -L /etc/resolv.conf "$root/etc/resolv.conf" || :
echo "installing $# packages"
env -u TMPDIR HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$root" /bin/sh -c "$install" host-image "$@" </dev/null || exit 91
[ ! -s "$top/release" ] || wait "$packed" || { echo "the base of $suite can't be packed: is the memory full?"; exit 92; }
if [ -s "$top/release" ]; then
    mkdir -p "$root/$bases"
    mv "$top/base.gz" "$root/$bases/$suite.tar.gz"
    mv "$top/release" "$root/$bases/$suite.release"
fi
umount "$root/proc/sys" "$root/proc"
# The mother's names were copied into it; devices are Docker's to make.
tar -C "$root" --numeric-owner --xattrs --xattrs-include=security.capability --exclude='./etc/hostname' --exclude='./etc/resolv.conf' \
    --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . >&3
