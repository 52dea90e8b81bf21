"""How far what this host says has arrived on the repository host: the shipper of logs notes it.

skep-observe and `doit status` read the notes: of a shipper that does not run they grow old, as of one whose lines
nobody takes.
"""

from pathlib import Path
from typing import Any

from agent.errors import AgentError
from agent.host.durable_files import read_json

NOTES = Path("/var/lib/skep/logs/shipping.json")
SERVICES, JOURNAL, STATE = "services", "journal", "notes"
"""What can fail: logs of services that can't be read, the journal, and noting what has arrived."""
PARTS = (SERVICES, JOURNAL, STATE)


def shipping_notes(path: Path) -> dict[str, Any] | None:
    """Return the notes; None where nothing is shipped.

    `taken` is the time until which everything has arrived, in seconds since 1970; `failing` the parts that fail; and
    on the repository host `is_full` whether its collector is stopped for want of room.

    Raises:
        AgentError: They can't be read.

    """
    notes: dict[str, Any] | None = read_json(path)
    if notes is None and path.exists():
        raise AgentError(f"{path} can't be read")
    return notes
