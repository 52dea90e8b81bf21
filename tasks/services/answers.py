"""Asking the services' addresses from this machine, at the end of a run that deployed something."""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from model.reasons import reason_of
from remote.mother.wait import pause

PATIENCE = 2.0
"""Seconds that an address has to answer."""
_PAUSE = 0.2
"""Seconds after which an address is asked again that is not ready yet."""
_ANSWERS = "answers"
_GET = re.compile(r"curl(?: -[fksS]+)* (['\"]?)(https?://[^\s'\"]+)\1")
_TCP = re.compile(r"nc -z (\S+) ([0-9]+)")


def ask(commands: Iterable[str], patience: float = PATIENCE) -> dict[str, str]:
    """Return what each command would get, in a word or a few; only of those that ask for no more than an answer.

    One that is refused, or gets a server's error, is asked again while there is time: its service may have been started
    a moment ago, and wait for another.

    Args:
        commands: Commands as a run shows them: `curl http://192.0.2.1/`, `nc -z 192.0.2.1 25`. Others are not asked.
        patience: Seconds for all of them, which are asked at the same time.

    """
    answers: dict[str, str] = {}
    deadline = time.monotonic() + patience

    def one(command: str, url: str, host: str, port: int) -> None:
        while True:
            try:
                answer = _status(url, patience) if url else _connects(host, port, patience)
            except (OSError, http.client.HTTPException, ValueError) as error:
                answer = f"does not answer from here: {reason_of(error)}"
            answers[command] = answer
            is_ready = answer == _ANSWERS or answer < "500"
            if is_ready or time.monotonic() + _PAUSE >= deadline:
                return
            pause(_PAUSE)

    threads: dict[str, threading.Thread] = {}
    for command in commands:
        get, tcp = _GET.fullmatch(command), _TCP.fullmatch(command)
        if get is not None:
            threads[command] = threading.Thread(target=one, args=(command, get[2], "", 0), daemon=True)
        elif tcp is not None:
            args = (command, "", tcp[1], int(tcp[2]))
            threads[command] = threading.Thread(target=one, args=args, daemon=True)
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"does not answer from here within {patience:g} s"
    return {command: answers.get(command, late) for command in threads}


def _status(url: str, patience: float) -> str:
    """Return the status that an address answers with; redirections are not followed, certificates not checked."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=patience, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=patience)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return str(connection.getresponse().status)
    finally:
        connection.close()


def _connects(host: str, port: int, patience: float) -> str:
    """Return that a port takes connections."""
    socket.create_connection((host, port), timeout=patience).close()
    return _ANSWERS
