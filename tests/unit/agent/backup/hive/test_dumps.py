"""Data as a service gives it out: what the engine gave of its files counts only if it is whole."""

import io
import tarfile
from pathlib import Path
from typing import IO

import pytest

from agent.backup.config import Script
from agent.backup.hive.dumps import dump
from agent.errors import AgentError
from tests.doubles.hive import HiveEngine

DIRECTORY = Script("conf", directory="/etc/app")
FILE = Script("db", backup_command="dump", backup_file="/tmp/db.sql")


def archive() -> bytes:
    """Return an archive of two files, as the engine gives it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as written:
        for name in ("app/a", "app/b"):
            member = tarfile.TarInfo(name)
            member.size = 1000
            written.addfile(member, io.BytesIO(bytes(range(250)) * 4))
    return packed.getvalue()


SECOND = tarfile.BLOCKSIZE + 1024
"""Where the second file's header begins; its content ends 1,536 bytes behind."""


class Engine(HiveEngine):
    """An engine whose answer is cut off, and ends well all the same.

    Args:
        volumes: The directory of volumes.
        length: The bytes of the archive that come; all by default.

    """

    def __init__(self, volumes: Path, length: int | None = None) -> None:
        super().__init__(volumes)
        self.length = length

    def archive(self, container: str, path: str, output: IO[bytes]) -> None:
        """Write what comes."""
        del container, path
        output.write(archive()[: self.length])


def test_all_of_it(tmp_path: Path) -> None:
    """A directory is saved as it came, a file by its content."""
    engine = Engine(tmp_path)
    assert dump(engine, "c1", DIRECTORY, tmp_path / "dir")["bytes"] == len(archive())
    assert (tmp_path / "dir").read_bytes() == archive()
    assert dump(engine, "c1", FILE, tmp_path / "file")["bytes"] == 1000


@pytest.mark.parametrize("script", [DIRECTORY, FILE], ids=["directory", "backup_file"])
@pytest.mark.parametrize(
    "length",
    [0, 100, 900, SECOND, SECOND + 100, SECOND + 900, SECOND + 1536, SECOND + 1536 + 512],
    ids=["empty", "header", "content", "file", "next header", "its content", "no end", "half of the end"],
)
def test_what_is_cut_off(tmp_path: Path, script: Script, length: int) -> None:
    """Wherever the stream ended: it is no dump, none stays, and the message names the path."""
    target = tmp_path / "dump"
    with pytest.raises(AgentError, match=r"^(/etc/app|/tmp/db.sql): what the engine gave of it is cut off"):
        dump(Engine(tmp_path, length), "c1", script, target)
    assert not target.exists()
