"""Sending lines: what was not confirmed is sent again, and what was is not."""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.cli import main
from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import LogPlace
from agent.errors import AgentError
from agent.host.shipping_notes import shipping_notes
from agent.logs import ship, shipping
from agent.logs.collector_room import CollectorRoom
from agent.logs.lines import CentralLine
from agent.logs.noted_places import noted_place
from agent.logs.ship import ShipConfig, Shipper, message
from tests.doubles.container_log import CONTAINER, ContainerLog
from tests.unit.agent.logs.engine_log import EngineLog, describe


class Journal:
    """A journal in which nothing is."""

    def __init__(self, _host: str, cursor: str, _troubles: object) -> None:
        self.cursor = cursor

    def read(self, _most: int) -> list[CentralLine]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Do nothing."""


class Collector:
    """A collector that fails a number of times first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.texts: list[str] = []

    def send(self, messages: list[bytes], waits_on: Callable[[], bool]) -> None:
        """Take messages."""
        del waits_on
        if self.failures:
            self.failures -= 1
            raise AgentError("hive0:6514: Connection refused")
        self.texts += [each.decode().split(" ", 11)[-1] for each in messages]


_MADE: list[Shipper] = []


@pytest.fixture(autouse=True)
def _no_journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no journal and no pauses, and close the files at the end."""
    monkeypatch.setattr(ship, "HostJournal", Journal)
    monkeypatch.setattr(ship, "PAUSE", 0.0)
    yield
    while _MADE:
        _MADE.pop().close()


def shipper(tmp_path: Path, collector: Collector, room: CollectorRoom | None = None) -> Shipper:
    """Return one that reads the containers below a directory."""
    config = ShipConfig("hive0", "hive9.example", 6514, str(tmp_path / "containers"), "", "", "")
    _MADE.append(Shipper(config, collector, tmp_path / "sent.json", threading.Event(), room))
    return _MADE[-1]


def test_lines_of_services_are_sent_and_no_others(tmp_path: Path) -> None:
    """Containers beside services have no task, and another driver's files can't be read."""
    for name, task, driver in (
        ("a", "web.1.x", "json-file"),
        ("b", "", "json-file"),
        ("c", "db.1.y", "syslog"),
    ):
        EngineLog(tmp_path / "containers", name, task, driver).write(f"of {name}\n")
    collector = Collector()

    shipper(tmp_path, collector).round()

    assert collector.texts == ["of a"]


@pytest.mark.parametrize("driver", ["local", "json-file"])
def test_former_files_that_are_packed_are_sent(tmp_path: Path, driver: str) -> None:
    """Those of driver local are by default; a line that is in pieces in two of them is whole."""
    log, collector = ContainerLog(tmp_path / "containers", driver), Collector()
    describe(tmp_path / "containers" / CONTAINER, "web.1.x", driver)
    log.write(b"1", "ü ".encode())
    log.rotate()
    log.write(b"2 begins, ", part="more")
    log.rotate()
    log.write(b"and ends", part="last")
    sending = shipper(tmp_path, collector)
    sending.round()
    log.write(b"3")
    log.rotate()
    log.write(b"4", stream="stderr")

    shipper(tmp_path, collector).round()

    assert collector.texts == ["1", "ü ", "2 begins, and ends", "3", "4"]


def test_a_collector_that_is_down_gets_them_later_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, and so is that it takes lines again."""
    engine = EngineLog(tmp_path / "containers")
    for number in range(600):
        engine.write(f"{number}\n")
    collector = Collector(failures=3)

    shipper(tmp_path, collector).round()

    assert collector.texts == [str(number) for number in range(600)]
    assert capsys.readouterr().err.splitlines() == [
        "the collector takes no lines (hive0:6514: Connection refused); they wait on this host",
        "the collector takes lines again",
    ]


def test_the_next_process_goes_on_behind_what_was_confirmed(tmp_path: Path) -> None:
    """A process that is stopped while the collector is down has sent nothing."""
    engine, collector = EngineLog(tmp_path / "containers"), Collector()
    engine.write("1\n")
    shipper(tmp_path, collector).round()
    engine.write("2\n")
    stopped = shipper(tmp_path, Collector(failures=1))
    stopped._stopped.set()
    assert not stopped.round()

    shipper(tmp_path, collector).round()

    assert collector.texts == ["1", "2"]


