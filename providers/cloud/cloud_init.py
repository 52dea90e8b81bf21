"""The first start of a new machine in a cloud: its ssh keys, and the user data that cloud-init reads.

Its ssh host key is made here and goes with it, so that the first connection already verifies it. The public half is put
on the machine's own tags: there every later run, and every other checkout, reads it back.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.keys.digest import sha256
from model.keys.record import ADMIN
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG
from model.secrets.secret import Secret
from model.stage import Host

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


@dataclass(frozen=True)
class HostKey:
    """An ssh host key.

    Args:
        private: In OpenSSH's own format.
        public: `ssh-ed25519 <base64>`, 80 characters: every cloud's label can hold it. One of RSA is longer.

    """

    private: Secret
    public: str


def new_host_key() -> HostKey:
    """Make an ed25519 host key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _written(Ed25519PrivateKey.generate())


def new_rsa_key() -> HostKey:
    """Make an RSA host key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return _written(generate_private_key(public_exponent=65537, key_size=3072))


def _written(key: "Ed25519PrivateKey | RSAPrivateKey") -> HostKey:
    """Return a key in OpenSSH's format."""
    from cryptography.hazmat.primitives import serialization as form

    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return HostKey(Secret(private.decode()), public.decode())


def fingerprint(public: str) -> str:
    """Return the digest of a public ssh key without its comment. Pure."""
    return sha256(" ".join(public.split()[:2]))[:16]


@dataclass(frozen=True)
class SshKeys:
    """The ssh keys that a new machine gets.

    Args:
        host_key: The host key by which it is known.
        authorized_key: The stage's public key, which may log in.
        agent_key: An RSA host key that the cloud's own agent waits for; None where there is none that does.

    """

    host_key: HostKey
    authorized_key: str
    agent_key: HostKey | None = None

    @property
    def tags(self) -> dict[str, str]:
        """The machine's tags by which later runs know them."""
        return {HOST_KEY_TAG: self.host_key.public, AUTHORIZED_KEY_TAG: fingerprint(self.authorized_key)}


def user_data(host: Host, keys: SshKeys) -> Secret:
    """Return the user data of a host: its name, its host key, and the admin user with the stage's key. Pure.

    It holds the private host key, which anybody can read who may read the machine's metadata: providers see to it that
    containers can't.
    """
    config = {
        "hostname": host.name.partition(".")[0],
        "fqdn": host.name,
        # `setup_hosts` writes the host name and /etc/hosts itself.
        "manage_etc_hosts": False,
        "users": [
            {
                "name": ADMIN,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [keys.authorized_key.strip()],
            }
        ],
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        # Where a key is given, cloud-init makes none itself.
        "ssh_keys": {
            f"{kind}_{half}": text
            for kind, key in (("ed25519", keys.host_key), ("rsa", keys.agent_key))
            if key is not None
            for half, text in (("private", key.private.reveal()), ("public", key.public))
        },
    }
    # JSON is YAML as well, and needs no library.
    return Secret("#cloud-config\n" + json.dumps(config, indent=1) + "\n")
