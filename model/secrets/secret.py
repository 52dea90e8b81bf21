"""Secret texts, which print as `[redacted]`."""

import hmac

from model.errors import ConfigError

SHORTEST = 4
"""Characters that a secret must have at least. A shorter one occurs all over a log: to redact it would hide the log,
and give it away."""
UNKNOWN_FINGERPRINT = "hmac:unasked"
"""The fingerprint of a secret that was not read. It counts as equal to any other."""


class Secret:
    """A secret text: `str`, `repr` and formatting give `[redacted]`, only `reveal` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold `text`."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself. The caller is responsible for where it goes."""
        return self._text

    @property
    def data(self) -> bytes:
        """The content of a file with the secret."""
        return self._text.encode()

    def fingerprint(self, pepper: bytes) -> str:
        """Return a keyed digest (HMAC-SHA-256) that may be stored and compared.

        Args:
            pepper: The stage's own HMAC key, so that equal secrets of two stages differ and short ones
                can't be found by guessing from what is stored.

        """
        return "hmac:" + hmac.new(pepper, self.data, "sha256").hexdigest()

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self.data, other.data)

    def __hash__(self) -> int:
        """Hash by the text, so that equal secrets are one in a set."""
        return hash((Secret, self.data))

    def __format__(self, spec: str) -> str:
        """Never show the text."""
        return format("[redacted]", spec)

    def __repr__(self) -> str:
        """Never show the text."""
        return "[redacted]"

    __str__ = __repr__


class BinarySecret(Secret):
    """A secret of any bytes, for a file of a service or of a build: it has no text.

    Args:
        data: The bytes.
        path: Its path in site.toml, for the message where a text is wanted.

    """

    __slots__ = ("_data", "_path")

    def __init__(self, data: bytes, path: str) -> None:
        """Hold the bytes."""
        super().__init__("")
        self._data, self._path = data, path

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self._data

    def reveal(self) -> str:
        """Refuse.

        Raises:
            ConfigError: Always.

        """
        raise ConfigError(
            [f"{self._path}: is not text, so it can only be a file: in secrets of a service or an image"]
        )


class UnknownSecret(Secret):
    """A secret that was not read, as its command is not run by `doit list`; or a text that holds one."""

    __slots__ = ()

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__("")

    def reveal(self) -> str:
        """Refuse: there is nothing, and who comes here has a mistake.

        Raises:
            TypeError: Always.

        """
        raise TypeError("a secret is used whose command was not run")

    def fingerprint(self, pepper: bytes) -> str:
        """Return the fingerprint that counts as equal to any other."""
        del pepper
        return UNKNOWN_FINGERPRINT
