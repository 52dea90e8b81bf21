"""Who is let in on a stage's hosts: known by the live state, kept for lists, given to new hosts, taken out by name."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from model.errors import HostError, StateError
from model.keys.authorized_key import AuthorizedKey, parse_keys
from model.stage import Host
from remote.ssh.connection import Connection
from tasks.hosts import let_in_keys
from tasks.run.context import Run
from tests import made as rig
from tests.made import Made
from tests.rig import quiet

OWN = AuthorizedKey("ssh-ed25519", "AAAAown0", "me@here", "2026-11-28T08:00:00Z")
OTHER = AuthorizedKey("ssh-ed25519", "AAAAothr", "ci@runner", "2026-11-27T08:00:00Z")
PERSON = AuthorizedKey("ssh-rsa", "AAAAbob0", "bob", is_checkouts=False)


@dataclass
class Hosts:
    """The hosts' `authorized_keys`, and who is silent.

    Attributes:
        keys: Host to its keys.
        silent: The hosts that do not answer.
        scripts: What was run, as `host: script`.

    """

    keys: dict[str, list[AuthorizedKey]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    scripts: list[tuple[str, str]] = field(default_factory=list)

    def script(self, connection: Connection, text: str) -> str:
        """Do what a script says, by the lines in it, and return the file."""
        name = connection.name
        if name in self.silent:
            raise HostError(f"{name}: no answer")
        self.scripts.append((name, text))
        before = self.keys.setdefault(name, [])
        lines = [line.partition("=")[2].strip("'") for line in text.splitlines() if line.startswith("AUTH")]
        before += [key for key in parse_keys(lines) if key not in before]
        if "BLOBS=" in text:
            self.keys[name] = [key for key in before if key.blob not in text]
        return "".join(f"{key.line}\n" for key in self.keys[name])


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Give a site that is wholly made, whose own key is `OWN`."""
    site = rig.new(tmp_path)
    site.make()
    site.run().connections.files.key.with_suffix(".pub").write_text(f"{OWN.public} skep@example.private\n")
    return site


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Give hosts that nobody is let in on."""
    found = Hosts()
    monkeypatch.setattr(Connection, "script", lambda connection, text, **_: found.script(connection, text))
    return found


def host_of(run: Run, short: str) -> Host:
    """Return a host."""
    return run.stage.host(short)


def names(run: Run) -> list[str]:
    """Return the recorded keys' names, each with its words."""
    keys = let_in_keys.keys_of(run, let_in_keys.recorded(run))
    return [f"{each.key.name} {each.words}" for each in keys]


def test_a_list_says_who_since_when_and_where(made: Made) -> None:
    """This checkout's key comes first; a key that only some hosts have says which; the earliest time counts."""
    for name in ("hive0", "hive1", "hive2"):
        made.look(name, authorized_keys=(OWN, replace(OTHER, since="2026-11-28T09:00:00Z")))
    made.look("hive1", authorized_keys=(OWN, OTHER, PERSON))
    made.look("hive2", error="hive2: no answer")
    run = made.run()
    assert let_in_keys.lines([]) == []

    let_in_keys.note_observed(run)

    assert let_in_keys.lines(let_in_keys.keys_of(run, let_in_keys.recorded(run))) == [
        "ssh keys that the hosts let in, when a run last looked:",
        f"    {OWN.name}    since 2026-11-28 08:00 UTC (this checkout)",
        f"    bob:{PERSON.id}        nobody noted when, on hive1 only",
        f"    {OTHER.name}  since 2026-11-27 08:00 UTC",
    ]


def test_many_keys_are_shown_where_all_are_asked_for() -> None:
    """A plain list is short, and says why there may be many."""
    many = [
        let_in_keys.LetInKey(replace(OTHER, blob=f"AAAA{n:04}"), ("hive0",), is_everywhere=True, is_own=False)
        for n in range(20)
    ]

    assert let_in_keys.lines(many)[-2:] == ["    and 12 more (doit list --all)", f"    {let_in_keys.MANY}"]
    assert len(let_in_keys.lines(many, every=True)) == 22
    assert let_in_keys.MANY not in "".join(let_in_keys.lines(many[:8]))


def test_a_host_that_is_ensured_gets_the_others_keys(made: Made, hosts: Hosts) -> None:
    """It gets the checkouts' keys of the hosts that answer, a person's own not, and what it says then is kept."""
    made.look("hive0", authorized_keys=(OWN, OTHER, PERSON))
    hosts.keys["hive1"] = [OWN]
    run = made.run()
    run.progress.reasons["build_infra:hive1"] = ["hive1 is gone"]

    let_in_keys.settle(run, host_of(run, "hive1"), quiet)

    assert hosts.keys["hive1"] == [OWN, OTHER]
    assert let_in_keys.recorded(run)["hive1"] == (OWN, OTHER)
    let_in_keys.note_observed(run)
    assert let_in_keys.recorded(run)["hive1"] == (OWN, OTHER), "the look from before is older"


def test_a_key_that_was_taken_out_does_not_come_back(made: Made, hosts: Hosts) -> None:
    """What only the record in state/ has is given to no host."""
    run = made.run()
    let_in_keys.note(run, {"hive0": (OWN, OTHER)})
    made.look("hive0", authorized_keys=(OWN,))
    run = made.run()

    let_in_keys.settle(run, host_of(run, "hive1"), quiet)

    assert OTHER not in hosts.keys["hive1"]


def test_taking_out(made: Made, hosts: Hosts) -> None:
    """The key goes on all hosts that answer; the others are said, and keep it in the record; own keys never go."""
    every = ("hive0", "hive1", "hive2")
    hosts.keys = {name: [OWN, OTHER] for name in every}
    hosts.silent = {"hive2"}
    run = made.run()
    let_in_keys.note(run, dict(hosts.keys))
    keys = {each.key: each for each in let_in_keys.keys_of(run, hosts.keys)}

    assert let_in_keys.take_out(run, [keys[OTHER]], quiet) == ["hive2: no answer"]
    assert names(run) == [
        f"{OWN.name} since 2026-11-28 08:00 UTC (this checkout)",
        f"{OTHER.name} since 2026-11-27 08:00 UTC, on hive2 only",
    ]
    with pytest.raises(ValueError, match="never takes its own key out"):
        let_in_keys.take_out(run, [keys[OWN]], quiet)
    run.connections.files.key.with_suffix(".pub").unlink()
    with pytest.raises(StateError, match="nobody knows which key is this checkout's own"):
        let_in_keys.take_out(run, [replace(keys[OWN], is_own=False)], quiet)


def test_a_record_that_is_none(made: Made) -> None:
    """What can't be read counts as nothing known: `doit list` goes on."""
    run = made.run()
    for text in ("", "[]", '{"hive0": 7}'):
        (run.state.root / let_in_keys.FILE).write_text(text)

        assert let_in_keys.recorded(run) == {}
