"""A set-up step of a host.

A step that was applied leaves a *marker* on the host, `/var/lib/skep/steps/<name>`: its key, then the SHA-256 of each
file that it wrote and the units that it wants active. The marker is the truth (a label on the real thing); one script
(`markers.py`) reads all markers of a host and checks the files and units, so that a file edited by hand makes its step
stale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.keys.digest import Inputs
from model.secrets.secret import Secret

MARKERS = "/var/lib/skep/steps"


@dataclass(frozen=True)
class HostFile:
    """A file that a step writes.

    Args:
        path: Where, absolute.
        content: Its text.
        mode: Its permission bits; root owns it.

    """

    path: str
    content: str | Secret
    mode: int = 0o644


@dataclass(frozen=True)
class HostStep:
    """One small thing to set up on a host.

    Args:
        name: Unique on the host.
        inputs: Its inputs; with the text of its script they make its key.
        script: POSIX shell, run as root with `set -eu` after the files are written; safe to repeat. It may use the
            functions of `packages.PRELUDE`.
        files: Makes the files when the step is applied, and not before, so that a certificate is issued only then.
        units: The names (in `packages.UNITS`) of services that must be active afterwards.
        needs: Names of steps of the same host that come first.
        timeout: Seconds.
        late_inputs: Returns further inputs that take reading something, which may fail, and then for this step alone.

    """

    name: str
    inputs: Inputs
    script: str = ""
    files: Callable[[], Sequence[HostFile]] = tuple
    units: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    timeout: float = 600
    late_inputs: Callable[[], Inputs] = dict
