"""Values as lines of a TOML file."""

from typing import Any

import pytest
import tomli

from model.new_site.toml_writer import WIDTH, assignment, written


@pytest.mark.parametrize(
    "value",
    [
        True,
        5,
        0.5,
        "text",
        'it\'s "quoted" \\ here',
        'only "double"',
        "tab\tand\x01and\u202eand\U000e0001",
        "one\ntwo\nthree\n",
        'one\n"""\nthree\n',
        "one\\\ntwo \\n\nthree\n",
        'a\nb\nc"',
        "\nfirst\nsecond\n",
        "a\r\nb\r\nc\r\n",
        [1, "a", {"b": [True]}],
        {"a.b": 1, "c": {}, "": "x"},
        ["x" * 60] * 5,
        [],
    ],
)
def test_what_is_written_is_read(value: Any) -> None:
    """In one line and in several."""
    assert tomli.loads(f"key = {written(value)}")["key"] == value
    assert tomli.loads("\n".join(assignment("a key", value)))["a key"] == value


def test_long_lists_have_lines() -> None:
    """One for each item, as people write them."""
    assert assignment("a", ["x" * WIDTH, "y"]) == ["a = [", f'  "{"x" * WIDTH}",', '  "y",', "]"]
