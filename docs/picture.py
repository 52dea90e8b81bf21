"""Draw docs/run.svg, README's picture of a real run: `./setup python -m docs.picture`.

Types the commands below one after another, in a terminal of its own and an empty directory, and draws what is on the
screen at the end. The site is removed afterwards. Needs a Docker Engine, and no site there that is called `mysite`.
"""

import contextlib
import io
import os
import pty
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "run.svg"
COLUMNS, ROWS = 88, 60
COMMANDS = {
    "skep init mysite": ".",
    "cd mysite && skep": ".",
    "sed -i 's/Hello/Good morning/' roles/hello/files/index.html && skep": "mysite",
    "skep": "mysite",
}
"""What is typed, and in which directory the shell is then."""
LAST = "skep destroy confirm=mysite"
PROMPT = "\x1b[32m$\x1b[0m "

# As rich's own, without the fonts that it has from a server: a picture in a page loads nothing.
FORMAT = """\
<svg class="rich-terminal" width="{width}" height="{height}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_RED, _GREEN, _YELLOW, _BLUE = (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239)
_MAGENTA, _CYAN, _WHITE = (198, 120, 221), (86, 182, 194), (220, 223, 228)
_COLOURS = (_RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN, _WHITE)
THEME = TerminalTheme((30, 33, 39), _WHITE, [(40, 44, 52), *_COLOURS], [(140, 147, 160), *_COLOURS])


def main() -> int:
    """Record the run and write the picture; return the exit status."""
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="skep-picture-") as name:
        directory = Path(name)
        programs = directory / "bin"
        programs.mkdir()
        (programs / "skep").symlink_to(HERE.parent / "shell" / "skep")
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm-256color"}
        for variable in ("CI", "NO_COLOR", "DOIT_FILE", "COLUMNS", "LINES"):
            environment.pop(variable, None)
        try:
            for command, where in COMMANDS.items():
                screen.feed(f"{PROMPT}{command}\r\n".encode())
                typed(command, directory / where, environment, screen)
        finally:
            subprocess.run(["sh", "-c", LAST], cwd=directory / "mysite", env=environment, check=True)
    PICTURE.write_text(drawn(screen.lines()), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")
    return 0


class Screen:
    """A terminal's screen, and what is on it.

    Args:
        columns: Its width.
        rows: Its height.

    """

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)

    def feed(self, output: bytes) -> None:
        """Show what a program wrote. pyte knows no faint text: that is grey here."""
        self._stream.feed(output.replace(b"\x1b[2m", b"\x1b[90m"))

    def lines(self) -> list[Text]:
        """Return the lines, down to the last one that is not empty."""
        lines = [self._line(row) for row in range(self._screen.lines)]
        while lines and not lines[-1].plain:
            lines.pop()
        return lines

    def _line(self, row: int) -> Text:
        """Return a line with its colours."""
        line = Text()
        for column in range(self._screen.columns):
            cell = self._screen.buffer[row][column]
            line.append(cell.data, style_of(cell.fg, bold=cell.bold))
        line.rstrip()
        return line


def style_of(colour: str, *, bold: bool) -> Style:
    """Return the style of a cell, whose colour has pyte's name.

    >>> str(style_of("brightblack", bold=True))
    'bold bright_black'
    """
    name = "yellow" if colour == "brown" else colour.replace("bright", "bright_")
    return Style(color=None if colour == "default" else name, bold=bold or None)


def typed(command: str, directory: Path, environment: Mapping[str, str], screen: Screen) -> None:
    """Run a command line in a terminal, and show what it writes; CalledProcessError if it fails with 1."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (ROWS, COLUMNS))
    with os.fdopen(master, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=directory,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        # Linux ends what a terminal's last program wrote with EIO.
        with contextlib.suppress(OSError):
            while output := terminal.read(65536):
                screen.feed(output)
        if process.wait() == 1:
            raise subprocess.CalledProcessError(1, command)


def drawn(lines: Sequence[Text], title: str = "a site of one's own") -> str:
    """Return lines of a terminal as SVG."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    return console.export_svg(title=title, theme=THEME, code_format=FORMAT, unique_id="skep")


if __name__ == "__main__":
    sys.exit(main())
