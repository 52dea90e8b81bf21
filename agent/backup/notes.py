"""What is known of a generation beside its data, kept in the same repository: as the tags of tiny snapshots.

A hive may only add to its repository. So what it learns later (that the data is whole, that it was restored) are
snapshots of their own, which name the one that they are of. restic lists all of them with their tags at once.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.backup.restic import Restic
from agent.backup.restic_errors import patiently
from agent.host.durable_files import write_json

SEAL = "seal"
"""The kind of note that makes a snapshot a generation: all of its parts are in it, and were read without a mistake."""
VERIFIED = "verified"
"""The kind of note that a generation was restored, and found to be of use or not."""
STANDBY = "standby"
"""The kind of note in a hive's repository that names the generation which is to be kept restored there."""
ARRIVED = "arrived"
"""The kind of note in a place off the site that says when generations arrived first; it is of many of them."""
BEFORE_RESTORE = "before-restore"
"""The kind of generation that is made of what a restoration takes away."""
_NOTE, _OF, _FACTS = "note=", "of=", "facts="
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("bytes", "files", "added"), int),
    "seconds": (int, float),
    **dict.fromkeys(("begun", "digest", "why", "host", "service", "time"), str),
    **dict.fromkeys(("revision", "scripts"), dict),
    "ok": bool,
}
_NEEDED = {VERIFIED: {"ok"}, STANDBY: {"service", "time"}}
_LARGEST = 1e15
"""Bytes, files or seconds of which there are no more."""


def note_tags(kind: str, of: str, facts: Mapping[str, Any]) -> list[str]:
    """Return the tags of a note.

    Args:
        kind: `SEAL`, `VERIFIED`, `STANDBY` or `ARRIVED`.
        of: The snapshot that it is of; empty of `ARRIVED`.
        facts: What is known; restic's tags can't hold commas, so it is encoded.

    """
    text = base64.urlsafe_b64encode(json.dumps(facts, sort_keys=True).encode()).decode()
    return [f"{_NOTE}{kind}", f"{_OF}{of}", f"{_FACTS}{text}"]


def add_note(
    restic: Restic, host: str, kind: str, of: str, facts: Mapping[str, Any], directory: Path
) -> None:
    """Note something of a snapshot, in its repository.

    Args:
        restic: The repository.
        host: The hive that the note is of, as restic has it.
        kind: `SEAL`, `VERIFIED` or `ARRIVED`.
        of: The snapshot's whole id; empty of `ARRIVED`.
        facts: What is known.
        directory: A directory of this host's for notes alone.

    Raises:
        AgentError: The repository can't be written.

    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_json(directory / "note.json", facts)
    patiently(lambda: restic.backup(directory, host, note_tags(kind, of, facts), lambda _line: None))


def read_note(tags: Sequence[str]) -> tuple[str, str, dict[str, Any]] | None:
    """Return a note's kind, the snapshot that it is of, and its facts; None if the tags are those of no note.

    A hive may write anything. Facts that are none of their kind are left out; a note without those that it needs is
    none. A seal needs none: data that was sealed stays sealed.
    """
    found = {name: tag[len(name) :] for tag in tags for name in (_NOTE, _OF, _FACTS) if tag.startswith(name)}
    if len(found) != len((_NOTE, _OF, _FACTS)):
        return None
    try:
        facts = json.loads(base64.urlsafe_b64decode(found[_FACTS]))
    except (ValueError, RecursionError):
        return None
    kind = found[_NOTE]
    if not isinstance(facts, dict):
        return None
    known = {name: value for name, value in facts.items() if _is_fact(kind, name, value)}
    return (kind, found[_OF], known) if known.keys() >= _NEEDED.get(kind, set()) else None


def _is_fact(kind: str, name: str, value: object) -> bool:
    """Return whether a fact is of the kind that those who read it take it for."""
    wanted = (int, float) if kind == ARRIVED else _TYPES.get(name, object)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted not in (bool, object)):
        return False
    return not isinstance(value, int | float) or -_LARGEST < value < _LARGEST


def data_tags(stage: str, service: str, kind: str) -> list[str]:
    """Return the tags of a snapshot with a service's data.

    Args:
        stage: The stage.
        service: The service.
        kind: Why it was made: `scheduled`, `asked` or `before-restore`.

    """
    return ["skep", f"stage={stage}", f"service={service}", f"kind={kind}"]


def tag_of(tags: Sequence[str], name: str) -> str:
    """Return the value of a tag `name=value`; empty if there is none."""
    return next((tag.partition("=")[2] for tag in tags if tag.startswith(f"{name}=")), "")
