"""The tables of the families, and the shell text made from them."""

import re
import shutil
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


CLOUD_INIT = """#!/bin/sh
echo "$*" >>{directory}/asked
case "$*" in
*--wait) {end} ;;
*--long) printf 'status: error\ndetail: no mirror answered\n' ;;
*) echo 'status: running' ;;
esac
"""
"""A cloud-init whose `status --wait` ends in some way."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("exit 0", 0, ""),
        ("exit 2", 0, ""),
        ("exit 1", 0, "cloud-init ended with errors: status: error detail: no mirror answered"),
        ("exec sleep 30", 1, "still at work after 1 s (status: error detail: no mirror answered"),
    ],
)
def test_a_first_boot_is_waited_for(tmp_path: Path, end: str, status: int, said: str) -> None:
    """cloud-init, which rewrites apt's sources, is let finish: with a word, an end, and the reason if it fails."""
    add_commands(tmp_path, cloud_init := CLOUD_INIT.format(directory=tmp_path, end=end))
    (tmp_path / "run").mkdir()
    lines = f"CLOUD_INIT={tmp_path}/run CLOUD_INIT_WAIT=1\nwait_for_cloud_init\necho went on"
    done = shell(lines, "apt", tmp_path)

    assert cloud_init
    assert done.returncode == status, done.stderr
    assert "waiting for cloud-init, which is at work on this host's first boot\n" in done.stdout
    assert said in done.stdout + done.stderr
    assert ("went on" in done.stdout) == (status == 0)

    (tmp_path / "run" / "result.json").write_text("{}")
    (tmp_path / "asked").unlink()
    assert shell(lines, "apt", tmp_path).stdout == "went on\n"
    assert not (tmp_path / "asked").exists()


def test_the_lock_of_another_installation_is_waited_for_with_a_word(tmp_path: Path) -> None:
    """An update that the host makes by itself holds the lock: who holds it is said once."""
    add_commands(tmp_path)
    apt = f"""#!/bin/sh
echo >>{tmp_path}/tries
[ "$(wc -l <{tmp_path}/tries)" -lt 4 ] || exit 0
echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 612 (unattended-upgr)' >&2
exit 100
"""
    done = shell(f"LIBRARY={tmp_path} LOCK_PAUSE=0\napt_get install sudo", "apt", tmp_path, apt)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "waiting for another program that installs packages (612 (unattended-upgr))\n"


def test_googles_script_no_longer_changes_the_name(tmp_path: Path) -> None:
    """It is diverted once, and what takes its place does nothing, also where another shell reads it."""
    add_commands(tmp_path)
    (tmp_path / "dpkg-divert").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/diverted\n')
    (tmp_path / "dpkg-divert").chmod(0o755)
    renamer = tmp_path / "google_set_hostname"
    renamer.write_text("#!/bin/bash\nhostname other\n")
    lines = f"keep_name {renamer}\nkeep_name {renamer}\n. {renamer}\necho went on"
    done = shell(lines, "apt", tmp_path)

    assert done.stdout == "google_set_hostname no longer changes this host's name\nwent on\n", done.stderr
    assert (tmp_path / "diverted").read_text() == (
        f"--quiet --local --rename --divert {renamer}.diverted --add {renamer}\n"
    )


@pytest.mark.parametrize(
    ("mtu", "text", "expected"),
    [
        ("1450", '{\n  "live-restore": false\n}\n', '{\n  "mtu": 1450,\n  "live-restore": false\n}\n'),
        ("1500", '{\n  "live-restore": false\n}\n', '{\n  "live-restore": false\n}\n'),
        ("9001", '{\n  "live-restore": false\n}\n', '{\n  "live-restore": false\n}\n'),
        ("1450", '{\n  "mtu": 1400\n}\n', '{\n  "mtu": 1400\n}\n'),
    ],
)
def test_the_engine_gets_the_mtu_of_the_way_out(tmp_path: Path, mtu: str, text: str, expected: str) -> None:
    """Where it is smaller than Ethernet's, and site.toml names none."""
    add_commands(tmp_path)
    (tmp_path / "ip").write_text("#!/bin/sh\necho default via 10.0.0.1 dev ens3 proto dhcp metric 100\n")
    (tmp_path / "ip").chmod(0o755)
    (tmp_path / "ens3").mkdir()
    (tmp_path / "ens3" / "mtu").write_text(f"{mtu}\n")
    (tmp_path / "daemon.json").write_text(text)
    (tmp_path / "other.json").write_text("{\n}\n")
    lines = f"NETWORK_DEVICES={tmp_path} DAEMON={tmp_path}/daemon.json\n"
    done = shell(f"{lines}fitting {tmp_path}/daemon.json\nfitting {tmp_path}/other.json", "apt", tmp_path)

    assert done.stdout == expected + "{\n}\n", done.stderr


def add_commands(directory: Path, cloud_init: str = "") -> None:
    """Give a host the commands that it has always, and cloud-init."""
    for name in ("cat", "chmod", "grep", "head", "rm", "sed", "sleep", "tail", "timeout", "tr", "wc"):
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    if cloud_init:
        (directory / "cloud-init").write_text(cloud_init)
        (directory / "cloud-init").chmod(0o755)


def shell(
    text: str, family: str, directory: Path, manager_script: str = "#!/bin/sh\n"
) -> "subprocess.CompletedProcess[str]":
    """Run a script after the prelude, on a host that has one package manager and few other commands."""
    manager = directory / {"apt": "apt-get", "dnf": "dnf"}[family]
    manager.write_text(manager_script)
    manager.chmod(0o755)
    prelude = re.sub(r"^export PATH=.*$", f"export PATH={directory}", PRELUDE, flags=re.MULTILINE)
    return subprocess.run(
        ["sh", "-eu", "-s"], input=f"{prelude}{text}\n", capture_output=True, text=True, check=False
    )
