"""Whether somebody printed the key of the backups, as all checkouts of a stage know it."""

import base64
import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError
from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from tasks.backup.shown_key import LINE, key_lines, key_shown, note_key_shown
from tasks.hosts.stage_vault import VAULT_FILE
from tasks.run.context import Run
from tasks.run.vault import Vault
from tests import made as rig
from tests.backup_site import BACKUP

NOTE = {"at": "2026-11-30T01:00:00Z", "by": "alice@laptop"}


class Repository:
    """The repository host, as far as it keeps a copy of the vault.

    Args:
        text: The copy; empty for none.

    """

    name = short = "repository0"

    def __init__(self, text: str = "") -> None:
        self.text, self.asked = text, 0
        self.meanwhile = ""
        """What a run elsewhere writes behind the next look."""

    def script(self, text: str, *, label: str, **_words: Any) -> str:
        """Give the copy, or take another one."""
        if label == "reading the vault":
            self.asked += 1
            found, self.text, self.meanwhile = self.text, self.meanwhile or self.text, ""
            return f"{found}\n"
        assert label == "step vault"
        self._guard(text)
        [vault] = re.findall(rf"put {VAULT_FILE} 0600 <<'END'\n(.*?)\nEND\n", text, re.DOTALL)
        self.text = base64.b64decode(vault).decode()
        return ""

    def _guard(self, script: str) -> None:
        """Run the lines that look at the copy before it is written over, as the host does."""
        lines = re.findall(r"^printf %s .*?^}", script, re.DOTALL | re.MULTILINE)
        assert len(lines) == 1
        assert (
            script.index("flock") < script.index(lines[0]) < script.index("rm -f /var/lib/skep/steps/vault")
        )
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.text)
            file.flush()
            words = f'fail() {{ echo "$*" >&2; exit 1; }}\n{lines[0].replace(VAULT_FILE, file.name)}'
            done = subprocess.run(["sh", "-eu", "-c", words], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise HostError(done.stderr.strip())


@pytest.fixture
def made(tmp_path: Path) -> rig.Made:
    """Give a site with backups that is made."""
    made = rig.new(tmp_path)
    made.edit("[networks.back]\n", BACKUP)
    made.make()
    return made


def run_of(made: rig.Made, repository: Repository) -> Run:
    """Return a run of a fresh process that reaches this repository host."""
    run = made.run()
    run.connections.to = lambda _host: repository  # type: ignore[method-assign,assignment,return-value]
    return run


def copy_of(run: Run, **changes: Any) -> str:
    """Return the vault as a host keeps it."""
    return replace(run.secrets.vault, **changes).to_bytes().decode()


def test_it_is_asked_for_until_somebody_printed_it(made: rig.Made) -> None:
    """Before, there is the line; after, the note is here and on the host, and nobody is asked any more."""
    host = Repository(copy_of(made.run()))
    assert key_lines(key_shown(run_of(made, host), asks=True)) == [LINE]

    run = run_of(made, host)
    run.state.lock("doit backups key")
    note_key_shown(run)
    run.state.unlock()

    asked = host.asked
    shown = key_shown(run_of(made, host), asks=True)
    assert key_lines(shown) == []
    assert shown is not None
    assert shown["by"] == run.stage_lock.who
    assert host.asked == asked
    assert Vault.from_bytes(host.text.encode()).key_shown == shown


def test_the_note_makes_nothing_stale(made: rig.Made) -> None:
    """It is no secret: the vault's step has the same inputs as before, and the host's marker stays right."""
    run = made.run()
    before = run.secrets.fingerprint()
    assert run.secrets.vault.fingerprint == before
    assert replace(run.secrets.vault, key_shown=NOTE).fingerprint == before
    assert replace(run.secrets.vault, generated={}).fingerprint != before


def test_another_checkout_knows_it_from_the_host(made: rig.Made) -> None:
    """A look keeps nothing here; a run, which holds the stage, does."""
    host = Repository(copy_of(made.run(), key_shown=NOTE))
    assert key_shown(run_of(made, host), asks=True) == NOTE
    assert made.run().secrets.vault.key_shown == {}

    run = run_of(made, host)
    run.state.lock("doit run")
    assert key_shown(run, asks=True) == NOTE
    run.state.unlock()
    assert made.run().secrets.vault.key_shown == NOTE


def test_the_first_who_printed_it_stays(made: rig.Made) -> None:
    """Printed again, the note is the old one."""
    host = Repository(copy_of(made.run(), key_shown=NOTE))
    note_key_shown(run_of(made, host))
    assert Vault.from_bytes(host.text.encode()).key_shown == NOTE


def test_a_run_elsewhere_writes_the_copy(made: rig.Made) -> None:
    """A secret that it has added stays, and it is said; typed again, both are there."""
    run = made.run()
    host = Repository(copy_of(run))
    added = {**run.secrets.vault.generated, "new": Secret("added")}
    host.meanwhile = copy_of(run, generated=added)
    with pytest.raises(
        HostError, match="a run has written the stage's secrets meanwhile: type the same again"
    ):
        note_key_shown(run_of(made, host))
    note_key_shown(run_of(made, host))
    kept = Vault.from_bytes(host.text.encode())
    assert kept.generated == added
    assert kept.key_shown["by"] == run.stage_lock.who


def test_where_nothing_is_asked(made: rig.Made) -> None:
    """A host that is down is not asked: what is known here counts. Without backups or a vault there is no key."""
    host = Repository(copy_of(made.run(), key_shown=NOTE))
    assert key_shown(run_of(made, host), asks=False) == {}
    assert host.asked == 0

    run = run_of(made, host)
    run.secrets.vault_path.unlink()
    assert key_shown(run, asks=True) is None
    made.edit("[backup]\n", "")
    assert key_shown(run_of(made, host), asks=True) is None
    assert key_lines(None) == []


@pytest.mark.parametrize("text", ["", Vault(generate("example", "private"), {}).to_bytes().decode()])
def test_a_host_without_the_copy(made: rig.Made, text: str) -> None:
    """It is said that others don't know of it; another stage's secrets are never written over."""
    host = Repository(text)
    with pytest.raises(HostError, match="has no copy of these secrets"):
        note_key_shown(run_of(made, host))
    assert host.text == text


def test_a_checkouts_vault_is_put_on_the_host_with_the_note_that_the_host_has(made: rig.Made) -> None:
    """A checkout that does not know of it yet must not write over it."""
    vault = made.run().secrets.vault
    both = vault.with_those_of(replace(vault, key_shown=NOTE, generated={}))
    assert (both.key_shown, both.generated) == (NOTE, vault.generated)
    other = Vault(generate("example", "private"), {}, NOTE)
    assert vault.with_those_of(other).key_shown == {}
