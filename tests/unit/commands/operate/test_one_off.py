"""`doit run SERVICE -- COMMAND`: the command in a container that waits, or as the container's own program."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from commands.operate import one_off as command
from commands.operate.one_off import run_one_off
from model.errors import ServiceError
from model.stage import Host
from remote.engine.exec_session import ExecRequest
from tasks.operate.containers import ServiceContainer
from tasks.operate.one_off import HOLDER, NotStartedError

HOST = Host("hive0", "p-hive0.example", "10.0.0.1", is_hive=True, is_repository=False)
CONTAINER = ServiceContainer("web", HOST, "0" * 64, "web.run", "running", "", 0.0, "")


class Site:
    """A site whose tasks start as a test says.

    Args:
        has_shell: Whether the image has one.
        refuses: What is said of a task that does not start; empty for one that does.

    """

    def __init__(self, *, has_shell: bool = True, refuses: str = "") -> None:
        self.has_shell, self.refuses = has_shell, refuses
        self.started: list[Sequence[str]] = []
        self.ran: list[str] = []

    @contextmanager
    def task(
        self, _run: object, _service: str, words: Sequence[str], _log: object, _terminal: object = ()
    ) -> Iterator[ServiceContainer]:
        """Start a task."""
        self.started.append(words)
        if self.refuses and words == HOLDER:
            raise NotStartedError(f"web: the task could not be started: {self.refuses}")
        yield CONTAINER

    def session(self, _run: object, _container: object, request: ExecRequest) -> str:
        """Begin a command in a container that waits, if that runs."""
        if not self.has_shell:
            raise ServiceError("web.run on hive0: container is not running")
        return f"exec {' '.join(request.command)}"

    def attach(self, _run: object, _container: object, program: str, *, terminal: bool) -> int:
        """Let it run."""
        del terminal
        self.ran.append(program)
        return 3


def typed(monkeypatch: pytest.MonkeyPatch, site: Site) -> int:
    """Type the command, and return its exit status."""
    connection = SimpleNamespace(open=lambda: None, docker_socket="none")
    run: Any = SimpleNamespace(
        stage=SimpleNamespace(services={"web": None}, hosts=()),
        connections=SimpleNamespace(close=lambda: None, to=lambda _host: connection),
        secrets=SimpleNamespace(redact=lambda text: text),
    )
    monkeypatch.setattr(command, "one_off_task", site.task)
    monkeypatch.setattr(command, "session", site.session)
    monkeypatch.setattr(command, "attach_to", site.attach)
    monkeypatch.setattr(command, "ContainerSession", lambda *_, **__: "its own program")
    monkeypatch.setattr(command, "has_input", lambda: True)
    return run_one_off(run, ["web"], ["migrate"])


def test_in_a_container_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it has input, and its output is ours byte by byte."""
    site = Site()

    assert typed(monkeypatch, site) == 3
    assert (site.started, site.ran) == ([HOLDER], ["exec migrate"])


@pytest.mark.parametrize(
    "site",
    [
        Site(has_shell=False),
        Site(refuses='starting container failed: exec: "/bin/sh": stat /bin/sh: no such file or directory'),
    ],
)
def test_an_image_without_a_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], site: Site
) -> None:
    """The command is the container's own program then, and it is said that what is piped in does not reach it."""
    assert typed(monkeypatch, site) == 3
    assert (site.started, site.ran) == ([HOLDER, ["migrate"]], ["its own program"])
    assert (
        "web: its image has no sh and sleep: the command is the container's own program, and so the command gets no "
        "input\n"
    ) in capsys.readouterr().err


def test_a_task_that_can_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is said at once, and not tried again as something else."""
    site = Site(refuses="no suitable node")

    assert typed(monkeypatch, site) == 255
    assert site.started == [HOLDER]
    assert capsys.readouterr().err == "web: the task could not be started: no suitable node\n"
