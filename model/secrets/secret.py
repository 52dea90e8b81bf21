"""A text that does not print itself."""

import hmac

UNKNOWN_FINGERPRINT = "hmac:unasked"
"""The keyed digest of a secret that was not asked for: no difference to any other."""


class Secret:
    """A secret text: `str`, `repr` and formatting give `[redacted]`, only `reveal` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold `text`."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; the caller answers for where it goes."""
        return self._text

    def fingerprint(self, pepper: bytes) -> str:
        """Return a keyed digest (HMAC-SHA-256) that may be stored and compared.

        Args:
            pepper: The stage's own HMAC key, so that equal secrets of two stages differ and short ones
                can't be found by guessing from what is stored.

        """
        return "hmac:" + hmac.new(pepper, self._text.encode(), "sha256").hexdigest()

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        """Hash by the text, so that equal secrets are one in a set."""
        return hash((Secret, self._text))

    def __format__(self, spec: str) -> str:
        """Never show the text."""
        return format("[redacted]", spec)

    def __repr__(self) -> str:
        """Never show the text."""
        return "[redacted]"

    __str__ = __repr__


class UnknownSecret(Secret):
    """A secret that its command was not asked for, as in `doit list`, or a text with one in it."""

    __slots__ = ()

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__("")

    def reveal(self) -> str:
        """Refuse: there is nothing, and who comes here has a mistake.

        Raises:
            TypeError: Always.

        """
        raise TypeError("a secret is used that its command was not asked for")

    def fingerprint(self, pepper: bytes) -> str:
        """Return what counts as no difference."""
        del pepper
        return UNKNOWN_FINGERPRINT
