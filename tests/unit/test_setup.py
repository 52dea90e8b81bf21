"""`setup` on a machine made of stubs: its checks, its installations, and the command that it becomes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import processes

SETUP = Path(__file__).parents[2] / "setup"
# All that setup needs of a real system. Whatever else is on this machine's PATH must not be found.
SYSTEM_TOOLS = (
    *("awk", "cat", "cksum", "cmp", "cp", "date", "env", "grep", "head", "mkdir", "mv", "printf"),
    *("ln", "readlink", "rm", "sed", "sh", "sleep", "tail", "true"),
)
ENGINE_FOUND, ENGINE_ABSENT, ENGINE_FORBIDS, ENGINE_SILENT = 0, 21, 22, 23
EVERYTHING = ("ssh", "debootstrap", "dockerd")


def knock(engine: int) -> str:
    """Return the script of a Python that answers for the engine, if its last argument asks for a socket."""
    return f'case "$*" in *_ping*) [ -z "$6" ] || exit {engine} ;; esac'


@dataclass
class Machine:
    """A checkout, a PATH and a root directory, all below one temporary directory."""

    home: Path

    def __post_init__(self) -> None:
        for directory in (self.bin, self.checkout, self.root):
            directory.mkdir(parents=True)
        for tool in SYSTEM_TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        shutil.copy(SETUP, self.checkout / "setup")
        (self.checkout / "shell").mkdir()
        shutil.copy(SETUP.parent / "shell" / "link.sh", self.checkout / "shell")
        (self.checkout / "pyproject.toml").write_text('[project]\nname = "skep"\n')
        (self.checkout / "packages").mkdir()
        for name in ("run", "dev"):
            (self.checkout / "packages" / f"{name}.txt").write_text(f"{name}==1\n")

    @property
    def bin(self) -> Path:
        """The only directory on PATH."""
        return self.home / "bin"

    @property
    def checkout(self) -> Path:
        """A directory with a space in its name, with `setup` in it."""
        return self.home / "my skep"

    @property
    def root(self) -> Path:
        """The directory that stands for `/`."""
        return self.home / "root"

    def stub(self, name: str, script: str = "") -> None:
        """Put a command on PATH that writes down how it was called, then runs `script`."""
        self.write_script(self.bin / name, f'echo "{name} $*" >>"{self.home}/calls"\n{script}')

    def write_script(self, path: Path, script: str) -> None:
        """Write an executable shell script."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def is_run_by(self, user: str, system: str = "Linux") -> None:
        """Set the answers of `id` and `uname`."""
        self.stub("id", f'if [ "$1" = -u ]; then echo {0 if user == "root" else 1000}; else echo {user}; fi')
        self.stub("uname", f"echo {system}")

    def has(self, *commands: str) -> None:
        """Put commands on PATH that do nothing."""
        for command in commands:
            self.stub(command)

    def has_debian_files(self) -> None:
        """Put the files below `/` that setup looks for on Debian."""
        for name in ("usr/share/keyrings/debian-archive-keyring.gpg", "etc/ssl/certs/ca-certificates.crt"):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def has_venv(self, engine: int = ENGINE_FOUND) -> None:
        """Make a .venv that looks finished, whose Python answers for the engine."""
        venv = self.checkout / ".venv"
        self.write_script(venv / "bin" / "python", knock(engine))
        shutil.copy(self.checkout / "pyproject.toml", venv / ".skep-pyproject.toml")
        self.stamp()

    def stamp(self, version: str = "3.11", place: str = "") -> None:
        """Write the stamp of a finished .venv with what the lists have now."""
        pins = subprocess.run(
            ["sh", "-c", "cat packages/*.txt | cksum"],
            cwd=self.checkout,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        stamp = self.checkout / ".venv" / ".skep-stamp"
        stamp.write_text(f"{version}\n{place or self.checkout.resolve()}\n\n{pins}")

    def has_python(self, engine: int = ENGINE_FOUND) -> None:
        """Put a Python on PATH that answers for the engine, makes a .venv and installs packages into it."""
        self.stub(
            "python3",
            f"""
            case "$*" in
              *_ping*) [ -z "$6" ] || exit {engine} ;;
              *"-m venv"*)
                for venv; do :; done
                mkdir -p "$venv/bin" && cp "$0" "$venv/bin/python" ;;
              *"install.py --is-current"*) exit 1 ;;
              *install.py*)
                [ -z "${{INSTALL_KILLS-}}" ] || kill -KILL "$PPID"
                [ "${{INSTALL_STATUS:-0}}" = 0 ] || exit "$INSTALL_STATUS"
                cp '{self.checkout}/pyproject.toml' '{self.checkout}/.venv/.skep-pyproject.toml' ;;
              *"print("*) echo 3.11 ;;
            esac""",
        )

    def setup(self, *args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `setup` on this machine, by default from its checkout."""
        return subprocess.run(
            [self.checkout / "setup", *args],
            cwd=cwd or self.checkout,
            env={"PATH": str(self.bin), "HOME": str(self.home), "SKEP_SETUP_ROOT": str(self.root), **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    @property
    def calls(self) -> list[str]:
        """How the stubs were called, in order."""
        path = self.home / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with next to nothing on it."""
    return Machine(tmp_path)


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine on which nothing is missing."""
    machine.is_run_by("ann")
    machine.has(*EVERYTHING)
    machine.has_venv()
    return machine


def missing(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines that name missing things."""
    return [
        line.removeprefix("setup:   ") for line in result.stderr.splitlines() if line.startswith("setup:   ")
    ]


class TestNothingMissing:
    """Where all is there, setup only becomes the command."""

    def test_says_and_calls_nothing(self, ready: Machine) -> None:
        """Where all is there, setup is silent and starts neither id nor uname nor a package manager."""
        result = ready.setup("printf", "done")

        assert (result.returncode, result.stdout, result.stderr) == (0, "done", "")
        assert ready.calls == []

    def test_arguments_arrive_as_given(self, ready: Machine) -> None:
        """Spaces, empty strings and shell characters in arguments reach the command intact."""
        args = ["a b", "", "*", "$HOME", "'"]
        ready.write_script(
            ready.checkout / ".venv" / "bin" / "show",
            f"exec '{sys.executable}' -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"",
        )

        result = ready.setup("show", *args)

        assert json.loads(result.stdout) == args

    def test_status_is_the_commands(self, ready: Machine) -> None:
        """The command's exit status is setup's."""
        assert ready.setup("sh", "-c", "exit 7").returncode == 7

    def test_venv_comes_first_on_path(self, ready: Machine) -> None:
        """A command in .venv/bin wins over one of the same name on PATH, for the command's own children too."""
        ready.stub("doit", "echo wrong")
        ready.write_script(ready.checkout / ".venv" / "bin" / "doit", 'echo "right $VIRTUAL_ENV"')

        result = ready.setup("sh", "-c", "doit")

        assert result.stdout == f"right {ready.checkout}/.venv\n"

    def test_doit_is_skeps_own_program(self, ready: Machine) -> None:
        """Doit is started by the Python of .venv, with its arguments as they are, also empty ones."""
        show = f"exec '{sys.executable}' -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\""
        script = f'case "$*" in *shared.main*) {show} ;; esac\n{knock(ENGINE_FOUND)}'
        ready.write_script(ready.checkout / ".venv" / "bin" / "python", script)

        result = ready.setup("doit", "exec", "web", "--", "echo", "")

        words = ["-P", "-m", "commands.shared.main", "exec", "web", "--", "echo", ""]
        assert json.loads(result.stdout) == words

    @pytest.mark.parametrize("args", [(), ("-h",), ("--help",)])
    def test_help(self, ready: Machine, args: tuple[str, ...]) -> None:
        """Without a command, and with --help, setup prints how it is used and does nothing."""
        result = ready.setup(*args)

        assert result.returncode == 0
        assert result.stdout.startswith("usage: ./setup COMMAND")
        assert ready.calls == []

    def test_started_through_a_link(self, ready: Machine) -> None:
        """A symbolic link to setup works as setup itself."""
        (ready.bin / "skep").symlink_to(ready.checkout / "setup")

        result = subprocess.run(
            [ready.bin / "skep", "sh", "-c", 'echo "$VIRTUAL_ENV"'],
            env={"PATH": str(ready.bin), "SKEP_SETUP_ROOT": str(ready.root)},
            capture_output=True,
            text=True,
            check=True,
        )

        assert result.stdout == f"{ready.checkout}/.venv\n"


class TestDoitFile:
    """`../skep/setup doit` in a site's own directory finds the checkout's dodo.py."""

    SHOW = ("sh", "-c", 'printf %s "${DOIT_FILE-unset}"')

    def test_site_of_its_own(self, ready: Machine, tmp_path: Path) -> None:
        """In a directory that has no dodo.py, DOIT_FILE names the checkout's."""
        site = tmp_path / "site"
        site.mkdir()

        assert ready.setup(*self.SHOW, cwd=site).stdout == f"{ready.checkout}/dodo.py"

    def test_checkout(self, ready: Machine) -> None:
        """In the checkout, DOIT_FILE stays unset."""
        assert ready.setup(*self.SHOW).stdout == "unset"

    def test_own_dodo(self, ready: Machine, tmp_path: Path) -> None:
        """A directory's own dodo.py is used."""
        (tmp_path / "dodo.py").touch()

        assert ready.setup(*self.SHOW, cwd=tmp_path).stdout == "unset"

    def test_own_choice(self, ready: Machine, tmp_path: Path) -> None:
        """A DOIT_FILE that is set already is left alone."""
        assert ready.setup(*self.SHOW, cwd=tmp_path, DOIT_FILE="mine.py").stdout == "mine.py"


def test_the_keys_of_ci_are_the_commands_alone(ready: Machine) -> None:
    """What is installed and run on the way does not inherit them; without them nothing is set."""
    ready.stub("uname", 'echo "keys: ${SKEP_KEYS-none}"; echo Linux')
    show = ("sh", "-c", 'printf %s "${SKEP_KEYS-unset}"')

    assert ready.setup(*show, SKEP_KEYS="skep:1:a:b").stdout == "skep:1:a:b"

    assert ready.setup(*show).stdout == "unset"
    assert not any("skep:1:a:b" in call for call in ready.calls)


class TestMayNotInstall:
    """Without root, or away from Debian, setup tells and goes on as far as it can."""

    def test_without_root(self, machine: Machine) -> None:
        """Without root each missing thing is named at once, with its command, and nothing is installed."""
        machine.is_run_by("ann")
        machine.has("apt-get")

        result = machine.setup("true")

        assert result.returncode == 1
        assert missing(result) == [
            "Python 3.11 or newer with venv: sudo apt-get install python3-venv",
            "an OpenSSH client: sudo apt-get install openssh-client",
            "debootstrap, for base images: sudo apt-get install debootstrap",
            "Debian's archive keys, for debootstrap: sudo apt-get install debian-archive-keyring",
            "CA certificates: sudo apt-get install ca-certificates",
            f"a Docker engine (none answers on {machine.root}/var/run/docker.sock): sudo apt-get install docker.io",
        ]
        assert not [call for call in machine.calls if call.startswith("apt-get")]

    @pytest.mark.parametrize(
        ("manager", "system", "lines"),
        [
            (
                "dnf",
                "Linux",
                [
                    "an OpenSSH client: dnf install openssh-clients",
                    "debootstrap, for base images: dnf install debootstrap debian-keyring",
                    (
                        "a Docker engine (none answers on {socket}): "
                        "dnf install moby-engine && systemctl enable --now docker"
                    ),
                ],
            ),
            (
                "brew",
                "Darwin",
                [
                    "an OpenSSH client: brew install openssh",
                    (
                        "a Docker engine (none answers on {socket}): "
                        "brew install colima docker && colima start (or Docker Desktop)"
                    ),
                ],
            ),
            (
                "",
                "Linux",
                [
                    "an OpenSSH client: with this system's package manager",
                    "debootstrap, for base images: with this system's package manager",
                    "a Docker engine (none answers on {socket}): https://docs.docker.com/engine/install/",
                ],
            ),
        ],
    )
    def test_other_systems(self, machine: Machine, manager: str, system: str, lines: list[str]) -> None:
        """On other systems than Debian the packages are named for their package manager, and the command still runs."""
        machine.is_run_by("root", system)
        machine.has_venv(engine=ENGINE_ABSENT)
        if manager:
            machine.has(manager)

        result = machine.setup("printf", "ran")

        assert missing(result) == [line.format(socket=machine.root / "var/run/docker.sock") for line in lines]
        assert (result.returncode, result.stdout) == (0, "ran")

    @pytest.mark.parametrize(
        ("engine", "line"),
        [
            (
                ENGINE_FORBIDS,
                "the right to use the Docker engine at {socket}: sudo usermod -aG docker ann, then log in again",
            ),
            (
                ENGINE_SILENT,
                "a Docker engine that answers: the one at {socket} takes connections but was silent for 5 s",
            ),
            (ENGINE_ABSENT, "a Docker engine (installed, not running): sudo {checkout}/setup true"),
        ],
    )
    def test_engine_troubles(self, ready: Machine, engine: int, line: str) -> None:
        """An engine that is there but of no use is not reported as missing, and the command runs all the same."""
        ready.has_venv(engine=engine)

        result = ready.setup("printf", "ran")

        socket = ready.root / "var/run/docker.sock"
        assert missing(result) == [line.format(socket=socket, checkout=ready.checkout)]
        assert (result.returncode, result.stdout) == (0, "ran")

    def test_engine_elsewhere(self, ready: Machine) -> None:
        """A DOCKER_HOST that is no socket of this machine is left to whoever set it."""
        ready.has_venv(engine=ENGINE_ABSENT)

        result = ready.setup("true", DOCKER_HOST="ssh://hive1")

        assert (result.returncode, result.stderr) == (0, "")

    def test_dead_docker_host(self, ready: Machine) -> None:
        """Where the socket of DOCKER_HOST is dead, that is said, and root installs or starts no other engine."""
        ready.is_run_by("root")
        ready.has("apt-get")
        ready.has_debian_files()
        ready.has_venv(engine=ENGINE_ABSENT)

        result = ready.setup("true", DOCKER_HOST="unix:///nowhere.sock")

        assert missing(result) == [
            "a Docker engine: none answers at DOCKER_HOST=unix:///nowhere.sock: start it, or unset DOCKER_HOST"
        ]
        assert not [call for call in ready.calls if call.startswith(("apt-get", "dockerd"))]


class TestInstalls:
    """As root on Debian, setup installs missing packages and starts the engine."""

    @pytest.fixture
    def debian(self, machine: Machine) -> Machine:
        """A bare Debian, as root, whose apt-get installs the packages that it is asked for."""
        machine.is_run_by("root")
        machine.stub(
            "apt-get",
            f"""
            case "$*" in
              *" update") : >"{machine.root}/var/lib/apt/lists/x_Packages" ;;
              *openssh-client*) cp "{machine.bin}/uname" "{machine.bin}/ssh" ;;
            esac
            exit ${{APT_STATUS:-0}}""",
        )
        (machine.root / "var/lib/apt/lists").mkdir(parents=True)
        machine.stub("apt-cache", "exit 1")
        machine.has_debian_files()
        machine.has("debootstrap", "dockerd")
        machine.has_python()
        return machine

    def test_only_what_is_missing(self, debian: Machine) -> None:
        """Root on Debian gets the missing packages, after an update where the lists are absent, and no recommends."""
        result = debian.setup("printf", "ran")

        apt = [call for call in debian.calls if call.startswith("apt-get")]
        common = "apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends"
        assert apt == [f"{common} update", f"{common} install openssh-client"]
        assert (result.returncode, result.stdout) == (0, "ran")
        assert "setup: installing openssh-client" in result.stderr

    def test_the_quicker_debootstrap(self, debian: Machine) -> None:
        """Where debootstrap is installed and the archive has mmdebstrap, that comes along."""
        (debian.bin / "debootstrap").unlink()
        debian.has("ssh")
        for status, packages in ((1, "debootstrap"), (0, "debootstrap mmdebstrap")):
            debian.stub("apt-cache", f"exit {status}")
            debian.setup("true")
            assert [call for call in debian.calls if call.startswith("apt-get")][-1].endswith(
                f" install {packages}"
            )

    def test_what_only_tests_need(self, debian: Machine) -> None:
        """Vagrant, readers of images, what makes backups, a browser: for `setup tox`, and for nothing else."""
        debian.has("ssh")
        debian.write_script(debian.bin / "tox", "")
        debian.setup("true")
        assert not [call for call in debian.calls if call.startswith("apt-get")]

        debian.setup("tox")
        assert [
            call
            for call in debian.calls
            if call.endswith(" install vagrant vagrant-libvirt xorriso cpio mount e2fsprogs restic rclone")
        ]
        (debian.root / "etc/os-release").write_text('NAME="Debian"\nID=debian\n')
        debian.setup("tox")
        assert [
            call
            for call in debian.calls
            if call.endswith(" rclone chromium-headless-shell fonts-dejavu-core")
        ]

    def test_lists_are_kept(self, debian: Machine) -> None:
        """Where the lists are there, they are not fetched again."""
        (debian.root / "var/lib/apt/lists/x_Packages").touch()

        debian.setup("true")

        assert not [call for call in debian.calls if call.endswith(" update")]

    def test_apt_fails(self, debian: Machine) -> None:
        """A failing apt-get ends setup with the end of the log and its path."""
        (debian.root / "var/lib/apt/lists/x_Packages").touch()
        debian.stub("apt-get", 'echo "E: Temporary failure resolving" && exit 100')

        result = debian.setup("printf", "ran")

        assert (result.returncode, result.stdout) == (1, "")
        assert missing(result) == ["E: Temporary failure resolving"]
        assert f"{debian.checkout}/.setup.log" in result.stderr

    def test_engine_that_ends_at_once(self, debian: Machine) -> None:
        """An engine that does not come up is given up at once when it has ended, with the end of its log."""
        debian.has("ssh")
        debian.has_venv(engine=ENGINE_ABSENT)
        debian.stub("dockerd", "echo no iptables && exit 1")
        debian.write_script(debian.bin / "setsid", 'exec "$@"')
        (debian.root / "var/log").mkdir(parents=True)

        result = debian.setup("printf", "ran")

        assert (result.returncode, result.stdout) == (1, "")
        assert missing(result) == ["no iptables"]
        assert "SKEP_SETUP_ENGINE=no" in result.stderr

    def test_engine_not_wanted(self, debian: Machine) -> None:
        """SKEP_SETUP_ENGINE=no starts none."""
        debian.has("ssh")
        debian.has_venv(engine=ENGINE_ABSENT)

        result = debian.setup("true", SKEP_SETUP_ENGINE="no")

        assert (result.returncode, result.stderr) == (0, "")
        assert not [call for call in debian.calls if call.startswith("dockerd")]


class TestVenv:
    """.venv is made when it has to be, and only then."""

    @pytest.fixture
    def equipped(self, machine: Machine) -> Machine:
        """A machine on which only .venv is missing."""
        machine.is_run_by("ann")
        machine.has(*EVERYTHING)
        machine.has_python()
        return machine

    def made(self, machine: Machine) -> int:
        """Return how often .venv was made from nothing."""
        return sum("-m venv" in call for call in machine.calls)

    def installed(self, machine: Machine) -> list[list[str]]:
        """Return which extras were asked for, each time that something was installed."""
        return [
            call.partition("install.py")[2].split()
            for call in machine.calls
            if "install.py" in call and "--is-current" not in call
        ]

    def test_made_once(self, equipped: Machine) -> None:
        """The first run makes .venv with what running skep needs, and no tools of tests; the second does nothing."""
        first, second = equipped.setup("true"), equipped.setup("true")

        assert (first.returncode, second.returncode) == (0, 0)
        assert self.made(equipped) == 1
        assert self.installed(equipped) == [[]]
        assert second.stderr == ""

    @pytest.mark.parametrize(
        ("command", "asked", "words"),
        [
            ("true", "ansible", "ansible"),
            ("true", "openstack", "openstack"),
            ("true", "azure", "azure"),
            ("true", "azure, aws-login", "azure aws-login"),
            ("tox", "", "ansible azure dev openstack"),
            ("pytest -x", "", "ansible azure dev openstack"),
            ("mypy", "azure", "ansible azure dev openstack"),
            ("python -m pytest", "", "ansible azure dev openstack"),
            ("python -m tests.openstack.plane here", "", "ansible azure dev openstack"),
            ("python bench/clouds.py --times 3", "", "ansible azure dev openstack"),
            ("python -m docs.picture", "", "dev"),
            ("python", "azure", "azure"),
            ("ruff check", "", "dev"),
        ],
    )
    def test_extras_are_added(self, equipped: Machine, command: str, asked: str, words: str) -> None:
        """SKEP_EXTRAS adds to a .venv that is there, once and for good; tests have their tools without being asked."""
        equipped.has("tox", "pytest", "mypy", "ruff")
        first = equipped.setup("true")
        added, again, later = (
            equipped.setup(*command.split(), SKEP_EXTRAS=asked),
            equipped.setup(*command.split(), SKEP_EXTRAS=asked),
            equipped.setup("true"),
        )

        assert (first.returncode, added.returncode) == (0, 0)
        assert f"adding {words} to .venv" in added.stderr
        assert [sorted({*each}) for each in self.installed(equipped)] == [[], sorted(words.split())]
        assert (again.stderr, later.stderr) == ("", "")

    def test_one_extra_after_another(self, equipped: Machine) -> None:
        """An added extra stays when another is added."""
        for asked in ("ansible", "openstack", "ansible"):
            last = equipped.setup("true", SKEP_EXTRAS=asked)

        assert self.installed(equipped) == [["ansible"], ["ansible", "openstack"]]
        assert last.stderr == ""

    def test_unknown_extra(self, equipped: Machine) -> None:
        """An unknown word in SKEP_EXTRAS is named, and nothing is done."""
        result = equipped.setup("true", SKEP_EXTRAS="ansibel")

        assert result.returncode == 1
        assert (
            result.stderr
            == "setup: SKEP_EXTRAS: there is no ansibel; there are ansible aws-login azure dev openstack\n"
        )
        assert self.made(equipped) == 0

    @pytest.mark.parametrize("harm", ["unfinished", "moved", "no python"])
    def test_made_anew(self, equipped: Machine, harm: str) -> None:
        """A .venv that was never finished, was made elsewhere or lost its Python is made from nothing."""
        equipped.setup("true")
        venv = equipped.checkout / ".venv"
        (venv / "left-over").touch()
        match harm:
            case "unfinished":
                (venv / ".skep-stamp").unlink()
            case "moved":
                equipped.stamp(place="/somewhere/else")
            case _:
                (venv / "bin" / "python").unlink()

        result = equipped.setup("true")

        assert result.returncode == 0
        assert self.made(equipped) == 2
        assert not (venv / "left-over").exists()

    def test_failure_is_told(self, equipped: Machine) -> None:
        """When nothing can be installed, the command does not run, the log is named, and the next run starts anew."""
        failed = equipped.setup("printf", "ran", INSTALL_STATUS="1")

        assert (failed.returncode, failed.stdout) == (1, "")
        assert f"{equipped.checkout}/.setup.log" in failed.stderr
        assert equipped.setup("printf", "ran").stdout == "ran"
        assert self.made(equipped) == 2

    def test_new_pins(self, equipped: Machine) -> None:
        """Another pin in any list updates .venv in place, with all that was in it."""
        equipped.setup("true", SKEP_EXTRAS="azure")
        (equipped.checkout / "packages" / "run.txt").write_text("run==2\n")
        updated, again = equipped.setup("true"), equipped.setup("true")

        assert "updating .venv" in updated.stderr
        assert self.installed(equipped) == [["azure"], ["azure"]]
        assert (self.made(equipped), again.stderr) == (1, "")

    def test_environment_of_an_older_setup(self, equipped: Machine) -> None:
        """A .venv that an older setup made without pins is taken over in place, with its extras."""
        equipped.setup("true")
        stamp = equipped.checkout / ".venv" / ".skep-stamp"
        stamp.write_text(f"3.11\n{equipped.checkout.resolve()}\n ansible \n")
        updated, again = equipped.setup("true"), equipped.setup("true")

        assert "updating .venv" in updated.stderr
        assert self.installed(equipped) == [[], ["ansible"]]
        assert (self.made(equipped), again.stderr) == (1, "")

    def test_failed_update(self, equipped: Machine) -> None:
        """Where an update fails, .venv stays as it was, and the next run tries again."""
        equipped.setup("true")
        (equipped.checkout / "packages" / "run.txt").write_text("run==2\n")
        failed, again = equipped.setup("true", INSTALL_STATUS="1"), equipped.setup("printf", "ran")

        assert (failed.returncode, again.returncode, again.stdout) == (1, 0, "ran")
        assert "updating .venv" in again.stderr
        assert self.made(equipped) == 1

    def test_killed_update(self, equipped: Machine) -> None:
        """An update that was killed is made again, in place; the .venv of before is not taken for the new one."""
        equipped.setup("true", SKEP_EXTRAS="azure")
        pins = equipped.checkout / "packages" / "run.txt"
        before = pins.read_text()
        pins.write_text("run==2\n")
        killed = equipped.setup("true", INSTALL_KILLS="yes")
        pins.write_text(before)
        again = equipped.setup("printf", "ran")

        assert killed.returncode < 0
        assert (again.returncode, again.stdout) == (0, "ran")
        assert self.installed(equipped) == [["azure"], ["azure"], ["azure"]]
        assert self.made(equipped) == 1

    def test_dependencies_decide(self, machine: Machine) -> None:
        """A new rule for a linter installs nothing; what pyproject.toml says of skep itself updates .venv in place."""
        machine.is_run_by("ann")
        machine.has(*EVERYTHING)
        machine.has_venv()
        python = machine.checkout / ".venv" / "bin" / "python"
        machine.write_script(
            python,
            'case "$*" in *_ping*) exit 0 ;;'
            f""" *"install.py --is-current"*) exec '{sys.executable}' "$@" ;;"""
            f""" *install.py*) echo installed >>"{machine.home}/calls";"""
            f""" cp '{machine.checkout}/pyproject.toml' '{machine.checkout}/.venv/.skep-pyproject.toml' ;;"""
            " *) echo 3.11 ;; esac",
        )
        shutil.copy(SETUP.parent / "packages" / "install.py", machine.checkout / "packages")
        pyproject = machine.checkout / "pyproject.toml"

        pyproject.write_text(pyproject.read_text() + "[tool.ruff]\nline-length = 110\n")
        unrelated = machine.setup("true")
        calls_of_unrelated = list(machine.calls)
        pyproject.write_text('[project]\nname = "skep"\ndependencies = ["doit"]\n')
        related = machine.setup("true")
        again = machine.setup("true")

        assert (unrelated.returncode, unrelated.stderr, calls_of_unrelated) == (0, "", [])
        assert related.returncode == 0
        assert "updating .venv" in related.stderr
        assert machine.calls.count("installed") == 1
        assert again.stderr == ""


class TestKnock:
    """The knock at the engine's socket is real: the Python in .venv is this one, the engine a child process."""

    ENGINE = """
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("ready", flush=True)
while True:
    connection, _ = listening.accept()
    connection.recv(100)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nOK")
    connection.close()"""

    @pytest.fixture
    def real(self, ready: Machine) -> Machine:
        """A ready machine with this Python in .venv."""
        python = ready.checkout / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to(sys.executable)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        ready.stamp(version)
        return ready

    def test_living_then_dead(self, real: Machine) -> None:
        """A living engine is found; the socket file that it leaves when it is killed is not taken for one."""
        path = os.path.relpath(real.home / "e", real.checkout)  # sun_path holds 108 bytes
        with processes.started(
            [sys.executable, "-c", self.ENGINE, path], cwd=real.checkout, stdout=subprocess.PIPE, text=True
        ) as engine:
            assert engine.stdout
            assert engine.stdout.readline() == "ready\n"
            living = real.setup("true", DOCKER_HOST=f"unix://{path}")
        dead = real.setup("true", DOCKER_HOST=f"unix://{path}")

        assert (living.returncode, living.stderr) == (0, "")
        assert (real.home / "e").exists()
        assert missing(dead) == [
            f"a Docker engine: none answers at DOCKER_HOST=unix://{path}: start it, or unset DOCKER_HOST"
        ]

    def test_another_python(self, real: Machine) -> None:
        """A .venv whose Python has become another version counts as not made."""
        real.stamp("3.0")

        result = real.setup("true", SKEP_SETUP_ENGINE="no")

        assert missing(result)[0].startswith("Python 3.11 or newer with venv: ")


def test_link_makes_the_command_skep(machine: Machine) -> None:
    """`setup link` installs nothing: it makes links, for the command and the completions, and again after a move."""
    links = {
        ".local/bin/skep": "skep",
        ".local/share/bash-completion/completions/skep": "skep.bash",
        ".local/share/zsh/site-functions/_skep": "_skep",
        ".config/fish/completions/skep.fish": "skep.fish",
    }
    (machine.home / ".local/bin").mkdir(parents=True)
    (machine.home / ".local/bin/skep").symlink_to("/elsewhere/shell/skep")

    for _ in range(2):
        done = machine.setup("link")

        assert done.returncode == 0, done.stderr
        for link, file in links.items():
            assert (machine.home / link).readlink() == machine.checkout.resolve() / "shell" / file
    assert "~/.local/bin is not in PATH" in done.stderr
    assert f'fpath+=("{machine.home}/.local/share/zsh/site-functions")' in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_link_replaces_nothing_of_somebody_elses(machine: Machine) -> None:
    """A program that is called skep as well stays."""
    theirs = machine.home / ".local/bin/skep"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")

    done = machine.setup("link")

    assert done.returncode == 1
    assert "skep is there already, and is not skep's: move it away" in done.stderr
    assert theirs.read_text() == "theirs"


def test_the_usage_runs_nothing(machine: Machine) -> None:
    """Its words in backquotes are words."""
    machine.has("aws", "skep")

    done = machine.setup("--help")

    assert "`skep list`" in done.stdout
    assert "./setup link" in done.stdout
    assert machine.calls == []
