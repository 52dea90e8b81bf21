"""Secret texts, which print as `[redacted]`."""

import hmac

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
