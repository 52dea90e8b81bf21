# Makes the admin user on a host that somebody else has prepared. Run as root by a POSIX shell with `set -eu`, on the
# families of Debian and Red Hat; safe to repeat. ADMIN and AUTHORIZED_KEY are set in front of it.

if ! command -v sudo >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1; then
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=120 install sudo; } >&2
    elif command -v dnf >/dev/null 2>&1; then
        dnf -q -y install sudo >&2
    elif command -v yum >/dev/null 2>&1; then
        yum -q -y install sudo >&2
    else
        echo "skep: sudo is missing, and neither apt-get nor dnf is there to install it" >&2
        exit 1
    fi
fi

if ! id -u "$ADMIN" >/dev/null 2>&1; then
    shell=/bin/sh
    [ ! -x /bin/bash ] || shell=/bin/bash
    useradd --create-home --shell "$shell" "$ADMIN"
    # No password, but not locked either: sshd without PAM lets no locked account in, whatever its key.
    usermod --password '*' "$ADMIN"
fi

@LET_IN@
home=$(getent passwd "$ADMIN" | cut -d: -f6)
# SELinux: files made by root in a home get a label that sshd may not read.
! command -v restorecon >/dev/null 2>&1 || restorecon -R "$home/.ssh" || true

(
    umask 0227
    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$ADMIN" >"/etc/sudoers.d/.$ADMIN.$$"
)
mv -f "/etc/sudoers.d/.$ADMIN.$$" "/etc/sudoers.d/$ADMIN"
