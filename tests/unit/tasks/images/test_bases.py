"""Bases: what they are made from, which digest is meant, and what is said when upstream moves or refuses."""

import hashlib
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from model.errors import BuildError, ConfigError, HostError
from model.images import bases
from model.images.reference import parse
from model.keys.record import HostRecord, ImageRecord
from model.site_file.load import load, parse_site
from model.stage import Stage
from remote.images.bases import (
    RefusedError,
)
from tasks import build_images
from tasks.images import bases as base_tasks
from tasks.images.bases import BaseImage, UpstreamDigest
from tasks.names import base_task, image_task, upstream_task
from tasks.observe import tag_moves
from tasks.observe.drift import Unknown
from tasks.observe.tag_moves import TagMoves
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.step import Work

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def run_of(directory: Path, **tables: Any) -> Run:
    """Return a run of a site with one image from debian:12, and more tables."""
    given = {
        "site": "example",
        "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
        "images": {"web": {"from": "debian:12"}},
        "services": {"web": {"image": "web"}},
        **tables,
    }
    site = parse_site(given)
    stage = Stage(site, "private", site.stages["private"])
    return new_run(directory, stage, State(directory / "state" / "private"))


def base_of(run: Run, name: str = "debian:12") -> BaseImage:
    """Return a base of a run."""
    return BaseImage(run, name)


def file_digest_of(run: Run, file: Path) -> str:
    """Return the digest of a file of a run's site."""
    return base_tasks.file_digest(run.state, run.coordination, file)


def tag_moves_of(run: Run) -> TagMoves:
    """Begin to ask upstream for the tags of a run."""
    return TagMoves(run.stage, run.state, run.secrets, run.upstream)


def resolve_to(run: Run, digest: str, name: str = "debian:12") -> None:
    """Have a base resolved, as by an earlier run."""
    run.state.write(upstream_task(name), ImageRecord(reference=str(parse(name.partition("@")[0]).at(digest))))


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


