"""Whether secrets hold together: where they come from, and what they are called."""

from collections.abc import Iterator

from model import site as types
from model.contents import LONGEST

_SOURCES = ("generate", "env", "file", "command")


def check_secret(path: str, name: str, secret: types.SecretSource) -> Iterator[str]:
    """Yield the mistakes of one secret."""
    if sum(getattr(secret, key) is not None for key in _SOURCES) != 1:
        yield f"{path}: needs exactly one of {', '.join(_SOURCES)}"
    if secret.command is not None and not (secret.command and secret.command[0]):
        yield f"{path}.command: is empty"
    yield from check_length(path, name)


def check_length(path: str, name: str) -> Iterator[str]:
    """Yield the mistake of a name that is too long for Docker, once its content's digest is added."""
    if len(name) > LONGEST:
        yield f"{path}: a name may have {LONGEST} characters, as Docker's limit is 64 with the content's digest"
