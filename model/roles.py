"""Where a role is: below the site's `roles/`, else among those that come with skep."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

BUILT_IN = Path(__file__).resolve().parents[1] / "builtin_roles"
CERTIFICATE, TRUST = "certificate", "trust-ca"
SEEDS_NAMES = {"python-aptk": "python"}
"""What hive-builder calls a role that comes with both, so that its image definitions stay as they are."""
NAMES = "NAMES"
"""The variable of role `certificate` that says what it is for."""

_DNS = re.compile(
    r"(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE
)


def find(directory: Path, role: str) -> Path | None:
    """Return a role's directory, or None if there is none. The site's own wins over one that comes with skep.

    Args:
        directory: The site's.
        role: The role's name.

    """
    own = directory / "roles" / role
    with_skep = BUILT_IN / SEEDS_NAMES.get(role, role)
    return next((path for path in (own, with_skep) if path.is_dir()), None)


def is_built_in(path: Path) -> bool:
    """Return whether a role's directory is one that comes with skep."""
    return path.parent == BUILT_IN


def names(variables: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the DNS names and the addresses that role `certificate` is used for.

    Raises:
        ValueError: There is none, or one that is neither.

    """
    found: tuple[list[str], list[str]] = ([], [])
    for word in variables.get(NAMES, "").replace(",", " ").split():
        try:
            found[1].append(str(ipaddress.ip_address(word)))
        except ValueError:
            if not _DNS.fullmatch(word):
                raise ValueError(f"{word!r} is neither a DNS name nor an address") from None
            found[0].append(word)
    if not found[0]:
        raise ValueError(f"role {CERTIFICATE} needs {NAMES}: at least one DNS name, as in `www.example.com`")
    return found
