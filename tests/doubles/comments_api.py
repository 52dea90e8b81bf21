"""Comments of a request, as GitHub's and GitLab's REST APIs have them; by their reference, never held against them.

https://docs.github.com/rest/issues/comments, https://docs.gitlab.com/api/notes/#merge-requests
"""

import http.server
import json
from typing import Any


class Api(http.server.ThreadingHTTPServer):
    """A server with comments, as those of GitHub and GitLab answer (their reference, named in the script)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.comments: dict[int, str] = {n: f"hello {n}" for n in range(150)}
        self.requests: list[str] = []
        self.status = 200

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Answers(http.server.BaseHTTPRequestHandler):
    """Its answers."""

    server: Api

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, data: Any) -> None:
        """Send an answer."""
        body = json.dumps(data).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def noted(self) -> str:
        """Note the request; return its body's text."""
        path, _, _ = self.path.partition("?")
        who = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization")
        self.server.requests.append(f"{self.command} {path} {who}")
        length = int(self.headers.get("Content-Length") or 0)
        return str(json.loads(self.rfile.read(length))["body"]) if length else ""

    def do_GET(self) -> None:
        """List a page of comments."""
        self.noted()
        page = int(self.path.rpartition("page=")[2])
        items = list(self.server.comments.items())[100 * (page - 1) : 100 * page]
        self.answer([{"id": number, "body": body} for number, body in items])

    def do_POST(self) -> None:
        """Add a comment."""
        self.server.comments[max(self.server.comments) + 1] = self.noted()
        self.answer({})

    def do_PUT(self) -> None:
        """Change one."""
        self.server.comments[int(self.path.rpartition("/")[2])] = self.noted()
        self.answer({})

    def do_PATCH(self) -> None:
        """Change one."""
        self.do_PUT()
