"""The addresses of places off the site, in restic's words, of which `rest:` has a login within. Pure."""

import re
from urllib.parse import quote

from model.secrets.secret import Secret

_USER = re.compile(r"(rest:https?://[^/@:\s]+)@")
# What follows a colon up to an @, unless it is a port and a path.
_PASSWORD = re.compile(r"(://[^/@:\s]*:)(?!\d+(?:/|$))[^\s\"']*@")


def has_user(repository: str) -> bool:
    """Return whether an address has a login's user alone, who needs a password."""
    return _USER.match(repository) is not None


def has_password(repository: str) -> bool:
    """Return whether an address has a password."""
    return _PASSWORD.search(repository) is not None


def with_password(repository: str, password: Secret) -> Secret:
    """Return an address with the password of its user, as the REST backend of every restic reads it.

    Args:
        repository: The address, with a user.
        password: The password.

    """
    return Secret(
        _USER.sub(lambda found: f"{found[1]}:{quote(password.reveal(), safe='')}@", repository, count=1)
    )


def without_passwords(text: str) -> str:
    """Return a text as it may be shown, whatever addresses are in it."""
    return _PASSWORD.sub(r"\1***@", text)
