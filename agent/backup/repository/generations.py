"""The generations of all services, out of the snapshots of all hives."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.backup.config import RepositoryConfig
from agent.backup.notes import ARRIVED, SEAL, VERIFIED, read_note, tag_of
from agent.backup.repository.brought import believed, brought
from agent.backup.repository.repositories import arrival, known
from agent.errors import AgentError, fault_of

SHORT = 8
"""Characters of an id that are shown."""
_SEALED = ("bytes", "files", "added", "seconds", "scripts", "revision")
"""The facts of a seal."""
CLOCK_TOLERANCE = timedelta(hours=1)
_LONGEST = 31 * 86_400.0
"""Seconds that a backup may take."""


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
        facts: Its seal: bytes, files, added, seconds, scripts, when it was begun by that hive's clock, and the revision
            that the service ran.
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
    def home(self) -> str:
        """The hive whose repository it is taken from: that which made it, where that has it."""
        return self.host if self.host in self.places else min(self.places)

    @property
    def owner(self) -> tuple[str, str]:
        """Its service and the hive that made it: among these the policy chooses, so that no hive pushes others' out."""
        return self.service, self.host

    @property
    def clock_is_wrong(self) -> bool:
        """Whether the clock of the hive that made it was off by more than an hour."""
        return abs(self.arrived - self.time) > CLOCK_TOLERANCE + timedelta(seconds=self._seconds)

    @property
    def begun(self) -> datetime:
        """From when on its data may be: its first dump was written then, while what it saved last is as it arrived.

        By this host's clock, where that of the hive was wrong, or one of an older agent, which did not say it.
        """
        said: datetime | None = None
        with suppress(ValueError):
            said = datetime.fromisoformat(str(self.facts.get("begun")))
        # A hive may write anything into its seals, also a time without a zone.
        if said is not None and said.tzinfo is not None and not self.clock_is_wrong:
            return min(said, self.arrived)
        return self.arrived - timedelta(seconds=self._seconds)

    @property
    def _seconds(self) -> float:
        """How long it took, as its hive says; 0 where that is no such number."""
        found = self.facts.get("seconds")
        return found if isinstance(found, int | float) and 0 <= found < _LONGEST else 0.0

    def is_ahead(self, now: datetime) -> bool:
        """Return whether it is dated into the future, by this host's clock when that was wrong."""
        return self.arrived > now + CLOCK_TOLERANCE

    def told(self) -> dict[str, Any]:
        """Return it as the agent tells it."""
        last = self.tests[-1] if self.tests else None
        return {
            "id": self.id[:SHORT],
            "service": self.service,
            "host": self.host,
            "time": self.arrived.isoformat(timespec="seconds"),
            "made": self.time.isoformat(timespec="seconds"),
            "begun": self.begun.isoformat(timespec="seconds"),
            "kind": self.kind,
            "hives": sorted(self.places),
            "clock_is_wrong": self.clock_is_wrong,
            "test": dict(last) if last else None,
            **{key: self.facts.get(key) for key in _SEALED},
        }


@dataclass(frozen=True)
class Unsealed:
    """Data that no seal makes a generation.

    Args:
        hive: The hive whose repository has it.
        snapshot: Its id there.
        arrived: When it arrived, by the repository host's clock.
        is_brought: Whether this host brought it there, so that its seal is in the repository that it is from.

    """

    hive: str
    snapshot: str
    arrived: datetime
    is_brought: bool


@dataclass
class Listing:
    """What the repositories have.

    Args:
        generations: All generations, the oldest first.
        unsealed: The data that no seal makes a generation.
        unread: Hive to why its repository can't be read.

    """

    generations: list[Generation] = field(default_factory=list)
    unsealed: list[Unsealed] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    def one(self, identity: str) -> Generation:
        """Return a generation by its id, or the beginning of that.

        Raises:
            AgentError: There is none, or there are several.

        """
        found = [each for each in self.generations if identity and each.id.startswith(identity)]
        if not found and self.unread:
            unread = "; ".join(f"that of {hive}: {why}" for hive, why in sorted(self.unread.items()))
            raise AgentError(f"{identity}: no such generation in the repositories that can be read; {unread}")
        if len(found) != 1:
            raise AgentError(
                f"{identity}: {'no such generation' if not found else 'several generations begin so'}"
            )
        return found[0]


