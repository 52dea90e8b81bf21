"""What is done in a host that was just installed, the same for all distributions: the admin user and the host key."""

import shlex

from model.install.install_plan import InstallPlan
from model.keys.record import ADMIN
from model.secrets.secret import Secret

_SCRIPT = """\
set -eu
umask 077
id -u "$admin" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$admin"
# No password, but not locked either: sshd without PAM lets no locked account in, whatever its key.
usermod --password '*' "$admin"
usermod --password '!' root
home=$(getent passwd "$admin" | cut -d: -f6)
mkdir -p "$home/.ssh"
printf '%s\\n' "$authorized" >"$home/.ssh/authorized_keys"
chown -R "$admin:" "$home/.ssh"
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$admin" >"/etc/sudoers.d/$admin"
chmod 0440 "/etc/sudoers.d/$admin"
printf '%s' "$private" >/etc/ssh/ssh_host_ed25519_key
printf '%s\\n' "$public" >/etc/ssh/ssh_host_ed25519_key.pub
chmod 0644 /etc/ssh/ssh_host_ed25519_key.pub
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home" /etc/ssh /etc/sudoers.d || true; fi
"""


def access_script(host: InstallPlan) -> Secret:
    """Return the script that runs in the new system as root, by a POSIX shell. Safe to repeat."""
    given = {
        "admin": ADMIN,
        "authorized": host.authorized_key,
        "private": host.host_key.reveal(),
        "public": host.host_key_public,
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items())
    return Secret(head + _SCRIPT)
