"""Generated secrets: their forms, public keys, and what was kept in another form."""

import base64
import re

import pytest
from cryptography.hazmat.primitives import serialization

from model.secrets.generated import fits, generated_secret, public_key
from model.secrets.secret import Secret
from model.site import Generated

pytestmark = pytest.mark.slow

FORMS: dict[str, int | Generated] = {
    "letters": 24,
    "hex": Generated(hex=32),
    "base64": Generated(base64=32),
    "ssh": Generated(key_pair="ssh-ed25519"),
    "ed25519": Generated(key_pair="ed25519"),
    "rsa": Generated(key_pair="rsa"),
}


def test_letters_hex_and_base64() -> None:
    """As many as were asked for: characters of letters and digits, bytes of the others; and never the same."""
    letters, other = generated_secret(24).reveal(), generated_secret(24).reveal()

    assert re.fullmatch(r"[A-Za-z0-9]{24}", letters)
    assert letters != other
    assert re.fullmatch(r"[0-9a-f]{64}", generated_secret(FORMS["hex"]).reveal())
    assert len(base64.b64decode(generated_secret(FORMS["base64"]).reveal(), validate=True)) == 32


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("ssh", "ssh-ed25519 AAAA"),
        ("ed25519", "-----BEGIN PUBLIC KEY-----"),
        ("rsa", "-----BEGIN PUBLIC KEY-----"),
    ],
)
def test_a_key_pair(form: str, begins: str) -> None:
    """The private key is the secret; the public one follows from it, and is the same each time."""
    private = generated_secret(FORMS[form])
    load = serialization.load_ssh_private_key if form == "ssh" else serialization.load_pem_private_key

    assert load(private.reveal().encode(), password=None) is not None
    assert public_key(private).startswith(begins)
    assert public_key(private) == public_key(private)


@pytest.mark.parametrize("asked", FORMS)
@pytest.mark.parametrize("kept", FORMS)
def test_what_is_kept_is_of_the_form_that_is_asked_for(asked: str, kept: str) -> None:
    """A password is never made anew in silence, and one in another form is not what was asked for."""
    made = generated_secret(FORMS[kept])
    keys = {"ed25519", "rsa"}
    alike = asked == kept or {asked, kept} <= keys or (asked == "letters" and kept in {"hex", "base64"})

    assert fits(FORMS[asked], made) is alike


def test_another_number_of_bytes_is_another_form() -> None:
    """That of letters and digits never was one."""
    assert not fits(Generated(hex=16), Secret("ab" * 8))
    assert fits(24, Secret("x" * 12))
