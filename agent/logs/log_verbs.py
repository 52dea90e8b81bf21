"""The words of the agent's wing for logs, but for those of the shipper (agent/logs/ship.py)."""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence

from agent.errors import AgentError, reason_of
from agent.logs.central_files import WantedLines, central_lines
from agent.logs.kept_size import trim
from agent.logs.limited_pattern import LimitedPattern
from agent.logs.lines import CENTRAL, KINDS
from agent.logs.ship import say

ROTATION = "/etc/logrotate.d/skep-logs"
"""logrotate's configuration of what is kept."""


def main(arguments: Sequence[str]) -> int:
    """Do what the words ask for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="agent logs")
    verbs = parser.add_subparsers(required=True)
    trimming = verbs.add_parser("trim")
    trimming.set_defaults(verb=_trim)
    trimming.add_argument("most", type=int)
    trimming.add_argument("share", type=int)
    read = verbs.add_parser("read")
    read.set_defaults(verb=_read)
    read.add_argument("kind", choices=KINDS)
    read.add_argument("name")
    read.add_argument("--since", default="")
    read.add_argument("--lines", type=int, default=0)
    read.add_argument("--grep", default="")
    read.add_argument("--source", default="")
    read.add_argument("--until", default="")
    words = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        words.verb(words)
    except BrokenPipeError:
        return 1
    except (AgentError, OSError, re.error) as error:
        # On standard output, where whoever reads lines sees it.
        sys.stdout.write(json.dumps({"error": reason_of(error)}) + "\n")
        return 1
    return 0


def _trim(words: argparse.Namespace) -> None:
    """Begin large files of what is kept anew, and remove the oldest, until all take so many bytes at most."""

    def rotate(*, is_all: bool) -> None:
        command = ["logrotate", *(["--force"] if is_all else []), ROTATION]
        done = subprocess.run(command, check=False)
        if done.returncode:
            raise AgentError(f"{' '.join(command)} ended with {done.returncode}")

    trim([CENTRAL / kind for kind in KINDS], words.most, words.share, rotate, say)


def _read(words: argparse.Namespace) -> None:
    """Print lines of a central file as JSON, the last one with their number."""
    # All of its files are open at once.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    pattern = LimitedPattern(words.grep) if words.grep else None
    wanted = WantedLines(words.since, words.lines, pattern, words.source, words.until)
    count = 0
    for line in central_lines(CENTRAL / words.kind, words.name, wanted):
        count += 1
        content = {"time": line.time, "host": line.host, "source": line.source, "stream": line.stream}
        sys.stdout.write(json.dumps({**content, "text": line.text}) + "\n")
    sys.stdout.write(json.dumps({"lines": count}) + "\n")
    sys.stdout.flush()
