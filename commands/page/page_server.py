"""Serves the page on this machine's loopback: reads alone, for whoever is on this machine; nothing is asked of it."""

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from commands.page.document import PROGRAMS, STYLES, served, static
from model.errors import SkepError
from tasks.page.page_data import PageData

LOOPBACK = "127.0.0.1"
EVERY = 10.0
"""Seconds between two readings, as long as somebody looks."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_PATIENCE = 10.0
"""Seconds that a browser may take to say what it wants."""


class Readings:
    """The newest reading of a site, which is renewed while somebody asks for it. Thread-safe.

    Args:
        read: Reads the site.
        redact: Takes secrets out of a text.

    """

    def __init__(self, read: Callable[[], PageData], redact: Callable[[str], str]) -> None:
        """Read it once.

        Raises:
            SkepError: It can't be read.

        """
        self._read, self._redact = read, redact
        self._guard = threading.Lock()
        self._page, self._failing, self._ended = read(), "", time.monotonic()
        self._is_reading = False

    def newest(self) -> tuple[PageData, str]:
        """Return the newest reading, and why it is not renewed, if so; have it renewed if it is old."""
        with self._guard:
            if not self._is_reading and time.monotonic() - self._ended >= EVERY / 2:
                self._is_reading = True
                threading.Thread(target=self._renew, name="reading the site", daemon=True).start()
            return self._page, self._failing

    def _renew(self) -> None:
        """Read the site anew; what goes wrong is said on the page."""
        page, failing = None, ""
        try:
            page = self._read()
        except SkepError as error:
            failing = f"The site can't be read: {self._redact(str(error))}"
        except Exception:  # noqa: BLE001 - a fault of skep's own: whoever looks at the page is to know
            failing = "The site can't be read: doit web ended it with a fault; see what it printed."
            sys.stderr.write(self._redact(traceback.format_exc()))
        finally:
            with self._guard:
                self._page, self._failing = page or self._page, failing
                self._is_reading, self._ended = False, time.monotonic()


@dataclass(frozen=True)
class PageAnswer:
    """An answer to a browser.

    Args:
        status: Its status.
        kind: What its body is.
        body: Its body.

    """

    status: HTTPStatus
    kind: str
    body: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""
        own = {"Content-Type": self.kind, "Content-Length": str(len(self.body))}
        if self.status is HTTPStatus.METHOD_NOT_ALLOWED:
            own["Allow"] = "GET, HEAD"
        return {**own, **_HEADERS}


def answer(method: str, path: str, host: str, port: int, readings: Readings) -> PageAnswer:
    """Return the answer to a request.

    Args:
        method: Its method.
        path: What it asks for.
        host: Whom it thinks it asks. A page of elsewhere may have its own name lead here, and would read what it gets.
        port: Where this is served.
        readings: The site.

    """
    if host not in {f"{LOOPBACK}:{port}", f"localhost:{port}"}:
        return _words(
            HTTPStatus.MISDIRECTED_REQUEST, f"type the address as doit web printed it: {LOOPBACK}:{port}"
        )
    if method not in {"GET", "HEAD"}:
        return _words(HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be changed here")
    name = path.partition("?")[0].removeprefix("/")
    if name in {*STYLES, *PROGRAMS}:
        return PageAnswer(HTTPStatus.OK, _TYPES[name.rpartition(".")[2]], static(name).encode())
    if name not in {"", "page.json"}:
        return _words(HTTPStatus.NOT_FOUND, "there is / and /page.json")
    page, failing = readings.newest()
    if name:
        return PageAnswer(HTTPStatus.OK, "application/json", json.dumps(page.data()).encode())
    return PageAnswer(HTTPStatus.OK, "text/html; charset=utf-8", served(page, EVERY, failing).encode())


def _words(status: HTTPStatus, text: str) -> PageAnswer:
    """Return an answer in words."""
    return PageAnswer(status, "text/plain; charset=utf-8", f"{text}\n".encode())


class PageServer(ThreadingHTTPServer):
    """The server.

    Args:
        port: Its port; 0 for a free one.
        readings: The site.

    """

    daemon_threads = True

    def __init__(self, port: int, readings: Readings) -> None:
        """Open the port.

        Raises:
            OSError: It is taken.

        """
        self.readings = readings
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    """Answers one browser."""

    server: PageServer
    server_version, sys_version = "skep", ""
    timeout = _PATIENCE

    def do_any(self) -> None:
        """PageAnswer."""
        found = answer(
            self.command, self.path, self.headers.get("Host", ""), self.server.port, self.server.readings
        )
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_any  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of http.server
        """Say nothing of requests."""
