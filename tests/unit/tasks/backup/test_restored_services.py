"""What the services of a lost site get back, and on which hive."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from model.site_file.load import load, select
from model.stage import Stage
from tasks.backup.restored_services import files_host, files_hosts, filled_volumes
from tasks.backup.site_restore_journal import ChosenGeneration

SITE = """\
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 3
separate_repository = false
[backup]
[volumes.data]
hosts = "each"
[volumes.more]
hosts = ["hive1"]
[volumes.far]
driver_opts = { type = "nfs", o = "addr=server", device = ":/far" }
[volumes.given]
external = true
hosts = ["hive1"]
[services.web]
image = "debian:13"
volumes = [
    { source = "data", target = "/data" },
    { source = "far", target = "/far" },
    { source = "given", target = "/given" },
]
[[services.web.backup_scripts]]
name = "files"
volume = "data"
[services.both]
image = "debian:13"
volumes = [{ source = "data", target = "/data" }, { source = "more", target = "/more" }]
[[services.both.backup_scripts]]
name = "data"
volume = "data"
[[services.both.backup_scripts]]
name = "more"
volume = "more"
"""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Give a stage of three hives."""
    (tmp_path / "site.toml").write_text(SITE)
    return select(load(tmp_path / "site.toml"), None)


def made_on(host: str) -> ChosenGeneration:
    """Return a generation of a hive's."""
    return ChosenGeneration(
        "a" * 64, host, datetime(2026, 11, 27, 1, tzinfo=UTC), 1, ("files",), is_good=True
    )


def test_files_go_to_the_hive_that_made_them(stage: Stage) -> None:
    """If that has the volumes still; else to the first that has all of them."""
    assert files_host(stage, "web", made_on("hive2")).short == "hive2"
    assert files_host(stage, "web", made_on("hive7")).short == "hive0"
    assert files_host(stage, "both", made_on("hive2")).short == "hive1"
    assert [host.short for host in files_hosts(stage, "web")] == ["hive0", "hive1", "hive2"]


def test_volumes_that_must_be_empty(stage: Stage) -> None:
    """Those that a generation fills, and not what is mounted from elsewhere or was made by others."""
    assert filled_volumes(stage, "web") == ["data"]
    assert filled_volumes(stage, "both") == ["data", "more"]
