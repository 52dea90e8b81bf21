"""The script that gives an installed host of any distribution the admin user and the host key."""

import shlex

from model.install.install_plan import InstallPlan
from model.keys.record import ADMIN
from model.secrets.secret import Secret

_SCRIPT = """\
set -eu
umask 077
id -u "$admin" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$admin"
# No password, but not locked either: sshd without PAM refuses locked accounts, even with a key.
usermod --password '*' "$admin"
usermod --password '!' root
home=$(getent passwd "$admin" | cut -d: -f6)
mkdir -p "$home/.ssh"
grep -qxF "$authorized" "$home/.ssh/authorized_keys" 2>/dev/null ||
    printf '%s\\n' "$authorized" >>"$home/.ssh/authorized_keys"
chown -R "$admin:" "$home/.ssh"
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$admin" >"/etc/sudoers.d/$admin"
chmod 0440 "/etc/sudoers.d/$admin"
printf '%s' "$private" >/etc/ssh/ssh_host_ed25519_key
printf '%s\\n' "$public" >/etc/ssh/ssh_host_ed25519_key.pub
chmod 0644 /etc/ssh/ssh_host_ed25519_key.pub
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home" /etc/ssh /etc/sudoers.d || true; fi
"""


def access_script(host: InstallPlan) -> Secret:
    """Return a POSIX shell script to run as root in the installed system. Safe to repeat."""
    given = {
        "admin": ADMIN,
        "authorized": host.authorized_key,
        "private": host.host_key.reveal(),
        "public": host.host_key_public,
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items())
    return Secret(head + _SCRIPT)
