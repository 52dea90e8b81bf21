"""The scripts that let a key in and take one out, run by a shell on this machine."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from model.keys.authorized_key import AuthorizedKey
from remote.ssh.authorized_keys import LIST, end_sessions_script, let_in_script, take_out_script
from tests import processes, rig


def key(n: int, since: str = "2026-11-29T08:00:00Z") -> AuthorizedKey:
    """Return one of several keys."""
    return AuthorizedKey("ssh-ed25519", f"AAAA{n:064}", f"user{n}@machine", since)


class Host:
    """A host with an admin user, whose home is a directory here.

    Args:
        directory: For the home, and for the programs that stand for the host's own.

    """

    def __init__(self, directory: Path) -> None:
        self.keys = directory / "home" / ".ssh" / "authorized_keys"
        self._programs = directory / "bin"
        self._programs.mkdir()
        (directory / "home").mkdir()
        self.program("getent", f"echo skep:x:1000:1000::{directory}/home:/bin/sh")
        self.program("chown", ":")
        self.program("restorecon", ":")

    def program(self, name: str, text: str) -> None:
        """Make a program of the host's."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, script: str) -> str:
        """Run a script as a host's root would."""
        env = {**os.environ, "PATH": f"{self._programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-eu"], input=script, env=env, text=True, capture_output=True, timeout=30, check=True
        )
        return done.stdout

    def lines(self) -> list[str]:
        """Return the file's lines."""
        return self.keys.read_text().splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Give a host that lets nobody in."""
    return Host(tmp_path)


def test_letting_in_takes_nobody_out(host: Host) -> None:
    """Each key is an entry of its own; a person's, with options or without a line's end, stays as it is."""
    host.run(let_in_script([]))
    host.run(let_in_script([key(1)]))
    person = f'from="10.0.0.1" ssh-ed25519 AAAA{9:064} bob'
    with host.keys.open("a") as file:
        file.write(person)

    host.run(let_in_script([key(2), key(3)]))

    assert sorted(host.lines()) == sorted([person, key(1).line, key(2).line, key(3).line])
    assert host.keys.stat().st_mode & 0o777 == 0o600
    assert host.keys.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in host.keys.parent.iterdir()] == ["authorized_keys"]


def test_an_operators_entry_is_his_own(host: Host) -> None:
    """It takes the place of any other without options of the same key, has his name, and stays when let in again."""
    first = key(1)
    operator = replace(AuthorizedKey.of_operator("ann", first.public), since="2026-11-30T08:00:00Z")
    host.run(let_in_script([first]))

    host.run(let_in_script([operator]))
    assert host.lines() == [operator.line]
    host.run(let_in_script([replace(operator, since="2026-12-01T08:00:00Z")]))
    assert host.lines() == [operator.line]
    renamed = replace(operator, who="anne")
    host.run(let_in_script([renamed]))
    assert host.lines() == [renamed.line]


def test_sessions_by_a_key_that_is_taken_out_end(host: Host) -> None:
    """Those of the admin user alone, by the last log-in of the process; a number that is another's now stays."""
    operator = AuthorizedKey.of_operator("ann", f"ssh-ed25519 AAAA{1:064}")
    other = AuthorizedKey.of_operator("bob", f"ssh-ed25519 AAAA{2:064}")
    with ExitStack() as stack:

        def process(title: str) -> subprocess.Popen[bytes]:
            words = ["bash", "-c", f"exec -a '{title}' sleep 60"]
            started = stack.enter_context(processes.started(words))
            path = Path("/proc", str(started.pid), "cmdline")
            rig.wait_until(lambda: path.read_bytes().startswith(title.encode()), "its title")
            return started

        gone, kept = process("sshd: skep [priv]"), process("sshd-session: skep [priv]")
        newer, others = process("sshd-session: skep [priv]"), process("postgres: skep [priv]")
        lines = [
            (gone, "skep", operator),
            (kept, "skep", other),
            (newer, "skep", other),
            (newer, "skep", operator),
            (others, "skep", operator),
        ]
        log = "".join(
            f"Nov 29 18:00:00 hive0 sshd[{who.pid}]: Accepted publickey for {user} from 10.0.0.1 port 1 ssh2: "
            f"ED25519 {of.fingerprint}\n"
            for who, user, of in lines
        )
        host.program("journalctl", f"cat <<'END'\n{log}END")

        assert host.run(end_sessions_script([operator]) + "echo done\n") == "done\n"

        gone.wait(10)
        newer.wait(10)
        assert (kept.poll(), others.poll()) == (None, None)
    host.program("journalctl", "exit 1")
    assert host.run(end_sessions_script([operator]) + "echo done\n") == "done\n", "no journal is no error"
    assert end_sessions_script([]) == ""


def test_since_when_stays(host: Host) -> None:
    """A key that is let in again has the time of the first; an entry of an older skep's gets one."""
    host.run(let_in_script([key(1)]))
    with host.keys.open("a") as file:
        file.write(f"{key(2).public} skep@example.private\n")

    host.run(let_in_script([replace(key(1), since="2030-01-01T00:00:00Z"), key(2)]))

    assert sorted(host.lines()) == [key(1).line, key(2).line]


def test_many_at_once(host: Host) -> None:
    """Of checkouts that let themselves in at the same time all are in."""
    host.run(let_in_script([key(0)]))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: host.run(let_in_script([key(n)])), range(1, 9)))

    assert sorted(host.lines()) == sorted(key(n).line for n in range(9))


def test_taking_out_is_by_the_key(host: Host) -> None:
    """The keys that are named go, whatever options they have, and no others; twice is once; the last one may go."""
    host.run(let_in_script([key(n) for n in range(3)]))
    with host.keys.open("a") as file:
        file.write(f'from="10.0.0.1" {key(3).public} bob\n')

    host.run(take_out_script([key(0), key(3)]))
    host.run(take_out_script([key(0), key(3)]))
    assert sorted(host.lines()) == [key(1).line, key(2).line]

    host.run(take_out_script([key(1), key(2)]))
    assert host.lines() == []


def test_the_list_is_the_file(host: Host) -> None:
    """Where there is none, it is empty."""
    assert host.run(LIST) == ""
    host.run(let_in_script([key(1)]))
    assert host.run(LIST) == f"{key(1).line}\n"
