"""Passwords as the servers on a host keep them."""

import base64
import hmac

from model.secrets.secret import Secret


def bcrypted(password: Secret, pepper: Secret, purpose: str) -> str:
    """Return a password's hash, the same for the same secrets.

    The servers compute it for each request, of which a push makes many. So the cost is the lowest that there is: it
    makes guessing of weak passwords slow, and these, with 190 random bits and more, are not guessed at any speed.

    Args:
        password: The password.
        pepper: The stage's pepper, from which the salt follows.
        purpose: What it is for, so that no two servers have one salt.

    """
    import bcrypt

    text = password.reveal().encode()
    key = f"{purpose} salt\0".encode() + text
    random = hmac.new(pepper.reveal().encode(), key, "sha256").digest()[:16]
    # bcrypt has an alphabet of its own for base64.
    usual = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    theirs = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    salt = base64.b64encode(random).rstrip(b"=").translate(bytes.maketrans(usual, theirs))
    # More than 72 bytes are refused by it.
    return bcrypt.hashpw(text[:72], b"$2b$04$" + salt).decode()
