"""The public ssh keys that a host lets in: each checkout's key is an entry of its own in `authorized_keys`. Pure.

An entry of skep's says who it is for, and since when:

    ssh-ed25519 AAAA… skep:alice@laptop:3f2a9c1e:2026-11-29T08:05:11Z

The digits are the checkout's id: the beginning of its key's digest. `alice@laptop:3f2a9c1e` is the key's name.
An operator's entry, who is in `[operators]` of site.toml, begins with `skep-operator:` instead; older versions of skep
take it for an entry that a person made.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from model.keys.digest import sha256

_MARK, _OPERATORS_MARK = "skep:", "skep-operator:"
_KEY = re.compile(r"(?:^|\s)((?:ssh|ecdsa|sk)-[\w@.-]+)\s+(AAAA[A-Za-z0-9+/]*={0,2})(?:\s+(.*))?$")
_UNUSABLE = re.compile(r"[^A-Za-z0-9._@-]+")


@dataclass(frozen=True)
class AuthorizedKey:
    """One key that a host lets in.

    Args:
        kind: Its type, as `ssh-ed25519`.
        blob: Its text in base64.
        who: Whose it is: `user@machine`, or the comment of a key that skep did not make; empty if nobody says.
        since: When it was let in; empty if that is unknown.
        is_checkouts: Whether skep made it, for a checkout of a site.
        is_operators: Whether skep let it in for an operator of site.toml, `who` by name.

    """

    kind: str
    blob: str
    who: str = ""
    since: str = ""
    is_checkouts: bool = True
    is_operators: bool = False

    @classmethod
    def of_operator(cls, name: str, public: str) -> "AuthorizedKey":
        """Return an operator's key.

        Args:
            name: The operator.
            public: The public key, as `ssh-ed25519 AAAA…`.

        """
        kind, blob = public.split()[:2]
        return cls(kind, blob, name, is_checkouts=False, is_operators=True)

    @property
    def public(self) -> str:
        """The public key alone."""
        return f"{self.kind} {self.blob}"

    @property
    def id(self) -> str:
        """The id of the checkout that has it."""
        return sha256(self.public)[:8]

    @property
    def name(self) -> str:
        """Its name for people and for `doit prune key=`."""
        return f"{self.who or 'unknown'}:{self.id}"

    @property
    def fingerprint(self) -> str:
        """Its fingerprint, as ssh shows it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def comment(self) -> str:
        """The comment of its entry, or of its file where nobody has let it in yet."""
        mark = _OPERATORS_MARK if self.is_operators else _MARK
        return f"{mark}{self.name}" + (f":{self.since}" if self.since else "")

    @property
    def line(self) -> str:
        """Its entry in `authorized_keys`."""
        return f"{self.public} {self.comment}"

    def is_called(self, name: str) -> bool:
        """Return whether a person means it: by its name, its id or its fingerprint."""
        return name in {self.name, self.id, self.fingerprint}


def parse_key(line: str) -> AuthorizedKey | None:
    """Return the key of a line of `authorized_keys` or of a `.pub` file; None if it has none."""
    found = None if line.lstrip().startswith("#") else _KEY.search(line.strip())
    if found is None:
        return None
    kind, blob, comment = found[1], found[2], (found[3] or "").strip()
    try:
        base64.b64decode(blob, validate=True)
    except binascii.Error:
        return None
    if comment.startswith(_OPERATORS_MARK):
        who, _, rest = comment.removeprefix(_OPERATORS_MARK).partition(":")
        return replace(AuthorizedKey.of_operator(who, f"{kind} {blob}"), since=rest.partition(":")[2])
    if not comment.startswith(_MARK):
        # skep's first keys were called by site and stage.
        return AuthorizedKey(kind, blob, usable(comment), is_checkouts=comment.startswith("skep@"))
    who, _, rest = comment.removeprefix(_MARK).partition(":")
    return AuthorizedKey(kind, blob, usable(who), rest.partition(":")[2])


def options_of(line: str) -> str:
    """Return the options that a line has before its key, as `from="10.0.0.1"`; `parse_key` passes them over."""
    found = _KEY.search(line.strip())
    return line.strip()[: found.start(1)].strip() if found is not None else ""


def parse_keys(lines: Iterable[str]) -> tuple[AuthorizedKey, ...]:
    """Return the keys of an `authorized_keys`, each once: as an operator's, if one of its entries says so."""
    found: dict[str, AuthorizedKey] = {}
    for key in filter(None, map(parse_key, lines)):
        if key.is_operators or key.public not in found or not found[key.public].is_operators:
            found[key.public] = key
    return tuple(found.values())


def usable(text: str) -> str:
    """Return a person's or a machine's name without what a key's name can't hold."""
    return _UNUSABLE.sub("-", text.strip()).strip("-")
