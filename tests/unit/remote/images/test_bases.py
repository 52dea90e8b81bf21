"""Base images: how upstream's answers are told apart, `docker save` files, and debootstrap's script."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
import requests

from model.errors import BuildError
from model.images.reference import parse
from remote.images.bases import Source, UnreachableError, archived, debootstrap_script, present, resolve
from tests.doubles.upstream import ONE, TWO, Engine, refused


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (refused(401, "unauthorized: authentication required"), BuildError, "if it wants a login"),
        (refused(403, "denied: requested access"), BuildError, '[registries."docker.io"]'),
        (refused(404, "manifest unknown: manifest unknown"), BuildError, "manifest unknown"),
        (refused(500, "dial tcp: lookup registry-1.docker.io"), UnreachableError, "lookup registry-1"),
        (requests.ConnectionError("broken"), UnreachableError, "broken"),
    ],
)
def test_upstreams_answers_are_told_apart(error: Exception, kind: type[BuildError], said: str) -> None:
    """Only one that gave no answer leaves open what it has; the message says what to write for the others."""
    where = Source(parse("debian:12"), parse("debian:12"))

    with pytest.raises(BuildError) as caught:
        resolve(Engine(error), "hive3", where)

    assert type(caught.value) is kind
    assert str(caught.value).startswith("hive3: asking docker.io for debian:12: ")
    assert said in str(caught.value)


def test_an_image_is_known_by_the_mirrors_name_too() -> None:
    """An image that came from a mirror is listed under the mirror's name."""
    where = Source(parse("debian:12"), parse("m.example/library/debian:12"))

    engine = Engine(ONE, {"debian:12": [f"m.example/library/debian@{TWO}"]})

    assert present(engine, "hive3", where) == TWO
    assert present(Engine(ONE), "hive3", where) is None


def save(path: Path, *images: tuple[list[str] | None, str]) -> Path:
    """Write a `docker save` file as far as it matters here."""
    manifest = [{"Config": config, "RepoTags": names, "Layers": []} for names, config in images]
    data = json.dumps(manifest).encode()
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("tag", ["app:1", "docker.io/library/app:1", "library/app:1"])
@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz"])
def test_a_saved_image_is_found_by_its_tag(tmp_path: Path, file: str, tag: str) -> None:
    """In whatever way it is written, in a file that may be compressed and hold several."""
    path = save(tmp_path / file, (["other:1"], "0.json"), (["x:1", "app:1"], "1.json"))

    assert archived(path, tag) == "app:1"


@pytest.mark.parametrize("config", ["12ab.json", "blobs/sha256/12ab"])
def test_a_file_with_one_image_without_a_name(tmp_path: Path, config: str) -> None:
    """Saved by its id, it is the one that is meant."""
    assert archived(save(tmp_path / "a.tar", (None, config)), "app:1") == "sha256:12ab"


def test_a_saved_image_that_is_not_there(tmp_path: Path) -> None:
    """The message names those that are."""
    path = save(tmp_path / "a.tar", (["app:1", "app:2"], "0.json"), (["db:1"], "1.json"))

    with pytest.raises(BuildError, match="has no image app:3, but app:1, app:2, db:1"):
        archived(path, "app:3")


def test_a_file_that_is_no_saved_image(tmp_path: Path) -> None:
    """Neither an empty file nor a root file system is taken for one."""
    (tmp_path / "a.tar").write_text("no tar")
    with tarfile.open(tmp_path / "b.tar", "w"):
        pass

    with pytest.raises(BuildError, match="can't be read as a `docker save` file"):
        archived(tmp_path / "a.tar", "app:1")
    with pytest.raises(BuildError, match=r"has no manifest\.json"):
        archived(tmp_path / "b.tar", "app:1")


DEBIAN = "http://deb.debian.org/debian"


@pytest.mark.parametrize(
    ("suite", "mirror", "written"),
    [
        (
            "bookworm",
            DEBIAN,
            [
                f"deb {DEBIAN} bookworm main",
                f"deb {DEBIAN} bookworm-updates main",
                "deb http://deb.debian.org/debian-security bookworm-security main",
            ],
        ),
        ("sid", DEBIAN, [f"deb {DEBIAN} sid main"]),
        ("unstable", f"{DEBIAN}/", [f"deb {DEBIAN}/ unstable main"]),
        ("bookworm", "http://192.0.2.1/debian", ["deb http://192.0.2.1/debian bookworm main"]),
        (
            "noble",
            "http://archive.ubuntu.com/ubuntu",
            [
                f"deb http://archive.ubuntu.com/ubuntu {part} main universe"
                for part in ("noble", "noble-updates", "noble-security")
            ],
        ),
    ],
)
def test_only_suites_that_there_are(tmp_path: Path, suite: str, mirror: str, written: list[str]) -> None:
    """Sid has neither updates nor security fixes apart, and where another mirror has them is not known."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "debootstrap").write_text('#!/bin/sh\nmkdir -p "$3/etc/apt"\n')
    (programs / "docker").write_text(
        f"#!/bin/sh\n[ $1 = import ] && tar -x -C {tmp_path} ./etc/apt/sources.list\n"
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    script = debootstrap_script(suite, mirror, (), "tag")
    script = script.replace("/var/tmp", str(tmp_path)).replace("/run/", f"{tmp_path}/")
    path = f"{programs}:{os.environ['PATH']}"
    subprocess.run(["sh", "-eu", "-s"], input=script, text=True, check=True, env={"PATH": path}, timeout=50)

    assert (tmp_path / "etc" / "apt" / "sources.list").read_text().splitlines() == written
