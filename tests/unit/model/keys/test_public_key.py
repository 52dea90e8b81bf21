"""Public keys as they are pasted, and the public half of private ones."""

from pathlib import Path

import pytest

from model.keys.public_key import is_private, public_half, strict_key
from tests.unit.ssh_keys import made_key, wire_key


@pytest.mark.parametrize(
    ("kind", "options"), [("ed25519", ()), ("rsa", ("-b", "2048")), ("ecdsa", ()), ("ecdsa", ("-b", "521"))]
)
def test_keys_of_ssh_keygen_are_taken(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    """They come back without the comment."""
    line = made_key(tmp_path / "key", kind, "", *options)

    assert strict_key(f"  {line}\n") == " ".join(line.split()[:2])


@pytest.mark.parametrize(
    "key",
    [
        wire_key("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
        wire_key("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", bytes(65), b"ssh:"),
    ],
)
def test_keys_of_hardware_are_taken(key: str) -> None:
    """A security key's public half says which application it is for."""
    assert strict_key(f"{key} ann@yubikey") == key


ED = wire_key("ssh-ed25519", bytes(32))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("~/.ssh/id_ed25519.pub", "is no public ssh key"),
        ("", "is no public ssh key"),
        (f'from="10.0.0.1" {ED}', "has something before the key's type"),
        (f"{ED}\n{ED}", "has several lines"),
        (ED[:-8], "is cut off"),
        ("ssh-ed25519", "is cut off"),
        (ED.replace("ssh-ed25519", "ssh-rsa", 1), "is cut off, or no key of type ssh-rsa"),
        (wire_key("ssh-ed25519", bytes(31)), "is cut off"),
        (wire_key("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 128), "has 1024 bits, and must have 2048"),
        (wire_key("ssh-dss", b"p", b"q", b"g", b"y"), "is a DSA key"),
        (wire_key("ssh-ed25519-cert-v01@openssh.com", bytes(32)), "is a certificate"),
        (wire_key("ssh-xmss@openssh.com", bytes(32)), "has a type of key that is not known"),
    ],
)
def test_what_no_host_would_take(text: str, said: str) -> None:
    """It is refused with the reason, and the message has nothing of the key."""
    with pytest.raises(ValueError, match=said) as raised:
        strict_key(text)

    assert "AAAA" not in str(raised.value)


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_a_private_key_says_its_public_half(tmp_path: Path, passphrase: str) -> None:
    """Also where a passphrase protects it; its text is known for a private key."""
    line = made_key(tmp_path / "key", "ed25519", passphrase)
    data = (tmp_path / "key").read_bytes()

    half = public_half(data)

    assert half is not None
    assert (half.public, half.has_passphrase) == (" ".join(line.split()[:2]), bool(passphrase))
    assert is_private(data.decode())
    assert is_private(data.decode().splitlines()[1]), "without its header as well"
    assert not is_private(line)
    assert public_half(line.encode()) is None
    assert public_half(data.replace(b"b3Bl", b"c3Bl")) is None
    assert public_half(data[:60] + b"\n-----END OPENSSH PRIVATE KEY-----\n") is None
