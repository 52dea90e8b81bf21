"""Reading from an engine without Docker's SDK: requests, answers, and the message where there is none."""

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from model.errors import HostError, ProviderError
from providers.docker import api as docker_engine
from remote.engine.reader import Reader

ROOT = Path(__file__).parents[4]


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An engine that gives prepared answers, and notes the requests."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.connections = 0
        super().__init__(str(path), _Handler)

    def process_request(self, request: object, client_address: object) -> None:
        """Count."""
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """HTTP for a Unix socket, whose clients have no address."""

    protocol_version = "HTTP/1.1"
    server: Engine

    def do_GET(self) -> None:
        """Answer."""
        self.server.asked.append(self.path)
        status, body = self.server.answers.get(urlsplit(self.path).path, (200, b"[]"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an engine on a socket."""
    with Engine(tmp_path / "s") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def reader(engine: Engine) -> Iterator[Reader]:
    """Give a reader of that engine."""
    with closing(Reader("hive0: its Docker Engine", Path(str(engine.server_address)))) as made:
        yield made


def test_filters_and_options_are_asked_as_the_engine_wants_them(engine: Engine, reader: Reader) -> None:
    """A filter that got lost would list the things of other stages, which then look like left-overs."""
    reader.services(status=True, filters={"label": ["skep.site=a&b", "skep.stage=c"]})
    reader.containers(all=True, filters={"label": "x"})
    reader.containers()

    services, some, running = [parse_qs(urlsplit(path).query) for path in engine.asked]
    assert services["status"] == ["true"]
    assert json.loads(services["filters"][0]) == {"label": ["skep.site=a&b", "skep.stage=c"]}
    assert (some["all"], json.loads(some["filters"][0])) == (["1"], {"label": ["x"]})
    assert running == {"all": ["0"]}


def test_calls_share_a_connection(engine: Engine, reader: Reader) -> None:
    """Each new one costs a round trip to the host."""
    engine.answers["/info"] = 200, b'{"Swarm": {}}'

    assert [reader.info(), reader.nodes(), reader.info()] == [{"Swarm": {}}, [], {"Swarm": {}}]
    assert engine.connections == 1


def test_a_refusal_is_said_in_the_words_of_the_engine(engine: Engine, reader: Reader) -> None:
    """Nothing of it may be taken for an empty list."""
    engine.answers["/nodes"] = 503, b'{"message": "This node is not a swarm manager."}'

    with pytest.raises(HostError, match=r"^hive0: its Docker Engine: This node is not a swarm manager\.$"):
        reader.nodes()


@pytest.mark.parametrize("body", [b"", b"<html>"])
def test_an_answer_that_is_none_is_an_error(engine: Engine, reader: Reader, body: bytes) -> None:
    """What is in the way of an engine, such as a proxy, answers as well."""
    engine.answers["/info"] = 200, body

    with pytest.raises(HostError, match=r"^hive0: its Docker Engine does not answer \("):
        reader.info()


def test_where_nobody_listens_the_error_is_of_the_kind_that_was_asked_for(tmp_path: Path) -> None:
    """A host's engine and the mother's own have other ways out."""
    with pytest.raises(ProviderError, match=r"^it does not answer \(No such file"):
        Reader("it", tmp_path / "none", error=ProviderError).info()


def test_the_mothers_engine_is_read_without_the_sdk(engine: Engine) -> None:
    """To import it takes a third of a second, as long as all else that a run with nothing to do does."""
    engine.answers["/containers/json"] = 200, b'[{"Id": "1"}]'
    program = (
        "import sys; from providers.docker.api import reading\n"
        "with reading() as client: print(client.containers(all=True), 'docker' in sys.modules)"
    )
    environment = {"DOCKER_HOST": f"unix://{engine.server_address!s}", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[{'Id': '1'}] False\n"


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        (None, True),
        ("{}", True),
        ('{"currentContext": "default"}', True),
        ('{"currentContext": "desktop-linux"}', False),
        ("{", False),
        ("[]", False),
    ],
)
def test_another_context_of_dockers_is_left_to_the_sdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, *, usual: bool
) -> None:
    """Docker Desktop's engine is elsewhere; to read from another one would find no host at all."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    if text is not None:
        (tmp_path / "config.json").write_text(text)

    assert docker_engine._is_usual() is usual
