"""Commands for those who live in a site: status, logs, exec, shell, cp, ssh, forward, restart, scale, one-off tasks."""

import hashlib
import json
import os
import re
import signal
import socket
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests import debian, rig
from tests.integration import queries
from tests.integration.example_site.example import HIVES, QUICK, REPOSITORY, SERVICES, Example
from tests.integration.typed import Screen, held, typed, words
from tests.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
UNCHECKED = QUICK.replace("healthcheck", "# healthcheck")
MORE = f"""
[bases.bare]
tarball = "bare.tar"
[images.bare]
from = "bare"
entrypoint = ["/sleep", "1000000"]
[services.bare]
{UNCHECKED.replace('image = "proxy"', 'image = "bare"')}
[services.pair]
{QUICK}
replicas = 2
init = true
secrets = ["pdns_api"]
environment = {{ COLOUR = "blue" }}
entrypoint = ["/bin/sh", "-c", 'n=0; while :; do n=$((n+1)); echo "line $n of $HOSTNAME"; sleep 0.2; done']
[services.done]
{UNCHECKED}
mode = "replicated-job"
entrypoint = ["/bin/sh", "-c", "echo it is done; echo so it is >&2"]
[networks.dns]
"""
LOCAL = "127.0.0.1"


@pytest.fixture(scope="module")
def more(built: Example) -> Iterator[Example]:
    """Give the site with a service whose image has no shell, one of two tasks that talk, and a job."""
    programs = debian.unpacked(built.scratch / "operate", "busybox-static")
    with tarfile.open(built.directory / "bare.tar", "w") as tar:
        tar.add(next(programs.glob("**/bin/busybox")), "sleep")
    names = re.findall(r"^\[services\.(\w+)\]", MORE, re.MULTILINE)
    with built.added(MORE):
        assert {f"deploy_services:{name}" for name in names} <= set(built.run().well().ran)
        yield built


@pytest.fixture
def site(more: Example) -> Iterator[Example]:
    """Give it; each test leaves it as it was."""
    yield more
    assert more.run().did_nothing


# -- see ---------------------------------------------------------------------------------------------------------------


