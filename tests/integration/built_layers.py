"""A site's images on the mother's engine, built by a process of its own that can be killed.

`python -m tests.integration.built_layers DIRECTORY ADDRESS BUSYBOX` builds `large_world`.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from remote.images import builder as images
from tests import debian, rig
from tests.doubles import image_histories
from tests.doubles.engine import Node
from tests.doubles.image_histories import World, first_world
from tests.integration.real_engine import PREFIX, RealBench

LOG = Path("state", "private", "logs", "build_images", "web.log")
_ROOT = Path(__file__).parents[2]


def script(text: str) -> dict[str, Node]:
    """Return a role that runs something."""
    return {"setup.sh": Node("file", 0o755, text.encode())}


def files(**contents: str) -> dict[str, Node]:
    """Return a role of files: paths with `__` for `/`, and what is there."""
    tree: dict[str, Node] = {}
    for name, text in contents.items():
        path = f"root/{name.replace('__', '/')}"
        tree |= {str(parent): Node("directory", 0o755) for parent in [*Path(path).parents][:-1]}
        tree[path] = Node("file", 0o644, text.encode())
    return tree


def one_image(**roles: dict[str, Node]) -> World:
    """Return a site with one image, whose base is made of a tarball."""
    made = first_world()
    made.bases["hub:1"] = {"tarball": "two.tar"}
    made.images, made.services, made.roles = (
        {"web": {"from": "debian:12", "roles": [*roles]}},
        {"web": "web"},
        roles,
    )
    return made


def large_world() -> World:
    """Return a site whose image has a layer that takes the engine a while to push, with others on top of it."""
    return one_image(
        large=script("head -c 60000000 /dev/urandom >/large\n"),
        more=script("sleep 1; echo more >/more\n"),
        files=files(etc__a="a"),
    )


def use_busybox(busybox: Path) -> None:
    """Have bases be a busybox, and local layers have a name of the tests' own."""
    for name in image_histories.TARBALLS:
        image_histories.TARBALLS[name] = debian.busybox_root(busybox, name)
    images.LAYERS, images.FAILED = f"{PREFIX}/layer", f"{PREFIX}/failed"


@contextmanager
def building(directory: Path, address: str, busybox: Path, line: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Build `large_world` in a process of its own, and give it when its log has a line."""
    words = [sys.executable, "-m", "tests.integration.built_layers", directory, address, busybox]
    process = subprocess.Popen([str(word) for word in words], cwd=_ROOT)
    log = directory / LOG
    try:
        rig.wait_until(lambda: log.exists() and line in log.read_text(), f"{line!r} in {log}")
        yield process
    finally:
        process.kill()
        process.wait(rig.PATIENCE)


def main() -> None:
    """Build it."""
    directory, address, busybox = sys.argv[1:]
    use_busybox(Path(busybox))
    said = RealBench(Path(directory), docker.DockerClient(version="auto"), address).build(large_world())
    sys.exit(said)


if __name__ == "__main__":
    main()
