"""`backup run`: a generation of each service whose lowest task is on this hive."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig, Script, ServiceData
from agent.backup.hive import journal
from agent.backup.hive.dumps import dump
from agent.backup.hive.held import held
from agent.backup.hive.service_revisions import all_revisions, revisions_of
from agent.backup.hive.staging import GENERATION_FILE, SERVICES_FILE, clear_dumps, staged
from agent.backup.hive.suspended import check_not_suspended
from agent.backup.hive.task_container import (
    container_here,
    has_volume,
    runs_somewhere,
)
from agent.backup.notes import BEFORE_RESTORE, SEAL, add_note, data_tags
from agent.backup.restic import Restic
from agent.backup.restic_errors import patiently
from agent.backup.restic_process import RepositoryUnreachableError
from agent.errors import AgentError, reason_of, words_of
from agent.host.engine_socket import EngineSocket
from agent.output import Output

_STRICTEST = ("stop", "pause", "none")
Generation = dict[str, Any]
WhileStopped = Callable[[Callable[[], Generation]], Generation]
FORMAT = 1


@dataclass(frozen=True)
class HiveBackup:
    """Saves services' data from a hive.

    Args:
        config: The hive's configuration.
        engine: Its engine.
        restic: Its repository.
        output: Is told how far it is.
        staging: The directory in which a generation is put together.
        state: The directory for what outlives a job.

    """

    config: HiveConfig
    engine: EngineSocket
    restic: Restic
    output: Output
    staging: Path = journal.STAGING
    state: Path = journal.STATE

    def run(self, names: Sequence[str], kind: str) -> dict[str, Any]:
        """Save services; one that fails keeps no other from being saved.

        Args:
            names: The services; none for all.
            kind: Why: `scheduled`, `asked` or `before-restore`.

        Returns:
            `generations`, one for each service that was saved; `failed`, service to reason; `elsewhere`, the services
            that another hive saves.

        Raises:
            AgentError: A service has no backups.

        """
        services = [self.config.service(name) for name in names] or list(self.config.services.values())
        generations: list[dict[str, Any]] = []
        failed: dict[str, str] = {}
        elsewhere: list[str] = []
        unreachable: RepositoryUnreachableError | None = None
        for service in services:
            began = time.time()
            try:
                generation = self._saved(service, kind, unreachable)
            except Exception as error:  # noqa: BLE001 - whatever it is, the services behind it are saved, and it is noted
                unreachable = error if isinstance(error, RepositoryUnreachableError) else unreachable
                why = words_of(error)
                failed[service.name] = why
                self.output.say(f"{service.name}: {why}")
                self._note(service.name, began, {}, why)
            else:
                if generation is None:
                    elsewhere.append(service.name)
                else:
                    generations.append(generation)
        return {"generations": generations, "failed": failed, "elsewhere": elsewhere}

    def give_up(self, why: str, began: float | None = None) -> None:
        """Note that no backup is made of the services that are this hive's.

        Args:
            why: The reason.
            began: When the run began, in seconds since 1970: what it noted of a service stays. By default it did
                nothing.

        """
        for service in self.config.services.values():
            noted = journal.status(service.name, self.state).read() or {}
            if began is not None and float(noted.get("last_try") or 0) >= began:
                continue
            try:
                container = container_here(self.engine, service.name, self.config.hives)
                is_mine = self._is_mine(service, container)
            except (AgentError, OSError):
                is_mine = True
            if is_mine:
                self._note(service.name, time.time(), {}, why)

    def save_before_restore(self, name: str, while_stopped: WhileStopped | None = None) -> dict[str, Any]:
        """Save what a restoration takes away; return the generation.

        Args:
            name: The service.
            while_stopped: Does what it is given while the service is stopped; by default the service is held as its
                scripts say. Dumps are made before.

        Raises:
            AgentError: There is no generation, which is noted as the service's last backup.

        """
        service, began = self.config.service(name), time.time()
        try:
            generation = self._saved(service, BEFORE_RESTORE, while_stopped=while_stopped)
        except (AgentError, OSError) as error:
            self._note(name, began, {}, reason_of(error))
            raise AgentError(reason_of(error)) from error
        if generation is None:
            raise AgentError(f"it runs on another hive than {self.config.host}")
        return generation

    def _saved(
        self,
        service: ServiceData,
        kind: str,
        unreachable: RepositoryUnreachableError | None = None,
        while_stopped: WhileStopped | None = None,
    ) -> dict[str, Any] | None:
        """Save a service, and note that; return its generation, or None if another hive saves it.

        Raises:
            RepositoryUnreachableError: The repository can't be had, or could not be had for another service.
            AgentError: There is no generation, for another reason.

        """
        began = time.time()
        check_not_suspended(service.name, kind, self.state)
        container = container_here(self.engine, service.name, self.config.hives)
        if not self._is_mine(service, container):
            return None
        if unreachable is not None:
            raise unreachable
        if any(script.consistency != "none" or not script.volume for script in service.scripts):
            # Before the service is held, or a dump fills the disk; files alone are soon found to have no place.
            self.restic.check_opens()
        generation = self._save(service, container, kind, while_stopped)
        self._note(service.name, began, generation, "")
        return generation

    def _is_mine(self, service: ServiceData, container: str | None) -> bool:
        """Return whether this hive saves a service: it has the lowest task; or the volumes, where no task runs.

        Raises:
            AgentError: No task runs, and a command is to be run in one.

        """
        if container is not None:
            return True
        if runs_somewhere(self.engine, service.name):
            return False
        volumes = [script.volume for script in service.scripts if script.volume]
        here = bool(volumes) and all(has_volume(self.engine, volume) for volume in volumes)
        if len(volumes) < len(service.scripts) and (here or not volumes):
            raise AgentError(f"service {service.name} has no running task, which its backup_scripts need")
        return here

    def _save(
        self, service: ServiceData, container: str | None, kind: str, while_stopped: WhileStopped | None
    ) -> dict[str, Any]:
        """Make a generation of a service; no dump of it stays, whatever happens."""
        began, spool = time.monotonic(), self.config.spool / service.name

        def sealed(content: Mapping[str, Any], summary: Mapping[str, Any]) -> Generation:
            return self._sealed(content, summary, time.monotonic() - began)

        try:
            if while_stopped is None:
                content = self._dumped(service, container, kind, spool)
                # A repository that is pruned is waited for without the service being held.
                return sealed(content, patiently(lambda: self._store(service, container, content)))
            self.restic.wait_until_free()
            content = self._dumped(service, container, kind, spool)

            def saved() -> Generation:
                self.restic.wait_until_free()
                return while_stopped(lambda: sealed(content, self._store(service, None, content)))

            return patiently(saved)
        finally:
            clear_dumps(spool)

    def _dumped(self, service: ServiceData, container: str | None, kind: str, spool: Path) -> dict[str, Any]:
        """Have a service's dumps in a directory, and return what its generation is to say of itself."""
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        dumps = {}
        for script in service.scripts:
            if not script.volume:
                dumps[script.name] = self._dump(service, container, script, spool)
        return {
            "format": FORMAT,
            "service": service.name,
            "stage": self.config.stage,
            "host": self.config.host,
            "kind": kind,
            "begun": begun,
            "image": self.engine.inspect(container)["Config"]["Image"] if container else "",
            "revision": revisions_of(self.engine, service.name),
            "scripts": {
                script.name: {"entry": script.entry, "volume": script.volume, "directory": script.directory}
                | dumps.get(script.name, {})
                for script in service.scripts
            },
        }

    def _sealed(self, content: Mapping[str, Any], summary: Mapping[str, Any], seconds: float) -> Generation:
        """Have what was saved be a generation, and return what is known of it.

        Args:
            content: What it says of itself.
            summary: What restic says of it.
            seconds: How long it took.

        """
        facts = {
            "bytes": int(summary["total_bytes_processed"]),
            "files": int(summary["total_files_processed"]),
            "added": int(summary["data_added"]),
            "seconds": round(seconds, 1),
            "scripts": {name: script["entry"] for name, script in content["scripts"].items()},
            "begun": content["begun"],
            "revision": {name: content["revision"][name] for name in ("number", "pinned")},
        }
        identity = self.restic.identity(str(summary["snapshot_id"]))
        add_note(self.restic, self.config.host, SEAL, identity, facts, self.state / "note")
        return {"service": content["service"], "id": str(summary["snapshot_id"])[:8], **facts}

    def _store(
        self, service: ServiceData, container: str | None, content: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Save what a generation is to have, while the service is held; return restic's summary."""
        consistency = min(
            (script.consistency for script in service.scripts if script.volume),
            key=_STRICTEST.index,
            default="none",
        )
        files = {GENERATION_FILE: content, SERVICES_FILE: all_revisions(self.engine)}
        with (
            staged(self.engine, self.config, service, files, self.staging / service.name) as staging,
            held(self.engine, service.name, container, consistency),
        ):
            return self.restic.backup(
                staging,
                self.config.host,
                data_tags(self.config.stage, service.name, str(content["kind"])),
                lambda line: self._hear(service.name, line),
            )

    def _dump(
        self, service: ServiceData, container: str | None, script: Script, spool: Path
    ) -> dict[str, Any]:
        if container is None:
            raise AgentError(f"service {service.name} has no running task, which script {script.name} needs")
        target = spool / script.entry
        target.unlink(missing_ok=True)
        try:
            with self.output.watching("dumping", lambda: _size_of(target), service=service.name):
                return dump(self.engine, container, script, target)
        except AgentError as error:
            raise AgentError(f"script {script.name}: {error}") from error

    def _hear(self, service: str, line: Any) -> None:
        """Pass restic's progress on."""
        if line.get("message_type") == "status":
            self.output.progress(
                "saving",
                service=service,
                done=int(line.get("bytes_done", 0)),
                of=int(line.get("total_bytes", 0)),
            )

    def _note(self, service: str, began: float, generation: dict[str, Any], error: str) -> None:
        """Note down how a service's backup ended; a failure stays until one goes well."""
        note = journal.status(service, self.state)
        before = note.read() or {}
        now = int(time.time())
        known = {
            "service": service,
            "last_try": now,
            "seconds": round(time.time() - began, 1),
            "error": error,
        }
        if error:
            known |= {"last_good": before.get("last_good"), "generation": before.get("generation", "")}
            known["since"] = before.get("since") if before.get("error") else now
        else:
            known |= {"last_good": now, "generation": generation["id"], "since": None}
        known |= {"verified": before.get("verified"), "untried": before.get("untried")}
        note.write(known)


def _size_of(path: Path) -> int:
    """Return the bytes of a file; 0 where it is not there yet, or any more."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
