"""Bases: what they are made from, which digest is meant, and what is said when upstream moves or refuses."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from model.errors import BuildError, ConfigError
from model.images import bases
from model.keys.record import ImageRecord
from model.site_file.load import load
from remote.images.bases import (
    RefusedError,
)
from tasks import build_images
from tasks.images import bases as base_tasks
from tasks.images.bases import BaseImage, UpstreamDigest
from tasks.names import base_task, image_task, upstream_task
from tasks.run.context import Run
from tasks.step import Work
from tests.doubles.upstream import ONE, TWO, Engine, refused, resolve_to, run_of, with_engine


def base_of(run: Run, name: str = "debian:12") -> BaseImage:
    """Return a base of a run."""
    return BaseImage(run, name)


def file_digest_of(run: Run, file: Path) -> str:
    """Return the digest of a file of a run's site."""
    return base_tasks.file_digest(run.state, run.coordination, file)


def digest_of(run: Run, name: str = "debian:12") -> UpstreamDigest:
    """Return what finds out a base's digest."""
    found = base_of(run, name).upstream
    assert found is not None
    return found


def work(said: list[str], name: str = "debian:12") -> Work:
    """Return what `ensure` gets."""
    return Work(upstream_task(name), {}, "key", said.append)


# -- which bases there are -------------------------------------------------------------------------------------------


def test_what_a_service_runs_as_it_is_is_a_base(tmp_path: Path) -> None:
    """A reference of a service goes through the registry too, so that it is run by digest."""
    run = run_of(tmp_path, services={"web": {"image": "web"}, "cache": {"image": "redis:7"}})

    assert bases.names(run.stage) == ["debian:12", "redis:7"]
    assert image_task(run.stage, run.stage.services["cache"]) == base_task("redis:7")
    assert image_task(run.stage, run.stage.services["web"]) == "build_images:web"


def test_an_image_that_no_service_uses_needs_no_base(tmp_path: Path) -> None:
    """Nothing is pulled for nobody."""
    run = run_of(tmp_path, services={"cache": {"image": "redis:7"}})

    assert bases.names(run.stage) == ["redis:7"]


@pytest.mark.parametrize("table", [{"debootstrap": "bookworm"}, {"tarball": "a.tar"}, {"archive": "a.tar"}])
def test_what_is_made_here_has_no_upstream(tmp_path: Path, table: dict[str, str]) -> None:
    """Only what is pulled has a digest to find out."""
    run = run_of(tmp_path, bases={"debian:12": table})

    assert [step.name for step in build_images.steps(run)] == ["base.debian-12", "web"]


def test_what_is_pulled_is_resolved_first(tmp_path: Path) -> None:
    """The base is made from what the first of its two steps found."""
    steps = {step.name: step for step in build_images.steps(run_of(tmp_path))}

    assert list(steps) == ["upstream.debian-12", "base.debian-12", "web"]
    assert steps["base.debian-12"].needs == ("build_images:upstream.debian-12",)
    assert steps["upstream.debian-12"].after == steps["base.debian-12"].after


def test_what_another_stage_built_is_a_base(tmp_path: Path) -> None:
    """An image that is pulled on this stage is held to a digest like all that is pulled; what it begins with is not."""
    image = {"from": "debian:12", "pull_on": ["private"], "pull_from": "hub.example/web:1"}
    steps = {step.name: step for step in build_images.steps(run_of(tmp_path, images={"web": image}))}

    assert list(steps) == ["upstream.hub.example-web-1", "base.hub.example-web-1", "web"]
    assert steps["web"].needs == ("build_images:base.hub.example-web-1",)


# -- inputs ----------------------------------------------------------------------------------------------------------


def test_the_digest_is_an_input_under_its_own_name(tmp_path: Path) -> None:
    """That a tag moved can be read from the reason."""
    run = run_of(tmp_path)
    resolve_to(run, ONE)

    assert base_of(run).inputs() == {"reference": "debian:12", "base": "{}", "upstream": "1" * 64}


def test_before_it_is_resolved_it_waits(tmp_path: Path) -> None:
    """A KeyError is what says that something is not there yet."""
    with pytest.raises(KeyError, match=r"upstream\.debian-12"):
        base_of(run_of(tmp_path)).inputs()


