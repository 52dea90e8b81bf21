"""The lines of a plan on the age of packages."""

from remote.hostsetup.updates import PackageAge
from tasks.explain.package_age import package_lines


def age(days: int, waiting: int | None, *, upgraded: bool = True, restart: bool = False) -> PackageAge:
    """Return an age that was looked at two days ago."""
    return PackageAge(days, upgraded, waiting, 2, restart)


def test_hosts_that_are_alike_share_a_line() -> None:
    """One line for each group: since when, what waited, and the command where there is something to do."""
    lines = package_lines(
        {
            "hive0": age(34, 12),
            "hive1": age(34, 12),
            "hive2": age(1, 0, restart=True),
            "hive3": age(0, None, upgraded=False),
        }
    )

    known = "when last looked for, 2 days ago"
    assert lines == [
        f"packages of hive0, hive1: upgraded 34 days ago; 12 newer ones {known} (doit upgrade_hosts)",
        f"packages of hive2: upgraded yesterday; no newer ones {known}; a restart is asked for (doit upgrade_hosts)",
        "packages of hive3: as they were installed today; newer ones were never looked for (doit upgrade_hosts)",
    ]
