"""The repository host's care, killed within each command of restic's: nothing is lost, the next one goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent.backup.config import RepositoryConfig
from agent.backup.repository import repositories
from tests.integration.test_backup_repositories import Place, place

__all__ = ["place"]
pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
_KILLED = """
import json, os, signal, sys, threading, time
from pathlib import Path

os.geteuid = lambda: 1000
root, verb, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
import agent.backup.restic as restic
from agent.backup import restic_process
from agent.backup.config import Copy, RepositoryConfig
from agent.backup.repository.keeping import Upkeep
from agent.backup.repository.transport import fetch
from agent.output import Output

restic._CACHE = str(root / "cache")
restic.LOCK_PAUSE = 0.2
calls, true_run = 0, restic_process.run

def locks():
    return {path for path in root.glob("*/*/locks/*") if len(path.name) == 64} | {
        path for path in root.glob("*/locks/*") if len(path.name) == 64}

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def run(*words, **options):
    global calls
    calls += 1
    if calls != at:
        return true_run(*words, **options)
    before = locks()
    def watch():
        while not locks() - before:
            time.sleep(0.001)
        die()
    threading.Thread(target=watch, daemon=True).start()
    true_run(*words, **options)
    die()

restic_process.run = run
content = json.loads((root / "config.json").read_text())
content |= {"root": Path(content["root"]), "copies": tuple(Copy(**each) for each in content["copies"])}
config = RepositoryConfig(**content)
if verb == "keep":
    result = Upkeep(config, Output(), root / "status.json").keep()
else:
    result = fetch(config, "away", Output())
sys.exit(1 if result.get("failed") else 0)
"""
"""Does what it is told below a directory, and kills itself in the middle of its n-th command of restic's."""


def killed_within_each(place: Place, config: RepositoryConfig, verb: str) -> int:
    """Have something killed within its first command, then within its second, until none is left; return how many."""
    content = asdict(config) | {"root": str(config.root)}
    (place.root / "config.json").write_text(json.dumps(content))
    (place.root / "killed.py").write_text(_KILLED)
    for number in range(1, 100):
        done = subprocess.run(
            [sys.executable, str(place.root / "killed.py"), str(place.root), verb, str(number)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stdout + done.stderr
            return number
    raise AssertionError("it never ended")


def test_killed_within_each_command(place: Place) -> None:
    """Forgetting, pruning, checking, copying; and bringing back. What is to stay is whole, here and in the copy."""
    ids = [place.save(f"row{n}", age=5 - n) for n in range(3)]
    other = place.save("other", service="web", hive="hive1")
    config = replace(place.config, copies=(place.copy,))
    assert killed_within_each(place, config, "keep") > 10
    assert [each.id for each in place.there()] == [*ids[1:], other]
    away = repositories.of_copy(config, place.copy)
    for restic in (away, *repositories.known(config).values()):
        restic.check("100%")
    assert place.rows("hive0", ids[1]) == "row1"

    shutil.rmtree(place.config.root)
    repositories.ensure(place.config)
    assert killed_within_each(place, config, "fetch") > 3
    found = {each.id: each for each in place.there()}
    assert {*ids[1:], other} <= found.keys()
    assert place.rows("hive0", found[ids[2]].places["hive0"]) == "row2"
    assert place.rows("hive1", found[other].places["hive1"]) == "other"
    for restic in repositories.known(config).values():
        restic.check("100%")
