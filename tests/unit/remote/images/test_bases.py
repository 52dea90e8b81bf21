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
from model.keys.digest import sha256
from remote.images.bases import Source, UnreachableError, archived, debootstrap_script, present, resolve
from remote.images.debian_suites import KEPT_BASES
from tests.doubles.importing_engine import ImportingEngine
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
    with ImportingEngine(tmp_path / "docker.sock") as engine:
        assert made_by(tmp_path, 'mkdir -p "$3/etc/apt"', suite, mirror).returncode == 0

    (root,) = engine.images.values()
    with tarfile.open(fileobj=io.BytesIO(root)) as archive:
        member = archive.extractfile("./etc/apt/sources.list")
        assert member is not None
        assert member.read().decode().splitlines() == written


def made_by(
    directory: Path, debootstrap: str, suite: str = "trixie", mirror: str = DEBIAN, kept: Path = Path("/none")
) -> "subprocess.CompletedProcess[str]":
    """Run the script with a debootstrap of few words on a host that has no docker command."""
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "debootstrap").write_text(f'#!/bin/sh\nmkdir -p "$3/etc/apt"\n{debootstrap}\n')
    (programs / "debootstrap").chmod(0o755)
    # Not so in its place: skep must do without it.
    (programs / "docker").write_text("#!/bin/sh\nexit 127\n")
    (programs / "docker").chmod(0o755)
    script = debootstrap_script(suite, mirror, (), "skep/base:k")
    for path, here in (
        ("/var/tmp", directory),
        ("/var/run/docker.sock", directory / "docker.sock"),
        ("/run/skep", directory / "lock.skep"),
        (KEPT_BASES, kept),
    ):
        script = script.replace(path, str(here))
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-eu", "-s"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": path},
        timeout=50,
    )


@pytest.mark.parametrize(
    ("release", "mirror", "is_taken"),
    [(b"of today", "", True), (b"of yesterday", "", False), (b"of today", "/", False), (None, "", False)],
    ids=["the same", "an older release", "another mirror", "no release"],
)
def test_the_base_that_a_host_keeps(
    tmp_path: Path, release: bytes | None, mirror: str, *, is_taken: bool
) -> None:
    """It is taken as it is where it is of the mirror's release of now, and of the same mirror; else it is made."""
    kept, asked = tmp_path / "kept", f"{(tmp_path / 'mirror').as_uri()}"
    (tmp_path / "mirror" / "dists" / "trixie").mkdir(parents=True)
    (tmp_path / "mirror" / "dists" / "trixie" / "InRelease").write_bytes(b"of today")
    kept.mkdir()
    if release is not None:
        (kept / "trixie.release").write_text(f"{sha256(release)} {asked}\n")
    (kept / "trixie.tar.gz").write_bytes(b"kept")

    with ImportingEngine(tmp_path / "docker.sock") as engine:
        done = made_by(tmp_path, "echo unpacked", mirror=asked + mirror, kept=kept)

    assert done.returncode == 0, done.stderr
    assert ("unpacked" in done.stdout) is not is_taken
    assert (engine.images["skep/base:k"] == b"kept") is is_taken
    assert not list(tmp_path.glob("skep-base.*"))


def test_a_kept_base_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    """As one that was written when memory ran out: nothing but debootstrap would bring the site on."""
    mirror = (tmp_path / "mirror").as_uri()
    (tmp_path / "mirror" / "dists" / "trixie").mkdir(parents=True)
    (tmp_path / "mirror" / "dists" / "trixie" / "InRelease").write_bytes(b"of today")
    (tmp_path / "trixie.release").write_text(f"{sha256(b'of today')} {mirror}\n")
    (tmp_path / "trixie.tar.gz").write_bytes(b"half")

    with ImportingEngine(tmp_path / "docker.sock", damaged=b"half") as engine:
        done = made_by(tmp_path, "echo unpacked", mirror=mirror, kept=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "the engine does not take it: running debootstrap\nunpacked" in done.stdout
    assert list(engine.images) == ["skep/base:k"]


def test_what_was_made_already_is_not_made_again(tmp_path: Path) -> None:
    """The script of a run that was killed may have ended well; its image is taken, with the command that it has."""
    with ImportingEngine(tmp_path / "docker.sock") as engine:
        made_by(tmp_path, ":")
        assert engine.queries == [
            {"fromSrc": ["-"], "repo": ["skep/base"], "tag": ["k"], "changes": ['CMD ["/bin/sh"]']}
        ]
        again = made_by(tmp_path, "exit 1")

    assert (again.returncode, again.stdout) == (
        0,
        "made already, by a run that was killed before it pushed it\n",
    )
    assert list(engine.images) == ["skep/base:k"]


def test_a_half_import_leaves_nothing(tmp_path: Path) -> None:
    """If the archive breaks off, the engine does not hear its end, and the script fails; nothing is left to count."""
    broken = f'printf %s "#!/bin/sh\necho half; exit 2" >{tmp_path}/bin/tar; chmod +x {tmp_path}/bin/tar'
    with ImportingEngine(tmp_path / "docker.sock") as engine:
        done = made_by(tmp_path, broken)

    assert done.returncode != 0
    assert "tar failed: nothing is imported" in done.stderr
    assert engine.images == {}
    assert engine.broken == [b"half\n"]
    assert not list(tmp_path.glob("skep-base.*"))


@pytest.mark.parametrize("early", [False, True])
def test_what_the_engine_refuses(tmp_path: Path, early: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Its own words are the message, also where it does not listen to the end; without one its socket is named."""
    data = 'mkdir -p "$3/data"; head -c 3000000 /dev/zero >"$3/data/zero"'
    with ImportingEngine(tmp_path / "docker.sock", "no space left on device", early=early) as engine:
        refused = made_by(tmp_path, data)
    away = made_by(tmp_path, data)

    assert refused.returncode != 0
    assert "no space left on device" in refused.stdout
    assert engine.images == {}
    assert away.returncode != 0
    assert f"{tmp_path}/docker.sock: the Docker Engine does not answer" in away.stderr
