"""The places where somebody might see a secret who should not, searched."""

import base64
import itertools
import json
import subprocess
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from tests import rig
from tests.integration.doit_run import DOIT
from tests.integration.example_site.example import HOSTS, REPOSITORY, Example

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = """
docker inspect $(docker ps -aq) $(docker image ls -aq) 2>/dev/null || true
docker image ls -q | while read -r image; do docker history --no-trunc "$image"; done
docker service ls -q 2>/dev/null | while read -r name; do docker service inspect "$name"; done
docker secret ls -q 2>/dev/null | while read -r name; do docker secret inspect "$name"; done
docker config ls -q 2>/dev/null | while read -r name; do docker config inspect --pretty "$name"; done
for file in $(find /var/log /tmp /var/tmp /etc -type f -perm /o=r); do cat "$file" 2>/dev/null || true; done
journalctl --no-pager -q
"""
"""What an engine tells, and what everybody on a host can read."""
_STORES = "/var/lib/docker /var/lib/containerd"
"""Where the layers of images are, each a directory of files; on the repository host no service runs."""

_YOUNG, _NOW_AND_THEN = 10, 30
"""Looks at the list of processes for which one of them is new, and after which all are read again."""


class Processes:
    """The command lines and environments of this machine's processes, as they come, those in the hosts among them."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.given: set[tuple[bytes, bytes]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        """Read the list of processes again and again: those that are new each time, all others now and then."""
        first_seen: dict[Path, int] = {}
        for turn in itertools.count():
            if self._end.wait(0.1):
                return
            first_seen = {process: first_seen.get(process, turn) for process in rig.process_directories()}
            for process, first in first_seen.items():
                # A young one may still become another program, and hundreds are on a machine.
                if turn - first > _YOUNG and turn % _NOW_AND_THEN:
                    continue
                try:
                    line = (process / "cmdline").read_bytes()
                    self.seen.add(line)
                    self.given.add((line, (process / "environ").read_bytes()))
                except OSError:
                    continue


def own_secrets(site: Example) -> list[str]:
    """Return the secrets that skep made: the generated ones, and those of the stage."""
    vault = json.loads((site.state / "secrets" / "vault.json").read_text())
    keys = [vault["stage"]["ca_key"], (site.state / "secrets/id_ed25519").read_text()]
    # A key's text may be folded anywhere: a line from its middle stands for it.
    lines = [text.splitlines()[2] for text in keys]
    return [
        *vault["generated"].values(),
        vault["stage"]["registry_password"],
        vault["stage"]["pepper"],
        *lines,
    ]


def places_that_show(site: Example, processes: Processes, secrets: Collection[str]) -> list[str]:
    """Return the places that show one of these secrets.

    Looked at are the state directory, what all runs have printed, what the mother's engine and those of the hosts tell,
    what everybody on the hosts can read, image layers, and what processes were started with.
    """
    patterns = [secret.encode() for secret in secrets]

    def holds(data: bytes) -> bool:
        return any(pattern in data for pattern in patterns)

    state = [path for path in site.state.rglob("*") if path.is_file() and "secrets" not in path.parts]
    printed = list(site.scratch.glob("run-*.txt"))
    assert state
    assert printed
    found = [str(path) for path in (*state, *printed) if holds(path.read_bytes())]
    shown = site.everywhere(HOSTS, f"({_SHOWN}) | base64 -w 0")
    found += [f"on {host}" for host, text in shown.items() if holds(base64.b64decode(text))]
    lines = "\n".join(secrets)
    layers = f"grep -rlFD skip -f - {_STORES} <<'END' || true\n{lines}\nEND"
    found += [f"in {path}" for path in site.on(REPOSITORY, layers).splitlines()]
    mothers = ["docker", "inspect", *(site.container(host) for host in HOSTS)]
    if holds(subprocess.run(mothers, capture_output=True, check=True).stdout):
        found.append("on this machine's engine")
    assert len(processes.seen) > 100
    found += [f"process {line!r}" for line in list(processes.seen) if holds(line)]
    # doit itself is given them; nothing that it starts is.
    doit = str(DOIT).encode()
    # They are watched in a thread of its own, which goes on.
    given = list(processes.given)
    return found + [f"environment of {line!r}" for line, env in given if holds(env) and doit not in line]
