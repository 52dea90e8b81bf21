"""A directory copied and compared with the commands that hosts get, by this machine's own tar."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from remote.swarm import volume_copy
from remote.swarm.volume_copy import data_directory, parse_digest, parse_look


def script(text: str) -> str:
    """Run a script as a host's root shell does, and return its output."""
    return subprocess.run(["sh", "-eu", "-s"], input=text, text=True, capture_output=True, check=True).stdout


def local(command: str) -> str:
    """Return a command without sudo, which the machine of a test may not have."""
    return command.replace("sudo -n ", "")


def digest(directory: Path) -> str:
    """Return a directory's digest."""
    return parse_digest(script(volume_copy.digest_script(str(directory))))


def filled(directory: Path) -> Path:
    """Return a directory with files of all kinds."""
    directory.mkdir()
    file = directory / "file"
    file.write_text("data")
    os.setxattr(file, "user.note", b"kept")
    (directory / "hard").hardlink_to(file)
    (directory / "symbolic").symlink_to("/nowhere")
    os.mkfifo(directory / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / "socket"))
    for name in ("-rf", "sp ace", "new\nline", "ümlaut", "*"):
        (directory / name).write_text(name)
    holes = directory / "holes"
    with holes.open("wb") as stream:
        stream.seek(20_000_000)
        stream.write(b"end")
    deep = directory / "directory"
    deep.mkdir(mode=0o1777)
    (deep / "empty").mkdir()
    os.utime(file, ns=(1, 987_654_321_123_456_789))
    os.utime(deep, ns=(1, 987_654_321_000_000_001))
    return directory


def copied(source: Path, target: Path) -> Path:
    """Return a copy of a directory, made as between two hosts."""
    target.mkdir()
    subprocess.run(
        ["sh", "-c", f"{local(volume_copy.send_command(str(source)))} | sh -c 'cat >{target}.tar'"],
        check=True,
    )
    with Path(f"{target}.tar").open("rb") as stream:
        # The lock's directory is root's on hosts.
        text = local(volume_copy.receive_command(str(target))).replace("/run/skep", f"{target}.skep")
        subprocess.run(["sh", "-c", text], stdin=stream, check=True)
    return target


def test_a_copy_is_equal(tmp_path: Path) -> None:
    """Links, attributes, holes, FIFOs, times and names that a shell would trip over come along; sockets do not."""
    source = filled(tmp_path / "source")
    target = copied(source, tmp_path / "target")

    assert digest(target) == digest(source)
    names = {path.name for path in source.iterdir()}
    assert {path.name for path in target.iterdir()} == names - {"socket"}
    assert (target / "hard").stat().st_ino == (target / "file").stat().st_ino
    assert (target / "symbolic").readlink() == Path("/nowhere")
    assert os.getxattr(target / "file", "user.note") == b"kept"
    assert (target / "holes").stat().st_blocks * 512 < 1_000_000
    assert (target / "file").stat().st_mtime_ns == 987_654_321_123_456_789
    assert (target / "directory").stat().st_mode & 0o7777 == 0o1777 & (source / "directory").stat().st_mode


def relinked(directory: Path) -> None:
    """Have the symbolic link point elsewhere."""
    (directory / "symbolic").unlink()
    (directory / "symbolic").symlink_to("/elsewhere")


def unlinked(directory: Path) -> None:
    """Have two equal files in the place of one with two names."""
    (directory / "hard").unlink()
    shutil.copy2(directory / "file", directory / "hard")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: (path / "file").write_text("dato"),
    "a name": lambda path: (path / "*").rename(path / "?"),
    "a mode": lambda path: (path / "file").chmod(0o600),
    "a time": lambda path: os.utime(path / "directory", ns=(1, 2)),
    "a link's target": relinked,
    "an attribute": lambda path: os.setxattr(path / "file", "user.note", b"lost"),
    "a hard link": unlinked,
    "a file more": lambda path: (path / "more").touch(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_that_differs_is_seen(tmp_path: Path, change: str) -> None:
    """Whatever is not as in the source makes another digest."""
    source = filled(tmp_path / "source")
    before = digest(source)
    CHANGES[change](source)

    assert digest(source) != before


def test_files_that_cannot_be_read_make_no_digest(tmp_path: Path) -> None:
    """A directory that is not there is an error, and not an empty one."""
    assert parse_digest(script(volume_copy.digest_script(str(tmp_path / "none")))) == ""


def test_what_is_in_a_directory_is_counted(tmp_path: Path) -> None:
    """Entries, sockets, bytes and room; of a directory that is not there the disk is told."""
    source = filled(tmp_path / "source")
    found = parse_look(script(volume_copy.look_script(str(source))))

    assert (found.entries, found.sockets, found.moved) == (13, 1, 12)
    assert found.size == 20_000_003 + 4 + 4 + len("-rf" + "sp ace" + "new\nline" + "ümlaut" + "*") + 1
    assert found.used < 1_000_000 < found.free
    none = parse_look(script(volume_copy.look_script(str(tmp_path / "none"), disk=str(tmp_path))))
    assert (none.entries, none.size, none.used) == (0, 0, 0)
    assert none.free == pytest.approx(found.free, rel=0.5)


def test_an_unfinished_copy_is_emptied(tmp_path: Path) -> None:
    """All goes but the directory itself; an own lock keeps out the end of a copy that a killed run began."""
    source = filled(tmp_path / "source")
    script(volume_copy.empty_script(str(source)).replace("/run/skep", f"{tmp_path}/skep"))

    assert not any(source.iterdir())


def test_the_files_of_a_bound_volume_are_in_its_directory() -> None:
    """The engine mounts it only while a container uses the volume."""
    bound = {
        "Mountpoint": "/var/lib/docker/volumes/data/_data",
        "Options": {"o": "bind", "device": "/srv/data"},
    }

    assert data_directory(bound) == "/srv/data"
    assert data_directory({**bound, "Options": None}) == "/var/lib/docker/volumes/data/_data"
