"""Permissions that Azure's roles give."""

from providers.azure.check import is_allowed


def test_what_roles_allow() -> None:
    """An action is allowed that one role has and does not except; letters' size does not count, stars do."""
    reader, maker = {"actions": ["*/read"]}, {"actions": ["Microsoft.Compute/*"], "notActions": ["*/delete"]}

    assert is_allowed("microsoft.compute/disks/write", [reader, maker])
    assert is_allowed("Microsoft.Network/virtualNetworks/read", [reader, maker])
    assert not is_allowed("Microsoft.Compute/disks/delete", [reader, maker])
    assert is_allowed("Microsoft.Compute/disks/delete", [maker, {"actions": ["*"], "notActions": []}])
    assert not is_allowed("Microsoft.Network/virtualNetworks/write", [])
