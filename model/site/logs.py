"""Logs that outlive their host: how long the repository host keeps them."""

from msgspec import Struct

from model.site.base import Scalar
from model.site.services import Logging
from model.units import Age, Bytes

LOGS_PORT = 2514
"""The port at which the repository host takes lines: RELP over TLS."""
_DAY = 86_400
_OPTIONS: dict[str, Scalar] = {"max-size": "10m", "max-file": "10"}
"""Of each container: what a host holds of its log while the repository host takes none."""
SMALLEST = 1 << 20
"""Bytes that `max_size` must be: some lines, and what is written while files are looked for that can go."""
LATE = 600.0
"""Seconds for which what a host says may wait there: after that it is said."""
GIVEN_DRIVER = "json-file"
"""The logging driver of services that have no logging of their own."""
READ_DRIVERS = frozenset({GIVEN_DRIVER, "local"})
"""The logging drivers whose files are read (agent/logs/logged_containers.py)."""


class Logs(Struct, frozen=True, kw_only=True):
    """The logs of services and the journals of hosts are kept on the repository host.

    keep: How long a line is kept at least, if there is room.
    max_size: The bytes that all lines may take.
    """

    keep: Age
    max_size: Bytes

    @property
    def days(self) -> int:
        """Whole days for which lines are kept, since files are changed once a day."""
        return -int(-self.keep // _DAY)


def read_logging() -> Logging:
    """Return the logging of a service that says nothing of its own."""
    return Logging(driver=GIVEN_DRIVER, options=_OPTIONS)
