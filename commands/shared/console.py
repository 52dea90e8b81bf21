"""The console: a terminal with lines that scroll up above a live area, or plain lines (CI, a file)."""

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
TICK = 1.0
"""Seconds between two calls of `PlainScreen`'s `tick`."""

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_live(out: Any) -> bool:
    """Return whether a stream is an interactive terminal whose lines can be rewritten."""
    isatty = getattr(out, "isatty", None)
    return bool(isatty and isatty()) and not os.environ.get("CI") and os.environ.get("TERM", "dumb") != "dumb"


def width_of(out: Any) -> int:
    """Return the columns that a line may take; without limit where the stream is not a terminal."""
    return shutil.get_terminal_size().columns if is_live(out) else sys.maxsize


def is_coloured(out: Any) -> bool:
    """Return whether a stream is an interactive terminal and colours are not refused (https://no-color.org)."""
    return is_live(out) and not os.environ.get("NO_COLOR")


def paint(text: str, style: str, *, on: bool) -> str:
    """Return a text in a style (one of the constants above) if it is on."""
    return f"\x1b[{style}m{text}\x1b[0m" if on and text else text


def clean(line: str) -> str:
    """Return a line of a program's output as a terminal would show it, without bars and colours."""
    shown = line.rstrip("\r\n").rpartition("\r")[2]
    return _CONTROLS.sub("", _ESCAPES.sub("", shown)).replace("\t", " ").rstrip()


def fitted(text: str, width: int) -> str:
    """Return a text, cut to a width."""
    if width < 1:
        return ""
    return text if len(text) <= width else text[: width - 1] + "…"


class ConsoleLog:
    """Write whole lines to a stream; several threads may do so at a time.

    Args:
        out: The stream.

    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._guard = threading.Lock()

    def __call__(self, text: str) -> None:
        """Write a line, or several."""
        with self._guard:
            self._out.write("".join(f"{clean(line)}\n" for line in text.splitlines()))
            self._out.flush()


class PlainScreen:
    """Lines, each flushed as it is written.

    Args:
        out: The stream.
        tick: Called about once a second while the screen is open; it may `say` something.

    """

    coloured = False
    width: int | None = None

    def __init__(self, out: TextIO, tick: Callable[[], None] | None = None) -> None:
        self._out = out
        self._tick = tick
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to call `tick`."""
        with self._guard:
            if self._thread is None and self._tick is not None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._watch, args=(self._tick,), daemon=True)
                self._thread.start()

    def _watch(self, tick: Callable[[], None]) -> None:
        """Call `tick` until the screen is closed."""
        while not self._closed.wait(TICK):
            tick()

    def say(self, text: str) -> None:
        """Write a line, or several."""
        with self._guard:
            self._out.write(f"{text}\n")
            self._out.flush()

    def close(self) -> None:
        """Stop calling `tick`."""
        self._closed.set()


class LiveScreen:
    """Lines that scroll up above an area that is redrawn four times a second.

    rich draws it, and is imported only then.

    Args:
        out: The terminal.
        area: Returns the area's lines, given how wide and high it may be. Must not call `say`.

    """

    def __init__(self, out: TextIO, area: Callable[[int, int], list[str]]) -> None:
        self._out = out
        self._area = area
        self._guard = threading.Lock()
        self._closed = False
        self._console: Console | None = None
        self._live: Live | None = None
        self.coloured = is_coloured(out)

    @property
    def width(self) -> int:
        """The terminal's columns, as they are now."""
        return shutil.get_terminal_size().columns if self._console is None else self._console.width

    def open(self) -> None:
        """Show the area, unless it is shown or the screen is closed."""
        with self._guard:
            if self._live is not None or self._closed:
                return
            from rich.console import Console
            from rich.live import Live

            self._console = Console(file=self._out, highlight=False, markup=False, emoji=False)
            # Transient: only the lines above the area stay. It hides the cursor, and `close` shows it again.
            self._live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
                vertical_overflow="crop",
            )
            self._live.start()

    def _render(self) -> Any:
        """Return the area as rich's text."""
        from rich.text import Text

        console = self._console
        if console is None:
            return Text()
        lines = self._area(console.width, max(2, console.height - 2))
        text = Text.from_ansi("\n".join(lines))
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    def say(self, text: str) -> None:
        """Write a line, or several, above the area."""
        with self._guard:
            console = self._console if self._live is not None else None
            if console is None:
                self._out.write(f"{text}\n")
                self._out.flush()
        if console is not None:
            from rich.text import Text

            # Soft-wrapped by the terminal, so that a path or a command can be copied whole.
            console.print(Text.from_ansi(text), soft_wrap=True)

    def close(self) -> None:
        """Remove the area and show the cursor."""
        with self._guard:
            self._closed = True
            live, self._live = self._live, None
        if live is not None:
            live.stop()
