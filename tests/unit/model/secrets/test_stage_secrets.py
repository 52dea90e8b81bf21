"""The secrets of a stage, and their file."""

import pytest

from model.errors import StateError
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets, generate

SECRETS = StageSecrets(Secret("ca key"), "ca certificate", Secret("pass word"), Secret("pep per"))


def test_what_is_written_is_read_back() -> None:
    """The file holds everything."""
    assert StageSecrets.from_bytes(SECRETS.to_bytes()) == SECRETS


def test_nothing_secret_is_printed() -> None:
    """Neither in a traceback nor in a log."""
    shown = repr(SECRETS)

    assert "ca certificate" in shown
    assert not any(text in shown for text in ("ca key", "pass word", "pep per"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"pass word",
        b"[]",
        b"null",
        SECRETS.to_bytes()[:-20],
        SECRETS.to_bytes().replace(b'"form": 1', b'"form": 2'),
        SECRETS.to_bytes().replace(b'"pass word"', b'""'),
        SECRETS.to_bytes().replace(b'"pass word"', b"12"),
    ],
)
def test_a_damaged_file_is_an_error_that_tells_no_secret(data: bytes) -> None:
    """It may have been cut off, or be of another version; what it holds is in no message and in no cause."""
    with pytest.raises(StateError) as caught:
        StageSecrets.from_bytes(data)

    assert "pass word" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_two_stages_have_no_secret_in_common() -> None:
    """Each is made of its own random bytes."""
    one, other = generate("example", "private"), generate("example", "private")

    assert one.ca_key != other.ca_key
    assert one.registry_password != other.registry_password
    assert one.fingerprint(Secret("x")) != other.fingerprint(Secret("x"))


def test_a_generated_password_needs_no_quoting_and_fits_bcrypt() -> None:
    """The hash takes 72 bytes; a shell, a URL and JSON take letters and digits as they are."""
    password = generate("example", "private").registry_password.reveal()

    assert password.isascii()
    assert password.isalnum()
    assert 32 <= len(password) <= 72
