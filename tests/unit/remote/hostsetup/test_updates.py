"""What a host says of its packages, and what it keeps of it."""

import subprocess
from pathlib import Path

import pytest

from remote.hostsetup.packages import script
from remote.hostsetup.updates import (
    HostUpdates,
    PackageAge,
    Update,
    look_script,
    parse_kept,
    parse_updates,
    upgrade_script,
)

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


def apt_script(
    directory: Path, apt: str, *lines: str, dpkg: str = "true"
) -> "subprocess.CompletedProcess[str]":
    """Run lines with the script's functions, a stand-in for apt-get, and one for dpkg."""
    for name, text in (("apt-get", apt), ("dpkg", dpkg), ("timeout", 'echo "limit $1" >&2; shift; "$@"')):
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    # Of the prelude what these need: the real one looks at the machine.
    prelude = """say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
in_container() { true; }
mend_dpkg() { :; }
apt_get() { timeout 1500 apt-get "$@"; }"""
    head = f"PATH={directory}:$PATH\nLIBRARY={directory}\nFAMILY=apt\n{prelude}\n{script('updates')}"
    text = "\n".join([head, *lines, ""])
    return subprocess.run(["sh", "-eu", "-s"], input=text, text=True, capture_output=True, check=False)


def test_where_apt_can_not_tell_the_host_is_not_up_to_date(tmp_path: Path) -> None:
    """As with unmet dependencies: a failure with apt's words. After an upgrade that was cut off that is no failure."""
    broken = "echo 'E: Unmet dependencies' >&2; exit 100"
    done = apt_script(tmp_path, broken, "tell looked")
    assert done.returncode == 1
    assert "E: Unmet dependencies\napt-get can't tell what an upgrade would change" in done.stderr
    assert "engine" not in done.stdout

    done = apt_script(tmp_path, broken, "tell looked", dpkg="echo 'bash is half configured'")
    assert done.returncode == 0, done.stderr
    assert parse_updates(done.stdout).half_done


def test_lists_that_are_newer_than_the_plan_remove_nothing_that_is_needed(tmp_path: Path) -> None:
    """They are fetched again before the upgrade: it is looked at once more, and not begun where it must not be."""
    apt = f"case $* in *-s*) cat <<'END'\n{APT}END\n;; *) echo \"does $*\" >&2 ;; esac"
    done = apt_script(tmp_path, apt, "take_newer docker.io oldlib")
    assert done.returncode == 1
    assert "an upgrade would now remove oldlib, which the site needs" in done.stderr
    assert "does" not in done.stderr

    done = apt_script(tmp_path, apt, "take_newer docker.io old")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "limit 7000",
        "does --download-only full-upgrade",
        "limit 7000",
        "does full-upgrade",
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
    assert not [line for line in look_script().splitlines() if line.startswith("take_newer ")]
    assert [line for line in upgrade_script().splitlines() if line.startswith("take_newer ")]
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
