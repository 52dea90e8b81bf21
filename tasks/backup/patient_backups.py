"""Hosts' agents, asked by who waits where another job of one is at work."""

import time
from dataclasses import dataclass
from typing import Any

from model.errors import HostError
from model.stage import Host
from remote.backup.agent_calls import AgentFailedError
from remote.mother.wait import Pace, attempts
from tasks.backup.site_backups import Heard, SiteBackups

PATIENCE = 3600.0
"""Seconds for which a host's own job is waited for."""
_PACE = Pace(first=1.0, longest=5.0)


@dataclass(frozen=True)
class PatientBackups(SiteBackups):
    """The backups of a stage, where another job of a host's agent is waited for.

    It may be the upkeep of the backups; or what a killed try had asked for, which goes on there.
    """

    def ask(self, host: Host, *words: str, heard: Heard | None = None) -> Any:
        """Have a host's agent do something, and return its result.

        Raises:
            HostError: It can't be done; or another job was at work all the time.

        """
        began = time.monotonic()
        for _ in attempts(PATIENCE, _PACE):
            try:
                return super().ask(host, *words, heard=heard)
            except AgentFailedError as error:
                if not error.is_busy:
                    raise
                problem = error
        raise HostError(f"{problem} (waited {time.monotonic() - began:.0f} s)")
