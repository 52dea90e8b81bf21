"""What the repository host keeps: asking for it, and hearing that it is not whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError, ServiceError
from tasks.logs import central_log
from tasks.logs.central_log import HOSTS, SERVICES, CentralRequest, central_lines

LINE = (
    b'{"time": "2026-11-30T12:00:00.000000001Z", "host": "hive1", "source": "%s", "stream": "stderr", '
    b'"text": "h\\u00e9llo"}\n'
)
TASK_ID = b"k3xh2x1v9q0m8w7e6r5t4y3u2"


def run_of(*pieces: bytes, logs: object = True) -> Any:
    """Return a run whose repository host sends these pieces."""
    left = [*pieces, b""]

    @contextmanager
    def session(command: str) -> Iterator[Any]:
        del command
        yield SimpleNamespace(read=lambda: left.pop(0))

    connection = SimpleNamespace(name="hive9", open=lambda: None, session=session)
    stage = SimpleNamespace(site=SimpleNamespace(logs=logs), repository=None)
    return SimpleNamespace(stage=stage, connections=SimpleNamespace(to=lambda _host: connection))


@pytest.mark.parametrize(
    ("source", "task"),
    [
        (b"web.2.%s" % TASK_ID, "web.2"),
        (b"web.%s.%s" % (TASK_ID, TASK_ID), "web.hive1"),
        (b"docker.service", "docker.service"),
    ],
)
def test_a_line_has_the_name_of_its_task(source: bytes, task: str) -> None:
    """As `doit logs` calls it where the container is still there; of a host the unit's."""
    whole = LINE % source + b'{"lines": 1}\n'
    lines = list(central_lines(run_of(whole[:30], whole[30:]), CentralRequest(SERVICES, "web")))

    assert [(each.task, each.line.text, each.line.is_error) for each in lines] == [(task, "héllo", True)]


def test_what_is_asked_for() -> None:
    """All is asked for on the host, so that no line comes that is not wanted."""
    request = CentralRequest(HOSTS, "hive0", 1764504000.5, 20, "no route", "docker", 1764504100.0)

    assert request.command == (
        "sudo -n python3 -I /usr/local/lib/skep/agent.pyz logs read hosts hive0 "
        "--since=2025-11-30T12:00:00.500000000Z --until=2025-11-30T12:01:40.000000000Z "
        "--lines=20 '--grep=no route' --source=docker"
    )


def test_reading_is_ended_on_the_host_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is given up here would leave the work there; that it was ended is said, and no other fault."""
    request = CentralRequest(SERVICES, "web", seconds=12.0)
    assert request.command == (
        "sudo -n timeout 12 python3 -I /usr/local/lib/skep/agent.pyz logs read services web"
    )
    clock = [100.0]
    monkeypatch.setattr(central_log, "time", SimpleNamespace(monotonic=lambda: clock.pop(0)))
    clock += [112.0]
    with pytest.raises(HostError, match=r"hive9: it keeps more of web than can be read within 12 s"):
        list(central_lines(run_of(LINE % b"web.1.x"), request))
    clock += [100.0, 100.5]
    with pytest.raises(HostError, match="did not come whole"):
        list(central_lines(run_of(LINE % b"web.1.x"), request))


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (LINE % b"web.1.x", "did not come whole"),
        (b"", "did not come whole"),
        (
            b"sudo: a password is required\n",
            "hive9: the kept lines can't be read: sudo: a password is required",
        ),
        (b"12\n", "hive9: the kept lines can't be read: 12"),
        (b'{"error": "No space left on device"}\n', "hive9: No space left on device"),
    ],
)
def test_lines_that_do_not_come_whole_are_said(sent: bytes, message: str) -> None:
    """A last line has the number of the others; without it some may be missing."""
    with pytest.raises(HostError, match=message):
        list(central_lines(run_of(sent), CentralRequest(SERVICES, "web")))


def test_without_logs_the_way_out_is_said() -> None:
    """Nothing is kept then."""
    with pytest.raises(ServiceError) as error:
        list(central_lines(run_of(logs=None), CentralRequest(SERVICES, "web")))
    assert str(error.value) == (
        "web: the repository host keeps no logs, so leave out central=yes; to have logs kept, write [logs] into "
        "site.toml, then run `doit setup_hosts deploy_services` (docs/logs.md)"
    )
