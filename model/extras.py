"""What only some sites need, and is not installed before: a provider's SDK, Ansible; each a list of `packages/`."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"


@dataclass(frozen=True)
class Extra:
    """Something that `setup` installs for those who need it.

    Args:
        name: Its name in pyproject.toml and in SKEP_EXTRAS.
        need: Who needs what, as a sentence without an end.

    """

    name: str
    need: str

    @property
    def command(self) -> str:
        """The command that installs it."""
        here = Path(sys.prefix)
        if here != VENV:
            return f"{sys.executable} -m pip install -r {CHECKOUT / 'packages' / f'{self.name}.txt'}"
        return f"SKEP_EXTRAS={self.name} {CHECKOUT / 'setup'} true"

    @property
    def obstacle(self) -> str:
        """Why this process can't have it installed; empty if it can."""
        if Path(sys.prefix) != VENV:
            return f"{sys.prefix} is not the environment that setup makes"
        if not os.access(VENV, os.W_OK):
            return f"{VENV} can't be written by you"
        return ""

    @property
    def refusal(self) -> str:
        """Who needs what, why it is not installed by itself, and the command that installs it."""
        return f"{self.need}, which is not installed, and {self.obstacle}: `{self.command}` installs it"

    def pinned(self, package: str) -> str:
        """Return the version of a package that would be installed."""
        text = (CHECKOUT / "packages" / f"{self.name}.txt").read_text(encoding="utf-8")
        found = re.search(rf"^{re.escape(package)}==([^ ]+)", text, re.MULTILINE)
        return found[1] if found else ""


ANSIBLE = Extra("ansible", "roles of Ansible need the package `ansible`")
AWS_LOGIN = Extra("aws-login", "profiles of `aws login` need more of Amazon's SDK")
AZURE = Extra("azure", "provider azure needs Azure's SDK")
OPENSTACK = Extra("openstack", "provider openstack needs openstacksdk")
