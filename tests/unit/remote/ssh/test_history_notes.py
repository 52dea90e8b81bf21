"""What the repository host is told for the history."""

from typing import Any

from remote.ssh.history_notes import HistoryNotes


class Session:
    """A session that notes what is said."""

    is_held = True

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, word: str, line: str, *_: object) -> None:
        """Note it."""
        self.said.append(f"{word} {line}")


def test_a_beginning_is_told_when_the_host_is_there() -> None:
    """A run may begin before: in a fresh clone, or as the first one. That breaks no session."""
    session: Any = Session()
    there: list[Any] = []
    notes = HistoryNotes(lambda: there[0] if there else None)
    notes.begin("{}")
    there.append(session)
    notes.repeat(session)

    assert (session.said, notes.is_split) == (["begin {}"], False)


def test_a_session_after_another_one_is_told_again() -> None:
    """The host has noted that the run never ended, which the run has to take back."""
    first, second = Session(), Session()
    notes = HistoryNotes(lambda: first)  # type: ignore[arg-type, return-value]
    notes.repeat(first)  # type: ignore[arg-type]
    notes.begin("{}")
    assert (first.said, notes.is_split) == (["begin {}"], False)

    notes.repeat(second)  # type: ignore[arg-type]

    assert (second.said, notes.is_split) == (["begin {}"], True)
