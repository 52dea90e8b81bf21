"""Public ssh keys as a person pastes them, read strictly, and the public half of a private key's file. Pure.

The forms: https://datatracker.ietf.org/doc/html/rfc4253#section-6.6 (RSA), RFC 5656 (ECDSA), RFC 8709 (Ed25519), and
OpenSSH's PROTOCOL.u2f (security keys) and PROTOCOL.key (private keys, whose public half is not encrypted).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

KINDS: Mapping[str, int] = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
"""Type of key to the number of strings in its blob, the type itself among them."""
LEAST_RSA = 2048
"""Bits that an RSA key must have: OpenSSH 9.1 and later may be told to refuse shorter ones (`RequiredRSASize`)."""
_ED25519 = 32
_MAGIC = b"openssh-key-v1\0"
_ARMOUR = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.+?)-----END OPENSSH PRIVATE KEY-----", re.DOTALL)
_PRIVATE = re.compile(r"PRIVATE KEY|PuTTY-User-Key-File|openssh-key-v1|\bb3BlbnNzaC1rZXktdjE")
"""What only private keys have: their headers, and the beginning of OpenSSH's form in base64."""
_TYPE = re.compile(r"(?:^|\s)((?:ssh|ecdsa|sk)-[\w@.-]+)(?:\s+(\S+))?")


def is_private(text: str) -> bool:
    """Return whether a text is a private key, or has one in it."""
    return bool(_PRIVATE.search(text))


def strict_key(text: str) -> str:
    """Return a public key without its comment, as `ssh-ed25519 AAAA…`.

    Raises:
        ValueError: It is none that a host would accept; the message says why, and holds nothing of the text but a key's
            type.

    """
    line = text.strip()
    if "\n" in line:
        raise ValueError("has several lines: write a list with one key in each string")
    found = _TYPE.search(line)
    if found is None:
        raise ValueError("is no public ssh key: paste the line of a file such as ~/.ssh/id_ed25519.pub")
    if line[: found.start(1)].strip():
        raise ValueError(
            "has something before the key's type: options are not taken, begin with the type; an account with options "
            "goes into [setup_hosts.users]"
        )
    kind, blob = found[1], found[2] or ""
    if kind.endswith(("-cert-v01@openssh.com", "-cert-v00@openssh.com")):
        raise ValueError("is a certificate: paste the key that it was made for (the .pub without -cert)")
    if kind == "ssh-dss":
        raise ValueError(
            "is a DSA key, which OpenSSH no longer takes: make another one with ssh-keygen -t ed25519"
        )
    if kind not in KINDS:
        raise ValueError(f"has a type of key that is not known: {kind}; there are {', '.join(KINDS)}")
    if problem := _problem(kind, blob):
        raise ValueError(problem)
    return f"{kind} {blob}"


def _problem(kind: str, blob: str) -> str:
    """Return why a key's text is none of its type; empty if it is one."""
    cut = f"is cut off, or no key of type {kind}: paste the whole line of the .pub file"
    try:
        parts = _strings(base64.b64decode(blob, validate=True))
    except (ValueError, binascii.Error):
        return cut
    if len(parts) != KINDS[kind] or parts[0] != kind.encode():
        return cut
    if kind.endswith("ed25519") or kind == "sk-ssh-ed25519@openssh.com":
        return "" if len(parts[1]) == _ED25519 else cut
    if kind == "ssh-rsa":
        bits = int.from_bytes(parts[2], "big").bit_length()
        short = f"has {bits} bits, and must have {LEAST_RSA}: make another one with ssh-keygen -t ed25519"
        return short if bits < LEAST_RSA else ""
    return ""


def _strings(data: bytes, most: int = 8) -> list[bytes]:
    """Return the strings of a blob, each of which has its length before it.

    Raises:
        ValueError: It ends early, or has more of them.

    """
    found: list[bytes] = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length or len(found) == most:
            raise ValueError("not a list of strings")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


@dataclass(frozen=True)
class PublicHalf:
    """What a private key's file says openly.

    Args:
        public: The public key, as `ssh-ed25519 AAAA…`.
        has_passphrase: Whether the private half is encrypted.

    """

    public: str
    has_passphrase: bool


def public_half(data: bytes) -> PublicHalf | None:
    """Return what a private key's file in OpenSSH's form says openly; None if it is none."""
    found = _ARMOUR.search(data)
    if found is None:
        return None
    try:
        raw = base64.b64decode(b"".join(found[1].split()), validate=True)
        if not raw.startswith(_MAGIC):
            return None
        rest = raw.removeprefix(_MAGIC)
        cipher, rest = _string(rest)
        _, rest = _string(rest)  # of the key derivation: its name, and its options
        _, rest = _string(rest)
        blob, _ = _string(rest[4:])  # behind the number of keys, which is always one
        kind, _ = _string(blob)
        return PublicHalf(f"{kind.decode('ascii')} {base64.b64encode(blob).decode()}", cipher != b"none")
    except (ValueError, binascii.Error):
        return None


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Return the first string of some data, and what follows it.

    Raises:
        ValueError: It ends early.

    """
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise ValueError("ends early")
    return data[4 : 4 + length], data[4 + length :]
