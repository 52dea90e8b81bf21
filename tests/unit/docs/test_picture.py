"""README's picture of a run, and what draws it."""

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping

from docs.picture import COMMANDS, PICTURE, Screen, drawn

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(svg: str) -> list[str]:
    """Return the lines of text in a picture, from the top."""
    lines: dict[float, dict[int, str]] = defaultdict(dict)
    for text in ET.fromstring(svg).iter(f"{SVG}text"):  # noqa: S314 - our own
        words = (text.text or "").replace("\xa0", " ").strip("\n")
        if words and "title" not in text.get("class", ""):
            width = float(text.get("textLength", "0")) / len(words)
            lines[float(text.get("y", "0"))][round(float(text.get("x", "0")) / width)] = words
    return [joined(lines[y]) for y in sorted(lines)]


def joined(words: Mapping[int, str]) -> str:
    """Return a line of words, each at its column."""
    line = ""
    for column in sorted(words):
        line = line.ljust(column) + words[column]
    return line.rstrip()


def test_the_screen_is_drawn_as_it_was_at_the_end() -> None:
    """What was erased or written over is gone, as on the terminal; colours stay."""
    screen = Screen(20, 5)
    screen.feed(b"\x1b[?25lat work\r\n2 of 3\x1b[1A\r\x1b[2K\x1b[1mdone\x1b[0m  \x1b[2mwhy\x1b[0m\x1b[J")
    screen.feed(b"\r\n\r\n\x1b[31mred\x1b[0m")

    svg = drawn(screen.lines())

    assert lines_of(svg) == ["done  why", "red"]
    assert "fill: #e06c75" in svg
    assert "font-weight: bold" in svg


def test_the_picture_is_of_the_commands() -> None:
    """Each was typed, in this order, and the runs ended well; else run `./setup python -m docs.picture`."""
    shown = lines_of(PICTURE.read_text())

    assert [line.removeprefix("$ ") for line in shown if line.startswith("$ ")] == list(COMMANDS)
    ends = [line for line in shown if "resources" in line]
    assert ends[0].startswith("23 resources: 0 up to date, 23 done in ")
    assert ends[1].startswith("23 resources: 21 up to date, 2 done in ")
    assert ends[2].startswith("all 23 resources are up to date (")


def test_the_picture_loads_nothing() -> None:
    """It is whole by itself: a page shows it without asking other servers, and nothing in it runs."""
    text = PICTURE.read_text()

    assert not any(
        word in text for word in ("href", "url(http", "@import", "@font-face", "<script", "<image")
    )