def test_neither_mirror_nor_login_is_an_input(tmp_path: Path) -> None:
    """They say how to get it, not what it is."""
    plain = run_of(tmp_path)
    resolve_to(plain, ONE)
    table = {"docker.io": {"user": "ann", "password": "hub", "mirror": "mirror.example"}}
    other = run_of(tmp_path, registries=table, secrets={"hub": {"env": "HUB"}})

    assert base_of(other).inputs() == base_of(plain).inputs()
    assert digest_of(other).inputs() == digest_of(plain).inputs()


@pytest.mark.parametrize("key", ["tarball", "archive"])
def test_a_files_content_is_an_input(tmp_path: Path, key: str) -> None:
    """A changed file is another base, a renamed one too; its time is nothing."""
    run = run_of(tmp_path, bases={"debian:12": {key: "a.tar"}})
    (tmp_path / "a.tar").write_bytes(b"1")
    before = base_of(run).inputs()
    (tmp_path / "a.tar").touch()
    assert base_of(run).inputs() == before

    (tmp_path / "a.tar").write_bytes(b"2")

    after = base_of(run).inputs()
    assert {name for name in after if after[name] != before[name]} == {key}


def test_a_large_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does another process read it while the file system says that it is the same."""
    file = tmp_path / "a.tar"
    file.write_bytes(b"1")
    now = file.stat().st_ctime
    read: list[str] = []
    digest = hashlib.file_digest

    def counted(opened: Any, name: str) -> Any:
        read.append(opened.name)
        return digest(opened, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    monkeypatch.setattr(time, "time", lambda: now + 1)
    one = [file_digest_of(run_of(tmp_path), file) for _ in range(2)]
    assert len(read) == 2, "it was just written"
    monkeypatch.setattr(time, "time", lambda: now + 60)
    one += [file_digest_of(run_of(tmp_path), file) for _ in range(3)]
    assert len(read) == 3

    file.write_bytes(b"2")

    assert file_digest_of(run_of(tmp_path), file) not in one
    assert len(set(one)) == 1


def test_pinned_and_unpinned_ask_for_the_same_base(tmp_path: Path) -> None:
    """Locking what is there already makes nothing anew."""
    run = run_of(tmp_path)
    resolve_to(run, ONE)
    before = base_of(run).inputs()
    (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{ONE}"\n')
    locked = run_of(tmp_path)

    said: list[str] = []
    record = digest_of(locked).ensure(work(said))

    assert record == locked.state.record(upstream_task("debian:12"), ImageRecord)
    assert said == [f"debian:12 is pinned to {ONE}"]
    assert base_of(locked).inputs() == before


# -- which digest ----------------------------------------------------------------------------------------------------


def test_the_lock_follows_the_map(tmp_path: Path) -> None:
    """It pins what is pulled: a base that is mapped elsewhere is not held to the digest of another repository."""
    (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{TWO}"\n')
    run = run_of(tmp_path, bases={"debian:12": {"image": "quay.io/debian:12"}})

    assert digest_of(run).inputs() == {"reference": "quay.io/debian:12"}


def test_upstream_is_asked_by_the_repository_hosts_engine(tmp_path: Path) -> None:
    """Nothing pins it: what the tag is now is what is meant. Nobody logs in unless site.toml says so."""
    engine = Engine(ONE)
    run = with_engine(run_of(tmp_path), engine)

    assert digest_of(run).ensure(work([])) == ImageRecord(reference=f"debian@{ONE}")
    assert engine.asked == [("debian:12", {})]


def test_a_wrong_password_is_said_by_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who and which secret, never the password; and no advice to make the base in another way."""
    monkeypatch.setenv("HUB", "swordfish")
    tables = {"docker.io": {"user": "ann", "password": "hub"}}
    run = run_of(tmp_path, registries=tables, secrets={"hub": {"env": "HUB"}})
    with_engine(run, Engine(refused(401, "unauthorized: incorrect username or password")))

    with pytest.raises(RefusedError) as caught:
        digest_of(run).ensure(work([]))

    assert str(caught.value).splitlines()[1:] == [
        '    docker.io refused user ann with the secret hub: see [registries."docker.io"] in site.toml'
    ]


