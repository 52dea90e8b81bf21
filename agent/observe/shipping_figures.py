"""How far what this host says has arrived on the repository host, as its shipper of logs notes it."""

from pathlib import Path

from agent.errors import AgentError
from agent.host.shipping_notes import PARTS, shipping_notes
from agent.observe.exposition import Exposition


def shipping_figures(figures: Exposition, path: Path) -> None:
    """Add the figures of the shipper of logs; none where nothing is shipped.

    Args:
        figures: Where they are added.
        path: The shipper's notes.

    Raises:
        AgentError: They can't be read.

    """
    notes = shipping_notes(path)
    if notes is None:
        return
    try:
        figures.add("skep_logs_taken_timestamp_seconds", float(notes["taken"]))
        for part in PARTS:
            figures.add("skep_logs_failed", int(part in notes["failing"]), part=part)
        if "is_full" in notes:
            figures.add("skep_logs_collector_full", int(notes["is_full"]))
    except (LookupError, TypeError, ValueError) as error:
        raise AgentError(f"{path} is of another form: restart skep-logs-shipper") from error
