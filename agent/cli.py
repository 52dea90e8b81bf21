"""The agent's command line: its first word is one of the agent's wings, which reads the others.

Only that wing is loaded: what runs for ever is to need little memory.
"""

import importlib
import sys
from collections.abc import Sequence

_WINGS = {"backup": "agent.backup.verbs", "logs": "agent.logs.log_verbs", "observe": "agent.observe.rounds"}


def main(arguments: Sequence[str]) -> int:
    """Have a wing do what the words ask for, and return the exit status."""
    module = _WINGS.get(arguments[0]) if arguments else None
    if module is None:
        sys.stderr.write(f"usage: agent {{{','.join(_WINGS)}}} …\n")
        return 2
    return int(importlib.import_module(module).main(arguments[1:]))
