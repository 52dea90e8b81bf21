"""Certificates' ends, read without OpenSSL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from agent.observe.certificate_ends import certificate_figures, read_certificate
from agent.observe.exposition import Exposition
from model.secrets.certificate import issue, make_ca


def made(issuer: str, ends: datetime, subject: str = "host") -> bytes:
    """Return a certificate."""
    key = ed25519.Ed25519PrivateKey.generate()
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (issuer, subject)]
    builder = (
        x509.CertificateBuilder()
        .issuer_name(names[0])
        .subject_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=10))
        .not_valid_after(ends)
    )
    return builder.sign(key, None).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("year", [2030, 2049, 2050, 2100])
def test_the_end(year: int) -> None:
    """From 2050 on a certificate has its time in another form (RFC 5280, 4.1.2.5)."""
    ends = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    assert read_certificate(made("ca", ends)).ends == int(ends.timestamp())


def test_certificates_of_the_ca(tmp_path: Path) -> None:
    """Those that it issued, each once, and its own; not others', nor files that are none."""
    ends = datetime(2040, 1, 1, tzinfo=UTC)
    ca, one = made("ca", ends, "ca"), made("ca", ends + timedelta(days=1))
    (tmp_path / "registry").mkdir()
    (tmp_path / "ca.crt").write_bytes(ca)
    (tmp_path / "registry" / "ca.crt").write_bytes(ca)
    (tmp_path / "registry" / "tls.crt").write_bytes(one)
    (tmp_path / "registry" / "other.crt").write_bytes(made("another", ends))
    (tmp_path / "registry" / "broken.crt").write_bytes(one[:200])
    (tmp_path / "registry" / "no.crt").write_text("nothing")
    figures = Exposition()
    certificate_figures(figures, tmp_path)
    first = int(ends.timestamp())
    assert [line for line in figures.text().splitlines() if not line.startswith("#")] == [
        f'skep_certificate_end_timestamp_seconds{{certificate="ca"}} {first}',
        f'skep_certificate_end_timestamp_seconds{{certificate="registry/tls"}} {first + 86_400}',
    ]


def test_no_ca(tmp_path: Path) -> None:
    """A host that is not set up yet has none: there is nothing to tell."""
    figures = Exposition()
    certificate_figures(figures, tmp_path)
    assert figures.text() == ""


def test_certificates_that_skep_issues() -> None:
    """The CA's and a host's are read as cryptography reads them."""
    key, authority = make_ca("mysite private")
    _, certificate = issue(key, authority, ["hive0.mysite"], ["10.0.0.1"])
    for text in (authority, certificate):
        found, expected = read_certificate(text.encode()), x509.load_pem_x509_certificate(text.encode())
        assert found.ends == int(expected.not_valid_after_utc.timestamp())
    assert read_certificate(certificate.encode()).issuer == read_certificate(authority.encode()).subject
