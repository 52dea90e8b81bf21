"""The entries of `authorized_keys`: whose key each is, and since when."""

from dataclasses import replace

import pytest

from model.keys.authorized_key import AuthorizedKey, options_of, parse_key, parse_keys

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIGX2YtkMn1oCAxVpVDsjhXLcOGeWt5t6tRuSMUDLEkTx"
KEY = AuthorizedKey("ssh-ed25519", BLOB, "alice@laptop", "2026-11-29T08:05:11Z")


def test_an_entry_says_who_and_since_when() -> None:
    """It names user, machine, the checkout's id and the time, and is read back as it was written."""
    assert KEY.line == f"ssh-ed25519 {BLOB} skep:alice@laptop:{KEY.id}:2026-11-29T08:05:11Z"
    assert parse_key(KEY.line) == KEY
    assert KEY.name == f"alice@laptop:{KEY.id}"


def test_an_operators_entry() -> None:
    """It says whose it is, comes back as it was, counts before another of the same key, and is no checkout's."""
    ann = replace(AuthorizedKey.of_operator("ann", KEY.public), since="2026-11-29T08:05:11Z")

    assert ann.line == f"ssh-ed25519 {BLOB} skep-operator:ann:{KEY.id}:2026-11-29T08:05:11Z"
    assert parse_key(ann.line) == ann
    assert not ann.is_checkouts
    assert parse_keys([ann.line, KEY.line]) == parse_keys([KEY.line, ann.line]) == (ann,)


def test_a_fingerprint_is_that_of_ssh() -> None:
    """`ssh-keygen -l` prints the same for this key."""
    assert KEY.fingerprint == "SHA256:/V70z+KH9KQiXaU7jC7Lj1ktkf+gpGebuABhJMzjwxc"


@pytest.mark.parametrize(
    ("line", "who", "is_checkouts"),
    [
        (f"ssh-ed25519 {BLOB}", "", False),
        (f"ssh-ed25519 {BLOB} bob's laptop", "bob-s-laptop", False),
        (f'from="10.0.0.1",command="echo hi" ssh-ed25519 {BLOB} bob@home', "bob@home", False),
        (f"ssh-ed25519 {BLOB} skep@example.private", "skep@example.private", True),
        (f"ssh-ed25519 {BLOB} skep:ci@runner:0000", "ci@runner", True),
    ],
)
def test_other_entries_are_keys_as_well(line: str, who: str, *, is_checkouts: bool) -> None:
    """Those of people, with options or not; of skep's first versions; of a file, with no time yet."""
    key = parse_key(line)

    assert key is not None
    assert (key.public, key.who, key.since, key.is_checkouts) == (
        f"ssh-ed25519 {BLOB}",
        who,
        "",
        is_checkouts,
    )
    assert key.name == f"{who or 'unknown'}:{KEY.id}"


@pytest.mark.parametrize("options", ["", "restrict", 'from="10.0.0.1",command="echo hi"'])
def test_the_options_of_an_entry(options: str) -> None:
    """What stands before the key's type."""
    assert options_of(f" {options} ssh-ed25519 {BLOB} bob@home") == options
    assert options_of("hello") == ""


@pytest.mark.parametrize("line", ["", "# ssh-ed25519 AAAA", "hello", "ssh-ed25519", "ssh-ed25519 AAAAA x"])
def test_what_is_no_key(line: str) -> None:
    """Comments and broken lines are passed over."""
    assert parse_key(line) is None


def test_each_key_is_listed_once() -> None:
    """Of two entries of one key the last counts."""
    assert parse_keys(["# who", f"ssh-ed25519 {BLOB} x", KEY.line]) == (KEY,)


def test_what_a_person_may_call_it() -> None:
    """Its name, its id, its fingerprint; no part of them."""
    for name in (KEY.name, KEY.id, KEY.fingerprint):
        assert KEY.is_called(name)
    assert not KEY.is_called("alice@laptop")
