"""The page as it is served: what is answered to whom, and how readings are renewed."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from doit.exceptions import InvalidCommand

from commands.page import page_server
from commands.page.page_server import LOOPBACK, PageServer, Readings, answer
from commands.page.web import _port as port_of
from model.errors import HostError
from tasks.page.page_data import PageData
from tests.page_sites import WELL
from tests.rig import wait_until

HERE = f"{LOOPBACK}:8080"


@pytest.fixture
def page(tmp_path: Path) -> PageData:
    """Return a page."""
    return WELL.page(tmp_path)


@pytest.fixture
def readings(page: PageData) -> Readings:
    """Return readings that were just taken."""
    return Readings(lambda: page, lambda text: text)


def test_what_is_served(readings: Readings) -> None:
    """The page, its data and its files; nothing else, whatever a path looks like."""
    found = {
        path: answer("GET", path, HERE, 8080, readings)
        for path in (
            "/",
            "/?x",
            "/page.json",
            "/page.js",
            "/page.css",
            "/uPlot.iife.min.js",
            "/uPlot.min.css",
        )
    }

    assert {each.status for each in found.values()} == {HTTPStatus.OK}
    assert found["/"].body.startswith(b"<!DOCTYPE html>")
    assert found["/"].body == found["/?x"].body
    assert json.loads(found["/page.json"].body)["site"] == "example"
    assert found["/page.js"].kind == "text/javascript; charset=utf-8"
    for path in ("/uPlot.LICENSE", "/../document.py", "//etc/passwd", "/%2e%2e/server.py", "/favicon.ico"):
        assert answer("GET", path, HERE, 8080, readings).status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(readings: Readings, method: str) -> None:
    """Whatever is not asked for reading is refused."""
    refused = answer(method, "/", HERE, 8080, readings)

    assert refused.status == HTTPStatus.METHOD_NOT_ALLOWED
    assert refused.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:80", "0.0.0.0:8080"]
)
def test_a_page_of_elsewhere_reads_nothing(readings: Readings, host: str) -> None:
    """A name of somebody else's may lead to this machine's loopback; a browser then says that name, and is refused."""
    refused = answer("GET", "/page.json", host, 8080, readings)

    assert refused.status == HTTPStatus.MISDIRECTED_REQUEST
    assert b"example" not in refused.body
    assert answer("GET", "/", "localhost:8080", 8080, readings).status == HTTPStatus.OK


def test_the_headers_forbid_all_but_its_own(readings: Readings) -> None:
    """No script within the page, no frame around it, no copy kept, no name handed on."""
    headers = answer("GET", "/", HERE, 8080, readings).headers

    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_it_listens_on_the_loopback_alone(readings: Readings) -> None:
    """At a free port, or at the one that was named."""
    with PageServer(0, readings) as served:
        assert served.server_address[0] == "127.0.0.1"
        assert served.port > 0
        with pytest.raises(OSError, match="in use"):
            PageServer(served.port, readings)


def test_readings_are_renewed_while_somebody_looks(page: PageData, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old one is given at once and renewed behind it, once, however many ask; a fresh one is not."""
    asked: list[int] = []
    may_go = threading.Event()

    def read() -> PageData:
        asked.append(len(asked))
        if len(asked) > 1:
            may_go.wait(10)
        return replace(page, read_at=float(len(asked)))

    readings = Readings(read, lambda text: text)
    assert readings.newest()[0].read_at == 1.0
    assert asked == [0]

    monkeypatch.setattr(page_server, "EVERY", 0.0)
    assert {readings.newest()[0].read_at for _ in range(5)} == {1.0}
    wait_until(lambda: len(asked) == 2, "the second reading")
    monkeypatch.setattr(page_server, "EVERY", 1000.0)
    may_go.set()
    wait_until(lambda: readings.newest()[0].read_at == 2.0, "the second reading's end")
    assert asked == [0, 1]


def failures(page: PageData, *errors: Exception) -> Iterator[PageData]:
    """Give a page, and then raise errors, one at each reading."""
    yield page
    for error in errors:
        raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HostError("hive0: hunter2 does not fit"), "The site can't be read: hive0: [redacted] does not fit"),
        (
            ValueError("a fault with hunter2"),
            "The site can't be read: doit web ended it with a fault; see what it printed.",
        ),
    ],
)
def test_what_goes_wrong_is_said(
    page: PageData,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    """The page stays as it was last, and says that it is not renewed; no secret is in the reason."""
    monkeypatch.setattr(page_server, "EVERY", 0.0)
    coming = failures(page, error)
    readings = Readings(lambda: next(coming), lambda text: text.replace("hunter2", "[redacted]"))
    readings.newest()
    monkeypatch.setattr(page_server, "EVERY", 1000.0)
    wait_until(lambda: readings.newest()[1] != "", "the failure")

    assert readings.newest() == (page, said)
    assert ("ValueError: a fault with [redacted]" in capsys.readouterr().err) is isinstance(error, ValueError)
    assert said.replace("'", "&#x27;").encode() in answer("GET", "/", HERE, 8080, readings).body


def test_what_is_typed() -> None:
    """A port, or none."""
    assert (port_of("doit", []), port_of("doit", ["8080"])) == (0, 8080)
    for words in (["0"], ["70000"], ["x"], ["1", "2"], ["127.0.0.1:80"]):
        with pytest.raises(InvalidCommand, match="doit web"):
            port_of("doit", words)
