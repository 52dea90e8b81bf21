"""The server that hosts are booted and installed from, and the requests of each."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from model.errors import ProviderError
from model.install import boot
from model.log import Log
from providers.kickstart.netboot import HOSTS

_BLOCK = 1024**2


@dataclass
class Asked:
    """The requests of a host.

    Args:
        short: The host.
        mac: Its MAC, as in names of scripts.
        place: The directory of its answers.
        has_answers: Whether it has had them: the next time that it boots from the network, it boots its disk.
        told: The lines about it that were told already: each is told once.

    """

    short: str
    mac: str
    place: str
    has_answers: bool = False
    told: set[str] = field(default_factory=set)


class InstallServer:
    """Serves a directory made by `make_directory`, as long as its context lasts.

    Args:
        directory: The directory.
        url: Where hosts look for it.
        log: Takes a line for whoever watches; called from several threads, one at a time.
        is_installed: Whether a host is installed already: such a one boots its disk.

    Raises:
        ProviderError: There is no such directory, or something else listens there.

    """

    def __init__(self, directory: Path, url: str, log: Log, is_installed: Callable[[str], bool]) -> None:
        try:
            table = json.loads((directory / HOSTS).read_text())
        except FileNotFoundError:
            raise ProviderError("there is nothing to serve yet: run `doit build_infra:medium`") from None
        self._directory = directory
        self._url = url
        self._log = log
        self._lock = threading.Lock()
        self.hosts = {short: Asked(short, entry["mac"], entry["place"]) for short, entry in table.items()}
        for short, asked in self.hosts.items():
            asked.has_answers = is_installed(short)

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """Serve, and give the port.

        Raises:
            ProviderError: Something else listens there, or the port may not be used.

        """
        where = urlsplit(self._url)
        port = where.port or 80
        server = self._listen(where.hostname or "", port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _listen(self, host: str, port: int) -> ThreadingHTTPServer:
        """Listen at the address that hosts are told, or at all where that is not this machine's own (NAT)."""
        asked = self

        class Handler(BaseHTTPRequestHandler):
            """Passes requests on to the server."""

            def do_GET(self) -> None:
                """Send a file."""
                asked.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                """Send a file's size and type."""
                asked.answer(self, with_body=False)

            def log_message(self, *_: object) -> None:
                """Drop the library's own lines: the server tells what matters."""

        problem: OSError | None = None
        for address in (host, ""):
            try:
                return ThreadingHTTPServer((address, port), Handler)
            except OSError as error:
                problem = problem or error
        raise ProviderError(
            f"netboot_url: can't listen on port {port}: {problem.strerror if problem else ''}: end what does, or "
            f"name another port"
        )

    def answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        """Answer one request."""
        path = unquote(urlsplit(request.path).path).lstrip("/")
        script = self._script(path, request.client_address[0])
        if script is not None:
            self._send(request, script.encode(), with_body=with_body)
            return
        file = (self._directory / path).absolute()
        hidden = path == HOSTS or ".." in Path(path).parts or not file.is_file()
        if hidden:
            self._tell(f"{request.client_address[0]}: asks for /{path}, which is not there")
            request.send_error(HTTPStatus.NOT_FOUND)
            return
        host = next((host for host in self.hosts.values() if path.startswith(f"{host.place}/")), None)
        if host is None:
            self._tell(f"{request.client_address[0]}: asks for /{path}")
        with file.open("rb") as source:
            size = file.stat().st_size
            request.send_response(HTTPStatus.OK)
            request.send_header("Content-Length", str(size))
            request.send_header("Content-Type", "application/octet-stream")
            request.end_headers()
            if not with_body:
                return
            # Whoever is gone meanwhile asks again.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while block := source.read(_BLOCK):
                    request.wfile.write(block)
                if host is not None:
                    host.has_answers = True
                    self._tell(f"{host.short}: has its answers ({Path(path).name})", host)

    def _script(self, path: str, address: str) -> str | None:
        """Return the script of iPXE that a path stands for; None if it stands for none."""
        if not path.startswith("mac/"):
            return None
        mac = path.removeprefix("mac/").removesuffix(".ipxe").lower()
        host = next((host for host in self.hosts.values() if host.mac == mac), None)
        if host is None:
            known = ", ".join(sorted(host.mac.replace("-", ":") for host in self.hosts.values()))
            self._tell(
                f"{address}: has MAC {mac.replace('-', ':')}, which no host in site.toml has; those are {known}"
            )
            return boot.IPXE_DISK
        if host.has_answers:
            self._tell(
                f"{host.short}: boots its disk, as it has had its answers; to install it again, serve again"
            )
            return boot.IPXE_DISK
        self._tell(f"{host.short}: asks how to boot, from {address}", host)
        return (self._directory / "mac" / f"{mac}.ipxe").read_text()

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, *, with_body: bool) -> None:
        """Send a text."""
        request.send_response(HTTPStatus.OK)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("Content-Type", "text/plain")
        request.end_headers()
        if with_body:
            request.wfile.write(content)

    def _tell(self, line: str, host: Asked | None = None) -> None:
        """Say a line; of one host each only once."""
        with self._lock:
            if host is not None:
                if line in host.told:
                    return
                host.told.add(line)
            self._log(line)
