"""An engine on a real socket, as the observer on a host asks it: lists, refusals, events, and no answer at all.

Held against Engine 26.1 (Debian 13): to HTTP/1.0 it answers without chunks and closes; an event is a line of JSON.
"""

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.doubles.unix_http import UnixHandler, UnixServer, served


class ObservedEngine(UnixServer):
    """The engine.

    Args:
        path: Its socket.

    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.path = str(path)
        self.answers: dict[str, Any] = {
            "/nodes": [],
            "/services": [],
            "/containers/json": [],
            "/volumes": {"Volumes": []},
        }
        """Path to its answer; a text is a refusal."""
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.followed = threading.Event()
        """Set when events are followed."""
        self.hangs = threading.Event()
        """While it is set, no question is answered."""
        self.woken = threading.Event()
        self._events: queue.Queue[bytes | None] = queue.Queue()

    def handle_error(self, *_: object) -> None:
        """Say nothing of one who has asked and gone."""

    def tell(self, at: int, action: str, container: str, service: str, **attributes: str) -> None:
        """Have a container's event told."""
        event = {
            "Type": "container",
            "Action": action,
            "Actor": {
                "ID": container,
                "Attributes": {"com.docker.swarm.service.name": service, **attributes},
            },
            "timeNano": at,
        }
        self._events.put(json.dumps(event).encode() + b"\n")

    def end_events(self) -> None:
        """End the stream of events, as an engine does that is restarted."""
        self._events.put(None)

    def events(self) -> Iterator[bytes]:
        """Yield the events until they end."""
        while (line := self._events.get()) is not None:
            yield line


class _Handler(UnixHandler):
    """One question."""

    protocol_version = "HTTP/1.0"
    server: ObservedEngine

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        """Answer."""
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v1.41")
        engine = self.server
        engine.asked.append((path, {name: values[0] for name, values in parse_qs(parts.query).items()}))
        if engine.hangs.is_set():
            engine.woken.wait(30)
            return
        if path == "/events":
            self.send_response(200)
            self.end_headers()
            engine.followed.set()
            for line in engine.events():
                self.wfile.write(line)
            return
        answer = engine.answers[path]
        if isinstance(answer, str):
            self.answer(503, {"message": answer})
        else:
            self.answer(200, answer)


@contextmanager
def observed_engine(directory: Path) -> Iterator[ObservedEngine]:
    """Give an engine that serves until the end of the block."""
    engine = ObservedEngine(directory / "docker.sock")
    with served(engine):
        try:
            yield engine
        finally:
            engine.woken.set()
            engine.end_events()
