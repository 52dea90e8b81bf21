"""The registry's storage: which tags can be read, what is broken, and how it goes along to another host."""

import shlex
import subprocess
from pathlib import Path

import pytest

from remote.images import registry_move, registry_storage

DIGEST = "ab" + "0" * 62


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a registry's directory with one image, `web:good`."""
    root = tmp_path / "docker-registry"
    add(root, "good", f"sha256:{DIGEST}", "{}")
    return root


def add(root: Path, tag: str, link: str, manifest: str = "") -> None:
    """Write a tag, and the blob that it points to."""
    storage = root / "docker/registry/v2"
    path = storage / f"repositories/web/_manifests/tags/{tag}/current/link"
    path.parent.mkdir(parents=True)
    path.write_text(link)
    if manifest:
        blob = storage / f"blobs/sha256/ab/{DIGEST}/data"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_text(manifest)


def sh(script: str, root: Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run a script with the registry in this directory, and without systemd."""
    text = script.replace("/var/lib/docker-registry", str(root)).replace("systemctl", "echo systemctl")
    return subprocess.run(
        ["sh", "-eu", "-c", text], input=stdin, capture_output=True, check=False, timeout=50
    )


def test_a_tag_counts_if_its_manifest_can_be_read(root: Path) -> None:
    """An empty link, or one to a manifest that is empty or not there, is no image: it is made again."""
    add(root, "empty", "")
    add(root, "nowhere", "sha256:cd" + "0" * 62)

    ended = sh(registry_storage.TAGS, root)

    assert ended.stdout.split() == [b"./web/_manifests/tags/good/current/link"]
    (root / f"docker/registry/v2/blobs/sha256/ab/{DIGEST}/data").write_text("")
    assert sh(registry_storage.TAGS, root).stdout == b""
    assert sh(registry_storage.TAGS, root / "none").returncode == 0


def test_what_was_written_by_half_is_forgotten(root: Path) -> None:
    """The rest stays, and the registry is started anew only if something went."""
    assert sh(registry_storage.mend_script(), root).stdout == b""
    add(root, "empty", "")

    ended = sh(registry_storage.mend_script(), root)

    assert ended.returncode == 0, ended.stderr
    assert b"tags/empty/current/link" in ended.stdout
    assert b"try-restart" in ended.stdout
    assert sh(registry_storage.TAGS, root).stdout.split() == [b"./web/_manifests/tags/good/current/link"]
    assert not list(root.rglob("tags/empty/current/link"))


def test_a_registry_goes_along_whole(root: Path, tmp_path: Path) -> None:
    """All of it is added to what the other host has; the former one stays as it was."""
    other = tmp_path / "other"
    add(other, "own", f"sha256:{DIGEST}", "{}")
    before = files(root)

    stream = sh(command(registry_move.send_command()), root).stdout
    ended = sh(command(registry_move.receive_command()), other, stream)

    assert ended.returncode == 0, ended.stderr
    assert sorted(sh(registry_storage.TAGS, other).stdout.split()) == [
        b"./web/_manifests/tags/good/current/link",
        b"./web/_manifests/tags/own/current/link",
    ]
    assert {path: text for path, text in files(root).items() if ".skep" not in path} == before
    assert not list(other.glob(".skep*"))


def test_a_stream_that_was_cut_off_changes_nothing(root: Path, tmp_path: Path) -> None:
    """As when this machine, or the former host, died in the middle."""
    other = tmp_path / "other"
    stream = sh(command(registry_move.send_command()), root).stdout

    ended = sh(command(registry_move.receive_command()), other, stream[:3072])

    assert ended.returncode != 0
    assert sh(registry_storage.TAGS, other).stdout == b""
    # Whole files, but the last one is missing.
    end = stream.index(b".skep-end")
    ended = sh(command(registry_move.receive_command()), other, stream[:end] + bytes(10240))
    assert b"cut off" in ended.stderr
    assert sh(registry_storage.TAGS, other).stdout == b""


def test_without_room_nothing_is_sent(root: Path) -> None:
    """The message has both figures."""
    assert sh(f"need=1\n{registry_move.ROOM}", root).returncode == 0
    ended = sh(f"need={10**18}\n{registry_move.ROOM}", root)
    assert ended.returncode == 1
    assert f"needs {10**18} bytes" in ended.stderr.decode()
    assert int(sh(registry_move.size_script(), root).stdout) > 0
    assert sh(registry_move.size_script(), root / "none").stdout == b""


def command(words: str) -> str:
    """Return the script in `sudo -n sh -c …`."""
    return shlex.split(words)[-1]


def files(root: Path) -> dict[str, str]:
    """Return all files with their content."""
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
