"""The agent's command line: its first words name a part of the agent, which reads the others.

Only that part is loaded: what runs for ever is to need little memory.
"""

import importlib
import sys
from collections.abc import Sequence

_PARTS = {
    "backup": "agent.backup.verbs",
    "logs": "agent.logs.log_verbs",
    "logs ship": "agent.logs.ship",
    "observe": "agent.observe.rounds",
}


def main(arguments: Sequence[str]) -> int:
    """Have a part do what the words ask for, and return the exit status."""
    for count in (2, 1):
        if (module := _PARTS.get(" ".join(arguments[:count]))) is not None:
            return int(importlib.import_module(module).main(arguments[count:]))
    sys.stderr.write(f"usage: agent {{{','.join(_PARTS)}}} …\n")
    return 2
