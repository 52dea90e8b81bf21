"""Addresses of places off the site, with a login's password and without."""

import pytest

from agent.backup import restic_process
from model import backup_address
from model.backup_address import has_password, has_user, with_password, without_passwords
from model.secrets.secret import Secret


@pytest.mark.parametrize(
    ("address", "user", "password"),
    [
        ("rest:https://u@x:8000/y", True, False),
        ("rest:http://u:p@x/", False, True),
        ("rest:https://x:8000/a@b", False, False),
        ("s3:https://s3.example/bucket", False, False),
        ("sftp:u@x:/y", False, False),
        ("sftp://u@x:2222//y", False, False),
        ("/mnt/place", False, False),
    ],
)
def test_what_an_address_has(address: str, *, user: bool, password: bool) -> None:
    """A user who needs a password, or a password; a port and a path are none."""
    assert (has_user(address), has_password(address)) == (user, password)


def test_a_password_goes_in() -> None:
    """As a URL has it, whatever is in it; all of it is hidden again."""
    made = with_password("rest:https://u@x:8000/y", Secret("p@s/s:w%"))
    assert made.reveal() == "rest:https://u:p%40s%2Fs%3Aw%25@x:8000/y"
    assert without_passwords(made.reveal()) == "rest:https://u:***@x:8000/y"


@pytest.mark.parametrize("shown", [without_passwords, restic_process.without_passwords])
def test_texts_for_people(shown: object) -> None:
    """No address in a sentence keeps its password, on the mother as on a host."""
    assert callable(shown)
    text = 'Fatal: Head "https://u:p/w@x/config": no\nrest:https://a:b@c/'
    assert shown(text) == 'Fatal: Head "https://u:***@x/config": no\nrest:https://a:***@c/'
    assert shown("dial https://x:8000/y: refused") == "dial https://x:8000/y: refused"


def test_the_agent_hides_the_same() -> None:
    """It can't import what skep has."""
    assert restic_process._PASSWORD.pattern == backup_address._PASSWORD.pattern
