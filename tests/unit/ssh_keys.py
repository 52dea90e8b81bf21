"""ssh keys for tests: real ones, made by ssh-keygen, and those of hardware, whose form is written out."""

import base64
import subprocess
from pathlib import Path


def made_key(path: Path, kind: str = "ed25519", passphrase: str = "", *options: str) -> str:
    """Make a key pair with ssh-keygen, and return the line of its public half."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "ann@laptop", "-f", str(path), *options]
    subprocess.run(words, check=True, timeout=60)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def wire_key(kind: str, *strings: bytes) -> str:
    """Return a public key of these strings, as OpenSSH's PROTOCOL.u2f has those of security keys."""
    parts = (kind.encode(), *strings)
    data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{kind} {base64.b64encode(data).decode()}"
