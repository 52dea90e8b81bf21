"""Generations that are brought back: read beside what is there, then changed for it by renaming, and back.

Never in place: restic leaves files that a generation does not have, and fails over some that are there. Each verb may
be killed at any point, and be typed again.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig
from agent.backup.hive import journal
from agent.backup.hive.staging import GENERATION_FILE
from agent.backup.hive.standby import is_here, take
from agent.backup.hive.task_container import is_plain, volume_directory
from agent.backup.restic import Restic
from agent.errors import AgentError
from agent.host.disk_room import check_room
from agent.host.durable_files import read_json, remove, sync, write_json
from agent.host.engine_socket import EngineSocket
from agent.output import Output

NEW, OLD = "skep-new", "skep-old"
"""A volume's files as a generation has them, and as they were before, beside `_data`."""
READ_MARK = f"{NEW}.done"
"""Beside the files of a generation that are here to their end: which one it is."""


@dataclass(frozen=True)
class Restoration:
    """A generation of a service, on the hive where it is to be.

    Args:
        config: The hive's configuration.
        engine: Its engine.
        restic: Its repository.
        output: Is told how far it is.
        service: The service.
        state: The directory for what outlives a job.

    """

    config: HiveConfig
    engine: EngineSocket
    restic: Restic
    output: Output
    service: str
    state: Path = journal.STATE

    # -- reading it ----------------------------------------------------------------------------------------------------

    def read(self, generation: str, scripts: tuple[str, ...] = ()) -> dict[str, Any]:
        """Bring a generation's files here, beside those of the volumes, and its dumps; compare all with the repository.

        Args:
            generation: Its id in this hive's repository.
            scripts: The scripts; none for all.

        Returns:
            `volumes` and `dumps`, the names of what is here now, and `bytes`.

        Raises:
            AgentError: There is no such generation, it has no such script, a volume is not on this hive, or there is no
                room for it.

        """
        identity = self.restic.identity(generation)
        # Each of restic's starts takes a moment: what is only for the eye is asked for meanwhile.
        with ThreadPoolExecutor(1) as pool:
            stats = pool.submit(self.restic.stats, identity)
            entries = self.entries(identity, scripts)
            self._check_room(identity, entries, stats.result()[0])
            volumes, dumps = [], []
            for name, entry in entries.items():
                if volume := str(entry["volume"]):
                    self._read_volume(identity, volume, str(entry["entry"]), stats)
                    volumes.append(volume)
                else:
                    self._progress("reading", 0, stats)
                    self._read_dump(identity, str(entry["entry"]))
                    dumps.append(name)
            return {"id": identity, "volumes": volumes, "dumps": dumps, "bytes": stats.result()[0]}

    def _check_room(self, identity: str, entries: Mapping[str, Mapping[str, Any]], size: int) -> None:
        """Refuse to fill the disk of services that run.

        Args:
            identity: The generation.
            entries: What of it is wanted.
            size: The bytes of all of it.

        Raises:
            AgentError: There is no room for what is not here yet.

        """
        dumps = {str(each["entry"]): int(each.get("bytes", 0)) for each in self.entries(identity).values()}
        missing = 0
        volumes = [str(each["volume"]) for each in entries.values() if each["volume"]]
        beside = [self._beside(volume) for volume in volumes]
        unread = [each for each in beside if not self._is_read(identity, each)]
        for each in unread:
            # What a killed try left of it makes room.
            remove(each / READ_MARK)
            self._clear(each / NEW)
        if unread:
            missing += size - sum(dumps.values())
        missing += sum(
            dumps[str(each["entry"])]
            for each in entries.values()
            if not each["volume"] and not (self.dumps_of(identity) / str(each["entry"])).exists()
        )
        if missing and not is_here(self.service, identity):
            check_room(unread[0] if unread else self.config.spool, missing)

    @staticmethod
    def _is_read(identity: str, beside: Path) -> bool:
        """Return whether a generation's files are beside a volume's, or have been changed for them already."""
        is_done = read_json(beside / READ_MARK) == identity
        return is_done and (beside / NEW).exists()

    def entries(self, identity: str, scripts: tuple[str, ...] = ()) -> Mapping[str, Mapping[str, Any]]:
        """Return what a generation has of each script.

        Raises:
            AgentError: It is of another service, or it has no such script.

        """
        path = self.dumps_of(identity) / GENERATION_FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = path.with_suffix(".part")
            with beside.open("wb") as file:
                self.restic.dump(identity, f"/{GENERATION_FILE}", file)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
            sync(path.parent)
        content = read_json(path)
        if content["service"] != self.service:
            raise AgentError(f"{identity[:8]} is a generation of {content['service']}, not of {self.service}")
        entries: Mapping[str, Mapping[str, Any]] = content["scripts"]
        if unknown := [name for name in scripts if name not in entries]:
            raise AgentError(
                f"{identity[:8]} has no script {', '.join(unknown)}; it has {', '.join(entries)}"
            )
        return {name: entry for name, entry in entries.items() if not scripts or name in scripts}

    def _read_volume(self, identity: str, volume: str, entry: str, stats: "Future[tuple[int, int]]") -> None:
        """Have a generation's files beside a volume's."""
        beside = self._beside(volume)
        new = beside / NEW
        mark = beside / READ_MARK
        if self._is_read(identity, beside):
            return
        remove(mark)
        self._clear(new)
        new.mkdir(mode=0o700)
        if take(self.service, identity, entry, new / entry):
            self.output.say(f"{volume}: is here already, as a standby")
        else:
            self.restic.restore(identity, new, entry, lambda done: self._progress("reading", done, stats))
        if not (new / entry).is_dir():
            raise AgentError(f"generation {identity[:8]} has no files of {volume}")
        write_json(mark, identity)

    def _read_dump(self, identity: str, entry: str) -> None:
        """Have a generation's dump in the spool."""
        target = self.dumps_of(identity) / entry
        if target.exists():
            return
        if take(self.service, identity, entry, target):
            return
        part = target.with_name(f"{entry}.part")
        with part.open("wb") as file:
            part.chmod(0o600)
            self.restic.dump(identity, f"/{entry}", file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
        sync(target.parent)

    def dumps_of(self, identity: str) -> Path:
        """Return the directory of a generation's dumps."""
        return self.config.spool / "restore" / self.service / identity[:16]

    def _progress(self, doing: str, done: int, stats: "Future[tuple[int, int]]") -> None:
        known = stats.done() and stats.exception() is None
        total = stats.result()[0] if known else 0
        self.output.progress(doing, done=min(done, total) if known else done, of=total, service=self.service)

    def _beside(self, volume: str) -> Path:
        """Return the directory in which a volume's `_data` is.

        Raises:
            AgentError: The volume is not here, or its files lie elsewhere.

        """
        directory = volume_directory(self.engine, volume)
        if directory is None:
            raise AgentError(f"volume {volume} is not on {self.config.host}")
        if not is_plain(self.engine, volume):
            raise AgentError(
                f"volume {volume} is mounted from elsewhere (driver_opts), so that its files can't be changed as a "
                "whole: restore them with into=DIR, and copy them"
            )
        return Path(directory).parent

    # -- changing it for what is there -----------------------------------------------------------------------------

    def swap(self, generation: str) -> dict[str, Any]:
        """Change the volumes' files for those that were read. The service must be stopped.

        Raises:
            AgentError: They were not read, or another generation is in the way.

        """
        note = journal.swapped(self.service, self.state)
        identity = self.restic.identity(generation)
        content = note.read()
        if content is None:
            volumes = [str(entry["volume"]) for entry in self.entries(identity).values() if entry["volume"]]
            read = [volume for volume in volumes if read_json(self._beside(volume) / READ_MARK) == identity]
            entries = {
                str(entry["volume"]): str(entry["entry"])
                for entry in self.entries(identity).values()
                if entry["volume"] in read
            }
            if not read and volumes:
                raise AgentError(f"generation {identity[:8]} was not read here yet")
            if left := [volume for volume in read if (self._beside(volume) / OLD).exists()]:
                raise AgentError(
                    f"volume {left[0]}: {self._beside(left[0]) / OLD} is in the way: see whether it is needed"
                )
            content = {"id": identity, "volumes": entries}
            note.write(content)
        elif content["id"] != identity:
            raise AgentError(
                f"generation {content['id'][:8]} is half restored here: finish that, or take it back first"
            )
        for volume, entry in content["volumes"].items():
            beside = self._beside(volume)
            if (
                (beside / OLD).exists()
                and (beside / "_data").exists()
                and not (beside / NEW / entry).exists()
            ):
                continue  # done
            if not (beside / OLD).exists():
                (beside / "_data").rename(beside / OLD)
                sync(beside)
            (beside / NEW / entry).rename(beside / "_data")
            sync(beside)
        return {"id": identity, "volumes": list(content["volumes"])}

    def unswap(self) -> dict[str, Any]:
        """Take a swap back: the volumes have the files again that they had before. The service must be stopped."""
        note = journal.swapped(self.service, self.state)
        content = note.read()
        if content is None:
            return {"volumes": []}
        for volume, entry in content["volumes"].items():
            beside = self._beside(volume)
            if not (beside / OLD).exists():
                continue  # it was not changed yet, or is back
            if (beside / "_data").exists():
                (beside / NEW).mkdir(exist_ok=True, mode=0o700)
                (beside / "_data").rename(beside / NEW / entry)
            (beside / OLD).rename(beside / "_data")
            sync(beside)
        note.clear()
        return {"volumes": list(content["volumes"])}

    def settle(self) -> dict[str, Any]:
        """Remove what is no longer needed of a restoration that ended: old files, what was read, dumps."""
        note = journal.swapped(self.service, self.state)
        content = note.read()
        volumes = [script.volume for script in self.config.service(self.service).scripts if script.volume]
        for volume in {*volumes, *(content["volumes"] if content else ())}:
            if volume_directory(self.engine, volume) is None or not is_plain(self.engine, volume):
                continue
            beside = self._beside(volume)
            if not (beside / "_data").exists():
                raise AgentError(f"volume {volume} is half restored: swap or unswap it first")
            remove(beside / READ_MARK)
            self._clear(beside / OLD)
            self._clear(beside / NEW)
        shutil.rmtree(self.config.spool / "restore" / self.service, ignore_errors=True)
        note.clear()
        return {}

    @staticmethod
    def _clear(directory: Path) -> None:
        """Remove a directory with all that is in it, if it is there."""
        if directory.exists():
            shutil.rmtree(directory)

    def loadable(self, identity: str, scripts: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
        """Yield the scripts whose data goes back through the service, each with its file."""
        for name, entry in self.entries(identity, scripts).items():
            if not entry["volume"]:
                yield name, self.dumps_of(identity) / str(entry["entry"])