def test_status(site: Example) -> None:
    """All is well: every host, service, volume and network with its numbers, for people and for programs."""
    status, text = words(typed(site, "status"))
    assert (status, text.splitlines()[-1]) == (0, "all is well"), text
    rows = {row.split()[0]: re.split(r" {2,}", row.strip()) for row in text.splitlines() if row.strip()}
    assert [rows[host][1] in {"leader", "manager"} for host in HIVES] == [True] * 3
    assert rows[REPOSITORY][1] == "repository"
    for service, tasks in {**SERVICES, "pair": 2, "bare": 1}.items():
        assert rows[service][1] == f"{tasks} of {tasks}", text
    assert (rows["proxy"][2], rows["powerdns"][2]) == ("1", "-")
    assert rows["done"][1] == "1 of 1 done"
    assert rows["pdnsdb"][6] == "hive0"
    assert rows["pdnsdb_data"][1] == "hive0"
    assert re.fullmatch(r"[\d.]+[BKMG]", rows["pdnsdb_data"][2])
    assert rows["dns"][1].count("/") == 1
    done = typed(site, "status", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_status"], found["problems"], found["stale"]) == (0, 0, [], [])
    assert {host["name"]: host["up"] for host in found["hosts"]} == dict.fromkeys((*HIVES, REPOSITORY), True)
    [pair] = [each for each in found["services"] if each["name"] == "pair"]
    assert (pair["running"], pair["healthy"], sum(pair["hosts"].values())) == (2, 2, 2)


def test_logs(site: Example) -> None:
    """Of all tasks, on all hosts, in the order of their times; of one alone; of a job that ended."""
    status, text = words(typed(site, "logs", "pair", "lines=30"))
    found = [re.fullmatch(r"([\d:.]+) (pair\.\d) +\| (line \d+ of \w+)", line) for line in text.splitlines()]
    assert status == 0
    assert all(found), text
    times, tasks = [each[1] for each in found if each], {each[2] for each in found if each}
    assert (times, tasks) == (sorted(times), {"pair.1", "pair.2"})
    of_two = words(typed(site, "logs", "pair", "task=2", "grep=line [0-9]*1 "))[1].splitlines()
    assert of_two
    assert all("pair.2 " in line and re.search(r"line \d*1 ", line) for line in of_two)
    lines = words(typed(site, "logs", "done"))[1].splitlines()
    assert sorted(line.partition(" | ")[2] for line in lines) == ["it is done", "so it is"]


def test_restart(site: Example) -> None:
    """New tasks take the place of the old ones, and the next run has nothing to do.

    A log that is followed goes on with the new tasks.
    """
    with held(site, "logs", "-f", "pair", "lines=1") as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline()  # it is there before the new tasks are
        with held(site, "restart", "pair") as restart:
            assert restart.stdout is not None
            assert restart.stdout.readline() == b"pair: its tasks are replaced\n"
            assert restart.wait(rig.PATIENCE) == 0
        read = islice(iter(follow.stdout.readline, b""), 10_000)
        first = next((i for i, line in enumerate(read) if b"| line 1 of " in line), 0)
        assert first > 2, "no line of the new task behind those of the old ones"
        follow.send_signal(signal.SIGINT)
        assert follow.wait(rig.PATIENCE) == 0
    status, text = words(typed(site, "status", "pair"))
    assert status == 0
    rows = [re.split(r" {2,}", line)[:2] for line in text.splitlines()[1:]]
    assert sorted(rows[:2]) == [["pair.1", "running"], ["pair.2", "running"]]
    assert sorted(rows[2:4]) == [["pair.1", "shutdown"], ["pair.2", "shutdown"]]


def test_logs_of_a_host(site: Example) -> None:
    """Its journal, or that of one unit."""
    status, text = words(typed(site, "logs", "hive1:docker", "lines=5"))
    assert (status, len(text.splitlines()), "dockerd" in text) == (0, 5, True)
    mark = f"mark {os.getpid()}"
    site.on("hive1", f"logger -t skeptest {mark}")
    rig.wait_until(
        lambda: mark in words(typed(site, "logs", "hive1", "since=15m", f"grep={mark}"))[1], "its line"
    )


# -- reach in ----------------------------------------------------------------------------------------------------------


def test_exec(site: Example) -> None:
    """Exit status, input, outputs, words, user and directory are as asked; the task is said, and can be chosen."""
    data = os.urandom(300_000)
    done = typed(site, "exec", "pdnsdb", "--", "sh", "-c", "cat; echo odd >&2; exit 7", given=data)
    assert (done.returncode, done.stdout) == (7, data)
    assert re.fullmatch(rb"pdnsdb\.1 on hive0 \([0-9a-f]{12}\)\nodd\n", done.stderr)
    script = 'echo "$0 $(id -un) $PWD"'
    done = typed(site, "exec", "proxy", "user=www-data", "dir=/tmp", "--", "sh", "-c", script, "a=b c")
    assert words(done) == (0, "a=b c www-data /tmp\n")
    for host in HIVES:
        done = typed(site, "exec", "powerdns", f"task={host}", "--", "cat", "/etc/hostname")
        assert done.returncode == 0
        assert f"powerdns.{host} on {host} (".encode() in done.stderr
    done = typed(site, "exec", "powerdns", "task=all", "--", "sh", "-c", "echo here")
    assert sorted(done.stdout.decode().splitlines()) == [f"powerdns.{host} | here" for host in HIVES]
    assert words(typed(site, "exec", "powerdns", "task=hive9", "--", "true")) == (255, "")


def test_a_task_that_is_paused(site: Example) -> None:
    """It is there, and can't be entered; who has paused it is told by the note that a backup makes on its hive."""
    hive, note = site.hive_with("pair"), "/var/lib/skep/backup/held.json"
    listed = site.on(hive, "docker ps -q --no-trunc -f label=com.docker.swarm.service.name=pair")
    identity = listed.split()[0]
    task = f"task={identity[:12]}"
    goes_on = f"rm -f {note}; docker unpause {identity} >/dev/null 2>&1 || :"
    site.on(hive, f"docker pause {identity}")
    try:
        status, text = words(typed(site, "status", "pair"))
        assert (status, "is paused, and by no backup" in text) == (2, True), text
        entered = typed(site, "exec", "pair", task, "--", "true")
        assert (entered.returncode, b"is paused, and by no backup" in entered.stderr) == (255, True)
        noted = json.dumps({"service": "pair", "paused": [identity]})
        site.on(hive, f"mkdir -p {Path(note).parent}; echo '{noted}' >{note}")
        status, text = words(typed(site, "status"))
        assert (status, "pair is paused while its files are saved" in text) == (0, True), text
        with held(site, "logs", "-f", "pair", task, "lines=1") as log:
            assert log.stdout is not None
            log.stdout.readline()
            site.on(hive, goes_on)
            assert b"line" in log.stdout.readline()
    finally:
        site.on(hive, goes_on)


def test_a_signal_reaches_the_command(site: Example) -> None:
    """As with ssh; and a command that nobody listens to any more ends too."""
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    with held(site, "exec", "pair", "task=1", "--", "sh", "-c", script) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"ready\n"
        command.send_signal(signal.SIGINT)
        assert (command.stdout.read(), command.wait(rig.PATIENCE)) == (b"caught\n", 9)
    with held(site, "exec", "pair", "task=1", "--", "sh", "-c", "while :; do echo endless; done") as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.wait(rig.PATIENCE) == 141
    processes = ("exec", "pair", "task=1", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    rig.wait_until(lambda: b"echo endless;" not in typed(site, *processes).stdout, "the end of the command")


def test_a_shell_at_a_terminal(site: Example) -> None:
    """Its size, each change of that, Ctrl-C for what runs in it, and its exit status."""
    with Screen(site, "shell", "proxy") as screen:
        screen.shows("proxy.1 on ")
        screen.types("stty size; echo $TERM; echo shell is $0\n")
        screen.shows("20 90")
        screen.shows("xterm-256color")
        screen.shows("shell is bash")
        screen.resizes(101, 33)
        rig.wait_until(lambda: _sees(screen, "stty size\n", "33 101"), "the new size")
        screen.types("sh -c 'echo sl''eeps; exec sleep 1000'\n")  # shown by the command, not as it is typed
        screen.shows("sleeps")
        screen.types("\x03")
        screen.shows("^C")
        screen.shows("# ")  # the terminal drops the keys that come with Ctrl-C
        screen.types("echo sta''tus $?; exit 3\n")
        screen.shows("status 130")
        assert screen.ends() == 3


def _sees(screen: Screen, types: str, text: str) -> bool:
    """Type something, and return whether a text comes."""
    screen.types(types)
    try:
        screen.shows(text, 1)
    except AssertionError:
        return False
    return True


def test_a_terminal_that_is_closed(site: Example) -> None:
    """The command gets the end of its line, as with ssh, and does not stay in the container for ever."""
    with Screen(site, "exec", "pair", "task=1", "--", "sh", "-c", "echo re''ady; exec sleep 98765") as screen:
        screen.shows("ready")
    rig.wait_until(
        lambda: (
            b"98765"
            not in typed(
                site, "exec", "pair", "task=1", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline; true"
            ).stdout.replace(b"exec sleep", b"")
        ),
        "the end of the command",
    )


def test_an_image_without_a_shell(site: Example) -> None:
    """It is said, with what there is instead; its own programs run, and its files can be fetched."""
    done = typed(site, "shell", "bare")
    assert done.returncode == 255
    assert b"its image has no shell (`doit exec bare -- PROGRAM`" in done.stderr
    assert words(typed(site, "exec", "bare", "--", "/sleep", "0")) == (0, "")
    done = typed(site, "exec", "bare", "--", "/nothing")
    assert done.returncode in {126, 127}
    assert typed(site, "cp", "bare:/sleep", "fetched").returncode == 0
    with tarfile.open(site.directory / "bare.tar") as tar:
        packed = tar.extractfile("sleep")
        assert packed is not None
        assert packed.read() == (site.directory / "fetched").read_bytes()
    # Backups have all files that are there.
    (site.directory / "fetched").unlink()


def test_copies(site: Example, tmp_path: Path) -> None:
    """100 MB and a directory, into a container and back: bytes, owners, modes, times and links are as they were."""
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    with (tree / "large").open("wb") as file:
        digest = hashlib.sha256()
        for _ in range(100):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    (tree / "run").write_text("#!/bin/sh\n")
    os.chown(tree / "run", 33, 1234)  # which takes the setuid bit off: before chmod
    (tree / "run").chmod(0o4751)
    os.utime(tree / "run", (1_000_000_000, 1_000_000_000))
    (tree / "link").symlink_to("../elsewhere")
    (tree / "same").hardlink_to(tree / "large")
    assert typed(site, "cp", str(tree), "pdnsdb:/tmp").returncode == 0
    inside = typed(
        site,
        "exec",
        "pdnsdb",
        "dir=/tmp/tree",
        "--",
        "sh",
        "-c",
        "sha256sum large; stat -c '%u %g %a %Y' run; stat -c %h large; readlink link; ls -A empty",
    )
    assert inside.stdout.decode().splitlines() == [
        f"{digest.hexdigest()}  large",
        "33 1234 4751 1000000000",
        "2",
        "../elsewhere",
    ]
    assert typed(site, "cp", "pdnsdb:/tmp/tree", str(tmp_path / "back")).returncode == 0
    back = tmp_path / "back"
    assert {path.name for path in back.iterdir()} == {"empty", "large", "run", "link", "same"}
    assert hashlib.sha256((back / "large").read_bytes()).digest() == digest.digest()
    stat = (back / "run").stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777, stat.st_mtime) == (
        33,
        1234,
        0o4751,
        1_000_000_000,
    )
    assert (back / "large").samefile(back / "same")
    assert (back / "link").readlink() == Path("../elsewhere")
    done = typed(site, "cp", "pdnsdb:/tmp/none", ".")
    assert (done.returncode, b"/tmp/none: not there in the container" in done.stderr) == (255, True)
    assert typed(site, "exec", "pdnsdb", "--", "rm", "-r", "/tmp/tree").returncode == 0


def test_ssh(site: Example) -> None:
    """A command on a host, with its input, both outputs and its exit status; a terminal for a log-in."""
    done = typed(site, "ssh", "hive1", "--", "hostname; cat; echo odd >&2; exit 4", given=b"given\n")
    assert (words(done), done.stderr) == ((4, f"p-hive1.{site.name}\ngiven\n"), b"odd\n")
    done = typed(site, "ssh", "hive9")
    assert (done.returncode, b"has no host hive9; there are hive0, " in done.stderr) == (255, True)
    with Screen(site, "ssh", "hive1") as screen:
        screen.types("stty size; exit 5\n")
        screen.shows("20 90")
        assert screen.ends() == 5


def test_forward(site: Example) -> None:
    """A port of a task, published or not, and of a host; when the task is replaced, that of the new one."""
    port = free_port()
    with held(site, "forward", "proxy", f"{port}:80") as tunnel:
        assert tunnel.stdout is not None
        assert tunnel.stdout.readline().startswith(f"{LOCAL}:{port} is port 80 of proxy.1 on ".encode())
        assert queries.http_get(LOCAL, "/healthz", port=port) == (200, "ok\n")
        taken = typed(site, "forward", "proxy", f"{port}:80")
        assert (taken.returncode, b"in use" in taken.stderr) == (255, True)
        before = site.on(site.hive_with("proxy"), "docker ps -qf label=com.docker.swarm.service.name=proxy")
        restarted = typed(site, "restart", "proxy")
        assert (restarted.returncode, b"proxy: new tasks run (" in restarted.stdout) == (0, True)
        after = site.on(site.hive_with("proxy"), "docker ps -qf label=com.docker.swarm.service.name=proxy")
        assert before != after
        assert tunnel.stdout.readline().startswith(f"{LOCAL}:{port} is port 80 of proxy.1 on ".encode())
        assert queries.http_get(LOCAL, "/healthz", port=port) == (200, "ok\n")
        tunnel.send_signal(signal.SIGINT)
        assert tunnel.wait(rig.PATIENCE) == 0
    with held(site, "forward", "pdnsdb", f"{port}:3306") as tunnel:
        assert tunnel.stdout is not None
        tunnel.stdout.readline()
        with socket.create_connection((LOCAL, port), timeout=240) as client:
            assert b"MariaDB" in client.recv(100)
    with held(site, "forward", "proxy", f"{port}:81") as tunnel:
        assert tunnel.stdout is not None
        assert tunnel.stderr is not None
        tunnel.stdout.readline()
        with socket.create_connection((LOCAL, port), timeout=240) as client:
            assert client.recv(1) == b""
        refused = b"a connection was refused: nothing listens at port 81 of proxy.1 on "
        assert tunnel.stderr.readline().startswith(refused)
    with held(site, "forward", REPOSITORY, f"{port}:22") as tunnel:
        assert tunnel.stdout is not None
        tunnel.stdout.readline()
        with socket.create_connection((LOCAL, port), timeout=240) as client:
            assert client.recv(100).startswith(b"SSH-2.0")


# -- change a little ---------------------------------------------------------------------------------------------------


def test_scale(site: Example) -> None:
    """It is said that site.toml says otherwise; the next run goes back, or later where it is to leave it so."""
    done = typed(site, "scale", "pair=3")
    assert done.returncode == 0, done.stderr.decode()
    assert (
        b"pair: scaled to 3 until the next run; site.toml says 2, and the next run goes back to that"
        in done.stdout
    )
    status, text = words(typed(site, "status"))
    assert (status, "pair replicas: 3, in site.toml 2: scaled to 3 until the next run" in text) == (0, True)
    ended = site.run().well()
    assert ended.ran == ["deploy_services:pair"]
    assert "it was scaled to 3 until the next run" in ended.text
    for word in ("until=1h", "keep"):
        assert typed(site, "scale", "pair=1", word).returncode == 0
        assert site.run().did_nothing
        assert "1 of 1" in words(typed(site, "status"))[1]
    assert b"pair: 2 tasks, as site.toml says" in typed(site, "scale", "pair=2").stdout
    done = typed(site, "scale", "powerdns=2")
    assert (done.returncode, b'mode = "global"' in done.stderr) == (1, True)


def test_a_one_off_task(site: Example) -> None:
    """It has the service's environment, secrets and networks, an exit status of its own, and leaves nothing."""
    script = 'echo "$COLOUR $(wc -c </run/secrets/pdns_api)"; getent hosts pdnsdb >/dev/null && echo found; cat; exit 6'
    done = typed(site, "run", "pair", "--", "sh", "-c", script, given=b"given\n")
    assert (done.returncode, done.stdout.decode().split("\n")[1:]) == (6, ["found", "given", ""])
    assert re.fullmatch(r"blue \d\d", done.stdout.decode().splitlines()[0])
    with Screen(site, "run", "pair", "--", "sh") as screen:
        screen.types("stty size; exit 8\n")
        screen.shows("20 90")
        assert screen.ends() == 8
    # The proxy's own tasks have no init.
    with held(site, "run", "proxy", "--", "sh", "-c", "echo ready; exec sleep 1000") as console:
        assert console.stdout is not None
        assert console.stdout.readline() == b"ready\n"
        console.send_signal(signal.SIGTERM)
        assert console.wait(rig.PATIENCE) == 143
    assert site.on("hive0", "docker service ls | grep -e -run- || true") == ""
    with held(site, "run", "pair", "--", "sh", "-c", "echo ready; exec sleep 1000") as console:
        assert console.stdout is not None
        assert console.stdout.readline() == b"ready\n"
        console.kill()
    text = words(typed(site, "status"))[1]
    assert re.search(r"^pair-run-\w+ is a task of doit run pair$", text, re.MULTILINE), text
    assert "service pair-run-" in site.run().well().text
    site.run("prune", f"confirm={site.name}").well()
    assert words(typed(site, "status"))[1].splitlines()[-1] == "all is well"
