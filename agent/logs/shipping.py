"""The notes of how far what this host says has arrived (`agent/host/shipping_notes.py`), as the shipper writes them."""

import time
from collections.abc import Callable
from pathlib import Path

from agent.errors import reason_of
from agent.host.durable_files import read_json, write_json
from agent.host.shipping_notes import JOURNAL, SERVICES, STATE
from agent.logs.troubles import JOURNAL_TROUBLE, STATE_TROUBLE, Troubles

_EVERY = 15.0
"""Seconds between two writings: skep-observe reads as often."""
_PARTS = {JOURNAL_TROUBLE: JOURNAL, STATE_TROUBLE: STATE}
"""What is in trouble, by its name there. All others are containers."""
_NOTES = "shipping"


class Shipping:
    """How far what this host says has arrived.

    Args:
        path: Where it is noted.
        troubles: What goes wrong.
        is_full: Tells whether the collector on this host is stopped for want of room; None where there is none.

    """

    def __init__(self, path: Path, troubles: Troubles, is_full: Callable[[], bool] | None) -> None:
        self._path, self._troubles, self._is_full = path, troubles, is_full
        former = read_json(path, {})
        self.taken = float(former["taken"]) if "taken" in former else time.time()
        """Until when everything has arrived: as the process before this one noted it; where there was none, by now."""
        self._due = 0.0

    def note(self) -> None:
        """Write the notes, if that is due; where they can't be, it is tried again."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _EVERY
        failing = {_PARTS.get(part, SERVICES) for part in self._troubles.parts - {_NOTES}}
        room = {} if self._is_full is None else {"is_full": self._is_full()}
        try:
            write_json(self._path, {"taken": round(self.taken, 3), "failing": sorted(failing), **room})
        except OSError as error:
            self._troubles.begin(_NOTES, f"{self._path} can't be written ({reason_of(error)})")
        else:
            self._troubles.end(_NOTES)
