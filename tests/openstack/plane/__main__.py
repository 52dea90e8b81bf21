"""Start the services in a directory, say so with a line of clouds.yaml's path, and end them when the input ends.

With `--prepare`, only make what takes minutes and is kept.
"""

import argparse
import signal
import sys
from pathlib import Path

from tests.openstack.plane.control import Plane


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where they keep what is quick to have again")
    parser.add_argument("--environment", type=Path, help="their Python environment (default: beside it)")
    parser.add_argument("--port", type=int, default=15000, help="the first of eight on 127.0.0.1")
    parser.add_argument("--prepare", action="store_true", help="only make what is made once")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by which all is ended, too
    directory = given.directory.resolve()
    plane = Plane(directory, (given.environment or directory / "venv").resolve(), given.port)
    if given.prepare:
        plane.prepare()
        return
    with plane:
        print(plane.clouds, flush=True)  # noqa: T201 - it is what is waited for
        sys.stdin.read()


if __name__ == "__main__":
    main()
