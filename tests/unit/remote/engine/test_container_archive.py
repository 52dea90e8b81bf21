"""Files into a container, whose engine refuses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import HostError, ServiceError
from remote.engine.container_archive import ContainerFiles
from tests.doubles.unix_http import UnixHandler, UnixServer, served

MUCH = [b"x" * 65_536] * 400


class Engine(UnixServer):
    """An engine that reads nothing of what comes: it refuses, or goes away without a word."""

    status = 400


class _Handler(UnixHandler):
    server: Engine

    def do_PUT(self) -> None:  # noqa: N802 - http.server's name
        """Answer at once."""
        self.close_connection = True
        if self.server.status:
            self.answer(self.server.status, {"message": "no space left on device"})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give the engine, at the socket `docker` of the test's directory."""
    made = Engine(str(tmp_path / "docker"), _Handler)
    with served(made):
        yield made


def put(tmp_path: Path) -> None:
    """Send much."""
    ContainerFiles("web.1 on hive0", tmp_path / "docker", "web").put("/data", iter(MUCH))


@pytest.mark.usefixtures("engine")
def test_it_says_why_before_it_has_read_all(tmp_path: Path) -> None:
    """Its words come, and not that the connection was closed."""
    with pytest.raises(ServiceError, match=r"^web\.1 on hive0: /data: no space left on device$"):
        put(tmp_path)


@pytest.mark.parametrize("status", [0, 200])
def test_what_did_not_go_through_is_no_copy(engine: Engine, tmp_path: Path, status: int) -> None:
    """Whatever it answers."""
    engine.status = status

    with pytest.raises(HostError, match="its Docker Engine does not answer"):
        put(tmp_path)
