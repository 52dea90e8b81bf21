"""What logs leave to others on their disk."""

import re

from model.alarms.alarm_rules import RULES
from remote.hostsetup.logs import LEAST_ROOM


def test_logs_end_before_the_registry_is_short_of_room() -> None:
    """Where both are on one disk, the collector stops while `RegistryFull` is far away."""
    [rule] = [rule for rule in RULES if rule.name == "RegistryFull"]
    found = re.search(r"< (\d+)$", rule.expr)
    assert found is not None
    assert int(found[1]) * 2 <= LEAST_ROOM
