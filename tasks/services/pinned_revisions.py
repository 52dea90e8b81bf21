"""Services that went back to an earlier revision, and stay there until their definition changes.

The pin is a label on the service. What is known of it here is only for `doit list`, which looks at nothing.
"""

import json
from collections.abc import Mapping

from model.labels import PINNED_LABEL, labels_of
from remote.mother.files import write_whole
from tasks.run.context import Run

FILE = "pinned.json"


def pinned(run: Run) -> dict[str, int]:
    """Return the services that were pinned when the swarm was last looked at, each with its revision."""
    try:
        found = json.loads((run.state.root / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): int(number) for name, number in found.items()}


def seen(run: Run) -> dict[str, int]:
    """Return the services that the live look saw pinned."""
    found = {}
    for name, service in run.live_state.swarm.services.items():
        number = labels_of(service).get(PINNED_LABEL, "")
        if name in run.stage.services and number.isdecimal():
            found[name] = int(number)
    return found


def note(run: Run, found: Mapping[str, int]) -> None:
    """Keep which services are pinned."""
    path = run.state.root / FILE
    if found:
        write_whole(path, json.dumps(dict(found)).encode())
    else:
        path.unlink(missing_ok=True)


def lines(found: Mapping[str, int]) -> list[str]:
    """Return a line for each service that is pinned."""
    return [
        f"{name} is pinned to revision {number}, behind site.toml, until its definition changes "
        f"(doit rollback {name} to=latest)"
        for name, number in sorted(found.items())
    ]
