"""Placement constraints, as the swarm reads them: `node.labels.disk == ssd`. Pure.

Their form, the keys and the comparison are those of moby/swarmkit, manager/constraint/constraint.go.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from model.toml_text import toml_text

NODE_LABEL, ENGINE_LABEL = "node.labels.", "engine.labels."
HOSTNAME = "node.hostname"
KEYS = ("node.id", HOSTNAME, "node.ip", "node.role", "node.platform.os", "node.platform.arch")
_ROLES = ("manager", "worker")
_OPERATORS = ("==", "!=")
_KEY = re.compile(r"[a-z_][a-z0-9_.-]+", re.IGNORECASE | re.ASCII)
_VALUE = re.compile(r"[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+", re.IGNORECASE | re.ASCII)
_SPELT = re.compile(
    r"\s*([\w.-]+)\s*(===?|!==?|=!?|:|\bis\s+not\b|\bis\b|\bin\b|)\s*([\"']?)([^\"'=!<>~]*)\3\s*",
    re.IGNORECASE,
)
"""A constraint as other programs, and people, spell it."""
_BETWEEN = re.compile(r",|&&?|\band\b", re.IGNORECASE)
_EITHER = re.compile(r"\|\||\bor\b", re.IGNORECASE)
_LABEL = "node.label."
_OTHER_KEYS = {
    "node": HOSTNAME,
    "node.name": HOSTNAME,
    "node.host": HOSTNAME,
    "hostname": HOSTNAME,
    "host": HOSTNAME,
    "role": "node.role",
    "node.arch": "node.platform.arch",
    "node.os": "node.platform.os",
}
"""What people call a key of a node."""


@dataclass(frozen=True)
class Constraint:
    """A constraint on the nodes of a service's tasks.

    Args:
        key: What is compared, as `node.role`.
        operator: `==` or `!=`.
        value: With what.

    """

    key: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} {self.operator} {self.value}"

    @property
    def label(self) -> str:
        """The node's label that is compared; empty for another key."""
        return self.key[len(NODE_LABEL) :] if self.key.lower().startswith(NODE_LABEL) else ""


def parse_constraint(text: str) -> Constraint:
    """Return a constraint.

    Raises:
        ValueError: The swarm would refuse it, or no node could ever meet it; the message says what to write.

    """
    try:
        return _parsed(text)
    except ValueError as error:
        parts = [part.strip() for part in _BETWEEN.split(text) if part.strip()]
        proposed = [_corrected(part) if "=" in part else "" for part in parts]
        if len(parts) > 1 and all(proposed):
            raise ValueError(
                f"{toml_text(text)} is several constraints: write each as a text of its own, {toml_text(proposed)}"
            ) from None
        raise ValueError(f"{error}{_meant(text)}") from None


def _parsed(text: str) -> Constraint:
    """Return a constraint.

    Raises:
        ValueError: It is none.

    """
    operator = next((each for each in _OPERATORS if each in text), "")
    key, _, value = (part.strip() for part in text.partition(operator)) if operator else (text, "", "")
    if not operator:
        raise ValueError(f"{toml_text(text)} is not a constraint, which has == or !=")
    lower = key.lower()
    is_label = any(
        lower.startswith(prefix) and len(key) > len(prefix) for prefix in (NODE_LABEL, ENGINE_LABEL)
    )
    if not _KEY.fullmatch(key) or not (is_label or lower in KEYS):
        known = ", ".join([*KEYS, f"{NODE_LABEL}<name>", f"{ENGINE_LABEL}<name>"])
        raise ValueError(f"{toml_text(text)}: {toml_text(key)} is nothing that a node has; there are {known}")
    if not _VALUE.fullmatch(value):
        what = (
            "has no value"
            if not value
            else f"has a character that the swarm does not take in {toml_text(value)}"
        )
        raise ValueError(f"{toml_text(text)} {what}")
    if lower == "node.role" and value.lower() not in _ROLES:
        raise ValueError(f"{toml_text(text)}: a node's role is {' or '.join(_ROLES)}")
    if lower == "node.ip" and not _is_network(value):
        raise ValueError(f"{toml_text(text)}: {toml_text(value)} is neither an address nor a network")
    return Constraint(key, operator, value)


def _meant(text: str) -> str:
    """Return what to write instead of a text that is no constraint, as the end of a message; empty if that is unknown.

    Only constraints that the swarm takes are proposed.
    """
    if _EITHER.search(text):
        return (
            ": a node has to meet all constraints; for one or the other give the nodes a label (node_labels)"
        )
    return f": write {toml_text(corrected)}" if (corrected := _corrected(text)) else ""


def _corrected(text: str) -> str:
    """Return the constraint that a text may mean, in other programs' spellings; empty if there is none."""
    found = _SPELT.fullmatch(text)
    if found is None:
        return ""
    key, operator, value = found[1], found[2].strip().lower(), (found[4] or "").strip() or "true"
    lower = key.lower()
    key = _OTHER_KEYS.get(lower) or (f"{NODE_LABEL}{key[len(_LABEL) :]}" if lower.startswith(_LABEL) else key)
    if "." not in key and not operator:
        return ""
    if "." not in key:
        key = f"{NODE_LABEL}{key}"  # of Swarm before Docker 1.12
    elif not operator and not key.lower().startswith((NODE_LABEL, ENGINE_LABEL)):
        return ""
    made = f"{key} {'!=' if '!' in operator or operator == 'is not' else '=='} {value}"
    try:
        _parsed(made)
    except ValueError:
        return ""
    return made


def with_full_name(text: str, names: Mapping[str, str]) -> str:
    """Return a constraint with a host's full name in the place of its short one: the swarm knows full ones alone.

    Args:
        text: The constraint.
        names: Short name to full name.

    """
    try:
        found = parse_constraint(text)
    except ValueError:
        return text
    full = names.get(found.value.lower())
    if found.key.lower() != HOSTNAME or full is None:
        return text
    return str(Constraint(found.key, found.operator, full))


def _is_network(text: str) -> bool:
    """Return whether a text is an address or a network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
