"""Hosts at Azure, before Azure is asked."""

from typing import Any

from providers.azure.host import is_running, machine_of, power_state


def machine(state: str = "Succeeded", power: str = "PowerState/running") -> dict[str, Any]:
    """Return a virtual machine as Azure does."""
    statuses = [{"code": "ProvisioningState/succeeded"}, {"code": power}]
    properties = {"vmId": "v-1", "provisioningState": state, "instanceView": {"statuses": statuses}}
    return {"name": "hive0", "tags": {"skep.name": "hive0", "skep.key": "key"}, "properties": properties}


def test_a_machine_that_failed_is_no_host() -> None:
    """It is found, and neither runs nor has a key."""
    good, failed = (machine_of(machine(state), is_running=True) for state in ("Succeeded", "Failed"))

    assert (good.name, good.id, good.key, good.is_running) == ("hive0", "v-1", "key", True)
    assert (failed.name, failed.key, failed.is_running) == ("hive0", "", False)


def test_power_states() -> None:
    """Not all answers have one."""
    assert is_running(machine())
    assert power_state(machine(power="PowerState/deallocated")) == "PowerState/deallocated"
    assert power_state({"properties": {}}) == ""
