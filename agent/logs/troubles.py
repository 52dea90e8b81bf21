"""What goes wrong again and again, said once."""

from collections.abc import Callable

JOURNAL_TROUBLE, STATE_TROUBLE = "journalctl", "state"
"""Parts of a shipper that may be in trouble. The others are containers, by their ids."""


class Troubles:
    """Says what goes wrong when it begins, and not again while it lasts.

    Args:
        say: Takes a sentence.

    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: dict[str, str] = {}

    @property
    def parts(self) -> frozenset[str]:
        """The parts in which something is wrong."""
        return frozenset(self._said)

    def begin(self, part: str, sentence: str) -> None:
        """Say what is wrong with a part, unless that was the last that was said of it."""
        if self._said.get(part) != sentence:
            self._said[part] = sentence
            self._say(sentence)

    def end(self, part: str) -> None:
        """Have a part that is right again."""
        self._said.pop(part, None)
