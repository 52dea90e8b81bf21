"""Neutron's mechanism for a network that carries nothing: each port is bound and up as soon as it is there."""

import importlib
from typing import Any

_api: Any = importlib.import_module("neutron_lib.plugins.ml2.api")
_bindings: Any = importlib.import_module("neutron_lib.api.definitions.portbindings")


class Driver(_api.MechanismDriver):
    """Binds without an agent. Neutron finds it by the entry point that lies beside it."""

    def initialize(self) -> None:
        """Need nothing."""

    def bind_port(self, context: Any) -> None:
        """Bind it to the first segment that it may have."""
        segment = context.segments_to_bind[0][_api.ID]
        details = {_bindings.CAP_PORT_FILTER: True}
        context.set_binding(segment, _bindings.VIF_TYPE_OVS, details, status="ACTIVE")
