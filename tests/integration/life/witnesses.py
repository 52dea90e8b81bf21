"""Those who use the site all the time: one asks for its page, one writes rows to its database."""

import selectors
import subprocess
import threading
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

from tests import rig

INTERVAL = 0.2
"""Seconds between two requests."""
REQUEST_TIMEOUT = 5.0
ROW_TIMEOUT = 5.0
_DB = "docker ps -q -f label=com.docker.swarm.service.name=db -f status=running | head -n 1"
_CLIENT = "mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --skip-column-names --batch --unbuffered"


class Witness(ABC):
    """Does the same again and again, in a thread of its own, and counts how often that failed."""

    def __init__(self) -> None:
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._asked = self._missed = 0
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def share(self) -> tuple[int, int]:
        """Return how many requests failed, and how many there were, since this was asked the last time."""
        with self._lock:
            share = self._missed, self._asked
            self._asked = self._missed = 0
            return share

    @abstractmethod
    def _ask(self) -> bool:
        """Do it once; return whether that went well."""

    def _go_on(self) -> None:
        while not self._stop.wait(INTERVAL):
            well = self._ask()
            with self._lock:
                self._asked += 1
                self._missed += not well


class Reader(Witness):
    """Asks for the page as a load balancer does: from any host that gives it, first from the one that gave it last.

    Args:
        addresses: Returns the hosts' addresses of now.

    """

    def __init__(self, addresses: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        self._addresses, self._last = addresses, ""

    def _ask(self) -> bool:
        for address in sorted(self._addresses(), key=lambda each: each != self._last):
            try:
                with urllib.request.urlopen(f"http://{address}:8080/", timeout=REQUEST_TIMEOUT) as page:
                    if page.read() == b"hi\n":
                        self._last = address
                        return True
            except OSError:
                continue
        return False


class Writer(Witness):
    """Writes rows with numbers that go up, and notes those that the database acknowledged.

    Args:
        container: The name of the container that is the host with the database.

    """

    def __init__(self, container: str) -> None:
        super().__init__()
        self._container = container
        self._number = 0
        self._client: subprocess.Popen[bytes] | None = None
        self.acknowledged: set[int] = set()

    def __enter__(self) -> Self:
        """Make the table, and begin."""
        self.query("CREATE DATABASE life; CREATE TABLE life.noted (n INT PRIMARY KEY) ENGINE=InnoDB;")
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        """End, and the client with it."""
        super().__exit__()
        self._hang_up()

    def query(self, sql: str) -> str:
        """Return the database's answer.

        Raises:
            OSError: It gives none.

        """
        try:
            done = subprocess.run(
                self._command(), input=sql, capture_output=True, text=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(str(error)) from error
        if done.returncode:
            raise OSError(done.stderr)
        return done.stdout

    def lost(self) -> set[int]:
        """Return the rows that were acknowledged and are not there; OSError if the database does not answer."""
        acknowledged = set(self.acknowledged)
        return acknowledged - {int(line) for line in self.query("SELECT n FROM life.noted").split()}

    def _command(self) -> list[str]:
        # Its host may have been made anew since.
        rig.give_docker(self._container)
        return [
            "docker",
            "exec",
            "-i",
            self._container,
            "sh",
            "-c",
            f'{rig.WITH_DOCKER}exec docker exec -i "$({_DB})" {_CLIENT}',
        ]

    def _ask(self) -> bool:
        self._number += 1
        sql = f"INSERT INTO life.noted VALUES ({self._number}); SELECT {self._number};\n"  # noqa: S608 - a number
        try:
            well = self._answer(sql.encode()).strip() == str(self._number).encode()
        except OSError:
            well = False
        if well:
            self.acknowledged.add(self._number)
        else:
            self._hang_up()
        return well

    def _answer(self, line: bytes) -> bytes:
        """Send a line to a client that stays, and return the line that it answers; empty if none comes in time."""
        if self._client is None:
            self._client = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        stdin, stdout = self._client.stdin, self._client.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(line)
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            return stdout.readline() if selector.select(ROW_TIMEOUT) else b""

    def _hang_up(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            client.kill()
            client.wait()
            for pipe in (client.stdin, client.stdout):
                if pipe is not None:
                    pipe.close()
