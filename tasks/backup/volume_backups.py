"""Volumes whose newest backup is brought to another hive, as where the hive with the data is lost.

In place of the copy of `moved_volume.py`, whose journal and order it keeps: what runs is stopped, the generation's
files are brought beside the volume and changed for it, services start, dumps are loaded, and then the journals end.
A generation is all of a service's parts, so its volumes go together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath
from shlex import quote
from typing import Any

from model.errors import ServiceError, SkepError
from model.log import Log
from remote.swarm import volume_copy
from tasks.backup.hive_restoration import HiveRestoration, Parts, parts_of
from tasks.backup.site_backups import Heard, SiteBackups, begun_at, local_time
from tasks.operate.moved_volume import MovedVolumes
from tasks.operate.volume_candidates import BACKUP, Candidate, MoveRefusedError
from tasks.run.context import Run

_OLD = "skep-old"
"""Beside a volume's files: those that were there before a backup was brought, as the agent calls them."""


class VolumeBackups:
    """The backups of volumes that go to one hive together.

    Args:
        run: The run; it holds the stage.
        candidates: The volumes; those that are copied from a hive are left alone.
        at: The generation that a person named; None for the newest good one.
        log: Takes lines.
        heard: Takes what agents say.

    """

    def __init__(
        self, run: Run, candidates: Sequence[Candidate], at: str | None, log: Log, heard: Heard
    ) -> None:
        self._run, self._at, self._log, self._heard = run, at, log, heard
        self._backups = SiteBackups(run)
        self._given = [each for each in candidates if each.move.backups is not None]

    # -- before anything is changed --------------------------------------------------------------------------------

    @cached_property
    def _generations(self) -> dict[str, dict[str, Any]]:
        """Each service that is saved and uses such a volume, to the generation that is brought; none for a copy."""
        if not self._given:
            return {}
        begun = {
            name: identity for each in self._given for name, identity in (each.move.backups or {}).items()
        }
        if begun:
            if self._at not in (None, *begun.values()):
                words = ", ".join(f"{identity} of {name}" for name, identity in begun.items())
                raise MoveRefusedError(
                    f"at={self._at}: {words} is being brought already: type it without at="
                )
            return {name: self._backups.chosen(name, identity) for name, identity in begun.items()}
        names = [each.name for each in self._given]
        services = [
            name
            for name, service in self._run.stage.services.items()
            if service.backup_scripts and set(names).intersection(service.named_volumes)
        ]
        if not services:
            raise MoveRefusedError(
                f"volume {', '.join(names)}: no service that uses it has backup_scripts, so that there is no backup"
            )
        if self._at is None:
            return {name: self._backups.newest_good(name) for name in services}
        if len(services) > 1:
            raise MoveRefusedError(
                f"at={self._at}: names a backup of one service, and {', '.join(services)} use the volumes: type it "
                "without at=, which takes the newest of each"
            )
        return {services[0]: self._backups.chosen(services[0], self._at)}

    @property
    def _has_begun(self) -> bool:
        """Whether a killed try has written down which generations it brings."""
        return any(each.move.backups for each in self._given)

    @cached_property
    def _parts(self) -> dict[str, Parts]:
        """Each service to what its generation has."""
        return {name: parts_of(self._backups, name, each) for name, each in self._generations.items()}

    def candidates(self) -> list[Candidate]:
        """Return the volumes, each with the generations that its journal is to name.

        Raises:
            MoveRefusedError: No backup has their data; the backup has more than these volumes, or is too large for the
                hive; nothing was changed.
            HostError: The repository host does not answer.

        """
        if not self._given:
            return []
        if not self._has_begun and (problems := list(self._problems())):
            raise MoveRefusedError("\n".join(problems))
        chosen = {name: str(each["id"]) for name, each in self._generations.items()}
        return [replace(each, move=replace(each.move, backups=chosen)) for each in self._given]

    def _problems(self) -> Iterator[str]:
        """Yield why the backups can't be brought so."""
        typed, target = [each.name for each in self._given], self._given[0].target
        saved: dict[str, str] = {}
        for service, parts in self._parts.items():
            left = [name for name in parts.files.values() if name not in typed]
            if left:
                words = " ".join(sorted({*typed, *left}))
                yield (
                    f"service {service}: its backup has volume {', '.join(left)} as well, and comes as a whole: put "
                    f"{target.short} in their hosts, too, and type: doit move_volume {words} to={target.short} "
                    f"from={BACKUP}"
                )
            for name in parts.files.values():
                if (other := saved.setdefault(name, service)) != service:
                    yield (
                        f"volume {name}: is in the backups of {other} and of {service}: take it out of one of their "
                        "backup_scripts first"
                    )

    def check_room(self, moves: MovedVolumes) -> None:
        """Refuse a hive whose disk has no room for the backups.

        Raises:
            MoveRefusedError: It has none; nothing was changed.

        """
        # A part of what a killed try needed has been brought, nobody knows how much.
        if not self._given or self._has_begun:
            return
        target = self._given[0].target
        directory = moves.volume_root(target)
        size = sum(int(each["bytes"] or 0) for each in self._generations.values())
        wanted = size * volume_copy.ROOM + volume_copy.SPARE
        free = moves.look(target, directory, disk="/").free
        if free < wanted:
            raise MoveRefusedError(
                f"{target.short}: the backup needs {wanted / 1e6:.0f} MB on the disk of {directory}, and "
                f"{free / 1e6:.0f} MB are free: make room there, or give it a larger disk"
            )

    def lines(self) -> Iterator[str]:
        """Yield what is brought, and what is lost."""
        zone = self._backups.zone
        for service, each in self._generations.items():
            at, since = local_time(each["time"], zone), local_time(begun_at(each), zone)
            tried = "" if each["test"] else "; it was never tried (doit verify_backups)"
            yield (
                f"service {service}: gets {each['id']} of {at}, made on {each['host']}, and loses what is since "
                f"{since}{tried}"
            )
            for name in self._parts[service].unknown:
                yield f"service {service}: {name} is no longer in site.toml, so that nothing says how it is restored"
        for volume in self._given:
            if not self._is_saved(volume.name):
                yield f"volume {volume.name}: no backup has it, so that it is empty on {volume.target.short}"

    def _is_saved(self, volume: str) -> bool:
        """Return whether a backup has a volume's data: its files, or a dump of a service that uses it."""
        services = self._run.stage.services
        return any(
            volume in parts.files.values() or (parts.loaded and volume in services[name].named_volumes)
            for name, parts in self._parts.items()
        )

    # -- on the way ------------------------------------------------------------------------------------------------

    def bring(self, moves: MovedVolumes) -> None:
        """Have the generations' files in the volumes on the new hive, and write down that they are whole.

        Nothing uses the volumes. A volume whose data is in dumps is empty then.

        Raises:
            SkepError: They can't be brought whole, or a container uses a volume meanwhile.

        """
        from remote.swarm.volume_moves import note_copied

        run = self._run
        missing = [each for each in self._given if not each.move.is_copied]
        files = {volume for parts in self._parts.values() for volume in parts.files.values()}
        for each in missing:
            directory = moves.make(each)
            self._refuse_data(each, directory)
            if each.name not in files:
                run.connections.to(each.target).script(
                    volume_copy.empty_script(directory),
                    timeout=volume_copy.LOOK_TIMEOUT,
                    label=f"emptying volume {each.name}",
                )
        given, wanted = {each.name for each in self._given}, {each.name for each in missing}
        for restoration, parts in self._restorations():
            if wanted.intersection(parts.files.values()):
                restoration.read([name for name, volume in parts.files.items() if volume in given])
                restoration.swap()
        _, client = run.connections.manager()
        for each in missing:
            moves.refuse_users(each, (each.target,))
            note_copied(client, run.stage.labels, each.name)

    def _refuse_data(self, candidate: Candidate, directory: str) -> None:
        """Refuse a volume with data that a killed try did not bring, as of a machine that was not installed anew.

        Where the old hive is known, the volume was looked into before the move began.

        Raises:
            ServiceError: It has such data.

        """
        if candidate.move.source:
            return
        old = quote(f"{PurePosixPath(directory).parent}/{_OLD}")
        script = (
            f'[ -e {old} ] || [ -z "$(ls -A {quote(directory)} 2>/dev/null | head -n 1)" ] || echo data\n'
        )
        connection = self._run.connections.to(candidate.target)
        if "data" in connection.script(script, label=f"checking volume {candidate.name} for data").split():
            raise ServiceError(
                f"{candidate.target.short}: volume {candidate.name} has data in it, which would be lost: look into it "
                f"(doit ssh {candidate.target.short}); if it is not needed, empty it there, and type this again"
            )

    def load(self) -> None:
        """Have the dumps in the services, which run on the new hive, and remove what is left of the way.

        Raises:
            HostError: A service is not healthy in time, or its command fails. Typed again, all its dumps are loaded.

        """
        for restoration, parts in self._restorations():
            if parts.loaded:
                restoration.read(parts.loaded)
                loaded = restoration.load(parts.loaded)
                self._log(f"service {restoration.service}: loaded {', '.join(loaded)}")
            restoration.settle()

    def undo(self, candidate: Candidate) -> None:
        """Have nothing of a generation beside a volume that is given up; a hive that does not answer is said."""
        for name, identity in (candidate.move.backups or {}).items():
            try:
                HiveRestoration(self._backups, candidate.target, name, identity, self._heard).undo()
            except SkepError as error:
                self._log(f"{candidate.target.short}: what was brought there stays: {error}")

    def _restorations(self) -> Iterator[tuple[HiveRestoration, Parts]]:
        """Yield each generation on the new hive, with its parts."""
        for name, each in self._generations.items():
            target = self._given[0].target
            yield (
                HiveRestoration(self._backups, target, name, str(each["id"]), self._heard),
                self._parts[name],
            )
