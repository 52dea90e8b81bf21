"""`doit shell_image:NAME`: the shell that it opens, and its messages where there is none."""

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand
from msgspec import structs

from commands.shell_image import command, shell
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


def test_it_opens_what_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of the failed build, entered over the shared connection; its status is ours."""
    called: list[list[str]] = []

    def call(words: list[str]) -> int:
        called.append(words)
        return 5

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert shell(opened(bench), "web") == 5

    (words,) = called
    assert words[0] == "ssh"
    assert words[-2] == "hive3"
    assert "docker run --rm -i --network host" in words[-1]
    assert "skep/failed:" in words[-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nix", "stage private has no image nix; there are web, db"), ("db", "image db has no failed build")],
)
def test_what_is_not_there(bench: Bench, name: str, message: str) -> None:
    """A name that is none, and an image that did not fail, are said in one line."""
    with pytest.raises(InvalidCommand, match=message):
        shell(opened(bench), name)


def test_the_images_secrets_are_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are put where the role had them, by the input of a script alone, and go when the shell ends."""
    run, scripts, called = opened(bench), list[str](), list[list[str]]()
    image = structs.replace(run.stage.images["web"], secrets=["token", "gone"])
    monkeypatch.setattr(type(run.stage), "images", {"web": image})
    monkeypatch.setattr("commands.shell_image.failed_build", lambda *_: "skep/failed:x")

    def read(name: str) -> Secret:
        if name == "gone":
            raise ConfigError(["secrets.gone: the environment variable GONE is not set"])
        return Secret("it's s$cret\n")

    def script(text: str) -> str:
        scripts.append(text)
        done = subprocess.run(
            ["/bin/sh", "-eu"],
            input=text.replace("/run/", f"{tmp_path}/"),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    monkeypatch.setattr(run.secrets, "read", read)
    monkeypatch.setattr(run.connections, "to", lambda _host: SimpleNamespace(script=script))

    def call(words: list[str]) -> int:
        called.append(words)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert shell(run, "web") == 0

    (directory,) = tmp_path.glob("skep-shell.*")
    assert (directory / "token").read_text() == "it's s$cret\n"
    assert directory.stat().st_mode & 0o077 == 0
    ((*_, line),) = called
    assert f"-v {directory}:/.skep/secrets:ro" in line
    assert line.startswith(f"trap 'sudo -n rm -rf {directory}' EXIT;")
    assert "s$cret" not in line
    assert capsys.readouterr().err == (
        "secret gone is not in the shell: secrets.gone: the environment variable GONE is not set\n"
    )


def test_a_terminal_is_used_where_there_is_one() -> None:
    """Without one, as in a script, the commands are read from the input."""
    assert "-it" in command("skep/failed:x", terminal=True)
    assert "-it" not in command("skep/failed:x", terminal=False)


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
