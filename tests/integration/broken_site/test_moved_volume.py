"""A volume's data goes to another hive and back, with kills on the way: nothing is lost, and the database answers."""

from collections.abc import Callable

import pytest

from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

VOLUME = "pdnsdb_data"


def move(site: Example, to: str, *, killed_at: str, then: Callable[[], None]) -> str:
    """Move the volume; kill that when it says something, then type it again. Return the whole output."""
    words = ("move_volume", VOLUME, f"to={to}")
    with site.start(*words) as running:
        running.wait_for(lambda: killed_at in running.text, f"{killed_at!r}")
        assert running.kill()
        before = running.text
    then()
    ended = site.run(*words)
    assert ended.status == 0, ended.text
    assert site.hive_with("pdnsdb") == to
    return before + ended.text


def is_stopped(site: Example) -> None:
    """Make sure that the service is stopped, and that everybody is told why."""
    status = site.run("status")
    assert status.status == 2, status.text
    assert "pdnsdb: is stopped while volume pdnsdb_data is moved" in status.text, status.text
    assert "is stopped while volume pdnsdb_data is moved" in site.run("restart", "pdnsdb").failed()


def prune(site: Example, old: str) -> None:
    """Remove the old copy, which is there until then, and nothing else."""
    assert VOLUME in site.on(old, "docker volume ls -q").split()
    text = site.run("prune", f"confirm={site.name}", f"volumes={VOLUME}").text
    assert f"removed volume {VOLUME} on {old}" in text, text
    assert "removed 1 thing " in text, text
    assert VOLUME not in site.on(old, "docker volume ls -q").split()


def test_a_volume_is_moved_and_moved_back(site: Example) -> None:
    """Refused as long as site.toml does not agree; no run in between starts it without its data; the old copy stays."""
    refused = site.run("move_volume", VOLUME, "to=hive1")
    assert refused.status == 2
    assert "volumes.pdnsdb_data.hosts: site.toml has hive0 there, and not hive1" in refused.text, refused.text
    with site.edited('hosts = ["hive0"]', 'hosts = ["hive1"]'):
        text = site.run().failed()
        assert "Or move the data: type: doit move_volume pdnsdb_data to=hive1" in text, text
        assert site.hive_with("pdnsdb") == "hive0"
        text = move(site, "hive1", killed_at="copied", then=lambda: is_stopped(site))
        assert "both have" in text, text
        site.answers()
        assert site.run().did_nothing
        prune(site, "hive0")
    # Between the labels of both nodes: the copy is whole, and is not made again.
    text = move(site, "hive0", killed_at="hive0: has the label", then=lambda: None)
    assert text.count("comparing both copies") == 1, text
    prune(site, "hive1")
    site.answers()
    # What was killed may have been the run at the end.
    site.settle()
    site.is_whole()
