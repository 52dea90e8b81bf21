"""Containers that run their image's init, as systemd: while roles are applied, and as a service. Pure."""

INIT = "/sbin/init"
# As the first process: makes writable what Docker mounts read-only without --privileged, then becomes the image's init.
# `bind` makes it this mount alone that is changed: a plain remount is refused as busy.
START = f"""
while read -r _ path _ options _; do
    case $path in /sys | /sys/fs/cgroup | /sys/fs/cgroup/*) ;; *) continue ;; esac
    case ,$options, in *,ro,*) mount -o remount,bind,rw "$path" ;; esac
done </proc/self/mounts
exec {INIT}
"""
STOP_SIGNAL = "SIGRTMIN+3"
"""The signal at which systemd shuts down."""
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_NICE", "DAC_READ_SEARCH")
"""Capabilities for systemd and common units. Not `ALL`: an engine on a host that is a container lacks some of them."""
ENVIRONMENT = {"container": "docker"}
