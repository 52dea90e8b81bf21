"""The sending end of RELP over TLS: messages that the other end has confirmed are written there.

https://github.com/rsyslog/librelp/blob/master/doc/relp.html
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from agent.errors import AgentError, reason_of

TIMEOUT = 300.0
"""Seconds that the other end may take, as where its disk is full; it has what it took, so asking anew makes doubles."""
_CONNECTING = 10.0
_LOOK = 1.0
"""Seconds that one call waits."""
_NOTICING = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000),
)
"""Options by which a host that is gone without a word is noticed within a minute."""
_LARGEST_HEAD = 64
_OFFER = b"relp_version=0\nrelp_software=skep\ncommands=syslog"
_LAST_NUMBER = 999_999_999
_Result = TypeVar("_Result")


class Relp:
    """A connection, made when something is to be sent.

    Args:
        host: The collector's name, which its certificate must have.
        port: Its port.
        ca: The certificate of the CA that signed it.
        certificate: This host's certificate.
        key: Its private key.

    """

    def __init__(self, host: str, port: int, ca: Path, certificate: Path, key: Path) -> None:
        self._host, self._port, self._ca, self._certificate, self._key = host, port, ca, certificate, key
        self._socket: ssl.SSLSocket | None = None
        self._buffer = b""
        self._number = 0

    def send(self, messages: Sequence[bytes], waits_on: Callable[[], bool]) -> None:
        """Send messages, and wait until each is confirmed.

        Args:
            messages: The messages.
            waits_on: Called each second while the other end does nothing; returns whether to wait on.

        Raises:
            AgentError: The other end can't be reached or does not confirm; some of them may have arrived.

        """
        try:
            connection = self._socket or self._opened(waits_on)
            frames = [self._frame(b"syslog", message) for message in messages]
            rest = memoryview(b"".join(frames))
            while rest:
                rest = rest[_patient(lambda: connection.send(rest), waits_on) :]  # noqa: B023 - called at once
            for _ in frames:
                self._confirmed(connection, waits_on)
        except (OSError, ValueError) as error:
            self.close()
            raise AgentError(f"{self._host}:{self._port}: {reason_of(error)}") from error

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer, self._number = None, b"", 0

    def _opened(self, waits_on: Callable[[], bool]) -> ssl.SSLSocket:
        """Return a new connection."""
        context = ssl.create_default_context(cafile=str(self._ca))
        context.load_cert_chain(self._certificate, self._key)
        plain = socket.create_connection((self._host, self._port), _CONNECTING)
        for level, option, value in _NOTICING:
            plain.setsockopt(level, option, value)
        try:
            connection = context.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise
        connection.settimeout(_LOOK)
        self._socket = connection
        connection.sendall(self._frame(b"open", _OFFER))
        self._confirmed(connection, waits_on)
        return connection

    def _frame(self, command: bytes, data: bytes) -> bytes:
        """Return the next frame."""
        self._number = self._number % _LAST_NUMBER + 1
        return b"%d %s %d %s\n" % (self._number, command, len(data), data)

    def _confirmed(self, connection: ssl.SSLSocket, waits_on: Callable[[], bool]) -> None:
        """Read one answer.

        Raises:
            ValueError: It is no confirmation.
            OSError: There is none.

        """
        while (answer := self._answer()) is None:
            piece = _patient(lambda: connection.recv(65536), waits_on)
            if not piece:
                raise ConnectionResetError(0, "it ended the connection")
            self._buffer += piece
        command, data = answer
        if command != b"rsp" or not data.startswith(b"200"):
            raise ValueError(f"it answered {(command + b' ' + data)[:80].decode(errors='replace')!r}")

    def _answer(self) -> tuple[bytes, bytes] | None:
        """Take an answer's command and data off the buffer; None if it is not whole yet."""
        parts = self._buffer.split(b" ", 3)
        if len(parts) < 3 or (len(parts) == 3 and b"\n" not in parts[2]):  # noqa: PLR2004 - number, command, length
            if len(self._buffer) > _LARGEST_HEAD:
                raise ValueError("it does not speak RELP")
            return None
        length_text = parts[2].partition(b"\n")[0]
        length, begins = int(length_text), len(parts[0]) + len(parts[1]) + len(length_text) + 2
        begins += 1 if length else 0
        if len(self._buffer) < begins + length + 1:
            return None
        data = self._buffer[begins : begins + length]
        self._buffer = self._buffer[begins + length + 1 :]
        return parts[1], data


def _patient(act: Callable[[], _Result], waits_on: Callable[[], bool]) -> _Result:
    """Do something with a connection, again and again while that waits, for `TIMEOUT`, or until it is to be left.

    Raises:
        TimeoutError: The other end did nothing all the time.

    """
    ends = time.monotonic() + TIMEOUT
    while True:
        try:
            return act()
        except TimeoutError:
            if not waits_on() or time.monotonic() >= ends:
                raise
