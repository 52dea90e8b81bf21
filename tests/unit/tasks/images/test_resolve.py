"""The registries upstream: pins, mirrors and logins."""

from pathlib import Path

import pytest

from model.images.reference import parse
from tests.doubles.upstream import ONE, TWO, run_of


def test_site_toml_pins_before_the_lock(tmp_path: Path) -> None:
    """A digest that is written out is the one that counts; then site.lock; else nothing does."""
    (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{TWO}"\n')
    run = run_of(tmp_path)

    assert run.upstream.pinned(parse(f"debian:12@{ONE}")) == ONE
    assert run.upstream.pinned(parse("debian:12")) == TWO
    assert run.upstream.pinned(parse("debian:11")) == ""


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
