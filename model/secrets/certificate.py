"""The site's own CA, and the certificates that it issues. Pure: nothing is read or written.

An issued certificate is a function of the CA, the names and the addresses: its private key is derived from the CA's
key (HKDF), its dates are the CA's, its signature is RFC 6979's. Issuing it again gives the same bytes, so that setting
a host up again changes no file and restarts nothing, and no private key but the CA's has to be kept.
`cryptography` is imported when a certificate is made: it takes 35 ms, and most runs make none.
"""

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from model.secrets.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

FORM = "EC P-256, derived key, the CA's dates"
"""A description of how `issue` makes certificates. It is an input of steps that use them: change it with `issue`."""

_VALID = dt.timedelta(days=3653)
_SKEW = dt.timedelta(hours=1)
"""How far a host's clock may be behind the mother's for a new certificate to be valid there."""
_COMMON_NAME = 64
"""The longest common name that X.509 allows. Clients check the alternative names, not this one."""


def make_ca(name: str) -> tuple[Secret, str]:
    """Make a CA that issues certificates, valid for ten years.

    Returns:
        Its private key and its certificate, both as PEM.

    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(_subject(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _private_pem(key), _pem(certificate)


def issue(
    ca_key: Secret,
    ca_certificate: str,
    names: Sequence[str],
    addresses: Sequence[str] = (),
    *,
    is_client: bool = False,
) -> tuple[Secret, str]:
    """Issue a certificate for names and addresses; the same call returns the same bytes.

    Args:
        ca_key: The CA's private key, as PEM.
        ca_certificate: Its certificate, as PEM.
        names: DNS names; the first is the subject's.
        addresses: IP addresses.
        is_client: Whether it is for one that connects, and not for a server; a server takes no other from a client.

    Returns:
        The private key and the certificate, both as PEM.

    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority = x509.load_pem_x509_certificate(ca_certificate.encode())
    signer = serialization.load_pem_private_key(ca_key.reveal().encode(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is not an elliptic curve key")
    key = _derived(signer, [*names, *addresses, *(["as a client"] if is_client else [])])
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if is_client else ExtendedKeyUsageOID.SERVER_AUTH
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(names[0]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(identifier.digest).digest()[:16], "big") | 1)
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return _private_pem(key), _pem(certificate)


def _derived(signer: "ec.EllipticCurvePrivateKey", names: Iterable[str]) -> "ec.EllipticCurvePrivateKey":
    """Return the private key derived from the CA's key and these names. It does not reveal the CA's key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    info = "\0".join(["skep certificate", *names]).encode()
    secret = signer.private_numbers().private_value.to_bytes(32, "big")
    # 48 bytes for a number of 32, so that the remainder is practically uniform (FIPS 186-5, A.2.1).
    number = int.from_bytes(HKDF(hashes.SHA256(), 48, None, info).derive(secret), "big")
    return ec.derive_private_key(number % (order - 1) + 1, ec.SECP256R1())


def _subject(name: str) -> "x509.Name":
    """Return a subject with a common name."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_COMMON_NAME])])


def _key_usage(*, ca: bool) -> "x509.KeyUsage":
    """Return the key usage of a CA or a server."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: "ec.EllipticCurvePrivateKey") -> Secret:
    """Return a private key as PEM."""
    from cryptography.hazmat.primitives import serialization

    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(pem.decode())


def _pem(certificate: "x509.Certificate") -> str:
    """Return a certificate as PEM."""
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM).decode()
