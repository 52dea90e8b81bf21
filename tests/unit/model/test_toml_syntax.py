"""Mistakes of TOML's syntax, in TOML's own words."""

import pytest
import tomli

from model.toml_syntax import syntax_mistake


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a.'b c']\n[a.'b c']\n", "[a.'b c'] is there twice (at line 2, column 9)"),
        (
            "a = {b = 1}\na.c = 1\n",
            "a is there already, and nothing can be added to it (at line 2, column 8)",
        ),
        (
            "[a.b]\n[a]\nb.c = 1\n",
            "a.b is there already, and nothing can be added to it (at line 3, column 8)",
        ),
        ("a = 1\na = 2\n", "the key is there already (at line 2, column 6)"),
        ("a = {b = 1, b = 2}\n", "the key 'b' is there twice (at line 1, column 18)"),
        (
            'a = "\x01"\n',
            'the character "\\u0001" can\'t stand in a text, unless it is escaped (at line 1, column 6)',
        ),
        (
            "a = 'b\nc'\n",
            'the character "\\n" can\'t stand in a text, unless it is escaped (at line 1, column 7)',
        ),
        ("a = \n", "Invalid value (at line 1, column 5)"),
    ],
)
def test_keys_and_characters_are_as_toml_writes_them(text: str, said: str) -> None:
    """Tomli shows keys as Python's tuples, and characters as Python's texts."""
    with pytest.raises(tomli.TOMLDecodeError) as caught:
        tomli.loads(text)

    assert syntax_mistake(caught.value) == said
