"""The tables of the families, and the shell text made from them."""

import re
import subprocess
from pathlib import Path

import pytest

from remote.hostsetup.packages import FAMILIES, PACKAGES, PRELUDE, REPOSITORIES, UNITS, WORDS, script

SCRIPTS = Path(__file__).parents[4] / "remote" / "hostsetup" / "scripts"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.sh"))


@pytest.mark.parametrize("table", [PACKAGES, UNITS, WORDS, REPOSITORIES])
def test_every_entry_has_every_family(table: dict[str, dict[str, str]]) -> None:
    """A host of one family is never short of a name."""
    assert {name: tuple(row) for name, row in table.items()} == dict.fromkeys(table, FAMILIES)


@pytest.mark.parametrize(
    ("function", "table"), [("install_packages", PACKAGES), ("unit", UNITS), ("word", WORDS)]
)
def test_scripts_ask_for_known_names_only(function: str, table: dict[str, dict[str, str]]) -> None:
    """A shell finds out about a misspelt name on a host, when it is too late."""
    asked = {
        name
        for script_name in NAMES
        if script_name != "prelude"
        for names in re.findall(rf"(?:^|\(|; |&& ){function} ([a-z_ ]+)", script(script_name), re.MULTILINE)
        for name in names.split()
    }

    assert asked
    assert asked <= table.keys()


@pytest.mark.parametrize("name", NAMES)
def test_scripts_are_posix_shell(name: str) -> None:
    """Each can be parsed, with its comments and without them."""
    for text in (script(name), script(name, comments=True)):
        subprocess.run(["sh", "-n"], input=text.encode(), check=True)


def test_the_prelude_is_posix_shell() -> None:
    """With the functions that are made from the tables."""
    subprocess.run(["sh", "-n"], input=PRELUDE.encode(), check=True)


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("unit ssh", {"apt": "ssh.service", "dnf": "sshd.service"}),
        ("packages_of docker", {"apt": "docker.io", "dnf": "docker-ce docker-ce-cli containerd.io"}),
        ("word chrony_conf", {"apt": "/etc/chrony/chrony.conf", "dnf": "/etc/chrony.conf"}),
        ("family", {"apt": "apt", "dnf": "dnf"}),
    ],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_functions_answer_for_the_family_of_the_host(
    family: str, call: str, printed: dict[str, str], tmp_path: Path
) -> None:
    """The family is known by its package manager, here an empty one."""
    assert shell(call, family, tmp_path).stdout == f"{printed[family]}\n"


def test_an_unknown_name_ends_the_script(tmp_path: Path) -> None:
    """A step must not go on with an empty name."""
    done = shell('its_unit=$(unit nosuch)\necho "went on"', "apt", tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert "nosuch is not known for apt" in done.stderr


def test_a_comment_in_a_script_makes_no_step_stale() -> None:
    """Comments are left out before a script is run."""
    assert "# " in script("chrony", comments=True)
    assert not [line for line in script("chrony").splitlines() if line.lstrip().startswith("#")]


def shell(text: str, family: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a script after the prelude, on a host that has one package manager and no other command."""
    manager = directory / {"apt": "apt-get", "dnf": "dnf"}[family]
    manager.write_text("#!/bin/sh\n")
    manager.chmod(0o755)
    prelude = re.sub(r"^export PATH=.*$", f"export PATH={directory}", PRELUDE, flags=re.MULTILINE)
    return subprocess.run(
        ["sh", "-eu", "-s"], input=f"{prelude}{text}\n", capture_output=True, text=True, check=False
    )