def test_a_container_that_began_and_went_during_an_outage_is_sent(tmp_path: Path) -> None:
    """Its file is opened while the shipper waits for the collector."""
    first = EngineLog(tmp_path / "containers", "a", "web.1.x")
    first.write("1\n")

    class Removing(Collector):
        def send(self, messages: list[bytes], waits_on: Callable[[], bool]) -> None:
            if self.failures == 2:
                self.second = EngineLog(tmp_path / "containers", "b", "web.1.y")
                self.second.write("2\n")
            if self.failures == 1:
                self.second.remove()
            super().send(messages, waits_on)

    collector = Removing(failures=2)
    sending = shipper(tmp_path, collector)
    sending.round()
    sending.round()

    assert collector.texts == ["1", "2"]


def test_a_state_that_cant_be_written_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that ends on a full disk would begin at its old place, and send the same again and again."""
    engine, collector = EngineLog(tmp_path / "containers"), Collector()
    sending = shipper(tmp_path, collector)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as on_a_full_disk:
        on_a_full_disk.setattr(ship, "write_json", full)
        for number in range(3):
            engine.write(f"{number}\n")
            sending.round()
    sending.round()
    shipper(tmp_path, collector).round()

    assert collector.texts == ["0", "1", "2"]
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/sent.json can't be written (No space left on device): lines go on, and come twice after a restart"
    ]


def test_a_container_that_begins_while_an_answer_is_waited_for_is_opened(tmp_path: Path) -> None:
    """The collector may take minutes to confirm; the container may be gone by then."""
    EngineLog(tmp_path / "containers", "a", "web.1.x").write("1\n")

    class Slow(Collector):
        def send(self, messages: list[bytes], waits_on: Callable[[], bool]) -> None:
            if not self.texts:
                second = EngineLog(tmp_path / "containers", "b", "web.1.y")
                second.write("2\n")
                assert waits_on()
                second.remove()
            super().send(messages, waits_on)

    collector = Slow()
    sending = shipper(tmp_path, collector)
    for _ in range(2):
        sending.round()

    assert collector.texts == ["1", "2"]


@pytest.mark.parametrize("is_open", [True, False])
def test_a_log_that_cant_be_read_holds_up_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_open: bool
) -> None:
    """Whether it fails when it is opened or afterwards; it is said once, and read as soon as it can be."""
    first, second = (EngineLog(tmp_path / "containers", name, f"{name}.1.x") for name in ("broken", "whole"))
    collector = Collector()
    sending = shipper(tmp_path, collector)

    name = "hold" if is_open else "records"
    whole = getattr(FollowedLog, name)

    def fail(log: FollowedLog, *arguments: object) -> object:
        if log is sending._containers.logs["broken"]._log:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(log, *arguments)

    with monkeypatch.context() as on_a_broken_disk:
        on_a_broken_disk.setattr(FollowedLog, name, fail)
        for each in (first, second, first, second):
            each.write("line\n")
            sending.round()
        assert collector.texts == ["line"] * 2
    sending.round()

    assert collector.texts == ["line"] * 4
    assert capsys.readouterr().err.splitlines() == [
        "broken.1.x: its log can't be read (Input/output error); it is tried again"
    ]


def test_a_log_that_can_be_opened_again_while_the_collector_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in no trouble any more, though nothing of it is read before the collector takes lines again."""
    EngineLog(tmp_path / "containers", "first", "first.1.x").write("line\n")
    sending = shipper(tmp_path, Collector())
    sending.round()
    EngineLog(tmp_path / "containers", "second", "second.1.x").write("line\n")
    EngineLog(tmp_path / "containers", "third", "third.1.x").write("line\n")
    whole = FollowedLog.hold

    def fail(log: FollowedLog, since: int = 0) -> None:
        if log is sending._containers.logs["second"]._log:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        whole(log, since)

    def cant_look(directory: Path, noted: object) -> LogPlace:
        if directory.name == "third":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return noted_place(directory, noted)

    with monkeypatch.context() as out_of_files:
        out_of_files.setattr(FollowedLog, "hold", fail)
        out_of_files.setattr("agent.logs.logged_containers.noted_place", cant_look)
        assert sending._waits_on()
        assert sending._troubles.parts == {"second", "third"}
    assert sending._waits_on()

    assert sending._troubles.parts == frozenset()


def test_a_state_of_before_packed_files_were_read_is_gone_on_with(tmp_path: Path) -> None:
    """It knew files by their numbers: nothing is missing and nothing comes twice, also after another start."""
    engine, collector = EngineLog(tmp_path / "containers"), Collector()
    engine.write("1\n")
    written = engine.path.read_bytes()
    place = {"inode": engine.path.stat().st_ino, "offset": len(written), "mark": written[-64:].hex()}
    noted = {"containers": {"c0": place, "removed": place}, "cursor": ""}
    (tmp_path / "sent.json").write_text(json.dumps(noted))
    engine.write("2\n")
    engine.rotate()
    engine.write("3\n")

    for _ in range(2):
        shipper(tmp_path, collector).round()

    assert collector.texts == ["2", "3"]


