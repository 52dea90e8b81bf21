"""Manila's driver for file servers that are not there: what it is asked for is always done.

It is run twice: with servers of the cloud's own, and with one for each network of a project.
"""

import importlib
from typing import Any

_driver: Any = importlib.import_module("manila.share.driver")


def _nothing(self: Any, *_: Any, **__: Any) -> None:
    """Have done it."""


class Driver(_driver.ShareDriver):
    """Keeps nothing; which shares there are is Manila's own knowledge."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__([False, True], *words, **named)

    do_setup = check_for_setup_error = delete_share = ensure_share = extend_share = update_access = _nothing
    _teardown_server = _nothing

    def get_network_allocations_number(self) -> int:
        """Have one port for each server of a network."""
        return 1

    def _setup_server(self, network_info: Any, metadata: Any = None) -> dict[str, str]:
        """Say where a network's server would be."""
        del metadata
        return {"address": network_info[0]["network_allocations"][0]["ip_address"]}

    def create_share(self, context: Any, share: Any, share_server: Any = None) -> str:
        """Say where a share would be mounted from."""
        del context
        address = share_server["backend_details"]["address"] if share_server else "198.51.100.250"
        return f"{address}:/shares/{share['id']}"

    def _update_share_stats(self, data: Any = None) -> None:
        """Say what it has."""
        super()._update_share_stats(
            {
                **(data or {}),
                "storage_protocol": "NFS",
                "total_capacity_gb": 1000.0,
                "free_capacity_gb": 1000.0,
            }
        )
