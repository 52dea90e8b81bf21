"""Find roles: below the site's `roles/`, else among those that come with skep."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.keys.tree import Entry, read_tree
from model.secrets import certificate
from model.secrets.secret import Secret
from model.user_paths import is_directory

BUILT_IN = Path(__file__).resolve().parents[2] / "builtin_roles"
CERTIFICATE, TRUST, CERTIFICATES = "certificate", "trust-ca", "hive-certificate"
HIVE_BUILDER_NAMES = {"python-aptk": "python", "hive-trust-ca": TRUST}
"""hive-builder's name of a role to skep's, so that hive-builder's image definitions work unchanged."""
HIVE_BUILDER_VARIABLES = {"hive-trust-ca": {"NAME": "cacert"}}
"""Defaults of such a role's variables, so that files have the names that hive-builder gives them."""
NAMES, LIST = "NAMES", "certificates"
"""The variables with the names that roles `certificate` and `hive-certificate` make certificates for."""

OF_THE_CA = {TRUST, CERTIFICATE, CERTIFICATES}
"""The roles that get the site's CA."""
VARIABLES = {
    "python": ("PACKAGES",),
    TRUST: ("NAME",),
    CERTIFICATE: (NAMES, "DIRECTORY", "OWNER", "KEY_MODE"),
    CERTIFICATES: (LIST,),
}
"""The variables of each role that comes with skep."""

_DNS = re.compile(
    r"(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE
)


def find(directory: Path, role: str) -> Path | None:
    """Return a role's directory, or None if there is none. The site's own role takes precedence.

    Args:
        directory: The site's.
        role: The role's name.

    """
    own = directory / "roles" / role
    with_skep = BUILT_IN / HIVE_BUILDER_NAMES.get(role, role)
    return next((path for path in (own, with_skep) if is_directory(path)), None)


def kind(path: Path) -> str:
    """Return the name of a role that comes with skep; empty for one of the site's own."""
    return path.name if is_built_in(path) else ""


def is_built_in(path: Path) -> bool:
    """Return whether a role's directory is one that comes with skep."""
    return path.parent == BUILT_IN


def entries_of(name: str, path: Path) -> tuple[Entry, ...]:
    """Return the files of a role that comes with skep, as a role of Ansible that other roles may import.

    Its one task has Ansible's process run the script in the container (`remote/playbook/plugins/action/skep_role.py`).

    Args:
        name: The name by which it is imported.
        path: Its directory.

    """
    kind_ = path.name
    defaults = HIVE_BUILDER_VARIABLES.get(name, {})
    variables = {
        each: f"{{{{ {each} | default({json.dumps(defaults.get(each, ''))}) }}}}" for each in VARIABLES[kind_]
    }
    task = {"name": kind_, "skep_role": {"role": kind_, "variables": variables}}
    return (
        *read_tree(path),
        Entry("tasks", 0o755, b"", "directory"),
        Entry("tasks/main.yml", 0o644, json.dumps([task]).encode(), "file"),
    )


def made_files(
    kind: str, variables: Mapping[str, Any], ca_key: Secret, ca_certificate: str
) -> dict[str, str]:
    """Return the files that skep makes for a role of its own: name below `files/` to content.

    Args:
        kind: The role's name; of others than those of the CA there is no file.
        variables: Its variables.
        ca_key: The private key of the site's CA.
        ca_certificate: The CA's certificate.

    Raises:
        ValueError: A variable is missing or can't be used.

    """
    if kind not in OF_THE_CA:
        return {}
    made = {"ca.crt": ca_certificate}

    def issue(word: str, wanted: tuple[list[str], list[str]]) -> None:
        key, issued = certificate.issue(ca_key, ca_certificate, *wanted)
        made.update({f"{word}.crt": issued, f"{word}.key": key.reveal()})

    if kind == CERTIFICATE:
        issue("tls", names({NAMES: str(variables.get(NAMES, ""))}))
    if kind == CERTIFICATES:
        for number, each in enumerate(certificates(variables)):
            issue(f"{number}", names({NAMES: each.name}))
            made |= {f"{number}.cert_dest": each.certificate, f"{number}.key_dest": each.key}
    return made


@dataclass(frozen=True)
class Certificate:
    """A certificate that role `hive-certificate` makes.

    Args:
        name: The DNS name, or address, that it is for.
        certificate: Where it goes.
        key: Where its key goes.

    """

    name: str
    certificate: str
    key: str


def certificates(variables: Mapping[str, Any]) -> list[Certificate]:
    """Return the certificates that role `hive-certificate` is to make.

    Raises:
        ValueError: There is none, or one that lacks something.

    """
    listed = variables.get(LIST)
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"role {CERTIFICATES} needs {LIST}: a list of tables with {', '.join(_OF_ONE)}")
    found = []
    for each in listed:
        texts = [each.get(name) if isinstance(each, dict) else None for name in _OF_ONE]
        missing = [
            name for name, text in zip(_OF_ONE, texts, strict=True) if not text or not isinstance(text, str)
        ]
        if missing:
            raise ValueError(f"{each!r} has no {', '.join(missing)}")
        name, *paths = map(str, texts)
        names({NAMES: name})
        if " " in name or "," in name:
            raise ValueError(f"{name!r} is more than one name")
        if relative := [path for path in paths if not path.startswith("/") or not path.isprintable()]:
            raise ValueError(f"{relative[0]!r} is not an absolute path")
        found.append(Certificate(name, *paths))
    return found


_OF_ONE = ("certificate_fqdn", "cert_dest", "key_dest")


def names(variables: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the DNS names and addresses that role `certificate` is to make a certificate for.

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
