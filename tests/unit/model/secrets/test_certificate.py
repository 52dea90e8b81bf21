"""The site's CA and what it issues."""

import datetime as dt
import ipaddress
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from model.secrets.certificate import issue, make_ca
from model.secrets.secret import Secret

NAMES = ["p-hive3.example", "hive3"]
ADDRESSES = ["192.0.2.14", "2001:db8::14"]


@pytest.fixture(scope="module")
def ca() -> tuple[Secret, str]:
    """Return a CA: its key and its certificate."""
    return make_ca("skep example private")


def load(pem: str) -> x509.Certificate:
    """Return the certificate in a PEM text."""
    return x509.load_pem_x509_certificate(pem.encode())


def test_the_ca_may_sign_certificates_and_nothing_below_it_may(ca: tuple[Secret, str]) -> None:
    """Basic constraints and key usage say so, as critical extensions."""
    extensions = load(ca[1]).extensions

    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)


def test_an_issued_certificate_is_for_the_names_and_addresses_of_a_server(ca: tuple[Secret, str]) -> None:
    """Go's TLS looks at the alternative names only, and wants the extended key usage of a server."""
    certificate = load(issue(*ca, NAMES, ADDRESSES)[1])
    extensions = certificate.extensions

    alternatives = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert alternatives.get_values_for_type(x509.DNSName) == NAMES
    assert alternatives.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(a) for a in ADDRESSES]
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    certificate.verify_directly_issued_by(load(ca[1]))


def test_the_private_key_belongs_to_the_certificate(ca: tuple[Secret, str]) -> None:
    """Both are of P-256, and the certificate holds the key's public half."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key, certificate = issue(*ca, NAMES, ADDRESSES)

    private = load_pem_private_key(key.reveal().encode(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.curve.name == "secp256r1"
    assert private.public_key() == load(certificate).public_key()


def test_issuing_again_gives_the_same_bytes(ca: tuple[Secret, str]) -> None:
    """So that applying the registry's step again changes no file."""
    assert issue(*ca, NAMES, ADDRESSES) == issue(*ca, NAMES, ADDRESSES)


@pytest.mark.parametrize(
    ("names", "addresses"),
    [(["p-hive2.example"], ADDRESSES), (NAMES, ["192.0.2.15"]), ([*NAMES, "other"], ADDRESSES)],
)
def test_other_names_have_another_key(ca: tuple[Secret, str], names: list[str], addresses: list[str]) -> None:
    """No two servers share a private key."""
    assert issue(*ca, names, addresses)[0] != issue(*ca, NAMES, ADDRESSES)[0]


def test_a_clients_certificate_is_for_nothing_else(ca: tuple[Secret, str]) -> None:
    """A server takes no certificate of a server's from who connects, and the two have different keys."""
    key, certificate = issue(*ca, NAMES, ADDRESSES, is_client=True)

    usage = load(certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert key != issue(*ca, NAMES, ADDRESSES)[0]


def test_another_ca_issues_another_key(ca: tuple[Secret, str]) -> None:
    """The same names in two stages have nothing in common."""
    assert issue(*make_ca("other"), NAMES, ADDRESSES)[0] != issue(*ca, NAMES, ADDRESSES)[0]


def test_certificates_hold_ten_years_and_began_an_hour_ago(ca: tuple[Secret, str]) -> None:
    """A host whose clock is a little behind must not find them of the future; a server's ends with its CA's."""
    certificate, authority = load(issue(*ca, NAMES, ADDRESSES)[1]), load(ca[1])
    now = dt.datetime.now(dt.UTC)

    assert dt.timedelta(minutes=59) < now - authority.not_valid_before_utc < dt.timedelta(minutes=65)
    assert authority.not_valid_after_utc - now > dt.timedelta(days=3650)
    assert certificate.not_valid_before_utc == authority.not_valid_before_utc
    assert certificate.not_valid_after_utc == authority.not_valid_after_utc


def test_openssl_accepts_the_chain(ca: tuple[Secret, str], tmp_path: Path) -> None:
    """An implementation that is not the one that made it agrees, for each of its names, under its strict rules."""
    (tmp_path / "ca.pem").write_text(ca[1])
    (tmp_path / "server.pem").write_text(issue(*ca, NAMES, ADDRESSES)[1])

    for check in (["-verify_hostname", "hive3"], ["-verify_ip", "192.0.2.14"]):
        subprocess.run(
            [
                "openssl",
                "verify",
                "-x509_strict",
                "-purpose",
                "sslserver",
                *check,
                "-CAfile",
                "ca.pem",
                "server.pem",
            ],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )


def test_a_name_longer_than_a_common_name_is_still_issued(ca: tuple[Secret, str]) -> None:
    """A common name ends at 64 characters; the alternative name is whole."""
    name = f"{'a' * 60}.example.org"

    alternatives = load(issue(*ca, [name], [])[1]).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )

    assert alternatives.value.get_values_for_type(x509.DNSName) == [name]


def test_importing_it_does_not_import_cryptography() -> None:
    """Most runs issue nothing, and must not wait for it."""
    code = "import sys, model.secrets.certificate, model.secrets.stage_secrets; sys.exit('cryptography' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
