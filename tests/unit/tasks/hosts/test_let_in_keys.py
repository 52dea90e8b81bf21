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
from tests.unit.ssh_keys import made_key, wire_key

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
        new = parse_keys(lines)
        before[:] = [
            key for key in before if key.public not in {one.public for one in new if one.is_operators}
        ]
        before += [key for key in new if key not in before]
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


# -- operators ---------------------------------------------------------------------------------------------------------

ANN, BOB = wire_key("ssh-ed25519", bytes(32)), wire_key("ssh-ed25519", b"\1" * 32)


def operator(name: str, public: str) -> AuthorizedKey:
    """Return the entry of an operator."""
    return AuthorizedKey.of_operator(name, public)


def with_operators(made: Made, lines: str) -> Run:
    """Return the run of a site with these operators."""
    text = made.directory.joinpath("site.toml").read_text().partition("[operators]")[0]
    made.directory.joinpath("site.toml").write_text(f"{text}[operators]\n{lines}")
    return made.run()


def test_operators_come_and_go(made: Made, hosts: Hosts) -> None:
    """A host gets those of site.toml, and lets in those no more that were once: their sessions end there."""
    hosts.keys["hive1"] = [OWN, OTHER, operator("bob", BOB)]
    run = with_operators(made, f'ann = "{ANN} laptop"\n')
    said: list[str] = []

    let_in_keys.settle(run, host_of(run, "hive1"), said.append)

    assert [(key.who, key.is_operators) for key in hosts.keys["hive1"]] == [
        ("me@here", False),
        ("ci@runner", False),
        ("ann", True),
    ]
    assert "hive1: no longer lets in operator bob" in "".join(said)
    assert operator("bob", BOB).fingerprint in hosts.scripts[-1][1]
    assert let_in_keys.inputs(run.stage) == {"operators.ann": ANN}


def test_an_operator_comes_from_site_toml_alone(made: Made, hosts: Hosts) -> None:
    """A host that was down lets nobody back in: what others let in is no source of operators."""
    made.look("hive0", authorized_keys=(OWN, operator("bob", BOB)))
    run = with_operators(made, f'ann = "{ANN}"\n')

    let_in_keys.settle(run, host_of(run, "hive1"), quiet)

    assert {key.who for key in hosts.keys["hive1"]} == {"ann"}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((operator("ann", ANN),), ""),
        ((), "hive1 does not let in ann, of [operators]"),
        ((operator("anne", ANN),), "hive1 does not let in ann, of [operators]"),
        ((replace(operator("ann", ANN), is_operators=False),), "hive1 does not let in ann, of [operators]"),
        (
            (operator("ann", ANN), operator("bob", BOB)),
            "hive1 still lets in bob, not of [operators] any more",
        ),
    ],
)
def test_a_host_that_lets_others_in_is_not_up_to_date(
    made: Made, there: tuple[AuthorizedKey, ...], said: str
) -> None:
    """Also where it was down when they changed, or was changed by hand; one that is silent is not judged."""
    made.look("hive1", authorized_keys=there)
    run = with_operators(made, f'ann = "{ANN}"\n')

    assert let_in_keys.drift(run, host_of(run, "hive1")) == said
    made.look("hive1", error="hive1: no answer")
    run = made.run()
    assert let_in_keys.drift(run, host_of(run, "hive1")) == ""


def test_a_site_without_operators_is_as_it_was(made: Made) -> None:
    """No input, and no drift but by somebody whom site.toml had."""
    made.look("hive1", authorized_keys=(OWN, OTHER, PERSON))
    run = made.run()

    assert let_in_keys.inputs(run.stage) == {}
    assert let_in_keys.drift(run, host_of(run, "hive1")) == ""


@pytest.fixture
def ann(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the public key of Ann, who is an operator and runs doit."""
    home = tmp_path_factory.mktemp("home")
    key = made_key(home / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with_operators(made, f'ann = "{key}"\n')
    return " ".join(key.split()[:2])


def test_an_operators_checkout_has_no_key_of_its_own(
    made: Made, hosts: Hosts, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that it had goes out when the operator's logs in, so that who is taken out is out; its session stays."""
    problems = ["skep@10.0.0.1: Permission denied (publickey).", ""]
    monkeypatch.setattr(let_in_keys, "refusal_of", lambda *_: problems.pop(0))
    hosts.keys["hive1"] = [OWN]
    made.look("hive1", authorized_keys=(OWN,))
    run = made.run()
    files = run.connections.files
    assert files.own_key is not None
    assert (files.own_key.who, files.own_key.public) == ("ann", ann)
    assert [path.name for path in files.keys] == ["id_ed25519", "id_ed25519"], "the former one still logs in"

    let_in_keys.let_operator_in(run, host_of(run, "hive1"), quiet)
    assert [key.who for key in hosts.keys["hive1"]] == ["me@here", "ann"]
    said: list[str] = []
    let_in_keys.settle(run, host_of(run, "hive1"), said.append)
    assert [key.who for key in hosts.keys["hive1"]] == ["me@here", "ann"], "he would be shut out"
    assert "keeps this checkout's own key, as that of operator ann does not log in: skep@" in said[0]
    let_in_keys.settle(run, host_of(run, "hive1"), quiet)

    assert [key.who for key in hosts.keys["hive1"]] == ["ann"]
    assert not any("FINGERPRINTS" in script for _, script in hosts.scripts)
    made.look("hive1", authorized_keys=(operator("ann", ann), OWN))
    run = made.run()
    assert let_in_keys.drift(run, host_of(run, "hive1")).startswith(
        "hive1 lets in this checkout's own key beside"
    )


def test_who_takes_himself_out_is_taken_out_by_others(
    made: Made, hosts: Hosts, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run does not take out the key that it logs in with, as one of SKEP_IDENTITY."""
    monkeypatch.setenv("SKEP_IDENTITY", str(Path("~/.ssh/id_ed25519").expanduser()))
    hosts.keys["hive1"] = [operator("ann", ann)]
    run = with_operators(made, "")

    let_in_keys.settle(run, host_of(run, "hive1"), quiet)

    assert [key.who for key in hosts.keys["hive1"]] == ["ann"]


def test_a_key_with_a_passphrase_says_how(made: Made, ann: str) -> None:
    """A host's refusal has the command that tells the agent."""
    path = Path("~/.ssh/id_ed25519").expanduser()
    path.unlink()
    path.with_suffix(".pub").unlink()
    key = made_key(path, "ed25519", "correct horse")
    run = with_operators(made, f'ann = "{key}"\n')

    said = str(run.connections.files.refusal("hive0"))

    assert said.startswith("hive0 refuses the key of operator ann (SHA256:")
    assert f"ssh-add {path}" in said
    assert "an operator whom it still lets in runs doit" in said
    assert ann not in said
