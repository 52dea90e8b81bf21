"""What commands write on: a terminal with lines that scroll up above a live area, or plain lines (CI, a file)."""

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
"""Seconds between two looks of a plain screen at what runs."""

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_live(out: Any) -> bool:
    """Return whether a stream is a terminal on which lines can be rewritten, with a person before it."""
    isatty = getattr(out, "isatty", None)
    return bool(isatty and isatty()) and not os.environ.get("CI") and os.environ.get("TERM", "dumb") != "dumb"


def width_of(out: Any) -> int:
    """Return how many columns a line may take: all that it wants where it goes to no terminal."""
    return shutil.get_terminal_size().columns if is_live(out) else sys.maxsize


def is_coloured(out: Any) -> bool:
    """Return whether a stream is a terminal whose person has not refused colours (https://no-color.org)."""
    return is_live(out) and not os.environ.get("NO_COLOR")


def paint(text: str, style: str, *, on: bool) -> str:
    """Return a text in a style (one of the constants above), or as it is."""
    return f"\x1b[{style}m{text}\x1b[0m" if on and text else text


def clean(line: str) -> str:
    """Return what a terminal would show of a line of some program's output, which may draw bars and colours."""
    shown = line.rstrip("\r\n").rpartition("\r")[2]
    return _CONTROLS.sub("", _ESCAPES.sub("", shown)).replace("\t", " ").rstrip()


def fitted(text: str, width: int) -> str:
    """Return a text that is cut to a width."""
    if width < 1:
        return ""
    return text if len(text) <= width else text[: width - 1] + "…"


class PlainScreen:
    """Lines, each flushed as it is written.

    Args:
        out: Where to.
        look: Called about once a second while the screen is open; it may `say` something.

    """

    coloured = False
    width: int | None = None

    def __init__(self, out: TextIO, look: Callable[[], None] | None = None) -> None:
        self._out = out
        self._look = look
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to look."""
        with self._guard:
            if self._thread is None and self._look is not None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._watch, args=(self._look,), daemon=True)
                self._thread.start()

    def _watch(self, look: Callable[[], None]) -> None:
        """Look until the screen is closed."""
        while not self._closed.wait(TICK):
            look()

    def say(self, text: str) -> None:
        """Write a line, or several."""
        with self._guard:
            self._out.write(f"{text}\n")
            self._out.flush()

    def close(self) -> None:
        """End the looking."""
        self._closed.set()


class LiveScreen:
    """Lines that scroll up above an area that is drawn anew four times a second.

    rich draws it; it is imported when there is something to draw.

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
            # Transient: what is left behind are the lines above it. It hides the cursor; `close` shows it again.
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
        """Return the area as rich wants it."""
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
        """Remove the area and give the cursor back."""
        with self._guard:
            self._closed = True
            live, self._live = self._live, None
        if live is not None:
            live.stop()
