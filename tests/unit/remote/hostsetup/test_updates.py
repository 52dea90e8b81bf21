"""What a host says of its packages, and what it keeps of it."""

import subprocess
from pathlib import Path

import pytest

from remote.hostsetup.packages import script
from remote.hostsetup.updates import HostUpdates, PackageAge, Update, look_script, parse_kept, parse_updates

APT = """\
NOTE: This is only a simulation!
Inst libc6 [2.36-9+deb12u3] (2.36-9+deb12u4 Debian-Security:12/stable-security [amd64]) []
Inst linux-image-6.1.0-13-amd64 (6.1.55-1 Debian:12.2/stable [amd64])
Inst docker.io [20.10.24+dfsg1-1+b3] (20.10.25+dfsg1-1 Debian:12.2/stable [amd64])
Remv oldlib [1.0-1]
Conf libc6 (2.36-9+deb12u4 Debian-Security:12/stable-security [amd64])
"""


def test_what_apt_would_do_is_read(tmp_path: Path) -> None:
    """Upgraded, new and removed packages, with versions and archive: by the script's own words, from apt's."""
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\ncat <<'END'\n{APT}END\n")
    (tmp_path / "apt-get").chmod(0o755)
    text = f"PATH={tmp_path}:$PATH\nLIBRARY={tmp_path}\nFAMILY=apt\n{script('updates')}\nnewer\n"
    output = subprocess.run(
        ["sh", "-eu", "-s"], input=text, text=True, capture_output=True, check=True
    ).stdout
    found = parse_updates(output)

    assert found.updates == (
        Update("libc6", "2.36-9+deb12u3", "2.36-9+deb12u4", "Debian-Security:12/stable-security"),
        Update("linux-image-6.1.0-13-amd64", "", "6.1.55-1", "Debian:12.2/stable"),
        Update("docker.io", "20.10.24+dfsg1-1+b3", "20.10.25+dfsg1-1", "Debian:12.2/stable"),
        Update("oldlib", "1.0-1", ""),
    )
    assert found.security == 1
    assert found.touches_engine
    assert [update.words for update in found.updates][1:] == [
        "linux-image-6.1.0-13-amd64 6.1.55-1 is new",
        "docker.io 20.10.24+dfsg1-1+b3 → 20.10.25+dfsg1-1",
        "oldlib 1.0-1 is removed",
    ]


@pytest.mark.parametrize(
    ("output", "current", "touches"),
    [
        ("engine 26.1.5\ncontainer\n", True, False),
        ("restart asked for by linux-image\nengine 26.1.5\n", False, False),
        ("half_done\nengine \n", False, True),
        ("inst bash 1 2 Debian\nengine 26.1.5\n", False, False),
        ("inst containerd 1 2 Debian\nengine 26.1.5\n", False, True),
    ],
)
def test_there_is_something_to_do(output: str, current: bool, touches: bool) -> None:  # noqa: FBT001 - the table's
    """Newer packages, a restart, an upgrade that was cut off; the engine's own, or the latter, may stop containers."""
    found = parse_updates(output)

    assert (found.is_current, found.touches_engine) == (current, touches)


def test_a_package_that_the_site_needs_is_not_removed() -> None:
    """An upgrade that would take the engine or the ssh server away is not begun."""
    assert HostUpdates((Update("docker.io", "1", ""), Update("oldlib", "1", ""))).lost == ["docker.io"]


def test_a_look_fetches_lists_and_takes_nothing() -> None:
    """The script that looks installs nothing."""
    assert "take_newer >&2" not in look_script().splitlines()
    assert "fetch_lists >&2" in look_script().splitlines()


DAY = 86_400
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("lines", "age"),
    [
        ([], None),
        ([f"base {NOW - 40 * DAY}"], PackageAge(40, False, None, 0, False)),  # noqa: FBT003 - the table's
        (
            [f"looked {NOW - 2 * DAY}", f"upgraded {NOW - 30 * DAY}", "waiting 12", f"base {NOW - 40 * DAY}"],
            PackageAge(30, True, 12, 2, False),  # noqa: FBT003
        ),
        (
            [f"looked {NOW}", f"upgraded {NOW - 30 * DAY}", "waiting 0", f"base {NOW - DAY}", "restart 1"],
            PackageAge(1, True, 0, 0, True),  # noqa: FBT003
        ),
    ],
)
def test_the_age_is_of_the_last_upgrade_or_of_the_system(lines: list[str], age: PackageAge | None) -> None:
    """The newer of both; how many waited when it was last looked for; whether packages ask for a restart."""
    assert parse_kept("\n".join([*lines, f"now {NOW}"])) == age
