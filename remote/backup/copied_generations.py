"""The generations that a copy off the site has, out of its snapshots. Pure.

The tags are the agent's (`agent/backup/notes.py`); a snapshot of a copy names the one that it is of in `original`.
Under the name `site` the repository host notes when generations arrived (`agent/backup/repository/arrivals.py`).
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from model.backup_names import BEFORE_RESTORE, SITE
from model.json_types import Json

_SEAL, _VERIFIED, _ARRIVED = "seal", "verified", "arrived"
_TOLERANCE = timedelta(hours=1)
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class CopiedGeneration:
    """A service's data at a time, whole, in a copy.

    Args:
        id: Its id, by which every repository of the site knows it.
        snapshot: Its id in the copy.
        service: The service.
        stage: The stage; empty for the site's own files.
        host: The hive that made it.
        time: When it arrived at the repository host, by its clock; where that is not noted, when its hive made it.
        kind: Why.
        size: Bytes when it is restored.
        parts: The names of its parts.
        is_good: Whether its last test found it to be of use, or there was none.
        pinned: The revision that `doit rollback` had the service stay at; None if it did not.

    """

    id: str
    snapshot: str
    service: str
    stage: str
    host: str
    time: datetime
    kind: str
    size: int
    parts: tuple[str, ...]
    is_good: bool
    pinned: int | None = None

    @property
    def short(self) -> str:
        """Its id as it is shown."""
        return self.id[:8]


def copied_generations(snapshots: Iterable[Json]) -> list[CopiedGeneration]:
    """Return the generations, the oldest first: the snapshots with data that have a seal.

    Args:
        snapshots: As restic lists them.

    """
    data: dict[str, Json] = {}
    seals: dict[str, Json] = {}
    tests: dict[str, list[tuple[str, bool]]] = {}
    arrived: dict[str, float] = {}
    for each in snapshots:
        tags = _tags(each)
        of = tags.get("of", "")
        if tags.get("note") == _SEAL:
            seals[of] = _facts(tags)
        elif tags.get("note") == _VERIFIED:
            tests.setdefault(of, []).append((str(each["time"]), bool(_facts(tags).get("ok"))))
        elif tags.get("note") == _ARRIVED and each.get("hostname") == SITE:
            for identity, at in _facts(tags).items():
                arrived[identity] = min(float(at), arrived.get(identity, float(at)))
        elif "note" not in tags and tags.get("service"):
            data[str(each.get("original", each["id"]))] = each
    found = []
    for identity, each in data.items():
        if identity not in seals:
            continue
        tags, facts = _tags(each), seals[identity]
        found.append(
            CopiedGeneration(
                id=identity,
                snapshot=str(each["id"]),
                service=tags["service"],
                stage=tags.get("stage", ""),
                host=str(each.get("hostname", "")),
                time=(
                    datetime.fromtimestamp(arrived[identity], UTC)
                    if identity in arrived
                    else _time(str(each["time"]))
                ),
                kind=tags.get("kind", ""),
                size=_fact(facts, "bytes", int) or 0,
                parts=tuple(_fact(facts, "scripts", dict) or ()),
                is_good=max(tests.get(identity, [("", True)]))[1],
                pinned=_fact(_fact(facts, "revision", dict) or {}, "pinned", int),
            )
        )
    return sorted(found, key=lambda each: (each.time, each.id))


def newest(
    generations: Sequence[CopiedGeneration], service: str, now: datetime | None = None
) -> CopiedGeneration | None:
    """Return the newest generation of a service that no test found fault with, else the newest; None if it has none.

    What was made before a restoration of the service alone is none of them. Where an arrival is not noted, the clock of
    the hive counts: what that dated into the future, so that it was wrong, is taken where there is nothing else.

    Args:
        generations: Those of the copy, the oldest first.
        service: The service.
        now: The time, by default this machine's.

    """
    latest = (now or datetime.now(UTC)) + _TOLERANCE
    own = [each for each in generations if each.service == service and each.kind != BEFORE_RESTORE]
    past = [each for each in own if each.time <= latest]
    good = [each for each in past if each.is_good]
    return next(reversed(good or past or own), None)


def _tags(snapshot: Json) -> dict[str, str]:
    """Return a snapshot's tags `name=value`."""
    pairs = (str(tag).partition("=") for tag in snapshot.get("tags") or ())
    return {name: value for name, equals, value in pairs if equals}


def _fact(facts: Json, name: str, kind: type[_Kind]) -> _Kind | None:
    """Return a fact; None where it is not there, or of another kind: a hive may write anything into its seals."""
    found = facts.get(name)
    return found if isinstance(found, kind) else None


def _facts(tags: Mapping[str, str]) -> Json:
    """Return what a note knows; nothing where it can't be read."""
    try:
        found = json.loads(base64.urlsafe_b64decode(tags.get("facts", "")))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: str) -> datetime:
    """Return a time as restic writes it, whose seconds may have nine digits; 1970 where that is no time for us."""
    head, dot, tail = text.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    zone = tail[len(digits) :]
    try:
        return datetime.fromisoformat(f"{head}.{digits[:6]:0<6}{zone}" if dot else text).astimezone(UTC)
    except (ValueError, OverflowError):
        # restic lets a hive date its snapshots into the year 0.
        return datetime.fromtimestamp(0, UTC)
