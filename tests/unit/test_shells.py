"""`skep` and its completion in the shells that this machine has."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELLS = ROOT / "shell"
TOML = """
site = "shop"
[stages.private]
provider = "docker"
cidr = "192.0.2.0/24"
number_of_hosts = 1
separate_repository = false
[services.web]
image = "example/web:1"
"""
BASH = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMPREPLY=()
_skep
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
_describe() { print -rl -- "${(@P)3}" }
_files() { print files }
complete_it() { local -a words=("${(@s: :)2}"); local CURRENT=$#words; source "$1" }
complete_it "$1" "$2"
"""
FISH = 'source $argv[1]; complete -C "$argv[2]"'
PROGRAMS = {
    "bash": (["bash", "--norc", "-c", BASH, "bash", str(SHELLS / "skep.bash")]),
    "zsh": (["zsh", "-f", "-c", ZSH, "zsh", str(SHELLS / "_skep")]),
    "fish": (["fish", "--no-config", "-c", FISH, str(SHELLS / "skep.fish")]),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a directory with a site, and with a link to the command."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "skep").symlink_to(SHELLS / "skep")
    (tmp_path / "site.toml").write_text(TOML)
    return tmp_path


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has the command on its PATH."""
    env = {**os.environ, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(place)}
    env.pop("DOIT_FILE", None)
    return subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("shell", [name for name in PROGRAMS if shutil.which(name)])
@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("skep rollb", "rollback", "run"),
        ("skep rollback ", "web", "plan"),
        ("skep deploy_services:", "web", "rollback"),
        ("skep stage=", "private", "web"),
    ],
)
def test_names_complete(place: Path, shell: str, line: str, wanted: str, unwanted: str) -> None:
    """Commands, services, resources and values. Behind `:` and `=` bash takes the rest alone, other shells all."""
    done = run(place, *PROGRAMS[shell], line)

    head = "" if shell == "bash" else line.rsplit(maxsplit=1)[-1] if line[-1] in ":=" else ""
    whole = [word.replace("\\:", ":").split("\t")[0].strip() for word in done.stdout.splitlines()]
    assert any(word == f"{head}{wanted}" or word.startswith(f"{head}{wanted}:") for word in whole), done
    assert not any(word.startswith(unwanted) for word in whole), done


def test_without_a_venv_nothing_is_installed(place: Path, tmp_path: Path) -> None:
    """A shell that asks while somebody types gets no words, and starts no set-up."""
    copy = tmp_path / "copy"
    (copy / "shell").mkdir(parents=True)
    shutil.copy(SHELLS / "skep", copy / "shell" / "skep")
    (copy / "setup").write_text("#!/bin/sh\ntouch ran\n")

    done = run(place, str(copy / "shell" / "skep"), "--complete", "rollb")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (place / "ran").exists()


def test_skep_is_setup_doit(place: Path, tmp_path: Path) -> None:
    """All words go on as they are, and the working directory stays."""
    copy = tmp_path / "my copy"
    (copy / "shell").mkdir(parents=True)
    shutil.copy(SHELLS / "skep", copy / "shell" / "skep")
    (copy / "setup").write_text('#!/bin/sh\npwd\nprintf "<%s>" "$@"\n')
    (copy / "setup").chmod(0o755)
    (place / "bin" / "skep").unlink()
    (place / "bin" / "skep").symlink_to(copy / "shell" / "skep")

    done = run(place, "skep", "plan", "a b", "stage=x")

    assert done.stdout == f"{place}\n<doit><plan><a b><stage=x>"
