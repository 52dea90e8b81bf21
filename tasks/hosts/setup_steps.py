"""The set-up steps of hosts as data, made of the stage and its secrets."""

import threading
from typing import TYPE_CHECKING

from model.stage import Host, Stage
from tasks.run.secrets import Secrets

if TYPE_CHECKING:
    from remote.hostsetup.step import HostStep
    from tasks.run.vault import Vault


class HostSteps:
    """Makes each host's set-up steps once, and anew when the vault is another one. Thread-safe.

    Args:
        stage: The stage.
        secrets: Its secrets.

    """

    def __init__(self, stage: Stage, secrets: Secrets) -> None:
        self._stage, self._secrets = stage, secrets
        self._guard = threading.Lock()
        self._made: dict[str, tuple[Vault, list[HostStep]]] = {}

    def of(self, host: Host) -> "list[HostStep]":
        """Return a host's set-up steps.

        Raises:
            KeyError: There is no vault yet, on which some of them depend.

        """
        vault = self._secrets.vault
        with self._guard:
            known = self._made.get(host.short)
            if known is None or known[0] is not vault:
                from remote.hostsetup.steps import steps

                known = self._made[host.short] = vault, steps(self._stage, host, vault.stage)
            return known[1]
