"""The ports of `doit forward`."""

import pytest
from doit.exceptions import InvalidCommand

from commands.operate.forward import _Port, _port


@pytest.mark.parametrize(
    ("word", "port"),
    [
        ("8080:80", _Port("127.0.0.1", 8080, 80)),
        ("80", _Port("127.0.0.1", 80, 80)),
        ("192.0.2.1:8080:80", _Port("192.0.2.1", 8080, 80)),
        ("[::1]:8080:80", _Port("[::1]", 8080, 80)),
    ],
)
def test_a_port(word: str, port: _Port) -> None:
    """Open to this machine alone, unless an address says otherwise; one number is the same at both ends."""
    assert _port(word) == port


@pytest.mark.parametrize("word", ["web", "80:web", "0:80", "80:70000", ":80", "80:"])
def test_no_port(word: str) -> None:
    """It is said how one is written."""
    with pytest.raises(InvalidCommand, match="write the port here and the port there, as 8080:80"):
        _port(word)
