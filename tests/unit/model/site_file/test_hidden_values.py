"""A password that stands where a secret's source or name belongs is not shown: messages are in the log of a CI."""

from pathlib import Path

import pytest

from tests.unit.model.good_site import GOOD, problems

NO_SECRET = (
    "takes the name of a secret in [secrets], not a password, and there is none of this name (there are none)"
)


@pytest.mark.parametrize("value", ["'hunter2'", "['hunter2']", "20"])
def test_in_the_place_of_a_secrets_source(site_dir: Path, value: str) -> None:
    """One line says what to write."""
    [line] = problems(site_dir, f"{GOOD}[secrets]\ndb = {value}\n")

    assert line.startswith(
        "secrets.db: this is not a table: a secret is in no site.toml: write { file = '…' }"
    )
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[secrets.s]\nenv = 'hunter2!'", "secrets.s.env: this is not the name of an environment variable"),
        ("[secrets.s]\nenv = ['hunter2!']", "secrets.s.env: this is not a text"),
        ("[secrets.s]\nenv = 1234567", "secrets.s.env: this is not a text"),
        ("[secrets.s]\nenv = 2024-01-01", "secrets.s.env: this is a date of TOML"),
        ('[secrets.s]\nenv = "hunter2\\u0000"', "secrets.s.env: this has a NUL"),
        ("[secrets.s]\ngenerate = 'hunter2!'", "secrets.s.generate: this is not a whole number or a table"),
        ("[secrets.s]\ngenerate = 1234567", "secrets.s.generate: this must be at most 256"),
        ('[secrets.s]\nfile = """hunter2\nx"""', "secrets.s.file: this has a line break in it"),
        ("[secrets.s]\ncommand = { a = 'hunter2!' }", "secrets.s.command: this is not a text or a list"),
        ("secrets = 'hunter2!'", "services.web.secrets: this is not a list"),
        ("secrets = ['DB=hunter2!']", f"services.web.secrets[0]: {NO_SECRET}"),
        ("secrets = [{ source = 'hunter2!' }]", "services.web.secrets[0].source: this is not allowed"),
        ("secrets = [1234567]", "services.web.secrets[0]: this is not a text or a table"),
        ("[images.x]\nfrom = 'debian:12'\nsecrets = ['hunter2!']", f"images.x.secrets[0]: {NO_SECRET}"),
        ("[registries.'x.y']\nuser = 'a'\npassword = 'hunter2!'", f"registries.'x.y'.password: {NO_SECRET}"),
        (
            "[registries.'x.y']\nuser = 'a'\npassword = 1234567",
            "registries.'x.y'.password: this is not a text",
        ),
    ],
)
def test_in_the_place_of_a_source_or_name(site_dir: Path, text: str, line: str) -> None:
    """Whatever form it has: the path says enough."""
    found = problems(site_dir, f"{GOOD}{text}\n")

    assert [one[: len(line)] for one in found] == [line]
    assert not [one for one in found if any(part in one for part in ("hunter", "1234567", "2024"))]


def test_a_list_of_secrets(site_dir: Path) -> None:
    """In the place of the whole table, and named twice."""
    [line] = problems(site_dir, f"secrets = ['hunter2!']\n{GOOD}")
    assert line == "secrets: this is not a table: write a table for each, as [secrets.<name>]"

    image = GOOD.replace('from = "debian:12"', "from = 'debian:12'\nsecrets = ['hunter2!', 'hunter2!']")
    assert "hunter" not in " ".join(problems(site_dir, image))
