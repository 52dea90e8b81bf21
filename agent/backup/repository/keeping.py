"""`backup keep`: by the timer of the repository host. Old generations go, copies are made, the data is checked."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.repository import repositories
from agent.backup.repository.arrivals import note_arrivals
from agent.backup.repository.broken_files import lacks_snapshots, set_aside
from agent.backup.repository.copy_retention import trim
from agent.backup.repository.generations import Generation, Listing, listing
from agent.backup.repository.off_site import OFF_SITE, note_copied, opened
from agent.backup.repository.policy import Stored, kept
from agent.backup.repository.site_files import save_site
from agent.backup.repository.standbys import stand_by
from agent.backup.repository.stock import stock_of
from agent.backup.repository.upkeep_notes import STATUS, UpkeepNotes
from agent.backup.restic import Restic
from agent.backup.restic_errors import LockedError, NotFinishedError
from agent.backup.restic_process import RepositoryUnreachableError
from agent.errors import AgentError, fault_of
from agent.output import Output

PRUNE_EVERY, CHECK_EVERY, TRIM_EVERY = 86_400.0, 7 * 86_400.0, 7 * 86_400.0
"""Seconds."""
_UNSEALED_FOR = timedelta(days=1)
"""How long data stays that no seal made a generation: a backup may be at work."""
_CHECKED_PART = "5%"
_CHECKED_OFF_SITE = "200M"
"""What is read of a place off the site, which may want to be paid for what is read: all of a small one."""
CHECK_AGAIN = 86_400.0
"""Seconds after which a place off the site is checked again in which a check found fault."""

_Part = Callable[[str, Callable[[], int]], int]
"""Does a part of the care by its name; returns what that returns, and 0 if it fails, which is noted."""


class NotCheckedError(AgentError):
    """A check of a place off the site that did not end, which says nothing of what is there."""


@dataclass(frozen=True)
class Upkeep:
    """The care for all repositories.

    Args:
        config: The repository host's configuration.
        output: Is told what is done.
        status: The file that says how it stands with the care.
        now: The time, in seconds since 1970.

    """

    config: RepositoryConfig
    output: Output
    status: Path = STATUS
    now: Callable[[], float] = time.time

    def keep(self) -> dict[str, Any]:
        """Do all that is due. What fails keeps nothing else from being done, and is noted until it goes well.

        Returns:
            `forgotten` and `copied`, numbers; `failed`, part to reason.

        """
        notes = UpkeepNotes(self.status, self.now)
        with notes.alive():
            result, grows = self._keep(notes)
        notes.end(grows)
        return {**result, "failed": notes.failed}

    def _keep(self, notes: UpkeepNotes) -> tuple[dict[str, int], dict[str, str]]:
        """Do all that is due; return how much that was, and which places off the site only grow, and why."""
        result = {"forgotten": 0, "copied": 0}

        def part(name: str, do: Callable[[], int]) -> int:
            notes.begin(name)
            try:
                count = do()
            except Exception as error:  # noqa: BLE001 - a mistake of skep's must not keep the other parts undone
                why = fault_of(error)
                notes.fail(name, why, is_found=not isinstance(error, NotCheckedError))
                self.output.say(f"{name}: {why}")
                return 0
            notes.succeed(name)
            return count

        part("locks", self._unlock)  # first: also a look takes a lock
        part("cut off", lambda: set_aside(self.config, self.now(), self.output.say))
        part("repositories", lambda: len(repositories.ensure(self.config)))
        if self.config.site:
            part("site", lambda: save_site(self.config))
        found: list[Listing] = []
        places: dict[str, Restic] = {}

        def look() -> int:
            found[:] = [listing(self.config)]
            notes.stock = stock_of(found[0], notes.stock, datetime.fromtimestamp(self.now(), UTC))
            for hive, why in found[0].unread.items():
                if notes.failed.get(f"listing of {hive}") != why:
                    notes.fail(f"listing of {hive}", why)
                    self.output.say(f"listing of {hive}: {why}")
            return 0

        def forget() -> int:
            # Copies may have taken days: what was sealed meanwhile is a generation.
            now = datetime.fromtimestamp(self.now(), UTC)
            look()
            return self._forget(found[0], now)

        part("listing", look)
        if found:
            for copy in self.config.copies:
                result["copied"] += part(f"copy {copy.name}", partial(self._export, copy, found[0], places))
            if self.config.standby:
                part(
                    "standby",
                    lambda: stand_by(self.config, found[0], datetime.fromtimestamp(self.now(), UTC)),
                )
            result["forgotten"] = part("forget", forget)
            if notes.is_due("prune", PRUNE_EVERY):
                part("prune", self._prune)
        grows: dict[str, str] = {**notes.before.get("grows", {})}
        if notes.is_due("check", CHECK_EVERY):
            part("check", self._check)
        for name, place in places.items():
            self._care_for_place(name, place, found[0], grows, notes, part)
        names = {copy.name for copy in self.config.copies}
        for name in names - places.keys():
            notes.carry(f"check {name}")
        return result, {name: why for name, why in grows.items() if name in names}

    def _each(self, do: Callable[[str, Restic], None]) -> int:
        repositories.each_known(self.config, do)
        return 0

    def _unlock(self) -> int:
        return self._each(lambda _hive, restic: restic.unlock())

    def _export(self, copy: Copy, found: Listing, places: dict[str, Restic]) -> int:
        """Copy all generations, with their notes, that a place does not have; return how many.

        Args:
            copy: The place.
            found: What there is.
            places: Name to the repository, which gets that of the place once it is known to be the one that it was.

        """
        note = self.status.with_name(OFF_SITE)
        target = places[copy.name] = opened(self.config, copy, note)
        snapshots = target.snapshots()
        there = {str(each.get("original", each["id"])) for each in snapshots}
        whole: list[Generation] = []
        count = 0

        def export(hive: str, restic: Restic) -> None:
            nonlocal count
            mine = [each for each in found.generations if each.home == hive and each.id not in there]
            wanted = [each.places[hive] for each in mine]
            for generation in found.generations:
                wanted += [note for place, note in generation.notes if place == hive and note not in there]
            if wanted:
                self.output.say(f"{copy.name}: copying {len(wanted)} snapshots of {hive}")
                restic.copy_to(target, wanted)
            count += len(mine)
            whole.extend(each for each in found.generations if each.home == hive)

        failed = ""
        try:
            self._each(export)
        except AgentError as error:
            failed = str(error)
        arrived = {each.id: each.arrived for each in whole}
        note_copied(copy, arrived, there, self.now(), note, unknown=bool(failed or found.unread))
        note_arrivals(target, arrived, snapshots, self.status.with_name("note"))
        if failed:
            raise AgentError(failed)
        return count

    def _forget(self, found: Listing, now: datetime) -> int:
        """Forget the generations that are not to be kept, in all repositories; return how many.

        Args:
            found: What there is.
            now: When that was looked at.

        """
        going: dict[str, list[str]] = {}
        count = 0
        for owner in {each.owner for each in found.generations}:
            mine = [each for each in found.generations if each.owner == owner]
            stay = kept([_as_kept(each) for each in mine], self.config.keep, now)
            for generation in mine:
                if generation.id not in stay:
                    count += 1
                    for hive, snapshot in (*generation.places.items(), *generation.notes):
                        going.setdefault(hive, []).append(snapshot)
        for each in found.unsealed:
            # Its seal may be in the repository that it came from, or have been set aside.
            may_be_whole = (each.is_brought and found.unread) or lacks_snapshots(self.config, each.hive)
            if now - each.arrived > _UNSEALED_FOR and not may_be_whole:
                going.setdefault(each.hive, []).append(each.snapshot)
        self._each(lambda hive, restic: restic.forget(going.get(hive, ())))
        return count

    def _care_for_place(
        self, name: str, place: Restic, found: Listing, grows: dict[str, str], notes: UpkeepNotes, part: _Part
    ) -> None:
        """Have a place off the site keep no more than it should, and check it, each once a week.

        Nothing of it goes that may be here, in a repository that can't be read. One in which a check found fault is
        checked again a day later; one whose check did not end, with the next upkeep.
        """
        trimmed, checked = f"trim {name}", f"check {name}"
        if not found.unread and notes.is_due(trimmed, TRIM_EVERY):
            part(trimmed, lambda: self._trim(name, place, found, grows))
        if notes.is_due(checked, CHECK_EVERY) and not notes.still_fails(checked, CHECK_AGAIN):
            part(checked, lambda: self._check_copy(name, place))

    def _trim(self, name: str, place: Restic, found: Listing, grows: dict[str, str]) -> int:
        """Have a copy keep no more than it should; return how many generations went.

        That it can't is no failure: a place that lets nothing be deleted is a good one. It is said, since it grows.
        """
        grows.pop(name, None)
        try:
            return trim(self.config, name, place, found, datetime.fromtimestamp(self.now(), UTC))
        except AgentError as error:
            grows[name] = str(error)
            self.output.say(f"copy {name}: old generations stay there: {error}")
            return 0

    def _prune(self) -> int:
        def prune(hive: str, restic: Restic) -> None:
            self.output.say(f"{hive}: freeing what no generation needs")
            restic.prune()

        return self._each(prune)

    def _check(self) -> int:
        def check(hive: str, restic: Restic) -> None:
            self.output.say(f"{hive}: checking, and reading {_CHECKED_PART} of the data")
            restic.check(_CHECKED_PART)

        return self._each(check)

    def _check_copy(self, name: str, place: Restic) -> int:
        """Check a place off the site: what it lost would be missing in all later generations, as it still lists it.

        Raises:
            NotCheckedError: It was not checked to its end.
            AgentError: What is wrong with it, and what to do.

        """
        self.output.say(f"copy {name}: checking, and reading {_CHECKED_OFF_SITE} of the data")
        try:
            place.check(_CHECKED_OFF_SITE, alone=True)
        except (LockedError, NotFinishedError, RepositoryUnreachableError) as error:
            raise NotCheckedError(f"it did not end: {error}") from error
        except AgentError as error:
            raise AgentError(
                f"{error}; what is there may not come back: have it copied anew to another place "
                "(docs/backup.md, A place off the site)"
            ) from error
        return 0


def _as_kept(generation: Generation) -> Stored:
    """Return a generation as the policy sees it."""
    return Stored(generation.id, generation.arrived, generation.kind, generation.is_good)
