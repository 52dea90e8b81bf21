"""What only some sites need is installed when it is needed: by a `setup` that is a stub here."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import model.extras
from model.errors import ProviderError
from model.extras import ANSIBLE, AZURE
from model.images import ansible
from remote.mother import extras
from remote.mother.extras import install, loaded
from remote.playbook import play


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a checkout whose .venv runs this, and whose `setup` writes down what it was asked for, with no network."""
    (tmp_path / ".venv").mkdir()
    setup = tmp_path / "setup"
    setup.write_text('#!/bin/sh\necho "$SKEP_EXTRAS $*" >>"${0%/*}/asked"\nexec sh "${0%/*}/does"\n')
    setup.chmod(0o755)
    (tmp_path / "does").write_text("touch .venv/module\n")
    for module in (model.extras, extras):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
        monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(extras, "install", install)
    monkeypatch.setattr(extras, "_installed", set())
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(checkout: Path) -> list[str]:
    """Return what `setup` was asked for, in order."""
    path = checkout / "asked"
    return path.read_text().splitlines() if path.exists() else []


def load_from(checkout: Path) -> Callable[[], str]:
    """Return an import that works once `setup` has run."""

    def load() -> str:
        if not (checkout / ".venv" / "module").exists():
            raise ImportError
        return "the module"

    return load


def test_installed_after_one_line(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can't be imported is installed once, after one line that says so; later it is just imported."""
    found = [loaded(AZURE, load_from(checkout)) for _ in range(2)]

    assert found == ["the module"] * 2
    assert asked(checkout) == ["azure true"]
    assert capsys.readouterr().err == (
        f"skep: provider azure needs Azure's SDK: installing it into {checkout}/.venv, once "
        f"(output: {checkout}/.setup.log)\n"
    )


def test_threads_wait_for_one(checkout: Path) -> None:
    """Of several threads that need it at a time, one has it installed, and the others wait."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(loaded(AZURE, load_from(checkout)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["the module"] * 4
    assert asked(checkout) == ["azure true"]


def test_without_a_network(checkout: Path) -> None:
    """A `setup` that fails is said with its last lines and the command that tries again."""
    (checkout / "does").write_text(
        "echo 'setup: cannot update .venv; the end of it' >&2; echo no network; exit 1\n"
    )

    with pytest.raises(ProviderError) as caught:
        loaded(AZURE, load_from(checkout))

    assert str(caught.value) == (
        "provider azure needs Azure's SDK, which could not be installed: "
        f"`SKEP_EXTRAS=azure {checkout}/setup true` tries again\n"
        "    cannot update .venv; the end of it\n    no network"
    )


def test_another_environment_is_left_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this is not the environment that `setup` makes, nothing is installed, and the command is said."""
    monkeypatch.setattr(sys, "prefix", "/opt/mine")

    with pytest.raises(ProviderError) as caught:
        loaded(AZURE, load_from(checkout))

    assert asked(checkout) == []
    assert str(caught.value) == (
        "provider azure needs Azure's SDK, which is not installed, and /opt/mine is not the environment that setup "
        f"makes: `{sys.executable} -m pip install -r {checkout}/packages/azure.txt` installs it"
    )


def test_an_environment_of_somebody_elses(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where .venv can't be written, the command for its owner is said."""
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(ProviderError, match="can't be written by you: `SKEP_EXTRAS=azure ") as caught:
        loaded(AZURE, load_from(checkout))

    assert asked(checkout) == []
    assert f"{checkout}/setup true` installs it" in str(caught.value)


def test_ansible_is_known_before_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release that a role depends on is that which would be installed, so that a list needs no Ansible."""
    pinned = ANSIBLE.pinned("ansible-core")
    monkeypatch.setattr(ansible, "_installed", lambda: "")

    assert pinned.count(".") == 2
    assert ansible.feature_release() == pinned.rpartition(".")[0]


def test_ansible_is_installed_before_a_role_of_its(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first role of Ansible that is applied has Ansible installed."""
    monkeypatch.setattr(play, "is_installed", (checkout / ".venv" / "module").exists)

    play.prepare()
    play.prepare()

    assert asked(checkout) == ["ansible true"]
