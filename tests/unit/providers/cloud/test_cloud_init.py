"""The first start of a new machine in a cloud."""

import json

from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from model.stage import Host
from providers.cloud.cloud_init import SshKeys, fingerprint, new_host_key, new_rsa_key, user_data

HOST = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)


def test_the_halves_of_a_host_key_belong_together() -> None:
    """The public half, which is pinned, is that of the private one, which the machine gets; no two keys are one."""
    key = new_host_key()
    private = load_ssh_private_key(key.private.reveal().encode(), None)

    assert private.public_key() == load_ssh_public_key(key.public.encode())
    assert key.public.startswith("ssh-ed25519 ")
    assert len(key.public) == 80
    assert new_host_key().public != key.public


def test_the_stages_key_is_let_in_and_no_password() -> None:
    """The admin user has sudo and the stage's key; nobody has a password, and root can't log in."""
    key = new_host_key()
    text = user_data(HOST, SshKeys(key, "ssh-ed25519 AAAA skep@example\n")).reveal()
    first, _, rest = text.partition("\n")
    config = json.loads(rest)

    assert first == "#cloud-config"
    [admin] = config["users"]
    assert admin["ssh_authorized_keys"] == ["ssh-ed25519 AAAA skep@example"]
    assert (admin["name"], admin["sudo"]) == ("skep", "ALL=(ALL) NOPASSWD:ALL")
    assert (admin["lock_passwd"], config["ssh_pwauth"], config["disable_root"]) == (True, False, True)
    assert config["ssh_keys"]["ed25519_public"] == key.public
    assert config["fqdn"] == "p-hive0.example"


def test_an_agents_key_stands_beside_the_one_that_is_pinned() -> None:
    """A cloud's agent that waits for an RSA key finds a whole pair; the tags have the other one."""
    keys = SshKeys(new_host_key(), "ssh-ed25519 AAAA", new_rsa_key())
    given = json.loads(user_data(HOST, keys).reveal().partition("\n")[2])["ssh_keys"]
    private = load_ssh_private_key(given["rsa_private"].encode(), None)

    assert private.public_key() == load_ssh_public_key(given["rsa_public"].encode())
    assert given["ed25519_public"] == keys.tags["skep.host-key"]
    assert "rsa_public" not in user_data(HOST, SshKeys(keys.host_key, "ssh-ed25519 AAAA")).reveal()


def test_it_does_not_print() -> None:
    """The user data has a private key in it, and is a secret."""
    assert "PRIVATE" not in repr(user_data(HOST, SshKeys(new_host_key(), "ssh-ed25519 AAAA")))


def test_keys_are_known_by_a_machines_tags() -> None:
    """The public host key is one, and the fingerprint of the stage's key, whatever its comment."""
    key = new_host_key()
    tags = SshKeys(key, "ssh-ed25519 AAAA skep@example\n").tags

    assert tags == {
        "skep.host-key": key.public,
        "skep.admitted": fingerprint("ssh-ed25519 AAAA other@example"),
    }
    assert fingerprint("ssh-ed25519 AAAA") != fingerprint("ssh-ed25519 AAAB")
