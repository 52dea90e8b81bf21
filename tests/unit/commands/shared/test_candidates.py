"""The words that may stand next on a command line."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from commands.shared.candidates import _OF_COMMAND, SiteNames, candidates
from tasks.run.open import WORDS

TOML = """
site = "shop"
[stages.private]
[stages.production]
[services.web]
image = 5
[services.worker]
[[services.worker.backup_scripts]]
directory = "/data"
[images.web]
[volumes.data]
[volumes.cache]
[networks.front]
"""
SSH_CONFIG = """\
Host hive0 p-hive0.shop
    Port 22
Host hive1 p-hive1.shop
Host *
    BatchMode yes
"""
TASKS = ("build_images", "build_images:web", "build_images:base.debian-12", "deploy_services:web")


@pytest.fixture
def site(tmp_path: Path) -> SiteNames:
    """Give a site, which has mistakes."""
    (tmp_path / "site.toml").write_text(TOML)
    (tmp_path / "state" / "private").mkdir(parents=True)
    (tmp_path / "state" / "private" / "ssh_config").write_text(SSH_CONFIG)
    return SiteNames(tmp_path)


def tasks() -> Iterable[str]:
    """Give the tasks."""
    return TASKS


def words(site: SiteNames, *typed: str) -> list[str]:
    """Return the words for a command line."""
    return [word for word, _ in candidates(typed, site, tasks)]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["rollb"], ["rollback"]),
        (["build_im"], ["build_images"]),
        (["build_images"], ["build_images", "build_images:web", "build_images:base.debian-12"]),
        (["build_images:b"], ["build_images:base.debian-12"]),
        (["plan", "deploy_services:"], ["deploy_services:web"]),
        (["list", "build_networks", "deploy_services:"], ["deploy_services:web"]),
        (["rollback", "w"], ["web", "worker"]),
        (["rollback", "web", "w"], ["worker"]),
        (["rollback", "web", "t"], ["to="]),
        (["rollback", "web", "to="], ["to=latest"]),
        (["stage="], ["stage=private", "stage=production"]),
        (["stage=production", "why", "wo"], ["worker"]),
        (["destroy", ""], ["stage=", "confirm=", "volumes="]),
        (["destroy", "confirm="], ["confirm=shop"]),
        (["destroy", "volumes="], ["volumes=data", "volumes=cache", "volumes=all"]),
        (["destroy", "volumes=data,"], ["volumes=data,cache", "volumes=data,all"]),
        (["replace=f"], ["replace=front"]),
        (["init", "provider=a"], ["provider=aws", "provider=azure"]),
        (["init", "from="], ["from=compose"]),
        (["init", ""], ["provider=", "from=", "ci=", "site="]),
        (["list", "--a"], ["--all"]),
        (["shell_image", ""], ["web", "stage="]),
        (["shell_image:"], ["shell_image:web"]),
        (["help", "pru"], ["prune"]),
        (["exec", "wo"], ["worker"]),
        (["ssh", ""], ["hive0", "hive1", "stage="]),
        (["logs", "h"], ["hive0", "hive1"]),
        (["exec", "web", "task="], ["task=all", "task=hive0", "task=hive1"]),
        (["shell", "web", "task="], ["task=hive0", "task=hive1"]),
        (["recover_swarm", "keep="], ["keep=hive0", "keep=hive1"]),
        (["recover_swarm", "keep=hive0", "off=hive0,"], ["off=hive0,hive1"]),
        (["scale", "we"], ["web="]),
        (["scale", "web=3", "ke"], ["keep"]),
        (["move_volume", "d"], ["data"]),
        (["move_volume", "data", "to="], ["to=hive0", "to=hive1"]),
        (["move_volume", "data", "f"], ["from="]),
        (["upgrade_hosts", "hive1", ""], ["hive0", "stage=", "confirm="]),
        (["cp", "we"], ["web:"]),
        (["run", "wo"], ["worker"]),
        (["backup", ""], ["worker", "stage="]),
        (["backups", ""], ["worker", "key", "stage="]),
        (["restore", "wo"], ["worker"]),
        (["restore", "worker", "at="], ["at=latest"]),
        (["verify_backups", "a"], ["at="]),
        (["halt", "nonsense"], []),
        (["nonsense=", ""], None),
    ],
)
def test_words(site: SiteNames, typed: list[str], found: list[str] | None) -> None:
    """Commands, phases, resources, services, words with their values, options; each only where it may stand."""
    if found is None:
        assert "plan" in words(site, *typed)
    else:
        assert words(site, *typed) == found


def test_at_first_there_are_commands_and_phases(site: SiteNames) -> None:
    """Each with what it is; resources come when their phase is there."""
    found = dict(candidates([""], site, tasks))

    assert {"plan", "init", "rollback", "help", "build_infra", "deploy_services", "stage="} <= found.keys()
    assert found["build_networks"] == "make the overlay networks"
    assert not any(":" in word for word in found)


@pytest.mark.parametrize("text", [None, "site = ", "services = 5\n"])
def test_without_a_site(tmp_path: Path, text: str | None) -> None:
    """There are the commands all the same, and no error."""
    if text is not None:
        (tmp_path / "site.toml").write_text(text)

    assert words(SiteNames(tmp_path), "rollback", "") == ["stage=", "to="]
    assert words(SiteNames(tmp_path), "restore", "si") == ["site"]


def test_words_of_commands_are_known() -> None:
    """What completion offers for a command is no word that doit then refuses."""
    checked_by_the_command = {"init"}
    offered = {
        word for name, each in _OF_COMMAND.items() if name not in checked_by_the_command for word in each
    }

    assert offered <= WORDS.keys()
