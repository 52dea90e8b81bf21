"""The sending end of RELP: what counts as confirmed."""

from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.logs.relp import Relp


class Wire:
    """A connection whose other end sends prepared pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]
        self.sent = b""
        self.is_closed = False

    def send(self, data: bytes) -> int:
        """Take some of what is sent."""
        self.sent += data[:10]
        return len(data[:10])

    def recv(self, _size: int) -> bytes:
        """Give the next piece; an empty one before others is a second without an answer."""
        piece = self.pieces.pop(0)
        if not piece and self.pieces:
            raise TimeoutError
        return piece

    def close(self) -> None:
        """End it."""
        self.is_closed = True


def connected(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> Relp:
    """Return a sender with an open connection."""
    relp = Relp("hive9.example", 2514, Path("ca"), Path("crt"), Path("key"))
    monkeypatch.setattr(relp, "_socket", wire)
    return relp


def test_messages_are_numbered_frames_and_all_are_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers may come in any pieces, with text or without."""
    wire = Wire(b"1 rsp 6 20", b"0 OK\n2 rsp 3 200\n")

    connected(monkeypatch, wire).send([b"first", "zwölf".encode()], lambda: True)

    assert wire.sent == b"1 syslog 5 first\n2 syslog 6 zw\xc3\xb6lf\n"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (b"1 rsp 6 200 OK\n", "it ended the connection"),
        (b"1 rsp 6 200 OK\n2 rsp 9 500 error\n", "it answered 'rsp 500 error'"),
        (b"0 serverclose 0\n", "it answered 'serverclose '"),
        (b"HTTP/1.1 400 Bad Request\r\n" * 4, "hive9.example:2514"),
    ],
)
def test_what_is_not_confirmed_is_not_sent(answers: bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is ended, so that no later answer is taken for that of another message."""
    wire = Wire(answers)
    relp = connected(monkeypatch, wire)

    with pytest.raises(AgentError, match=why):
        relp.send([b"first", b"second"], lambda: True)
    assert wire.is_closed


def test_an_answer_is_waited_for_until_somebody_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipper is to end at once when it is told to, and not with the answer of a host that is gone."""
    answers = iter([True, True, False])
    relp = connected(monkeypatch, Wire(b"", b"1 rsp 6 200 OK\n", b"", b"", b"2 rsp 6 200 OK\n"))

    relp.send([b"first"], lambda: next(answers))
    with pytest.raises(AgentError):
        relp.send([b"second"], lambda: next(answers))

    assert list(answers) == []
