"""`doit shell_image:NAME`: the shell that it opens, and its messages where there is none."""

import io
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand
from msgspec import structs

from commands.shell_image import shell
from model.errors import ConfigError
from model.secrets.secret import Secret
from tasks.run.context import Run as SiteRun
from tests.doubles.engine import Node
from tests.doubles.image_histories import Bench, first_world


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench where the build of image `web` failed, and that of `db` was never tried."""
    bench, world = Bench(tmp_path), first_world()
    world.roles["r1"]["setup.sh"] = Node("file", 0o755, b"exit 3\n")
    assert bench.build(world) is not None
    bench.engine.begin()
    return bench


def opened(bench: Bench) -> SiteRun:
    """Return a run on the bench's world."""
    assert bench.world is not None
    return bench.run_of(bench.world)


@dataclass
class Opened:
    """What the shell was opened with."""

    images: list[str] = field(default_factory=list)
    files: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    terminals: list[bool] = field(default_factory=list)


@pytest.fixture
def shells(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Open no shell, but note with what it would be, and end with status 5."""
    opened = Opened()

    def run_attached(_client: object, image: str, command: list[str], files: bytes, *, terminal: bool) -> int:
        assert command[:2] == ["/bin/sh", "-c"]
        opened.images.append(image)
        opened.terminals.append(terminal)
        if files:
            with tarfile.open(fileobj=io.BytesIO(files)) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    opened.files[member.name] = (member.mode, content.read() if content else b"")
        return 5

    monkeypatch.setattr("remote.engine.attached.run_attached", run_attached)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return opened


def test_it_opens_what_is_kept(bench: Bench, shells: Opened) -> None:
    """A container of the failed build, by the engine that built it; its status is ours."""
    assert shell(opened(bench), "web") == 5

    (image,) = shells.images
    assert image.startswith("skep/failed:")
    assert shells.terminals == [False]
    assert shells.files == {}


def test_a_terminal_is_used_where_there_is_one(
    bench: Bench, shells: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, as in a script, the commands are read from the input."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))

    shell(opened(bench), "web")

    assert shells.terminals == [True]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nix", "stage private has no image nix; there are web, db"), ("db", "image db has no failed build")],
)
def test_what_is_not_there(bench: Bench, name: str, message: str) -> None:
    """A name that is none, and an image that did not fail, are said in one line."""
    with pytest.raises(InvalidCommand, match=message):
        shell(opened(bench), name)


def test_the_images_secrets_are_there(
    bench: Bench, shells: Opened, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are put where the role had them, for root alone; one that can't be read is said."""
    run = opened(bench)
    image = structs.replace(run.stage.images["web"], secrets=["token", "gone"])
    monkeypatch.setitem(vars(run.stage), "images", {"web": image})
    monkeypatch.setattr("commands.shell_image.failed_build", lambda *_: "skep/failed:x")

    def read(name: str) -> Secret:
        if name == "gone":
            raise ConfigError(["secrets.gone: the environment variable GONE is not set"])
        return Secret("it's s$cret\n")

    monkeypatch.setattr(run.secrets, "read", read)

    assert shell(run, "web") == 5

    assert shells.files[".skep/secrets/token"] == (0o600, b"it's s$cret\n")
    assert ".skep/secrets/gone" not in shells.files
    assert capsys.readouterr().err == (
        "secret gone is not in the shell: secrets.gone: the environment variable GONE is not set\n"
    )


def test_run_hands_it_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doit shell_image:web` is no task: the command takes it."""
    from commands.run import RunCommand

    asked: list[str] = []
    monkeypatch.setattr("commands.run.site_run", lambda _loader: opened(bench))

    def taken(_run: object, name: str) -> int:
        asked.append(name)
        return 0

    monkeypatch.setattr("commands.run.shell", taken)
    run: Any = RunCommand.__new__(RunCommand)
    run.loader = type("Loader", (), {"setup": lambda _self, _params: None})()

    assert run.execute({}, ["shell_image:web"]) == 0
    assert asked == ["web"]