def test_site_toml_pins_before_the_lock(tmp_path: Path) -> None:
    """A digest that is written out is the one that counts; then site.lock; else nothing does."""
    (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{TWO}"\n')
    run = run_of(tmp_path)

    assert run.upstream.pinned(parse(f"debian:12@{ONE}")) == ONE
    assert run.upstream.pinned(parse("debian:12")) == TWO
    assert run.upstream.pinned(parse("debian:11")) == ""


def test_the_lock_follows_the_map(tmp_path: Path) -> None:
    """It pins what is pulled: a base that is mapped elsewhere is not held to the digest of another repository."""
    (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{TWO}"\n')
    run = run_of(tmp_path, bases={"debian:12": {"image": "quay.io/debian:12"}})

    assert digest_of(run).inputs() == {"reference": "quay.io/debian:12"}


class Engine:
    """An engine that answers one way."""

    def __init__(self, answer: str | Exception, held: dict[str, list[str]] | None = None) -> None:
        self.answer, self.held = answer, held or {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.api = SimpleNamespace(inspect_distribution=self._distribution)
        self.images = SimpleNamespace(get=self._image)

    def _distribution(self, name: str, auth_config: dict[str, str]) -> Any:
        self.asked.append((name, auth_config))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Descriptor": {"digest": self.answer}}

    def _image(self, name: str) -> Any:
        if name not in self.held:
            raise ImageNotFound(name)
        return SimpleNamespace(attrs={"RepoDigests": self.held[name]})


def refused(status: int, said: str) -> APIError:
    """Return an error of the engine's API."""
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response, said)


def with_engine(run: Run, engine: Engine) -> Run:
    """Give a run an engine on its repository host."""
    run.connections.engine = lambda _host: engine  # type: ignore[method-assign, assignment]
    host = run.stage.repository
    record = HostRecord(name=host.name, id="1", address=host.address, ssh_host=host.address)
    run.state.write(f"build_infra:{host.short}", record)
    return run


def test_upstream_is_asked_by_the_repository_hosts_engine(tmp_path: Path) -> None:
    """Nothing pins it: what the tag is now is what is meant. Nobody logs in unless site.toml says so."""
    engine = Engine(ONE)
    run = with_engine(run_of(tmp_path), engine)

    assert digest_of(run).ensure(work([])) == ImageRecord(reference=f"debian@{ONE}")
    assert engine.asked == [("debian:12", {})]


def test_a_mirror_is_asked_with_its_own_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream's password never goes to a mirror."""
    monkeypatch.setenv("HUB", "swordfish")
    tables = {
        "docker.io": {"user": "ann", "password": "hub", "mirror": "mirror.example:5000"},
        "mirror.example:5000": {"user": "bob", "password": "mirror"},
    }
    secrets = {"hub": {"env": "HUB"}, "mirror": {"env": "HUB"}}
    with_login = run_of(tmp_path, registries=tables, secrets=secrets)
    without = run_of(tmp_path, registries={"docker.io": tables["docker.io"]}, secrets=secrets)

    found = with_login.upstream.source(parse("debian:12"))
    assert str(found.contact) == "mirror.example:5000/library/debian:12"
    assert found.auth == {
        "username": "bob",
        "password": "swordfish",
        "serveraddress": "mirror.example:5000",
    }
    assert without.upstream.source(parse("debian:12")).auth == {}
    assert "swordfish" not in repr(found)


def test_a_wrong_password_is_said_by_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who and which secret, never the password; and no advice to make the base in another way."""
    monkeypatch.setenv("HUB", "swordfish")
    tables = {"docker.io": {"user": "ann", "password": "hub"}}
    run = run_of(tmp_path, registries=tables, secrets={"hub": {"env": "HUB"}})
    with_engine(run, Engine(refused(401, "unauthorized: incorrect username or password")))

    with pytest.raises(RefusedError) as caught:
        digest_of(run).ensure(work([]))

    assert str(caught.value).splitlines()[1:] == [
        '    docker.io did not let in user ann with the secret hub: see [registries."docker.io"] in site.toml'
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


# -- the live look ---------------------------------------------------------------------------------------------------


def test_a_moved_tag_is_said(tmp_path: Path) -> None:
    """Old against new, by the base's own name; what did not move is fresh."""
    run = with_engine(run_of(tmp_path), Engine(TWO))
    resolve_to(run, ONE)
    reason = f"debian:12 moved upstream: sha256:{'1' * 12} → sha256:{'2' * 12}"
    assert tag_moves_of(run).moved("debian:12") == reason

    resolve_to(run, TWO)

    assert tag_moves_of(run).moved("debian:12") is None


def test_an_upstream_that_cannot_be_asked_makes_nothing_stale(tmp_path: Path) -> None:
    """The log alone says so."""
    run = with_engine(run_of(tmp_path), Engine(refused(500, "dial tcp: timeout")))
    resolve_to(run, ONE)
    assert tag_moves_of(run).moved("debian:12") is None
    assert not run.state.log_path("upstream").exists(), "a plan writes nothing"
    run.state.lock("doit")

    assert tag_moves_of(run).moved("debian:12") is None
    assert "debian:12 could not be asked for" in run.state.log_path("upstream").read_text()
    run.state.unlock()


def test_an_upstream_that_is_slow_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few seconds of a run the rest of it goes on."""
    run = with_engine(run_of(tmp_path), Engine(TWO))
    resolve_to(run, ONE)
    answer = threading.Event()
    monkeypatch.setattr(tag_moves, "WAIT", 0.0)
    monkeypatch.setattr(run.upstream, "digest_now", lambda *_: TWO if answer.wait(10) else ONE)

    look = tag_moves_of(run)

    assert look.moved("debian:12") is None
    answer.set()
    assert look._answered["debian:12"].wait(10)


@pytest.mark.parametrize("how", ["lock", "digest", "never resolved", "made here"])
def test_what_cannot_move_is_not_asked_for(tmp_path: Path, how: str) -> None:
    """With a lock a run asks no upstream at all."""
    if how == "lock":
        (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{ONE}"\n')
    name = f"debian:12@{ONE}" if how == "digest" else "debian:12"
    tables: dict[str, Any] = {"images": {"web": {"from": name}}}
    if how == "made here":
        tables["bases"] = {"debian:12": {"debootstrap": "bookworm"}}
    engine = Engine(TWO)
    run = with_engine(run_of(tmp_path, **tables), engine)
    if how != "never resolved":
        resolve_to(run, ONE, name)

    assert tag_moves_of(run).moved(name) is None
    assert engine.asked == []
    assert not run.state.log_path("upstream").exists()


def test_no_repository_host_yet(tmp_path: Path) -> None:
    """Upstream is asked from there, so it has to be made first; until then nobody knows."""
    run = run_of(tmp_path)

    with pytest.raises(HostError, match="is not made yet"):
        run.upstream.digest_now(parse("debian:12"))
    assert isinstance(tag_moves_of(run).moved("debian:12"), Unknown)


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
            "bases.'a': takes only one of debootstrap, tarball, archive, image",
        ),
        ('[bases.a]\narchive = "x.tar"', "bases.'a'.archive: there is no file x.tar in"),
        ('[bases.a]\ntag = "b:1"', "bases.'a'.tag: names an image in `archive`"),
        ('[bases.a]\nimage = "B:1"', "bases.'a'.image: 'B:1' is not an image reference"),
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
            "registries.'docker.io'.password: there is no secret 'hbu' (there are: hub, made)",
        ),
        (
            '[registries."docker.io"]\nuser = "ann"\npassword = "made"',
            "registries.'docker.io'.password: made is generated here",
        ),
        ('[registries."https://a.example"]', "registries.'https://a.example': is not how references name"),
        ('[registries."a.example"]\nmirror = "https://b"', "registries.a.example.mirror: 'https://b' is not"),
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


# -- debootstrap -------------------------------------------------------------------------------------------------------
