"""Inputs, digests and keys."""

from model.keys.digest import Difference, changed, flatten, key_of
from model.secrets.secret import Secret


def test_flatten_names_every_value_by_its_key_path() -> None:
    """Each value is one input; empty tables and lists count too."""
    assert flatten("s", {"a": {"b": 1}, "c": [True, "x"], "d": [], "e": {}}) == {
        "s.a.b": "1",
        "s.c[0]": "true",
        "s.c[1]": '"x"',
        "s.d": "[]",
        "s.e": "{}",
    }


def test_a_long_value_is_kept_as_its_digest() -> None:
    """State files stay small, and a change still shows."""
    assert flatten("s", "x" * 500)["s"].startswith("sha256:")
    assert flatten("s", "x" * 500) != flatten("s", "x" * 501)


def test_a_key_does_not_depend_on_order() -> None:
    """Key order in TOML means nothing."""
    assert key_of({"a": "1", "b": "2"}) == key_of({"b": "2", "a": "1"})
    assert key_of({"a": "1"}) != key_of({"a": "2"})


def test_changes_are_named() -> None:
    """What was added, removed or changed is said by name, old against new where it can be read."""
    said = changed({"a": "1", "b": "hmac:0", "c": "1"}, {"a": "2", "b": "hmac:1", "d": "1"})

    assert said == ["a: 1 → 2", "c removed", "d added", "b changed"]


def test_changes_are_named_without_pythons_words() -> None:
    """A provider's input that is None, True or False is said in words; a text of site.toml's stays as it is."""
    old = {"cpus": "2", "memory_size": "None", "publish": "False", "vars.who": '"None"'}
    new = {"cpus": "None", "memory_size": "2048", "publish": "True", "vars.who": '"you"'}
    assert changed(old, new) == [
        "cpus: 2 → not set",
        "memory_size: not set → 2048",
        "publish: false → true",
        'vars.who: "None" → "you"',
    ]


def test_a_secret_does_not_print_itself() -> None:
    """Neither str, repr nor formatting show it; its fingerprint is keyed."""
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret:>20}"
    assert secret.fingerprint(b"a") != secret.fingerprint(b"b")
    assert "hunter2" not in secret.fingerprint(b"a")


def test_a_difference_is_one_line_that_a_terminal_shows_as_it_is() -> None:
    """Characters that turn the order of others round, or clear the screen, are escaped as TOML does it."""
    difference = Difference("environment.A", '"a\u202eb"', '"c"')

    assert difference.sentence() == 'environment.A: "a\\u202Eb" → "c"'