def listing(config: RepositoryConfig) -> Listing:
    """Return all generations; a repository that can't be read is named, and keeps nobody else's from being told."""
    repositories = known(config)
    unread: dict[str, str] = {}

    def read(hive: str) -> list[tuple[Mapping[str, Any], datetime]]:
        try:
            found = repositories[hive].snapshots()
            own = {each["id"]: arrival(config, hive, each["id"]) for each in found}
            return list(believed(hive, found, own, brought(config, hive)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is of this hive's alone
            unread[hive] = fault_of(error)
            return []

    with ThreadPoolExecutor(max_workers=4) as pool:
        snapshots = dict(zip(repositories, pool.map(read, repositories), strict=True))
    return replace(combined(snapshots), unread=unread)


def combined(snapshots: Mapping[str, Iterable[tuple[Mapping[str, Any], datetime]]]) -> Listing:
    """Return the generations that snapshots make. Pure.

    A copy of a snapshot in another repository has another id, and names the one that it is of. What is noted counts
    where the repository has the data as well: a hive says nothing of another's generations.

    Args:
        snapshots: Hive to the snapshots of its repository that are to be believed, each with its arrival.

    """
    data: dict[str, list[tuple[str, Mapping[str, Any], datetime]]] = {}
    names: dict[tuple[str, str], str] = {}
    found_notes: list[tuple[str, str, datetime, tuple[str, str, dict[str, Any]]]] = []
    for hive, found in snapshots.items():
        for snapshot, arrived in found:
            tags = snapshot.get("tags") or []
            note = read_note(tags)
            if note is not None:
                # Of arrivals only a place off the site knows: one in a hive's repository is that hive's invention.
                if note[0] != ARRIVED:
                    found_notes.append((hive, snapshot["id"], arrived, note))
            elif tag_of(tags, "service"):
                identity = snapshot.get("original", snapshot["id"])
                data.setdefault(identity, []).append((hive, snapshot, arrived))
                names[hive, identity] = names[hive, snapshot["id"]] = identity
    seals: dict[str, Mapping[str, Any]] = {}
    tests: dict[str, list[tuple[datetime, Mapping[str, Any]]]] = {}
    notes: dict[str, list[tuple[str, str]]] = {}
    for hive, snapshot_id, arrived, (kind, of, facts) in found_notes:
        if (hive, of) not in names:
            continue
        identity = names[hive, of]
        notes.setdefault(identity, []).append((hive, snapshot_id))
        if kind == SEAL:
            seals[identity] = facts
        elif kind == VERIFIED:
            tests.setdefault(identity, []).append(
                (arrived, {**facts, "at": arrived.isoformat(timespec="seconds")})
            )
    result = Listing()
    for identity, places in data.items():
        # That of the hive that made it, else the first: a copy has only what is noted of its arrival.
        hive, snapshot, arrived = min(places, key=lambda each: ("original" in each[1], each[2]))
        if identity not in seals:
            result.unsealed += [
                Unsealed(place, each["id"], at, "original" in each) for place, each, at in places
            ]
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


def newest_of(generations: Sequence[Generation], now: datetime) -> Generation | None:
    """Return the newest of some generations; what is dated into the future only if there is nothing else. Pure.

    Args:
        generations: The generations, the oldest first.
        now: The time, by this host's clock.

    """
    past = [each for each in generations if not each.is_ahead(now)]
    return next(reversed(past or generations), None)


def made_at(snapshot: Mapping[str, Any]) -> datetime:
    """Return when a snapshot was made, by the clock of the hive that made it; 1970 where that is no time for us."""
    try:
        return _time(snapshot["time"])
    except (ValueError, OverflowError):
        # restic lets a hive date its snapshots into the year 0.
        return datetime.fromtimestamp(0, UTC)


def _time(text: str) -> datetime:
    """Return a time as restic writes it, with nine digits of a second, in UTC."""
    head, dot, tail = text.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    zone = tail[len(digits) :] if dot else ""
    whole = f"{head}.{digits[:6]:0<6}{zone}" if dot else text
    return datetime.fromisoformat(whole).astimezone(UTC)
