"""`doit lock`: pins stay until an upgrade is asked for, and site.lock is written whole or not at all."""

import io
from pathlib import Path
from typing import Any

import pytest
from doit.doit_cmd import reset_vars, set_var
from doit.exceptions import InvalidCommand

from commands.lock import LockCommand
from model.errors import BuildError
from model.images.reference import Reference
from model.keys.record import ImageRecord
from model.site_file.load import parse_site
from model.stage import Stage
from tasks.names import upstream_task
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State

ONE, TWO, THREE = ("sha256:" + digit * 64 for digit in "123")


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _options: object) -> None:
        """Do nothing."""


class Locked:
    """A site of two stages, and an upstream that a test moves.

    Args:
        directory: The site's directory.

    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.upstream = {"debian:12": ONE, "quay.io/redis:7": TWO}
        self.asked: list[str] = []
        self.services: dict[str, Any] = {
            "web": {"image": "web"},
            "cache": {"image": "redis:7", "available_on": ["production"]},
            "pinned": {"image": f"nginx@{THREE}"},
            "made": {"image": "made"},
        }

    @property
    def run(self) -> Run:
        """A run of stage private, as a new process has it."""
        host = {"provider": "docker", "cidr": "10.0.0.0/24"}
        given = {
            "site": "example",
            "stages": {"private": host, "production": host},
            "bases": {"redis:7": {"image": "quay.io/redis:7"}, "made": {"debootstrap": "bookworm"}},
            "images": {"web": {"from": "debian:12"}},
            "services": self.services,
        }
        site = parse_site(given)
        stage = Stage(site, "private", site.stages["private"])
        run = new_run(self.directory, stage, State(self.directory / "state" / "private"))
        run.upstream.digest_now = self.ask  # type: ignore[method-assign]
        return run

    def ask(self, reference: Reference) -> str:
        """Answer for upstream."""
        self.asked.append(str(reference))
        if str(reference) not in self.upstream:
            raise BuildError(f"{reference} can't be asked for")
        return self.upstream[str(reference)]

    def lock(self, *args: str, **variables: str) -> list[str]:
        """Run `doit lock` and return its lines."""
        self.asked.clear()
        reset_vars()
        for name, value in variables.items():
            set_var(name, value)
        command = LockCommand(task_loader=Loader(self.run), bin_name="doit")
        out = command.outstream = io.StringIO()
        try:
            assert command.execute({}, args) == 0
        finally:
            reset_vars()
        return out.getvalue().splitlines()

    @property
    def text(self) -> str:
        """The content of site.lock."""
        return (self.directory / "site.lock").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Locked:
    """Return a site without a lock."""
    return Locked(tmp_path)


def test_what_any_stage_pulls_is_pinned(site: Locked) -> None:
    """By the reference that is pulled. Images that are made here, or pinned in site.toml, are not in it."""
    assert site.lock() == [
        "debian:12: sha256:111111111111 (new)",
        "quay.io/redis:7: sha256:222222222222 (new)",
    ]
    assert site.text == f'[images]\n"debian:12" = "{ONE}"\n"quay.io/redis:7" = "{TWO}"\n'


def test_again_it_asks_nobody(site: Locked) -> None:
    """Pins stay, even if upstream has moved or is gone."""
    site.lock()
    before = site.text
    site.upstream.clear()

    assert site.lock() == ["nothing changed: 2 pinned in site.lock"]
    assert site.asked == []
    assert site.text == before


def test_what_the_last_run_found_is_pinned(site: Locked) -> None:
    """Locking pins the digests that run, and not those that upstream has moved to since."""
    site.run.state.write(upstream_task("debian:12"), ImageRecord(reference=f"debian@{THREE}"))

    site.lock()

    assert f'"debian:12" = "{THREE}"' in site.text
    assert site.asked == ["quay.io/redis:7"]


@pytest.mark.parametrize("name", ["redis:7", "quay.io/redis:7"])
def test_one_is_moved(site: Locked, name: str) -> None:
    """By its name in site.toml or as it is pulled; the others stay."""
    site.lock()
    site.upstream = {"debian:12": THREE, "quay.io/redis:7": THREE}

    assert site.lock(upgrade=name) == ["quay.io/redis:7: sha256:222222222222 → sha256:333333333333"]
    assert site.asked == ["quay.io/redis:7"]
    assert site.text == f'[images]\n"debian:12" = "{ONE}"\n"quay.io/redis:7" = "{THREE}"\n'


@pytest.mark.parametrize("names", ["all", "debian:12,redis:7"])
def test_several_are_moved(site: Locked, names: str) -> None:
    """By name, or all of them; upgrading finds digests that are newer than the last run's, too."""
    site.lock()
    site.run.state.write(upstream_task("debian:12"), ImageRecord(reference=f"debian@{ONE}"))
    site.upstream = {"debian:12": THREE, "quay.io/redis:7": THREE}

    assert len(site.lock(upgrade=names)) == 2
    assert site.text.count(THREE) == 2


def test_all_or_nothing(site: Locked) -> None:
    """Where one can't be asked for, the lock stays as it was."""
    site.lock()
    before = site.text
    site.upstream = {"debian:12": THREE}

    with pytest.raises(InvalidCommand, match=r"quay\.io/redis:7 can't be asked for"):
        site.lock(upgrade="all")

    assert site.text == before


def test_what_nothing_uses_is_left_out(site: Locked) -> None:
    """And said."""
    site.lock()
    del site.services["cache"]

    assert site.lock() == ["quay.io/redis:7: removed, nothing uses it"]
    assert site.text == f'[images]\n"debian:12" = "{ONE}"\n'


def test_a_name_that_is_not_pulled_is_refused(site: Locked) -> None:
    """A slip of the pen is no wish; the names that could be meant are listed."""
    with pytest.raises(
        InvalidCommand, match=r"upgrade=debain:12: is not pulled here; these are: debian:12, quay"
    ):
        site.lock(upgrade="debain:12")
    with pytest.raises(InvalidCommand, match="lock takes no debian:12; type: doit lock upgrade=REF"):
        site.lock("debian:12")
    assert not (site.directory / "site.lock").exists()


def test_a_site_that_pulls_nothing(site: Locked) -> None:
    """Has an empty lock, and is told so."""
    site.services = {"made": {"image": "made"}}

    assert site.lock() == ["no image is pulled, so none is pinned"]
    assert site.text == "[images]\n"
