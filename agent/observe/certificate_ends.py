"""When certificates end: those of skep's CA in files on this host.

Read out of their DER (RFC 5280, section 4.1) by hand: Python's own `ssl` takes 5 MB of memory, and has no such call.
"""

import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from agent.observe.exposition import Exposition

DIRECTORY = Path("/etc/skep")
_CA = "ca.crt"
_EXPLICIT, _UTC = 0xA0, 0x17
_CENTURY, _PIVOT = 100, 50
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


class CertificateFacts(NamedTuple):
    """What is asked of a certificate.

    Args:
        issuer: Its issuer's name, in DER.
        subject: Its own.
        ends: When it ends, in seconds since 1970.

    """

    issuer: bytes
    subject: bytes
    ends: int


def certificate_figures(figures: Exposition, directory: Path = DIRECTORY) -> None:
    """Add when each certificate of skep's CA ends, the CA's own as well.

    A certificate is called by its file, as in `registry/tls`; one that lies there twice, by the first.

    Args:
        figures: Where they are added.
        directory: Where the files are, and one floor of directories.

    Raises:
        OSError: A file can't be read.
        ValueError: The CA's is no certificate.

    """
    try:
        ca = read_certificate((directory / _CA).read_bytes())
    except FileNotFoundError:
        return
    known = set()
    for path in [directory / _CA, *sorted(directory.glob("*/*.crt"))]:
        try:
            found = read_certificate(path.read_bytes())
        except ValueError:
            continue  # another's, in a form of its own
        if found.issuer == ca.subject and found not in known:
            known.add(found)
            name = path.relative_to(directory).with_suffix("").as_posix()
            figures.add("skep_certificate_end_timestamp_seconds", found.ends, certificate=name)


def read_certificate(text: bytes) -> CertificateFacts:
    """Return the first certificate of a PEM file.

    Raises:
        ValueError: There is none.

    """
    found = _PEM.search(text)
    if found is None:
        raise ValueError("there is no certificate")
    try:
        content = binascii.a2b_base64(found[1])
        (_, certificate), *_ = _parts(content)
        (_, signed), *_ = _parts(certificate)
        # [0] version (not in v1), serialNumber, signature, issuer, validity, subject, …
        parts = [part for part in _parts(signed) if part[0] != _EXPLICIT]
        _, (_, issuer), (_, validity), (_, subject) = parts[1:5]
        _, (kind, moment) = _parts(validity)
        return CertificateFacts(issuer, subject, _moment(kind, moment.decode("ascii")))
    except (IndexError, binascii.Error) as error:
        raise ValueError("it is cut off") from error


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each value in a row of DER's."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(content[at : at + count])
            at += count
        if at + length > len(content):
            raise IndexError(at)
        yield tag, content[at : at + length]
        at += length


def _moment(kind: int, text: str) -> int:
    """Return the time of a UTCTime (two digits of the year: RFC 5280, 4.1.2.5.1) or a GeneralizedTime."""
    if kind == _UTC:
        short = int(text[:2])
        text = f"{(19 if short >= _PIVOT else 20) * _CENTURY + short}{text[2:]}"
    year, month, day, hour, minute, second = (
        int(text[:4]),
        *(int(text[at : at + 2]) for at in range(4, 14, 2)),
    )
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
