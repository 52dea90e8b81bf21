"""Hosts at OpenStack, before OpenStack is asked."""

from providers.openstack.host import machine_of


def test_a_server_in_error_is_no_host() -> None:
    """It is found, and has no key, so that another is made."""
    metadata = {"skep.name": "hive0", "skep.key": "key", "skep.host-key": "H", "skep.admitted": "F"}
    good, broken = (
        machine_of({"id": "s-1", "status": status, "metadata": metadata}) for status in ("ACTIVE", "ERROR")
    )

    assert (good.name, good.id, good.key, good.is_running) == ("hive0", "s-1", "key", True)
    assert (good.host_key, good.authorized_key) == ("H", "F")
    assert (broken.name, broken.key, broken.is_running) == ("hive0", "", False)
