#!/bin/sh
# The first process of a host that is a container, at each start: makes the container into something that systemd and a
# Docker Engine can live in, then becomes systemd. /etc/skep/nameservers is written by `ensure`.
set -u
say() { echo "skep boot: $*" >&2; }

# Docker lays /etc/hosts, /etc/hostname and /etc/resolv.conf over the container's own files at each start, made afresh.
# Take them away, so that what setup_hosts writes there lasts. The first start keeps Docker's content to begin with.
mkdir -p /etc/skep
for name in hosts hostname resolv.conf; do
    file=/etc/$name
    grep -q " $file " /proc/self/mountinfo || continue
    cp "$file" "/etc/skep/$name.docker"
    umount "$file" || { say "can't umount $file: what is written there is lost at the next start"; continue; }
    [ -e /etc/skep/booted ] || { rm -f "$file"; cp "/etc/skep/$name.docker" "$file"; }
done
# Docker's own resolver listens on 127.0.0.11, which the host's containers can't reach: use the servers behind it.
if [ -s /etc/skep/nameservers ]; then
    rm -f /etc/resolv.conf
    sed 's/^/nameserver /' /etc/skep/nameservers >/etc/resolv.conf
    grep -E '^(search|options edns0)' /etc/skep/resolv.conf.docker >>/etc/resolv.conf
fi

# The swarm went on without this host (`doit recover_swarm`): its engine must not start what it knows of the old one.
# The mark goes last, so that a boot that was killed does it again.
if [ -e /var/lib/docker/skep-forget-swarm ]; then
    rm -rf /var/lib/docker/swarm || say "can't remove the old swarm's state"
    [ -e /var/lib/docker/swarm ] || rm -f /var/lib/docker/skep-forget-swarm
fi

# Host keys of its own, before sshd starts. The public half is moved last: who can read it knows that both are there.
key=/etc/ssh/ssh_host_ed25519_key
if [ ! -s $key.pub ]; then
    rm -f $key $key.new $key.new.pub
    ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f $key.new && mv $key.new $key && mv $key.new.pub $key.pub
fi

# Without --privileged Docker mounts these read-only. `bind` makes it this mount alone that is changed: a plain remount
# is refused as busy.
while read -r _ path kind options _; do
    case $path in
    /sys | /sys/fs/cgroup | /sys/fs/cgroup/*) ;;
    *) continue ;;
    esac
    case ,$options, in *,ro,*) mount -o remount,bind,rw "$path" || say "can't make $path ($kind) writable" ;; esac
done </proc/self/mounts
mount --make-rshared / || say "can't make / shared: nested mounts will not propagate"

: >/etc/skep/booted
# A host may not set the clock, which is the mother's. Dropped here, as --cap-drop does nothing with --privileged.
if setpriv --bounding-set -sys_time true 2>/dev/null; then
    exec setpriv --bounding-set -sys_time /lib/systemd/systemd
fi
exec /lib/systemd/systemd
