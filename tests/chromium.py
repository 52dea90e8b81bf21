"""A headless Chromium, spoken to over two pipes by the protocol of its developer tools; nothing listens anywhere.

https://chromedevtools.github.io/devtools-protocol/
"""

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any, Self

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
TIME = 60.0
"""Seconds that one answer may take: a start on a busy machine takes several."""


def program() -> str | None:
    """Return the browser's program; None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Chromium:
    """A browser with one page.

    Args:
        to: What it reads.
        from_: What it writes.

    Attributes:
        complaints: What pages wrote to the console, and exceptions of their programs.

    """

    def __init__(self, to: int, from_: int) -> None:
        self._to, self._from = to, from_
        self._number, self._rest, self._session = 0, b"", ""
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    @classmethod
    @contextmanager
    def started(cls, home: Path) -> Iterator[Self]:
        """Start one, with a home directory of its own, and end it afterwards."""
        found = program()
        assert found is not None
        reads, to = os.pipe()
        from_, writes = os.pipe()
        # It reads its third descriptor and writes its fourth, which may be others of ours: so ours go up first.
        high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 100) for each in (reads, writes)]
        words = [
            found,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={home}",
            "about:blank",
        ]
        silent = os.open(os.devnull, os.O_RDWR)
        process = os.posix_spawn(
            found,
            words,
            os.environ,
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, silent, number) for number in (0, 1, 2)),
                (os.POSIX_SPAWN_DUP2, high[0], 3),
                (os.POSIX_SPAWN_DUP2, high[1], 4),
            ],
            setsid=True,
        )
        for each in (reads, writes, silent, *high):
            os.close(each)
        browser = cls(to, from_)
        try:
            browser._attach()
            yield browser
        finally:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(to)
            os.close(from_)

    def open(self, address: str, *, width: int = 1200, scheme: str = "light", still: bool = False) -> None:
        """Open a page.

        Args:
            address: Its address.
            width: The width of the window; narrow ones are those of a phone.
            scheme: `light` or `dark`, as the person's own settings would have it.
            still: Whether the person wants no movement.

        """
        self.complaints.clear()
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        motion = "reduce" if still else "no-preference"
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": motion},
            ],
        )
        self._events.clear()
        self.ask("Page.navigate", url=address)
        self._until("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def ask(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Ask for something, and return the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found
                answer: Mapping[str, Any] = found["result"]
                return answer
            self._hear(found)

    def _attach(self) -> None:
        """Find the page, and have it tell what happens in it."""
        pages: list[Mapping[str, Any]] = []
        ends = time.monotonic() + TIME
        while not pages and time.monotonic() < ends:
            targets = self.ask("Target.getTargets")["targetInfos"]
            pages = [each for each in targets if each["type"] == "page"]
        answer = self.ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = str(answer["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def _until(self, event: str) -> None:
        """Wait for an event."""
        while not any(each["method"] == event for each in self._events):
            self._hear(self._next())

    def _hear(self, found: dict[str, Any]) -> None:
        """Keep an event, and what a page complains of."""
        self._events.append(found)
        if found["method"] in {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}:
            self.complaints.append(json.dumps(found["params"]))

    def _next(self) -> dict[str, Any]:
        """Return the next message."""
        ends = time.monotonic() + TIME
        while b"\0" not in self._rest:
            readable, _, _ = select([self._from], [], [], max(0.0, ends - time.monotonic()))
            assert readable, "the browser does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found
