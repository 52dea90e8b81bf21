"""The screen of `doit status`, and what programs get."""

from commands.operate.status import _Look as Look
from commands.operate.status import without_secrets


def test_what_is_wrong_comes_first_where_a_screen_is_small() -> None:
    """Rows of tables are cut, and never a line that says what is wrong."""
    look = Look([f"row {n}" for n in range(20)], ["! web: 1 of 2 tasks run"], when="01:00:00")

    assert look.within(30) == ["01:00:00", *look.tables, *look.verdict]
    assert look.within(5) == ["01:00:00", "! web: 1 of 2 tasks run", "", "row 0", "row 1"]


def test_no_secret_in_json() -> None:
    """Every text is redacted, wherever it is."""
    data = {"a": ["x-hunter2", ("hunter2",)], "b": {"c": "hunter2", "d": 3}, "e": None}

    assert without_secrets(data, lambda text: text.replace("hunter2", "[redacted]")) == {
        "a": ["x-[redacted]", ["[redacted]"]],
        "b": {"c": "[redacted]", "d": 3},
        "e": None,
    }
