"""The generations of all services, out of the snapshots of all hives."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.backup.config import RepositoryConfig
from agent.backup.notes import SEAL, VERIFIED, read_note, tag_of
from agent.backup.repository.repositories import arrival, known
from agent.errors import AgentError

SHORT = 8
"""Characters of an id that are shown."""
_SEALED = ("bytes", "files", "added", "seconds", "scripts", "revision")
"""The facts of a seal."""
CLOCK_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True)
class Generation:
    """A service's data at a time, whole.

    Args:
        id: Its id, by which every repository knows it.
        service: The service.
        host: The hive that made it.
        time: When it was made, by that hive's clock.
        arrived: When it arrived here, by this host's.
        kind: `scheduled`, `asked` or `before-restore`.
        facts: Its seal: bytes, files, added, seconds, scripts, and the revision that the service ran.
        places: Hive to the snapshot that has it in that hive's repository.
        notes: Repository and snapshot of each of its notes.
        tests: How its tests ended, the newest last.

    """

    id: str
    service: str
    host: str
    time: datetime
    arrived: datetime
    kind: str
    facts: Mapping[str, Any]
    places: Mapping[str, str]
    notes: Sequence[tuple[str, str]] = ()
    tests: Sequence[Mapping[str, Any]] = ()

    @property
    def is_good(self) -> bool:
        """Whether its last test found it to be of use, or there was none."""
        return not self.tests or bool(self.tests[-1]["ok"])

    @property
    def clock_is_wrong(self) -> bool:
        """Whether the clock of the hive that made it was off by more than an hour."""
        return abs(self.arrived - self.time) > CLOCK_TOLERANCE + timedelta(
            seconds=self.facts.get("seconds", 0)
        )

    def told(self) -> dict[str, Any]:
        """Return it as the agent tells it."""
        last = self.tests[-1] if self.tests else None
        return {
            "id": self.id[:SHORT],
            "service": self.service,
            "host": self.host,
            "time": self.arrived.isoformat(timespec="seconds"),
            "made": self.time.isoformat(timespec="seconds"),
            "kind": self.kind,
            "hives": sorted(self.places),
            "clock_is_wrong": self.clock_is_wrong,
            "test": dict(last) if last else None,
            **{key: self.facts.get(key) for key in _SEALED},
        }


@dataclass
class Listing:
    """What the repositories have.

    Args:
        generations: All generations, the oldest first.
        unsealed: Hive and snapshot of each piece of data that no seal makes a generation, with its arrival.

    """

    generations: list[Generation] = field(default_factory=list)
    unsealed: list[tuple[str, str, datetime]] = field(default_factory=list)

    def one(self, identity: str) -> Generation:
        """Return a generation by its id, or the beginning of that.

        Raises:
            AgentError: There is none, or there are several.

        """
        found = [each for each in self.generations if identity and each.id.startswith(identity)]
        if len(found) != 1:
            raise AgentError(
                f"{identity}: {'no such generation' if not found else 'several generations begin so'}"
            )
        return found[0]


def listing(config: RepositoryConfig) -> Listing:
    """Return all generations.

    Raises:
        AgentError: A repository can't be read.

    """
    repositories = known(config)
    with ThreadPoolExecutor(max_workers=4) as pool:
        snapshots = dict(
            zip(repositories, pool.map(lambda each: each.snapshots(), repositories.values()), strict=True)
        )
    return combined(
        {hive: [(each, _arrived(config, hive, each)) for each in found] for hive, found in snapshots.items()}
    )


def _arrived(config: RepositoryConfig, hive: str, snapshot: Mapping[str, Any]) -> datetime:
    """Return when a snapshot arrived; for one that was brought back from a copy, when it was made."""
    if "original" in snapshot:
        return made_at(snapshot)
    return datetime.fromtimestamp(arrival(config, hive, snapshot["id"]), UTC)


def combined(snapshots: Mapping[str, Iterable[tuple[Mapping[str, Any], datetime]]]) -> Listing:
    """Return the generations that snapshots make. Pure.

    A copy of a snapshot in another repository has another id, and names the one that it is of.

    Args:
        snapshots: Hive to the snapshots of its repository, each with its arrival.

    """
    data: dict[str, list[tuple[str, Mapping[str, Any], datetime]]] = {}
    seals: dict[str, Mapping[str, Any]] = {}
    tests: dict[str, list[tuple[datetime, Mapping[str, Any]]]] = {}
    notes: dict[str, list[tuple[str, str]]] = {}
    for hive, found in snapshots.items():
        for snapshot, arrived in found:
            tags = snapshot.get("tags") or []
            note = read_note(tags)
            if note is None:
                if tag_of(tags, "service"):
                    data.setdefault(snapshot.get("original", snapshot["id"]), []).append(
                        (hive, snapshot, arrived)
                    )
                continue
            kind, of, facts = note
            notes.setdefault(of, []).append((hive, snapshot["id"]))
            if kind == SEAL:
                seals[of] = facts
            elif kind == VERIFIED:
                tests.setdefault(of, []).append(
                    (arrived, {**facts, "at": arrived.isoformat(timespec="seconds")})
                )
    result = Listing()
    for identity, places in data.items():
        hive, snapshot, arrived = min(places, key=lambda each: each[2])
        if identity not in seals:
            result.unsealed += [(place, each["id"], at) for place, each, at in places]
            continue
        tags = snapshot["tags"]
        result.generations.append(
            Generation(
                id=identity,
                service=tag_of(tags, "service"),
                host=str(snapshot.get("hostname", hive)),
                time=made_at(snapshot),
                arrived=arrived,
                kind=tag_of(tags, "kind"),
                facts=seals[identity],
                places={place: each["id"] for place, each, _ in places},
                notes=tuple(notes.get(identity, ())),
                tests=tuple(each for _, each in sorted(tests.get(identity, ()), key=lambda each: each[0])),
            )
        )
    result.generations.sort(key=lambda each: (each.arrived, each.id))
    return result


def made_at(snapshot: Mapping[str, Any]) -> datetime:
    """Return when a snapshot was made, by the clock of the hive that made it."""
    return _time(snapshot["time"])


def _time(text: str) -> datetime:
    """Return a time as restic writes it, with nine digits of a second, in UTC."""
    head, dot, tail = text.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    zone = tail[len(digits) :] if dot else ""
    whole = f"{head}.{digits[:6]:0<6}{zone}" if dot else text
    return datetime.fromisoformat(whole).astimezone(UTC)
