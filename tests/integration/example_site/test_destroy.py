"""`doit destroy` removes the whole stage when it is told the site's name, and leaves nothing."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from remote.ssh.ssh_files import socket_directory
from tests import rig
from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_destroy_wants_the_name(site: Example) -> None:
    """Without the site's name, or with another's, nothing is removed, and the message has the words to type."""
    # The hosts' firewalls may know ports of services yet that a test had added.
    site.run().well()
    before = site.identity()
    for words in ((), ("confirm=example",), ("confirm=yes", "volumes=all")):
        text = site.run("destroy", *words).failed()
        assert f"confirm={site.name}" in text, text
    assert before == site.identity()
    assert site.run().did_nothing


def test_destroy_leaves_nothing(site: Example) -> None:
    """Nothing carries the site's label any more; the ssh connections, their sockets and the records are gone."""
    sockets = socket_directory(site.state)
    ended = site.run("destroy", f"confirm={site.name}", "volumes=all")
    assert ended.status == 0, ended.text
    assert rig.labelled(site.name) == []
    assert not sockets.exists() or not list(sockets.iterdir())
    # A master that is told to end takes a moment; one that is not told stays for a minute.
    own = str(site.state).encode(), str(sockets).encode()
    rig.wait_until(
        lambda: not any(path in line for line in _command_lines() for path in own), "the ssh connections", 25
    )
    left = [path for path in site.state.rglob("*.json") if "secrets" not in path.parts]
    assert left == []
    text = site.run("list").text
    assert "up to date" not in text, text


def _command_lines() -> Iterator[bytes]:
    """Yield the command lines of this machine's processes; one that ends meanwhile has none."""
    for process in rig.process_directories():
        with suppress(OSError):
            yield (process / "cmdline").read_bytes()
