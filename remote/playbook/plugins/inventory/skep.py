"""The inventory plug-in of `remote.playbook.program`: hosts, groups and variables, as the request has them."""

from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var

import __main__ as program


class InventoryModule(BaseInventoryPlugin):
    """Ansible's interface of an inventory plug-in."""

    NAME = "skep"

    def verify_file(self, path: str) -> bool:
        """Accept any path: the inventory is in the request."""
        return bool(path)

    def parse(self, inventory: Any, loader: Any, path: str, cache: Any = None) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        inventory_request = program.REQUEST["inventory"]
        for group, hosts in inventory_request["groups"].items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_host(host, group=group)
        for host, variables in inventory_request["variables"].items():
            inventory.add_host(host)
            for name, value in variables.items():
                # A text is a text, whatever is in it: never a template.
                inventory.set_variable(host, name, wrap_var(value))
