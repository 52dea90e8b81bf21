"""Services of which no backup is made as long as their data is still to come."""

from pathlib import Path

import pytest

from agent.backup.config import HiveConfig, Script, ServiceData
from agent.backup.hive import journal
from agent.backup.hive.run import HiveBackup
from agent.backup.hive.suspended import WHY, resume, suspend
from agent.backup.restic import Restic
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket
from agent.output import Output


@pytest.fixture
def config(tmp_path: Path) -> HiveConfig:
    """Give the configuration of a hive with two services."""
    services = {name: ServiceData(name, (Script(name="files", volume="data"),)) for name in ("db", "web")}
    return HiveConfig("hive0", "private", tmp_path, tmp_path, "", tmp_path / "spool", "never", services)


class NoEngine(EngineSocket):
    """An engine that must not be asked."""

    def ask(self, *words: object, **options: object) -> object:
        """Fail."""
        raise AgentError(f"the engine was asked: {words} {options}")


def test_no_backup_is_made_of_them(config: HiveConfig, tmp_path: Path) -> None:
    """It is said, and noted as a failure, so that one that is never resumed is seen; the engine is not asked."""
    suspend(config, ["db"], tmp_path)
    assert suspend(config, ["web"], tmp_path) == {"suspended": ["db", "web"]}
    backup = HiveBackup(config, NoEngine(), Restic({}), Output(), tmp_path / "staging", tmp_path)
    assert backup.run([], "scheduled")["failed"] == {"db": WHY, "web": WHY}
    assert journal.status("db", tmp_path).read()["error"] == WHY

    assert resume(["db"], tmp_path) == {"resumed": ["db"]}
    assert journal.status("db", tmp_path).read() is None
    failed = backup.run([], "scheduled")["failed"]
    assert failed["db"].startswith("the engine was asked")
    assert failed["web"] == WHY


def test_another_failure_stays_known(config: HiveConfig, tmp_path: Path) -> None:
    """What failed for another reason is still said after it; all are resumed where none is named."""
    suspend(config, ["db"], tmp_path)
    journal.status("db", tmp_path).write({"error": "disk full"})
    assert resume([], tmp_path) == {"resumed": ["db"]}
    assert journal.status("db", tmp_path).read() == {"error": "disk full"}
    assert resume([], tmp_path) == {"resumed": []}


def test_a_service_without_backups(config: HiveConfig, tmp_path: Path) -> None:
    """It is refused, and nothing is suspended."""
    with pytest.raises(AgentError, match=r"wbe: site\.toml has no backup_scripts"):
        suspend(config, ["db", "wbe"], tmp_path)
    assert journal.suspended(tmp_path).read() is None
