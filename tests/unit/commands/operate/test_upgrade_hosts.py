"""The lines of `doit upgrade_hosts`."""

import pytest

from commands.operate.upgrade_hosts import _lines
from model.stage import Host
from remote.hostsetup.updates import HostUpdates, Update
from tasks.hosts.upgraded_host import HostLook

HIVE = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)
DRAINED = "its containers start anew, so it is drained before"
RESTARTED = "it has to be restarted: asked for by linux-image"
ASIDE = "it is drained since an upgrade that did not end"
MANY = tuple(Update(f"lib{i:02}", "1", "2", "Debian") for i in range(13))


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (HostLook(HIVE, HostUpdates(engine="26.1.5")), ["  hive0  up to date (engine 26.1.5)"]),
        (
            HostLook(
                HIVE,
                HostUpdates(
                    (Update("bash", "1", "2", "Debian-Security"), Update("docker.io", "26.1.4", "26.1.5")),
                    restart="asked for by linux-image",
                    engine="26.1.4",
                ),
            ),
            [
                f"~ hive0  2 packages, 1 of them for security; {DRAINED}; {RESTARTED} (engine 26.1.4)",
                "    docker.io 26.1.4 → 26.1.5",
                "    bash 1 → 2",
            ],
        ),
        (
            HostLook(HIVE, HostUpdates(half_done=True), is_aside=True),
            [f"~ hive0  an upgrade was cut off; {DRAINED}; {ASIDE} (engine is not there)"],
        ),
        (
            HostLook(HIVE, HostUpdates(), "hive0: does not run", is_stopped=True),
            ["! hive0  does not run: it is started first"],
        ),
        (HostLook(HIVE, HostUpdates(), "hive0: ssh: no answer"), ["! hive0  hive0: ssh: no answer"]),
    ],
)
def test_a_host_says_what_is_to_be_done(found: HostLook, lines: list[str]) -> None:
    """The engine's package first; whether it is drained and restarted; a host that does not answer is named."""
    assert list(_lines(found)) == lines


def test_of_many_packages_some_are_named() -> None:
    """The others are counted, with the command that names them."""
    lines = list(_lines(HostLook(HIVE, HostUpdates(MANY, engine="26.1.5"))))

    assert len(lines) == 14
    assert lines[-1] == "    and 1 more (doit ssh hive0 -- apt list --upgradable)"
