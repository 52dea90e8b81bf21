"""`backup verify`: a generation, restored into a scratch container of its service's own image, without a network."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.backup.config import Script
from agent.backup.hive import journal
from agent.backup.hive.dumps import load, run_command
from agent.backup.hive.restored import Restoration
from agent.backup.hive.task_container import container_here
from agent.backup.notes import VERIFIED, add_note
from agent.backup.restic_errors import LockedError, NotFinishedError
from agent.backup.restic_process import RepositoryUnreachableError
from agent.errors import AgentError, BadDataError, CommandFailedError, NotTriedError
from agent.host.disk_room import check_room, check_room_is_left, is_same_disk
from agent.host.engine_socket import EngineSocket

LABEL = "skep.verify"
SCRATCH = Path("/var/lib/skep/verify")
"""The directory of restored files."""
START_PATIENCE = 180.0
"""Seconds within which what a scratch container runs must take the restored data."""
_PAUSE = 1.0
_PERIODS = {"daily": 86_400, "weekly": 7 * 86_400, "monthly": 30 * 86_400}
"""Seconds."""


@dataclass(frozen=True)
class Verification:
    """The test of a generation.

    Args:
        restoration: Its service and hive.
        scratch: A directory for the restored files.

    """

    restoration: Restoration
    scratch: Path = SCRATCH

    def verify(self, generation: str) -> dict[str, Any]:
        """Restore a generation aside, and try it; note in the repository how that ended.

        Returns:
            `verified`, script to what was found.

        Raises:
            BadDataError: The comparison or a command of the service says that its data is broken, which is noted.
            NotTriedError: Nothing runs here that it could be tried with.
            AgentError: Something else kept it from being tried to the end, which says nothing of it.

        """
        restoration = self.restoration
        identity = restoration.restic.identity(generation)
        service = restoration.config.service(restoration.service)
        entries = restoration.entries(identity)
        known = {script.name: script for script in service.scripts}
        self.clear()
        self.scratch.mkdir(parents=True, mode=0o700)
        found: dict[str, str] = {}
        try:
            total = restoration.restic.stats(identity)[0]
            self._check_room(entries, total)
            self._restore(identity, total)
            scripts = {name: known[name] for name in entries if name in known}
            directories = {
                str(entry["volume"]): self.scratch / "data" / str(entry["entry"])
                for entry in entries.values()
                if entry["volume"]
            }
            for name, entry in entries.items():
                if entry["volume"]:
                    found[name] = _counted(self.scratch / "data" / str(entry["entry"]))
            wanted = [script for script in scripts.values() if script.verify_command or _is_loaded(script)]
            if wanted:
                with self._container(directories) as container:
                    for script in wanted:
                        found[script.name] = self._try(container, script)
            for name, entry in entries.items():
                size = (self.scratch / "data" / str(entry["entry"])).stat().st_size
                found.setdefault(
                    name, f"{size} bytes; it has no restore_command or verify_command to be tried with"
                )
        except BadDataError as error:
            self._note(identity, {"ok": False, "why": str(error)})
            raise
        finally:
            self.clear()
        self._note(identity, {"ok": True, "scripts": found})
        return {"verified": found}

    def _check_room(self, entries: Mapping[str, Mapping[str, Any]], total: int) -> None:
        """Refuse to fill the disk of services that run: with what is restored, and with the dumps once they are loaded.

        Raises:
            AgentError: There is no room.

        """
        spool = self.restoration.config.spool
        loaded = sum(int(each.get("bytes", 0)) for each in entries.values() if not each["volume"])
        if is_same_disk(self.scratch, spool):
            check_room(self.scratch, total + loaded)
        else:
            check_room(self.scratch, total)
            check_room(spool, loaded)

    def _restore(self, identity: str, total: int) -> None:
        """Restore all of a generation, and have it compared with the repository.

        Raises:
            BadDataError: The repository does not have it as it was.
            AgentError: It could not be restored, for a reason that is not its own.

        """
        restoration = self.restoration
        try:
            restoration.restic.restore(
                identity,
                self.scratch / "data",
                written=lambda done: restoration.output.progress(
                    "restoring", service=restoration.service, done=done, of=total
                ),
            )
        except (LockedError, NotFinishedError, RepositoryUnreachableError):
            raise
        except AgentError as error:
            # Its last words don't tell a full disk, or a repository that went away meanwhile, from broken data.
            check_room_is_left(self.scratch)
            restoration.restic.snapshots(identity)
            raise BadDataError(str(error)) from error

    def _note(self, identity: str, facts: dict[str, Any]) -> None:
        """Note in the repository how a generation's test ended."""
        restoration = self.restoration
        host = restoration.config.host
        noted = facts | {"host": host}
        add_note(restoration.restic, host, VERIFIED, identity, noted, restoration.state / "note")

    def _try(self, container: str, script: Script) -> str:
        """Load a dump into the scratch container, and run the `verify_command`."""
        restoration = self.restoration
        said = []
        if _is_loaded(script):
            path = self.scratch / "data" / script.entry
            self._until(
                lambda: load(
                    restoration.engine, container, script, path, restoration.output, restoration.service
                ),
                script.name,
            )
            said.append(f"{path.stat().st_size} bytes loaded")
        if script.verify_command:
            restoration.output.progress("verifying", service=restoration.service)
            command = script.verify_command
            self._until(
                lambda: run_command(restoration.engine, container, command, script.timeout, "verify_command"),
                script.name,
                # A database that took the dump runs; one whose files were restored may take its time.
                START_PATIENCE if script.volume else 0.0,
            )
            said.append("verify_command ended well")
        return "; ".join(said)

    def _until(self, do: Any, script: str, patience: float = START_PATIENCE) -> None:
        """Do something, again and again while the container's program may still be starting."""
        ends = time.monotonic() + patience
        while True:
            try:
                do()
            except AgentError as error:
                if time.monotonic() > ends:
                    # A server with a full disk says of any data that it does not want it.
                    check_room_is_left(self.restoration.config.spool)
                    is_of_data = isinstance(error, CommandFailedError)
                    kind = BadDataError if is_of_data else AgentError
                    raise kind(f"script {script}: {error}") from error
                time.sleep(_PAUSE)
            else:
                return

    @contextlib.contextmanager
    def _container(self, directories: dict[str, Path]) -> Any:
        """Have a container like the service's own, with restored files, and without a network.

        Raises:
            AgentError: No task of the service runs here that it could be like, or it does not start.

        """
        engine, service = self.restoration.engine, self.restoration.service
        like = container_here(engine, service, self.restoration.config.hives)
        if like is None:
            raise NotTriedError(
                f"service {service} has no running task on {self.restoration.config.host}, whose image and secrets the "
                "test needs"
            )
        details = engine.inspect(like)
        binds = [f"{self._secrets(details)}:/run/secrets:ro"] if _has_secrets(details) else []
        # Not a directory of ours: the engine gives a new volume what the image has there, its owner above all.
        empty: dict[str, Any] = {}
        for mount in details["Mounts"]:
            if mount["Type"] == "volume":
                source = directories.get(mount.get("Name", ""))
                if source is None:
                    empty[mount["Destination"]] = {}
                else:
                    binds.append(f"{source}:{mount['Destination']}")
        config = details["Config"]
        host = details["HostConfig"]
        body = {
            **{key: config.get(key) for key in ("Image", "Env", "Cmd", "Entrypoint", "User", "WorkingDir")},
            "Image": details["Image"],
            "Volumes": empty,
            "Labels": {LABEL: service},
            "HostConfig": {
                "NetworkMode": "none",
                "Binds": binds,
                "Init": host.get("Init"),
                "CapAdd": host.get("CapAdd"),
                "CapDrop": host.get("CapDrop"),
                "Tmpfs": host.get("Tmpfs"),
            },
        }
        container = str(engine.ask("POST", "/containers/create", body=body)["Id"])
        try:
            engine.ask("POST", f"/containers/{container}/start")
            yield container
        finally:
            engine.ask("DELETE", f"/containers/{container}", force=True, v=True, allowed=(404,))

    def _secrets(self, details: Any) -> Path:
        """Copy a container's secrets into memory, for the scratch container, and return where."""
        target = journal.RUNTIME / "verify-secrets"
        source = Path(f"/proc/{details['State']['Pid']}/root/run/secrets")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, mode=0o700)
        done = subprocess.run(
            ["cp", "-a", f"{source}/.", str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise NotTriedError(
                f"the secrets of service {self.restoration.service} can't be read: {done.stderr.strip()}"
            )
        target.chmod(source.stat().st_mode & 0o777)
        return target

    def clear(self) -> None:
        """Remove what a test made, also one that was killed, of whatever service: one is at work at a time."""
        clear(self.restoration.engine, self.scratch)


def clear(engine: EngineSocket, scratch: Path = SCRATCH) -> None:
    """Remove what a test left: its container, the secrets in memory, the restored files.

    Args:
        engine: The engine.
        scratch: The directory of restored files.

    """
    for each in engine.containers((LABEL,), ended=True):
        engine.ask("DELETE", f"/containers/{each['Id']}", force=True, v=True, allowed=(404,))
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(journal.RUNTIME / "verify-secrets", ignore_errors=True)


def _is_loaded(script: Script) -> bool:
    """Return whether a script's data goes back through the service."""
    return bool(script.restore_command or script.directory)


def _has_secrets(details: Any) -> bool:
    """Return whether a container has secrets of the swarm."""
    return Path(f"/proc/{details['State']['Pid']}/root/run/secrets").is_dir()


def _counted(directory: Path) -> str:
    """Return how many files of how many bytes were restored; restic has compared each with its repository."""
    files = total = 0
    for path, _names, names in os.walk(directory):
        for name in names:
            files += 1
            total += (Path(path) / name).lstat().st_size
    return f"{files} files, {total} bytes, each as in the repository"


def is_due(period: str, last: float | None) -> bool:
    """Return whether a test is due.

    Args:
        period: `daily`, `weekly`, `monthly` or `never`.
        last: When the last one ended well, in seconds since 1970; None if none did.

    """
    if period not in _PERIODS:
        return False
    # An hour less, since backups don't begin to the second. One of the future was noted by a clock that was wrong.
    return last is None or not 0 <= time.time() - last <= _PERIODS[period] - 3600
