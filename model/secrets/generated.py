"""Secrets that skep generates: letters and digits, random bytes in hex or base64, key pairs. Pure.

A secret is generated once and kept; `fits` tells whether a kept one is of the form that site.toml asks for.
"""

import base64
import binascii
import re
import secrets
import string
from typing import TYPE_CHECKING

from model.secrets.secret import Secret
from model.site import Generated

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_LETTERS = string.ascii_letters + string.digits
_SSH = "ssh-ed25519"
_RSA_BITS = 3072
_BEGIN_SSH, _BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"


def generated_secret(form: int | Generated) -> Secret:
    """Return a new secret.

    Args:
        form: The number of letters and digits, or another form.

    """
    if isinstance(form, int):
        return Secret("".join(secrets.choice(_LETTERS) for _ in range(form)))
    if form.hex is not None:
        return Secret(secrets.token_hex(form.hex))
    if form.base64 is not None:
        return Secret(base64.b64encode(secrets.token_bytes(form.base64)).decode())
    return _private_key(form.key_pair or _SSH)


def fits(form: int | Generated, secret: Secret) -> bool:
    """Return whether a secret is of a form. Any text but a key may be in the place of letters and digits."""
    text = secret.reveal()
    if isinstance(form, int):
        return not text.startswith("-----BEGIN")
    if form.hex is not None:
        return re.fullmatch(rf"[0-9a-f]{{{2 * form.hex}}}", text) is not None
    if form.base64 is not None:
        try:
            return len(base64.b64decode(text, validate=True)) == form.base64
        except binascii.Error:
            return False
    return text.startswith(_BEGIN_SSH if form.key_pair == _SSH else _BEGIN)


def is_key_pair(form: int | Generated | None) -> bool:
    """Return whether a generated secret is a private key."""
    return isinstance(form, Generated) and form.key_pair is not None


def public_key(private: Secret) -> str:
    """Return the public key of a generated private key: a line for `authorized_keys`, or PEM."""
    from cryptography.hazmat.primitives import serialization as form

    text = private.reveal()
    if text.startswith(_BEGIN_SSH):
        key = form.load_ssh_private_key(text.encode(), password=None).public_key()
        return key.public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()
    made = form.load_pem_private_key(text.encode(), password=None).public_key()
    return made.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()


def _private_key(kind: str) -> Secret:
    """Return a new private key: OpenSSH's own form for ssh, PKCS #8 in PEM for others."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    key: Ed25519PrivateKey | RSAPrivateKey
    key = generate_private_key(65537, _RSA_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()
    written = form.PrivateFormat.OpenSSH if kind == _SSH else form.PrivateFormat.PKCS8
    return Secret(key.private_bytes(form.Encoding.PEM, written, form.NoEncryption()).decode())
