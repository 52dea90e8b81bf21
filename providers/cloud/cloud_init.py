"""The first start of a new machine in a cloud: its ssh keys, and the user data that cloud-init reads.

Its ssh host key is made here and goes with it, so that the first connection already verifies it. The public half is put
on the machine's own tags: there every later run, and every other checkout, reads it back.
"""

import json
from dataclasses import dataclass

from model.keys.digest import sha256
from model.keys.record import ADMIN
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG
from model.secrets.secret import Secret
from model.stage import Host


@dataclass(frozen=True)
class HostKey:
    """An ssh host key.

    Args:
        private: In OpenSSH's own format.
        public: `ssh-ed25519 <base64>`, 80 characters: every cloud's label can hold it.

    """

    private: Secret
    public: str


def new_host_key() -> HostKey:
    """Make an ed25519 host key."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
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
        host_key: The only host key that it has.
        authorized_key: The stage's public key, which may log in.

    """

    host_key: HostKey
    authorized_key: str

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
            "ed25519_private": keys.host_key.private.reveal(),
            "ed25519_public": keys.host_key.public,
        },
    }
    # JSON is YAML as well, and needs no library.
    return Secret("#cloud-config\n" + json.dumps(config, indent=1) + "\n")
