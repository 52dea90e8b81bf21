"""YAML as Docker reads it."""

from typing import Any

import pytest

from model.compose.yaml_file import Overriding, read_yaml
from model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("22:22", "22:22"),
        ("3000:3000", "3000:3000"),
        ("0440", 0o440),
        ("0o440", 0o440),
        ("0x1F", 31),
        ("08", "08"),
        ("-5", -5),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("2024-01-02", "2024-01-02"),
        ("~", None),
        ("", None),
        ("'0440'", "0440"),
        ("12M", "12M"),
        ("1.2.3", "1.2.3"),
        ("!override [1]", Overriding([1])),
        ("!override 5", Overriding(5)),
        ("!reset null", Overriding(None)),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    """YAML 1.2, with the octal numbers of 1.1: a port is no number in base 60, and `on` is no truth value."""
    assert read_yaml("f", f"a: {text}\n") == {"a": value}


def test_anchors_and_merge_keys() -> None:
    """`<<` adds what is not there, from one mapping or several."""
    text = "x: &x {a: 1, b: 2}\ny: &y {c: 3}\nz: {<<: [*x, *y], b: 4}\n"

    assert read_yaml("f", text)["z"] == {"a": 1, "b": 4, "c": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f: line 3: the key a is there twice"),
        ("a: [1\n", "f: line 2: "),
        ("a: !unknown 1\n", "f: line 1: "),
        ("a: *nobody\n", "f: line 1: "),
        ("a: {{ b }}\n", "f: line 1: a key is a list or a mapping"),
        ("a: &a [*a]\n", "f: an anchor has itself in it"),
        (
            "a: 1\n---\nb: 2\n",
            "f: line 2: expected a single document in the stream, but found another document",
        ),
        ("a: !!python/object:os.system {}\n", "f: line 1: "),
    ],
)
def test_mistakes_have_their_line(text: str, message: str) -> None:
    """What Docker refuses is refused, and nothing of Python's is made."""
    with pytest.raises(ConfigError) as error:
        read_yaml("f", text)

    assert str(error.value).startswith(message)


def test_what_unfolds_without_end_is_refused() -> None:
    """Aliases of aliases: a file of a few lines with billions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]

    with pytest.raises(ConfigError, match="unfolds to more than"):
        read_yaml("f", "\n".join(lines))
