"""Cinder's driver for a terabyte that is not there: what it is asked for is always done."""

import importlib
from typing import Any

_driver: Any = importlib.import_module("cinder.volume.driver")
_interface: Any = importlib.import_module("cinder.interface")


def _nothing(self: Any, *_: Any, **__: Any) -> None:
    """Have done it."""


@_interface.volumedriver
class Driver(_driver.VolumeDriver):
    """Keeps nothing; which volumes there are is Cinder's own knowledge."""

    VERSION = "1"

    do_setup = check_for_setup_error = create_volume = delete_volume = extend_volume = _nothing
    create_snapshot = delete_snapshot = create_volume_from_snapshot = create_cloned_volume = _nothing
    ensure_export = create_export = remove_export = terminate_connection = _nothing

    def _update_volume_stats(self) -> None:
        """Say what it has."""
        self._stats = {
            "volume_backend_name": self.configuration.volume_backend_name,
            "vendor_name": "skep",
            "driver_version": self.VERSION,
            "storage_protocol": "iSCSI",
            "total_capacity_gb": 1000,
            "free_capacity_gb": 1000,
            "reserved_percentage": 0,
            "QoS_support": False,
        }

    def clone_image(self, *_: Any) -> tuple[dict[str, str], bool]:
        """Have cloned it, so that Cinder does not go and write it to a device."""
        return {}, True

    def initialize_connection(self, volume: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Say where the volume would be."""
        return {
            "driver_volume_type": "iscsi",
            "data": {
                "target_portal": "127.0.0.1:3260",
                "target_iqn": f"iqn.2026-11.test.skep:{volume.id}",
                "target_lun": 1,
                "volume_id": volume.id,
            },
        }
