"""The containers' way out of hosts, tried by a run."""

import threading
from types import SimpleNamespace
from typing import Any

from model.errors import HostError
from tasks.hosts.ways_out import try_ways_out
from tasks.run.coordination import Coordination
from tasks.run.progress import Progress

OUTPUT = "out 1450\n"


class Connections:
    """Connections to hosts of which one does not answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def to(self, host: Any) -> Any:
        """Return a connection."""

        def script(_text: str, **_options: Any) -> str:
            with self._lock:
                self.asked.append(host.short)
            if host.short == "hive1":
                raise HostError("hive1: no route to host")
            return OUTPUT

        return SimpleNamespace(script=script)

    def engine(self, _host: Any) -> Any:
        """Return an engine whose bridge has Ethernet's MTU, as it makes it."""
        listed = [{"Name": "bridge", "Options": {}}, {"Name": "my_bridge", "Options": {}}]
        return SimpleNamespace(api=SimpleNamespace(networks=lambda **_: listed))


def test_each_host_is_tried_once_and_warned_of_at_the_end() -> None:
    """What is wrong stops nothing; a host that can't be asked is in the log alone."""
    run: Any = SimpleNamespace(connections=Connections(), coordination=Coordination(), progress=Progress())
    hosts: Any = [SimpleNamespace(short=short) for short in ("hive0", "hive1")]
    told: list[str] = []

    for _ in range(2):
        try_ways_out(run, hosts, told.append)

    [line] = run.progress.later
    assert line.startswith(
        "hive0: its network takes packets of at most 1450 bytes, and docker0 sends up to 1500"
    )
    assert sorted(run.connections.asked) == ["hive0", "hive1"]
    assert sorted(told) == [line, "the containers' way out was not tried: hive1: no route to host"]
