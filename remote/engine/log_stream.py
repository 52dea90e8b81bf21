"""The log of a container, line by line with its times, from the engine's API.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerLogs
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

from model.errors import HostError, ServiceError
from model.reasons import reason_of
from remote.engine.unix_http import UnixHttp

TIMEOUT = 30.0
"""Seconds that one piece of an answer may take; of a log that is followed, without limit."""
_HEADER, _ERROR_STREAM = 8, 2
_STREAMS = (1, _ERROR_STREAM)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True)
class LogRequest:
    """The part of a log that is wanted.

    Args:
        since: From when, in seconds since 1970 with nine digits behind the point; empty for the beginning.
        lines: The last so many lines; 0 for all.
        follow: Whether to go on as the log grows.
        until: To when, as `since`; empty for its end.

    """

    since: str = ""
    lines: int = 0
    follow: bool = False
    until: str = ""


@dataclass(frozen=True, order=True)
class LogLine:
    """A line of a container's log.

    Args:
        time: As the engine writes it, in UTC with nine digits of a second; such texts sort by time.
        text: The line.
        is_error: Whether it was written to standard error.

    """

    time: str
    text: str
    is_error: bool = False


def log_lines(where: str, engine: Path, container: str, request: LogRequest) -> Iterator[LogLine]:
    """Yield the lines of a container's log.

    Args:
        where: Host and container, for messages.
        engine: The socket of the host's engine.
        container: The container's id.
        request: The part that is wanted.

    Raises:
        HostError: The engine does not answer.
        ServiceError: It refuses, as where the service's logging driver keeps nothing that can be read.

    """
    words = {
        "stdout": 1,
        "stderr": 1,
        "timestamps": 1,
        "follow": int(request.follow),
        "tail": str(request.lines or "all"),
        "since": request.since or "0",
    }
    if request.until:
        words["until"] = request.until
    asking, reading = UnixHttp(engine, TIMEOUT), UnixHttp(engine, TIMEOUT)
    try:
        described = _get(where, asking, f"/containers/{container}/json")
        has_terminal = bool(json.loads(described.read())["Config"].get("Tty"))
        response = _get(where, reading, f"/containers/{container}/logs?{urlencode(words)}")
        if request.follow:
            reading.sock.settimeout(None)
        pieces = _raw(response) if has_terminal else frames(response)
        yield from _lines(pieces)
    except (OSError, HTTPException, ValueError) as error:
        raise HostError(f"{where}: its Docker Engine does not answer ({reason_of(error)})") from error
    finally:
        asking.close()
        reading.close()


def _get(where: str, connection: UnixHttp, path: str) -> HTTPResponse:
    """Ask, and return the answer.

    Raises:
        ServiceError: The engine refuses.

    """
    connection.request("GET", path)
    response = connection.getresponse()
    if response.status != HTTPStatus.OK:
        answer = json.loads(response.read() or b"{}")
        raise ServiceError(f"{where}: {answer.get('message') or response.reason}")
    return response


def frames(response: HTTPResponse) -> Iterator[tuple[bool, bytes]]:
    """Yield the pieces of a log, each with whether it is of standard error.

    Those of the engine's own are left out: it can't read a file on, as where the container is just being removed.
    """
    while len(header := response.read(_HEADER)) == _HEADER:
        piece = response.read(int.from_bytes(header[4:], "big"))
        if header[0] in _STREAMS:
            yield header[0] == _ERROR_STREAM, piece


def _raw(response: HTTPResponse) -> Iterator[tuple[bool, bytes]]:
    """Yield the pieces of the log of a container with a terminal, which has one stream without frames."""
    while line := response.readline():
        yield False, line


def _lines(pieces: Iterator[tuple[bool, bytes]]) -> Iterator[LogLine]:
    """Yield whole lines; the engine cuts long ones into pieces, each with a time."""
    open_lines: dict[bool, tuple[str, str]] = {}
    for is_error, piece in pieces:
        time, _, text = piece.decode(errors="replace").partition(" ")
        if not _TIME.fullmatch(time):
            continue  # the engine's own words, in the log of a terminal
        first, begun = open_lines.pop(is_error, (time, ""))
        if text.endswith("\n"):
            yield LogLine(first, begun + text.rstrip("\r\n"), is_error)
        else:
            open_lines[is_error] = first, begun + text
    for is_error, (first, begun) in open_lines.items():
        yield LogLine(first, begun, is_error)