def test_an_upstream_that_is_away_changes_nothing(tmp_path: Path) -> None:
    """What was resolved before stays: the last record's, else what the engine pulled last."""
    away = refused(500, "dial tcp: timeout")
    run = with_engine(run_of(tmp_path), Engine(away, {"debian:12": [f"other@{ONE}", f"debian@{TWO}"]}))
    said: list[str] = []

    assert digest_of(run).ensure(work(said)).reference == f"debian@{TWO}"
    resolve_to(run, ONE)
    assert digest_of(run).ensure(work(said)).reference == f"debian@{ONE}"
    assert "debian:12 stays what it was" in said


def test_another_repositorys_digest_is_not_taken(tmp_path: Path) -> None:
    """A base that was mapped elsewhere meanwhile is not what it was, so it has to be asked for."""
    run = run_of(tmp_path, bases={"debian:12": {"image": "quay.io/debian:12"}})
    with_engine(run, Engine(refused(500, "dial tcp: timeout")))
    resolve_to(run, ONE)

    with pytest.raises(BuildError, match=r'\[bases\."debian:12"\]'):
        digest_of(run).ensure(work([]))


# -- mistakes in site.toml -------------------------------------------------------------------------------------------

START = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[secrets]
made = { generate = 20 }
hub = { env = "HUB" }
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[bases.a]\ndebootstrap = "sid"\nimage = "b:1"',
            "bases.a: takes only one of debootstrap, tarball, archive, image",
        ),
        ('[bases.a]\narchive = "x.tar"', "bases.a.archive: there is no file x.tar in"),
        ('[bases.a]\ntag = "b:1"', "bases.a.tag: names an image in `archive`"),
        ('[bases.a]\nimage = "B:1"', "bases.a.image: 'B:1' is not an image reference"),
        ('[bases."A:1"]', "bases.'A:1': 'A:1' is not an image reference"),
        ('[images.a]\nfrom = "A:1"', "images.a.from: 'A:1' is not an image reference"),
        (
            '[services.a]\nimage = "b:1@sha256:1"',
            "services.a.image: 'b:1@sha256:1' is not an image reference",
        ),
        (
            '[registries."docker.io"]\nuser = "ann"',
            "registries.'docker.io': a login needs both user and password",
        ),
        (
            '[registries."docker.io"]\nuser = "ann"\npassword = "hbu"',
            (
                "registries.'docker.io'.password: takes the name of a secret in [secrets], not a password, and there "
                "is none of this name (there are: hub, made)"
            ),
        ),
        (
            '[registries."docker.io"]\nuser = "ann"\npassword = "made"',
            "registries.'docker.io'.password: made is generated here",
        ),
        ('[registries."https://a.example"]', "registries.'https://a.example': is not how references name"),
        (
            '[registries."a.example"]\nmirror = "https://b"',
            "registries.'a.example'.mirror: 'https://b' is not",
        ),
        (
            '[images.a]\nfrom = "b:1"\nroles = ["certificate"]',
            "images.a.roles[0].vars.NAMES: role certificate needs",
        ),
        (
            '[images.a]\nfrom = "b:1"\nvars = { NAMES = "a_b" }\nroles = ["certificate"]',
            "images.a.roles[0].vars.NAMES: 'a_b' is neither",
        ),
    ],
)
def test_mistakes_are_said_with_their_path(tmp_path: Path, text: str, said: str) -> None:
    """Before anything is touched."""
    (tmp_path / "site.toml").write_text(f"{START}{text}\n")

    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "site.toml")

    (problem,) = caught.value.problems
    assert said in problem


def test_a_service_may_run_a_base(tmp_path: Path) -> None:
    """A base needs no tag in its name when `[bases]` says how it is had."""
    text = '[bases.app]\nimage = "registry.example/app:3"\n[services.a]\nimage = "app"\n'
    (tmp_path / "site.toml").write_text(f"{START}{text}")

    site = load(tmp_path / "site.toml")

    assert str(bases.pulled(site, "app")) == "registry.example/app:3"
