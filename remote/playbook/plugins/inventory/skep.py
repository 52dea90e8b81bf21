"""The inventory plug-in of `remote.playbook.program`: hosts, groups and variables, as they were ordered."""

from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var

import __main__ as program


class InventoryModule(BaseInventoryPlugin):
    """What Ansible calls."""

    NAME = "skep"

    def verify_file(self, path: str) -> bool:
        """Take whatever is named: what counts is in the order."""
        return bool(path)

    def parse(self, inventory: Any, loader: Any, path: str, cache: Any = None) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        order = program.ORDER["inventory"]
        for group, hosts in order["groups"].items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_host(host, group=group)
        for host, variables in order["variables"].items():
            inventory.add_host(host)
            for name, value in variables.items():
                # A text is a text, whatever is in it: never a template.
                inventory.set_variable(host, name, wrap_var(value))
