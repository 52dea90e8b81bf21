"""`doit list`: its lines, its JSON."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.list import ListReport, summary
from commands.shared.lock_owner import holder
from model.keys.authorized_key import AuthorizedKey
from model.keys.record import HostRecord
from model.site import DockerStage, Site
from model.stage import Stage
from tasks.explain.recorded_status import FOLLOWS, RecordedStatus
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE
from tasks.hosts import let_in_keys
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State

ROOT = Path(__file__).resolve().parents[3]
SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.232.99.0/24"
number_of_hosts = 2
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run on an empty state."""
    config = DockerStage(cidr="10.0.0.0/24")
    return new_run(
        tmp_path,
        Stage(Site(site="example", stages={"private": config}), "private", config),
        State(tmp_path / "s"),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "nothing to make"),
        ([UP_TO_DATE] * 12, "up to date (12)"),
        ([NEVER] * 3, "never run (3)"),
        ([STALE, STALE, FAILED], "2 of 3 stale, 1 failed"),
        ([UP_TO_DATE, FAILED, FOLLOWS, NEVER], "1 of 4 failed, 1 never run, 1 may follow"),
    ],
)
def test_a_phase_says_how_many_of_how_many(found: list[str], expected: str) -> None:
    """A phase's status counts those that are not up to date."""
    assert summary([RecordedStatus(f"p:{n}", "", "", status) for n, status in enumerate(found)]) == expected


def report(run: Run) -> ListReport:
    """Return the report on two phases."""
    changed = ("roles/nginx changed", "env.A changed")
    return ListReport(
        run,
        {
            "build_images": [RecordedStatus("build_images:web", "hive3", "image web", STALE, changed)],
            "build_networks": [RecordedStatus("build_networks:dns", "", "overlay network dns", UP_TO_DATE)],
        },
    )


def test_the_list_begins_with_stage_and_provider(run: Run) -> None:
    """The stage and the provider come first, then the phases in order."""
    assert report(run).lines((), {"build_images": "build"}, every=False) == [
        "example, stage private (docker)",
        "build_images    1 of 1 stale    build",
        "build_networks  up to date (1)",
    ]


def test_all_shows_each_resource_with_its_first_reason(run: Run) -> None:
    """`--all` prints for each resource why it is not up to date, else its description."""
    lines = report(run).lines((), {}, every=True)

    assert "    web  stale       roles/nginx changed (+1 more)" in lines
    assert "    dns  up to date  overlay network dns" in lines


def test_a_named_resource_is_shown_with_all_reasons(run: Run) -> None:
    """Naming a resource shows it alone, with every reason."""
    assert report(run).lines(["build_images:web"], {}, every=False)[1:] == [
        "build_images  1 of 1 stale",
        "    web  stale       roles/nginx changed",
        "                     env.A changed",
    ]


def test_a_run_at_work_is_named_and_a_killed_one_is_not(run: Run) -> None:
    """The owner of the lock is printed; a killed run's is not, even if its process id is another doit's now."""
    run.state.root.mkdir(parents=True)
    lock = run.state.root / "lock"
    hold = f"import fcntl; file = open({str(lock)!r}, 'a'); fcntl.flock(file, fcntl.LOCK_EX)"
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{hold}; print(flush=True); input(); file.close(); print(flush=True); input()",
            "doit",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    about: dict[str, Any] = {
        "pid": child.pid,
        "host": socket.gethostname(),
        "since": "now",
        "command": "doit",
    }
    lock.write_text(json.dumps(about), encoding="utf-8")
    alive = report(run).lines((), {}, every=False)[1]
    child.stdin.write(b"\n")
    child.stdin.flush()
    child.stdout.readline()
    of_another = holder(run.state)
    child.communicate(b"\n")
    dead = holder(run.state)
    lock.write_text(json.dumps(about | {"pid": 1}), encoding="utf-8")

    assert of_another is None
    assert alive == f"a run is at work: process {child.pid} on {socket.gethostname()} since now (doit)"
    assert dead is None
    assert holder(run.state) is None


def test_a_list_imports_no_sdk(tmp_path: Path) -> None:
    """`doit list` is fast since it imports neither an SDK nor rich."""
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    code = f"""
import os, sys
os.chdir({str(tmp_path)!r})
sys.path.insert(0, {str(ROOT)!r})
import doit
doit.get_initial_workdir = os.getcwd
from doit.cmd_base import DodoTaskLoader
from commands.list import ListCommand
command = ListCommand(
    task_loader=DodoTaskLoader(),
    config={{"BACKEND": {{"skep": "commands.shared.statedb:StateDb"}}}},
    opt_vals={{"dodoFile": {str(ROOT / "dodo.py")!r}}},
)
doit.get_initial_workdir = lambda: {str(tmp_path)!r}
status = command.parse_execute(["--json"])
heavy = {{"docker", "boto3", "botocore", "google", "vagrant", "rich", "jsonschema", "requests", "cryptography"}}
print(heavy & sys.modules.keys(), file=sys.stderr)
sys.exit(status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr.strip()) == (0, "set()")
    shown = json.loads(done.stdout)
    assert [phase["name"] for phase in shown["phases"]][:2] == ["build_infra", "setup_hosts"]
    assert len(shown["phases"]) == 7
    assert {one["status"] for phase in shown["phases"] for one in phase["resources"]} == {NEVER}
    assert not (tmp_path / "state").exists()


def test_the_list_says_that_hosts_are_in_another_network(run: Run) -> None:
    """The text and the JSON say the same; the JSON has the key in any case."""
    assert report(run).data(())["outside_cidr"] == ""
    host = run.stage.host("hive0")
    run.state.write(
        "build_infra:hive0", HostRecord(name=host.name, id="1", address="10.9.9.10", ssh_host="10.9.9.10")
    )

    line = "stages.private.cidr: 10.0.0.0/24 is another network than that of the hosts (hive0 has 10.9.9.10)"
    assert report(run).data(())["outside_cidr"] == f"{line}: see doit plan"
    assert f"{line}: see doit plan" in report(run).lines((), {}, every=False)


def test_the_list_says_who_is_let_in(run: Run) -> None:
    """The ssh keys are shown as a run last saw them; not where a person asks for one resource."""
    key = AuthorizedKey("ssh-ed25519", "AAAAown0", "me@here", "2026-11-28T08:00:00Z")
    let_in_keys.note(run, {host.short: (key,) for host in run.stage.hosts})

    assert report(run).lines((), {}, every=False)[-2:] == [
        "ssh keys that the hosts let in, when a run last looked:",
        f"    {key.name}  since 2026-11-28 08:00 UTC",
    ]
    assert report(run).data(())["ssh_keys"] == [
        {
            "name": key.name,
            "fingerprint": key.fingerprint,
            "since": "2026-11-28T08:00:00Z",
            "hosts": [host.short for host in run.stage.hosts],
            "own": False,
            "operator": "",
        }
    ]
    assert not any("ssh keys" in line for line in report(run).lines(["build_images:web"], {}, every=False))
