"""A Docker Engine behind a socket that knows two requests: importing an image, and whether it is there.

What it answers to a good import, a missing image, a broken body and a refusal was compared with Engines 20.10 and 26.1.
"""

import json
import threading
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.doubles.unix_http import UnixHandler, UnixServer


class ImportingEngine(UnixServer):
    """The engine.

    Args:
        socket: The path of its socket.
        refusal: What it says to each import; empty if it takes them.
        early: Whether it says so without reading the body.
        damaged: A body that it can't unpack.

    Attributes:
        images: Name and tag to the archive.
        broken: Bodies that had no end.
        queries: The queries of the imports that it took.

    """

    def __init__(
        self, socket: Path, refusal: str = "", *, early: bool = False, damaged: bytes = b"-"
    ) -> None:
        self.images: dict[str, bytes] = {}
        self.broken: list[bytes] = []
        self.queries: list[dict[str, list[str]]] = []
        self.refusal, self.early, self.damaged, self.path = refusal, early, damaged, socket
        super().__init__(str(socket), _Handler)

    def __enter__(self) -> Self:
        """Serve."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, with the requests at work, and take the socket away."""
        self.shutdown()
        self.server_close()
        self.path.unlink()


class _Handler(UnixHandler):
    """One connection."""

    server: ImportingEngine

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
        """Tell whether an image is there."""
        name = unquote(urlsplit(self.path).path).removeprefix("/images/").removesuffix("/json")
        if name in self.server.images:
            self.answer(200, {"Id": "sha256:1"})
        else:
            self.answer(404, {"message": f"No such image: {name}"})

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        """Import an image, once all of it came."""
        query = parse_qs(urlsplit(self.path).query)
        if self.server.early:
            self.answer(500, {"message": self.server.refusal})
            return
        data = b""
        while True:
            line = self.rfile.readline()
            size = int(line.strip() or b"-1", 16)
            if size < 0:
                self.server.broken.append(data)
                self.close_connection = True
                return
            data += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        if data == self.server.damaged:
            self.answer(500, {"message": "unexpected EOF"})
            return
        if self.server.refusal:
            self.answer(500, {"message": self.server.refusal})
            return
        self.server.queries.append(query)
        self.server.images[f"{query['repo'][0]}:{query['tag'][0]}"] = data
        # In pieces, as its progress comes.
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        text = json.dumps({"status": "sha256:" + "1" * 64}).encode() + b"\r\n"
        for piece in (text[:20], text[20:], b""):
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.close_connection = True

    def answer(self, status: int, value: object) -> None:
        """Answer, and close."""
        super().answer(status, value)
        self.close_connection = True