def test_a_log_is_followed_though_it_was_looked_at_between_two_files(tmp_path: Path) -> None:
    """For a moment of each rotation the engine's file is not there, and all before is read."""
    engine, collector = EngineLog(tmp_path / "containers"), Collector()
    engine.write("1\n")
    sending = shipper(tmp_path, collector)
    sending.round()
    engine.path.rename(engine.path.with_name(f"{engine.path.name}.1"))
    sending.round()
    engine.write("2\n")
    sending.round()

    assert collector.texts == ["1", "2"]


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> float:
    """Have it be an hour after the engine's lines, and notes written at once; give the time of the lines."""
    lines = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: lines + 3600)
    monkeypatch.setattr(shipping, "_EVERY", 0.0)
    return lines


def test_how_far_lines_have_arrived_is_noted(tmp_path: Path, noon: float) -> None:
    """By the last line that arrived where there may be more, else by the beginning of the round that found no more."""
    engine, notes = EngineLog(tmp_path / "containers"), tmp_path / "shipping.json"
    sending = shipper(tmp_path, Collector())
    engine.write("1\n")
    sending.round()
    assert shipping_notes(notes) == {"taken": noon, "failing": []}

    sending.round()
    assert shipping_notes(notes) == {"taken": noon + 3600, "failing": []}


def test_a_collector_that_is_down_lets_the_notes_grow_old(
    tmp_path: Path, noon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They say since when lines wait, while they are waited with and by the next process; where none is, since now."""
    engine, notes = EngineLog(tmp_path / "containers"), tmp_path / "shipping.json"
    shipper(tmp_path, Collector()).round()
    engine.write("1\n")
    found = []

    class Down(Collector):
        def send(self, messages: list[bytes], waits_on: Callable[[], bool]) -> None:
            waits_on()
            found.append(shipping_notes(notes))
            super().send(messages, waits_on)

    monkeypatch.setattr("time.time", lambda: noon + 7200)
    stopped = shipper(tmp_path, Down(failures=1))
    stopped._stopped.set()
    assert not stopped.round()

    assert found == [{"taken": noon + 3600, "failing": []}]


def test_notes_of_a_log_that_cant_be_read(
    tmp_path: Path, noon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its part fails until it is read, or gone with its container; other logs go on."""
    engine, notes = EngineLog(tmp_path / "containers"), tmp_path / "shipping.json"
    sending = shipper(tmp_path, Collector())

    def fail(*_arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as on_a_broken_disk:
        on_a_broken_disk.setattr("agent.logs.logged_containers.noted_place", fail)
        sending.round()
        assert shipping_notes(notes) == {"taken": noon + 3600, "failing": ["services"]}
        engine.remove()
        sending.round()
    assert shipping_notes(notes) == {"taken": noon + 3600, "failing": []}


def test_notes_of_the_repository_host(tmp_path: Path, noon: float) -> None:
    """They say whether the collector is stopped for want of room."""
    room: Any = SimpleNamespace(is_full=True)
    shipper(tmp_path, Collector(), room).round()

    assert shipping_notes(tmp_path / "shipping.json") == {
        "taken": noon + 3600,
        "failing": [],
        "is_full": True,
    }


@pytest.mark.parametrize(
    ("source", "name"), [("web.1.x", "web"), ("../../etc/x.1.y", "-"), ("we b/\n.1.x", "we_b/_")]
)
def test_a_message_names_the_file_by_the_service(source: str, name: str) -> None:
    """One word of printable letters, whatever somebody called a task; the collector has no `/` in names of files."""
    line = CentralLine("2026-11-30T12:00:00.000000001Z", "hive0", source, "stdout", "x")

    assert message(line, "service").decode().split(" ")[3] == name


@pytest.mark.parametrize("content", [None, "{", '{"host": "hive0"}', "[]"])
def test_a_configuration_that_is_not_there_or_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    """It is said, with the way out; words that nobody knows are no reason to begin."""
    path = tmp_path / "ship.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(ship, "CONFIG", path)

    assert main(["logs", "ship"]) == 1
    assert capsys.readouterr().err == f"{path} is not there, or not whole; run doit setup_hosts\n"
    assert main(["logs", "ship", "again"]) == 2
