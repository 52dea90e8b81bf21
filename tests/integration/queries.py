"""A DNS and an HTTP client with nothing but sockets, for the questions that people put to a site's services."""

import http.client
import json
import socket
import struct
from typing import Any

A, SOA = 1, 6
REFUSED = 5
TIMEOUT = 15.0


def dns(address: str, name: str, kind: int = A, *, tcp: bool = False) -> list[str]:
    """Ask a name server, and return the answers: addresses for A, the kind's number for others.

    Raises:
        OSError: It does not answer, or answers with an error (its code is in the message).

    """
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 4711, 0, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT)
        client.connect((address, 53))
        client.sendall((struct.pack(">H", len(query)) if tcp else b"") + query)
        answer = _whole(client) if tcp else client.recv(4096)
    number, flags, _, count, _, _ = struct.unpack(">6H", answer[:12])
    if number != 4711 or flags & 15:
        msg = f"{address} answers with code {flags & 15}"
        raise OSError(msg)
    found, at = [], len(query)
    for _ in range(count):
        # Each answer's name is a pointer of two bytes to the question's.
        form, _, _, length = struct.unpack(">2HIH", answer[at + 2 : at + 12])
        data = answer[at + 12 : at + 12 + length]
        found.append(socket.inet_ntoa(data) if form == A else str(form))
        at += 12 + length
    return found


def _whole(client: socket.socket) -> bytes:
    """Return an answer by TCP, which may come in pieces, without the length before it."""
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2]):
        piece = client.recv(4096)
        if not piece:
            msg = f"the answer ends after {len(data)} bytes"
            raise OSError(msg)
        data += piece
    return data[2:]


def http_get(
    address: str, path: str, *, method: str = "GET", port: int = 80, timeout: float = 60
) -> tuple[int, str]:
    """Ask a web server, and return its status and text; OSError if it does not answer."""
    client = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        client.request(method, path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        client.close()


def powerdns_api(address: str) -> Any:
    """Return the name server's description of itself, by its API through the proxy."""
    status, text = http_get(address, "/api/v1/servers/localhost")
    if status != http.client.OK:
        msg = f"{address}: HTTP status {status}: {text}"
        raise OSError(msg)
    return json.loads(text)
