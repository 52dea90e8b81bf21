"""What Google's images do about a host's name, in a container host.

Held against github.com/GoogleCloudPlatform/guest-configs of May 2026: `src/usr/bin/google_set_hostname`, which the
hooks of dhclient (a link that its script reads), of networkd-dispatcher and of NetworkManager call at each boot and
lease with `new_host_name` and `new_ip_address`. These are not its lines; what it does to name and /etc/hosts is done
here too.
"""

from tests import rig

RENAMER = "/usr/bin/google_set_hostname"
_HOOK = "/etc/dhcp/dhclient-exit-hooks.d/google_set_hostname"
_SCRIPT = """#!/bin/bash
if [ -n "$new_host_name" ] && [ -n "$new_ip_address" ]; then
    sed '/Added by Google/d' /etc/hosts >/tmp/hosts.google
    echo "$new_ip_address $new_host_name ${new_host_name%%.*}  # Added by Google" >>/tmp/hosts.google
    cat /tmp/hosts.google >/etc/hosts
    hostname "${new_host_name%%.*}"
fi
"""


def install(container: str) -> None:
    """Give a container host Google's script and the hook of dhclient."""
    rig.run_in(
        container,
        f"cat >{RENAMER} <<'END'\n{_SCRIPT}END\nchmod 755 {RENAMER}\nmkdir -p {_HOOK.rpartition('/')[0]}\n"
        f"ln -sf {RENAMER} {_HOOK}",
    )


def boot(container: str, name: str, address: str) -> str:
    """Have the hooks run as at each boot; return the host's name and Google's lines in its hosts file.

    Args:
        container: The container's name.
        name: The full name that Google's metadata has for the instance.
        address: Its address.

    """
    lease = f"export new_host_name={name} new_ip_address={address}"
    # networkd-dispatcher and NetworkManager run it, dhclient's script reads its link and goes on with other hooks.
    return rig.run_in(
        container,
        f"{lease}; google_set_hostname; . {_HOOK}; cat /proc/sys/kernel/hostname; "
        "grep 'Added by Google' /etc/hosts || echo untouched",
    ).strip()
