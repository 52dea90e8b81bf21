"""Hosts at Google, before Google is asked."""

from model.stage import Host
from providers.cloud.cloud_init import SshKeys, new_host_key
from providers.cloud.tag import tag
from providers.gcp.host import is_public, last, machine_of, startup_script
from tests.doubles.gcp.cloud import stage_of

HOST = Host("hive0", "p-hive0.example", "10.1.0.10", is_hive=True, is_repository=False)


def test_an_instance_is_known_by_description_and_metadata() -> None:
    """Its key is in the description; its ssh keys are metadata, whose names have no dots."""
    stage = stage_of()
    metadata = {"items": [{"key": "skep-host-key", "value": "H"}, {"key": "skep-admitted", "value": "F"}]}
    instance = {"id": 7, "description": tag(stage, "hive0", "key"), "status": "RUNNING", "metadata": metadata}
    machine = machine_of(stage, instance)

    assert (machine.name, machine.id, machine.key, machine.is_running) == ("hive0", "7", "key", True)
    assert (machine.host_key, machine.authorized_key) == ("H", "F")
    assert not is_public(machine)
    assert not machine_of(stage, {**instance, "status": "TERMINATED"}).is_running


def test_the_first_start_brings_the_keys_and_prints_none() -> None:
    """The script has the host key and the stage's key; as it holds a private key, it is a secret."""
    key = new_host_key()
    script = startup_script(HOST, SshKeys(key, "ssh-ed25519 AAAA skep@example\n"))

    assert "PRIVATE" not in repr(script)
    lines = script.reveal().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[2] == "[ ! -e /var/lib/skep/started ] || exit 0"
    assert f"printf '%s\\n' '{key.public}' >/etc/ssh/ssh_host_ed25519_key.pub" in lines
    assert "printf '%s\\n' 'ssh-ed25519 AAAA skep@example' >>~skep/.ssh/authorized_keys" in lines


def test_the_name_in_a_url() -> None:
    """A machine type is named by its URL, and by its name."""
    assert last("https://compute.example/zones/z/machineTypes/e2-medium") == "e2-medium"
    assert last("e2-medium") == "e2-medium"
