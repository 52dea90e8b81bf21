"""The words of the agent's wing for logs."""

import argparse
import os
import sys
from collections.abc import Sequence

from agent.errors import AgentError, reason_of
from agent.logs.ship import ship


def main(arguments: Sequence[str]) -> int:
    """Do what the words ask for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="agent logs")
    verbs = parser.add_subparsers(required=True)
    verbs.add_parser("ship").set_defaults(verb=ship)
    words = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        words.verb()
    except (AgentError, OSError) as error:
        sys.stderr.write(f"{reason_of(error)}\n")
        return 1
    return 0
