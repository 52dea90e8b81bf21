"""Metrics over time, as Prometheus on the repository host has them.

It listens on that host's loopback alone: promtool, of its Debian package, asks it there.
"""

import json
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from model.site.monitoring import PROMETHEUS_PORT
from remote.ssh.connection import Connection

TIMEOUT = 15.0
"""Seconds that all answers may take together."""
Series = Sequence[Mapping[str, Any]]
"""Lines over time, each with its labels (`metric`) and its times and values (`values`).

https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors
"""


def ranges(
    connection: Connection, questions: Sequence[str], *, start: int, end: int, step: int
) -> list[Series]:
    """Return Prometheus' answers to some questions over a time.

    Args:
        connection: The connection to the host.
        questions: The questions, in PromQL.
        start: Their first time, in seconds since 1970.
        end: Their last one.
        step: Seconds between two times.

    Raises:
        CommandError: It does not answer, or refuses a question.
        HostError: The host does not answer.

    """
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}"
    begin = f"promtool query -o json range --start={start} --end={end} --step={step}s {url}"
    script = "".join(f"{begin} {quote(question)}\n" for question in questions)
    output = connection.script(script, timeout=TIMEOUT, label="asking Prometheus")
    answers: list[Series] = [json.loads(line) or [] for line in output.splitlines() if line.strip()]
    return answers
