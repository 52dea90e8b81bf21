"""Reading while logrotate is at work: no line is left out, and what can't be read is said."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.logs.central_files import WantedLines, central_lines
from agent.logs.lines import NOTE, CentralLine

ALL = WantedLines()
FORMER = "web.log-20261129-1"


def line(second: int, text: str) -> str:
    """Return a line of a central file."""
    return f"2026-11-30T12:00:{second:02}.000000001Z hive0 web.1.x stdout {text}\n"


def read(directory: Path, wanted: WantedLines = ALL) -> tuple[list[str], list[CentralLine]]:
    """Return the texts that are read, and what is said of what is not."""
    found = list(central_lines(directory, "web", wanted))
    return [each.text for each in found if each.stream != NOTE], [
        each for each in found if each.stream == NOTE
    ]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give the directory of a service with a former file and one that is written to."""
    (tmp_path / FORMER).write_text(line(1, "former"))
    (tmp_path / "web.log").write_text(line(2, "now"))
    return tmp_path


def packed(directory: Path) -> None:
    """Compress the former file, as logrotate does."""
    path = directory / FORMER
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def rotated(directory: Path) -> None:
    """Begin the file anew that is written to."""
    path = directory / "web.log"
    path.rename(directory / "web.log-20261130-2")
    path.write_text(line(3, "new"))


@pytest.mark.parametrize("rotation", [packed, rotated])
@pytest.mark.parametrize("opened", range(2))
def test_files_that_are_renamed_or_compressed_meanwhile(
    kept: Path, monkeypatch: pytest.MonkeyPatch, rotation: Callable[[Path], None], opened: int
) -> None:
    """Whenever that happens: before the first or the second file is opened."""
    really_open, count = Path.open, 0

    def opens(path: Path, *words: Any, **options: Any) -> Any:
        nonlocal count
        if path.parent == kept and words == ("rb",):
            count += 1
            if count == opened + 1:
                count += 10
                rotation(kept)
        return really_open(path, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opens)
        texts, said = read(kept)
    assert [text for text in texts if text != "new"] == ["former", "now"]
    assert said == []


def test_a_file_that_is_just_being_compressed(kept: Path) -> None:
    """It is read as it was; what there is of the compressed one is no fault."""
    Path(f"{kept / FORMER}.gz").write_bytes(gzip.compress((kept / FORMER).read_bytes())[:15])
    assert read(kept) == (["former", "now"], [])


def test_a_compressed_file_that_is_cut_off(kept: Path) -> None:
    """Its lines are read as far as they go; a line of stream `skep` says so, whatever is asked for."""
    packed(kept)
    path = Path(f"{kept / FORMER}.gz")
    path.write_bytes(path.read_bytes()[:-9])
    texts, said = read(kept)
    assert texts[-1] == "now"
    assert [each.text.partition(":")[0] for each in said] == [
        f"{path} can't be read to its end, and lines of it are missing"
    ]
    assert read(kept, WantedLines(lines=1, source="hive0"))[1][0].source == "web"


def test_a_file_that_can_not_be_opened(kept: Path) -> None:
    """It is said, and the others are read."""
    (kept / FORMER).unlink()
    (kept / FORMER).symlink_to(FORMER)
    texts, said = read(kept)
    assert texts == ["now"]
    assert len(said) == 1
    assert said[0].text.startswith(f"{kept / FORMER} can't be read, and its lines are missing: ")
