"""One process runner, one wait, one file lock, one place for ssh options: what else does that by hand is named here."""

import re

import pytest

from tests.rig import ROOT

LAYERS = ("commands", "tasks", "providers", "remote")


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (
            r"^(import subprocess|from plumbum|import plumbum)",
            {
                "remote/mother/process.py": "it is the runner",
                "remote/playbook/play.py": "a play's input stays open as long as doit lives",
                "remote/playbook/program.py": "it imports nothing of skep's",
            },
        ),
        (r"^import fcntl", {"remote/mother/lock.py": "it is the lock"}),
        (
            r"time\.sleep",
            {
                "remote/mother/wait.py": "it is the wait",
                "commands/connect.py": "it goes on until Ctrl-C",
                "commands/serve_install.py": "it goes on until Ctrl-C",
                "commands/operate/status.py": "it goes on until Ctrl-C",
            },
        ),
        (
            r"StrictHostKeyChecking|ControlPath|IdentityFile|BatchMode",
            {"remote/ssh/commands.py": "it has all options of ssh"},
        ),
    ],
)
def test_is_in_one_place(words: str, allowed: dict[str, str]) -> None:
    """Each is found where it belongs, and where there is a reason for another way."""
    files = {
        str(path.relative_to(ROOT)): path.read_text()
        for layer in LAYERS
        for path in sorted((ROOT / layer).rglob("*.py"))
    }
    found = {name for name, text in files.items() if re.search(words, text, re.MULTILINE)}

    assert found == allowed.keys()
