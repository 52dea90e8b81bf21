"""A hive as its agent sees it, without Docker and restic: a service with a volume, and a repository."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from agent.backup.config import HiveConfig, Script, ServiceData
from agent.backup.hive.restored import Restoration
from agent.backup.notes import read_note
from agent.backup.restic import Heard, Restic
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket
from agent.output import Output

IDENTITY = "aa000001" + "0" * 56
FILES = Script("files", volume="data")
DB = Script("db", backup_command="dump", restore_command="load")
SCRIPTS = (FILES, DB)
DONE = {"/services/s1/update", "/containers/scratch", "/containers/scratch/start"}
"""Paths whose answer is nothing."""


class HiveEngine(EngineSocket):
    """The engine of node `here`, with service `web`, healthy as soon as it has a task.

    Args:
        volumes: The directory of volumes.

    """

    def __init__(self, volumes: Path) -> None:
        super().__init__()
        self.volumes = volumes
        self.replicas = 1
        self.scaled: list[int] = []
        """What the service was scaled to."""
        self.users: list[dict[str, Any]] = []
        """The containers, beside the service's own, that mount its volume."""
        self.failing: dict[str, int] = {}
        """Command to the exit status that it ends with; 0 by default."""
        self.ran: list[str] = []
        """The commands that were run."""

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Answer for the service, its container and its volumes."""
        answers: dict[str, Any] = {
            "/info": {"Swarm": {"NodeID": "here"}},
            "/tasks": [self._task] if self.replicas else [],
            "/services/web": {
                "ID": "s1",
                "Version": {"Index": 7},
                "Spec": {"Mode": {"Replicated": {"Replicas": self.replicas}}},
            },
            "/containers/c1/json": {
                "State": {"Running": True, "Pid": 0},
                "Config": {"Image": "web"},
                "HostConfig": {},
                "Mounts": [],
                "Image": "web",
            },
            "/configs": [],
            "/containers/create": {"Id": "scratch"},
        }
        if path.startswith("/volumes/"):
            directory = self.volumes / path.removeprefix("/volumes/")
            answers[path] = (
                {"Mountpoint": str(directory / "_data"), "Options": None} if directory.exists() else None
            )
        elif path == "/services/s1/update":
            self.replicas = options["body"]["Mode"]["Replicated"]["Replicas"]
            self.scaled.append(self.replicas)
        elif path == "/containers/json":
            answers[path] = self.users if "volume" in options["filters"] else []
        assert path in answers or path in DONE, (method, path)
        return answers.get(path)

    @property
    def _task(self) -> dict[str, Any]:
        status = {"State": "running", "ContainerStatus": {"ContainerID": "c1"}}
        return {"NodeID": "here", "Slot": 1, "Status": status, "Version": {"Index": 9}}

    def run(
        self,
        container: str,
        command: Sequence[str],
        output: IO[bytes],
        *,
        given: IO[bytes] | None = None,
        timeout: float = 3600,
        user: str = "",
    ) -> tuple[int, str]:
        """Run a command, which writes its own name."""
        del container, given, timeout, user
        self.ran.append(command[-1])
        output.write(command[-1].encode())
        return self.failing.get(command[-1], 0), ""


class HiveRepository(Restic):
    """A repository with one generation of `web`: volume `data` has file `new`, and there is a dump of `db`."""

    def __init__(self) -> None:
        super().__init__({})
        object.__setattr__(self, "notes", [])
        object.__setattr__(self, "refused", {})

    notes: list[tuple[str, str, dict[str, Any]]]
    refused: dict[str, str]
    """Verb to what restic says instead of doing it."""

    def _begin(self, verb: str) -> None:
        if verb in self.refused:
            raise AgentError(self.refused[verb])

    def exists(self) -> bool:
        """It is."""
        return True

    def check_opens(self) -> None:
        """It does."""

    def wait_until_free(self) -> None:
        """It is."""
        self._begin("wait")

    def identity(self, snapshot: str) -> str:
        """Return the whole id: of the one generation, or another that has the same."""
        return snapshot.ljust(64, "0")

    def snapshots(self, *identities: str) -> list[dict[str, Any]]:
        """Return them."""
        self._begin("snapshots")
        return [{"id": each} for each in identities]

    def stats(self, identity: str) -> tuple[int, int]:
        """Return what it has."""
        del identity
        self._begin("stats")
        return 100, 3

    def dump(self, identity: str, path: str, output: IO[bytes], archive: str = "") -> None:
        """Write the generation's description, or the dump."""
        del identity, archive
        scripts = {
            each.name: {"entry": each.entry, "volume": each.volume, "directory": "", "bytes": 4}
            for each in SCRIPTS
        }
        content = {"service": "web", "scripts": scripts}
        output.write(json.dumps(content).encode() if path == "/generation.json" else b"dump")

    def restore(self, identity: str, target: Path, entry: str = "", written: Any = None) -> None:
        """Restore all of it, or an entry."""
        del identity, written
        self._begin("restore")
        if entry in ("", FILES.entry):
            (target / FILES.entry).mkdir(parents=True)
            (target / FILES.entry / "new").write_text("new")
        if entry in ("", DB.entry):
            (target / DB.entry).write_text("dump")

    def backup(self, directory: Path, host: str, tags: Sequence[str], heard: Heard) -> dict[str, Any]:
        """Keep a note, or data."""
        del directory, host, heard
        self._begin("backup")
        if note := read_note(tags):
            self.notes.append(note)
        return {
            "snapshot_id": IDENTITY,
            "total_bytes_processed": 1,
            "total_files_processed": 1,
            "data_added": 1,
        }


class Hive:
    """The hive `hive0` with volume `data`, whose file is `old`.

    Args:
        root: A directory of its own.
        scripts: The parts of service `web`.

    """

    def __init__(self, root: Path, scripts: tuple[Script, ...] = SCRIPTS) -> None:
        (root / "volumes" / "data" / "_data").mkdir(parents=True)
        (root / "volumes" / "data" / "_data" / "old").write_text("old")
        self.engine, self.repository = HiveEngine(root / "volumes"), HiveRepository()
        self.state = root / "state"
        self.config = HiveConfig(
            host="hive0",
            stage="private",
            repository_file=root / "repository",
            password_file=root / "password",
            ca="",
            spool=root / "spool",
            verify="weekly",
            services={"web": ServiceData("web", scripts)},
        )

    @property
    def restoration(self) -> Restoration:
        """A restoration of the service."""
        return Restoration(self.config, self.engine, self.repository, Output(), "web", self.state)

    @property
    def files(self) -> list[str]:
        """The names of the volume's files."""
        return sorted(path.name for path in (self.engine.volumes / "data" / "_data").iterdir())

    def note(self, name: str) -> Mapping[str, Any] | None:
        """Return a note of the agent's by its path; None if there is none."""
        path = self.state / name
        found: Mapping[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
        return found
