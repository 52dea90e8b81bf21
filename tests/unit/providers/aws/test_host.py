"""Hosts at Amazon, before Amazon is asked."""

from providers.aws.host import machine_of

INSTANCE = {
    "InstanceId": "i-1",
    "State": {"Name": "running"},
    "Tags": [
        {"Key": "skep.name", "Value": "hive0"},
        {"Key": "skep.key", "Value": "key"},
        {"Key": "skep.host-key", "Value": "H"},
        {"Key": "skep.admitted", "Value": "F"},
    ],
}


def test_an_instance_is_known_by_its_tags() -> None:
    """One that is being terminated can't become the host, whatever its key."""
    machine = machine_of(INSTANCE)
    dead = machine_of({**INSTANCE, "State": {"Name": "shutting-down"}})

    assert (machine.name, machine.id, machine.key, machine.is_running) == ("hive0", "i-1", "key", True)
    assert (machine.host_key, machine.authorized_key) == ("H", "F")
    assert (dead.name, dead.key, dead.is_running) == ("hive0", "", False)
