"""Scripts that remove steps and accounts from a host."""

import re
import subprocess
from pathlib import Path

import pytest

from remote.hostsetup import packages
from remote.hostsetup.removal import account_removal_script, removal_script


@pytest.mark.parametrize(
    "text", [removal_script("registry"), removal_script("chrony"), account_removal_script(["a", "b"])]
)
def test_scripts_are_posix_shell(text: str) -> None:
    """They can be parsed."""
    subprocess.run(["sh", "-n"], input=text.encode(), check=True)


def test_a_marker_goes_last() -> None:
    """A prune that was killed in the middle is seen to have left something."""
    lines = removal_script("registry").splitlines()

    marker = lines.index("rm -f /var/lib/skep/steps/registry")
    assert marker > lines.index('systemctl --quiet disable --now "$its_unit"')


@pytest.mark.parametrize(
    ("step", "stay"),
    [
        (
            "backup_keep",
            {"restore/web.json", "held.json", "status/web.json", "status/standby-web.json", "schedule.json"},
        ),
        (
            "backup_hive",
            {"restore/web.json", "held.json", "repository.json", "off-site.json", "standby.json"},
        ),
    ],
)
def test_a_host_that_has_no_backups_to_see_to_says_nothing_of_them(
    tmp_path: Path, step: str, stay: set[str]
) -> None:
    """How they ended there last would be said for ever; what a killed restoration goes on with stays."""
    notes = tmp_path / "backup"
    files = {"repository.json", "off-site.json", "standby.json", "held.json", "schedule.json"}
    files |= {"restore/web.json", "status/web.json", "status/standby-web.json"}
    for name in files:
        (notes / name).parent.mkdir(parents=True, exist_ok=True)
        (notes / name).touch()
    lines = [
        line for line in removal_script(step).splitlines() if re.match("rm .*/var/lib/skep/backup/", line)
    ]
    script = "\n".join(lines).replace("/var/lib/skep", str(tmp_path))
    subprocess.run(["sh", "-eu", "-c", script], check=True)
    assert {str(path.relative_to(notes)) for path in notes.rglob("*") if path.is_file()} == stay


@pytest.mark.parametrize("is_there", [True, False])
def test_the_agent_by_its_former_name(tmp_path: Path, *, is_there: bool) -> None:
    """Removing `backup_agent` takes the agent off a host, unless the step that is called `agent` has put it there."""
    files = [tmp_path / name for name in ("agent.pyz", "agent.base64")]
    marker = tmp_path / "steps" / "agent"
    marker.parent.mkdir()
    for path in (*files, *([marker] if is_there else [])):
        path.touch()
    script = (
        f"LIBRARY={tmp_path}\n{packages.script('remove-backup_agent')}".replace(
            "/usr/local/lib/skep", str(tmp_path)
        )
    ).replace("/etc/skep", str(tmp_path))
    subprocess.run(["sh", "-eu", "-c", script], check=True)
    assert [path.exists() for path in files] == [is_there, is_there]
    assert "rm -f /var/lib/skep/steps/backup_agent" in removal_script("backup_agent")


def test_the_step_agent_leaves_no_marker_of_its_former_name() -> None:
    """Else each site with backups would have something to prune after the change of the name."""
    assert 'rm -f "$LIBRARY/steps/backup_agent"' in packages.script("agent")


UNITS = {
    "backup_boot": ["skep-backup-boot.service"],
    "backup_data": ["skep-backup-data.service"],
    "backup_hive": ["skep-backup.timer"],
    "backup_keep": ["skep-backup-keep.timer"],
    "backup_server": ["skep-backup-server.service"],
    "backup_standby": ["skep-backup-standby.timer", "skep-backup-standby.service"],
    "logs_collector": ["skep-logs-collector.service"],
    "logs_data": ["skep-logs-data.service"],
    "logs_shipper": ["skep-logs-shipper.service"],
    "observe": ["skep-observe.service"],
}


@pytest.mark.parametrize("step", UNITS)
def test_a_removal_that_was_killed_in_its_middle_can_be_repeated(tmp_path: Path, step: str) -> None:
    """Once a unit's file is gone, systemd fails if it is asked to switch that off."""
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    (tmp_path / "etc" / "skep").mkdir()
    (tmp_path / "etc" / "skep" / "backup.root").write_text("/srv")
    for unit in UNITS[step]:
        (units / unit).touch()
    fakes = f"""
LIBRARY={tmp_path}
mountpoint() {{ return 1; }}
systemctl() {{ [ "$1" = daemon-reload ] || {{ [ -e {units}/$4 ] && echo "$*"; }}; }}
"""
    text = packages.PRELUDE.replace("/etc/systemd", f"{tmp_path}/etc/systemd") + fakes
    text += re.sub(r"(?<= )/(etc|var|usr)/", rf"{tmp_path}/\1/", packages.script(f"remove-{step}"))
    runs = [
        subprocess.run(["sh", "-eu"], input=text, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    orders = [
        [line for line in run.stdout.splitlines() if line.startswith("--quiet disable")] for run in runs
    ]
    assert orders == [[f"--quiet disable --now {unit}" for unit in UNITS[step]], []]
    assert list(units.iterdir()) == []
