"""Commands in a container, its files and its log, by the mother's own engine."""

import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from model.errors import HostError, ServiceError, StateError
from remote.engine import engine_session
from remote.engine.container_archive import ContainerFiles
from remote.engine.container_session import ContainerSession
from remote.engine.exec_session import ExecRequest, ExecSession
from remote.engine.log_stream import LogLine, LogRequest, log_lines
from remote.mother.tar_stream import packed, unpack
from tasks.operate.one_off import HOLDER
from tasks.operate.service_logs import after_time
from tests import debian, rig

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
SOCKET = Path("/var/run/docker.sock")
IMAGE = f"skep-test-{rig.CHECKOUT}/sessions"
LABEL = f"skep-test-{rig.CHECKOUT}-sessions"
Make = Callable[..., Container]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give an image with a busybox alone."""
    programs = debian.unpacked(tmp_path_factory.mktemp("packages") / "debian", "busybox-static")
    with closing(docker.DockerClient(version="auto")) as client:
        data = debian.busybox_root(programs / "bin" / "busybox", "sessions")
        client.api.import_image_from_data(data, IMAGE, "latest")
        yield f"{IMAGE}:latest"
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            container.remove(force=True, v=True)
        client.images.remove(f"{IMAGE}:latest", force=True)


@pytest.fixture
def make(image: str) -> Iterator[Make]:
    """Give what starts a container that goes afterwards."""
    with closing(docker.DockerClient(version="auto")) as client:

        def start(*command: str, **options: object) -> Container:
            words = [*command] or ["/bin/busybox", "sleep", "1000"]
            return client.containers.run(image, words, detach=True, init=True, labels=[LABEL], **options)

        yield start
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            container.remove(force=True, v=True)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Give what writes this process's input and ends it."""
    reading, writing = os.pipe()
    monkeypatch.setattr(engine_session, "INPUT", reading)

    def write(data: bytes) -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    yield write
    os.close(reading)


def run(container: Container, *command: str, **options: object) -> tuple[int, bytes, bytes]:
    """Run a command of busybox, and return its exit status and both outputs."""
    out = {1: b"", 2: b""}

    def take(descriptor: int, data: bytes) -> None:
        out[descriptor] += data

    request = ExecRequest(["/bin/busybox", *command], stdin=False)
    request = ExecRequest(request.command, **{"stdin": False, **options})  # type: ignore[arg-type]
    status = ExecSession("hive0", SOCKET, str(container.id), request).run(take)
    return status, out[1], out[2]


class TestExec:
    """A command in a running container."""

    def test_output_and_exit_status(self, make: Make) -> None:
        """Both outputs come apart, and the status is the command's."""
        assert run(make(), "sh", "-c", "echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")

    def test_words_arrive_as_they_are(self, make: Make) -> None:
        """No shell looks at them, and none is lost."""
        words = ("a b", "", "$HOME", "x=y", "*", "ä")

        assert run(make(), "printf", "%s\\n", *words)[1].decode() == "".join(f"{word}\n" for word in words)

    def test_input_to_its_end(self, make: Make, stdin: Callable[[bytes], None]) -> None:
        """Input of any size arrives whole, and its end does too."""
        data = os.urandom(3_000_000)
        threading.Thread(target=stdin, args=(data,)).start()

        assert run(make(), "cat", stdin=True) == (0, data, b"")

    def test_user_directory_and_environment(self, make: Make) -> None:
        """They are those that were asked for."""
        script = 'echo "$(id -u) $(pwd) $GREETING"'
        options = {"user": "12:34", "workdir": "/bin", "environment": ("GREETING=hello",)}

        assert run(make(), "sh", "-c", script, **options)[1] == b"12 /bin hello\n"

    def test_a_terminal_has_its_size(self, make: Make) -> None:
        """Also one that was told before the command began."""
        out: list[bytes] = []
        told = "for n in $(seq 300); do [ \"$(stty size 2>/dev/null)\" = '17 91' ] && break; sleep 0.1; done"
        request = ExecRequest(["/bin/busybox", "sh", "-c", f"{told}; stty size"], terminal=True, stdin=False)
        session = ExecSession("hive0", SOCKET, str(make().id), request)
        session.resize(91, 17)
        status = session.run(lambda _descriptor, data: out.append(data))

        assert (status, b"".join(out)) == (0, b"17 91\r\n")

    def test_a_program_that_is_not_there(self, make: Make) -> None:
        """The engine's own words, and a status that is not 0."""
        status, out, err = run(make(), "nosuch")

        assert status in {126, 127}
        assert b"nosuch" in out + err

    def test_a_container_that_is_gone(self, make: Make) -> None:
        """That is an error with the engine's words."""
        container = make()
        container.remove(force=True)

        with pytest.raises(ServiceError, match=r"^hive0: .*[Nn]o such container"):
            run(container, "true")

    def test_an_engine_that_is_not_there(self, tmp_path: Path) -> None:
        """That is an error of the host."""
        with pytest.raises(HostError, match=r"^hive0: its Docker Engine does not answer"):
            ExecSession("hive0", tmp_path / "none", "x", ExecRequest(["true"]))


class TestContainer:
    """A container's own program."""

    def test_from_its_first_byte_on(self, make: Make) -> None:
        """What it wrote before comes first, and its status is ours."""
        out: list[bytes] = []
        container = make("/bin/busybox", "sh", "-c", "echo first; sleep 0.5; echo last; exit 4")
        session = ContainerSession("hive0", SOCKET, str(container.id), terminal=False, stdin=False)
        status = session.run(lambda _descriptor, data: out.append(data))

        assert (status, b"".join(out)) == (4, b"first\nlast\n")

    def test_no_line_of_many_is_lost(self, make: Make) -> None:
        """Also of those that it writes while we begin to listen."""
        out: list[bytes] = []
        container = make("/bin/busybox", "sh", "-c", "for i in 1 2 3 4; do seq 1 60000; done")
        session = ContainerSession("hive0", SOCKET, str(container.id), terminal=False, stdin=False)

        assert session.run(lambda _descriptor, data: out.append(data)) == 0
        assert b"".join(out) == "".join(f"{n}\n" for n in range(1, 60_001)).encode() * 4

    def test_one_that_waits_for_commands(self, make: Make) -> None:
        """It stays as long as one of them runs, and ends some time after the last: nothing is left by a kill."""
        container = make(*(word.replace("sleep 10", "sleep 2") for word in HOLDER))
        assert run(container, "sleep", "9") == (0, b"", b"")
        container.reload()
        assert container.status == "running"

        assert container.wait(timeout=240)["StatusCode"] == 0

    def test_one_that_has_ended_already(self, make: Make) -> None:
        """Its output and its status are there still, and nothing waits for a start of it."""
        out: list[bytes] = []
        container = make("/bin/busybox", "sh", "-c", "echo gone; exit 5")
        container.wait()
        session = ContainerSession("hive0", SOCKET, str(container.id), terminal=False, stdin=False)
        status = session.run(lambda _descriptor, data: out.append(data))

        assert (status, b"".join(out)) == (5, b"gone\n")


class TestFiles:
    """Files into a container and out of it."""

    def test_there_and_back(self, make: Make, tmp_path: Path) -> None:
        """Owners, modes, times, links of both kinds, odd names and any bytes come back as they went."""
        source = tmp_path / "source"
        (source / "empty").mkdir(parents=True)
        (source / "a").write_bytes(os.urandom(1_000_000))
        os.chown(source / "a", 123, 456)
        (source / "a").chmod(0o4751)
        os.utime(source / "a", (1_000_000_000, 1_000_000_000))
        (source / "link").symlink_to("a")
        (source / "b").write_text("b")
        (source / "hard").hardlink_to(source / "b")
        (source / "na me\nä").write_text("x")
        files = ContainerFiles("hive0", SOCKET, str(make().id))
        files.put("/bin", packed(source, "other"))
        files.get("/bin/other", lambda stream: unpack(stream, tmp_path, "back"))

        back = tmp_path / "back"
        assert {path.name for path in back.iterdir()} == {path.name for path in source.iterdir()}
        assert (back / "a").read_bytes() == (source / "a").read_bytes()
        stat = (back / "a").stat()
        assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777, stat.st_mtime) == (
            123,
            456,
            0o4751,
            1_000_000_000,
        )
        assert (back / "link").readlink() == Path("a")
        assert (back / "hard").stat().st_ino == (back / "b").stat().st_ino

    def test_what_a_path_is(self, make: Make) -> None:
        """A directory, a file, a link, or nothing."""
        container = make()
        run(container, "ln", "-s", "/bin/busybox", "/link")
        files = ContainerFiles("hive0", SOCKET, str(container.id))
        directory, file, link = files.stat("/bin"), files.stat("/bin/busybox"), files.stat("/link")

        assert directory is not None
        assert directory.is_directory
        assert file is not None
        assert not file.is_directory
        assert file.size > 1000
        assert link is not None
        assert link.link_target.endswith("busybox")
        assert files.stat("/none") is None

    def test_a_directory_that_is_not_there(self, make: Make, tmp_path: Path) -> None:
        """That is refused with the path."""
        (tmp_path / "f").write_text("x")
        files = ContainerFiles("hive0", SOCKET, str(make().id))

        with pytest.raises(ServiceError, match=r"^hive0: /none: "):
            files.put("/none", packed(tmp_path / "f", "f"))

    @pytest.mark.parametrize("name", ["name/../../outside", "name/link/outside"])
    def test_nothing_is_written_elsewhere(self, tmp_path: Path, name: str) -> None:
        """A stream that would leave the directory, by `..` or by a link of its own, is refused."""
        home = tmp_path / "home"
        home.mkdir()
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            folder, link = tarfile.TarInfo("name"), tarfile.TarInfo("name/link")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
            for member in (folder, link, tarfile.TarInfo(name)):
                tar.addfile(member)
        stream.seek(0)

        with pytest.raises(StateError, match="outside of"):
            unpack(stream, home, "name")
        assert not (tmp_path / "outside").exists()


class TestLog:
    """A container's log."""

    SCRIPT = "for n in 1 2 3; do echo out $n; echo err $n >&2; sleep 0.05; done"

    def lines(self, container: Container, request: LogRequest | None = None) -> list[LogLine]:
        """Return its lines."""
        return list(log_lines("hive0", SOCKET, str(container.id), request or LogRequest()))

    def test_both_outputs_with_times(self, make: Make) -> None:
        """In the order of their times, each with its stream."""
        container = make("/bin/busybox", "sh", "-c", self.SCRIPT)
        container.wait()
        lines = self.lines(container)

        assert {(line.text, line.is_error) for line in lines} == {
            (f"{name} {n}", name == "err") for n in (1, 2, 3) for name in ("out", "err")
        }
        assert [line.time for line in lines] == sorted(line.time for line in lines)

    def test_the_last_lines(self, make: Make) -> None:
        """Only so many."""
        container = make("/bin/busybox", "sh", "-c", "for n in 1 2 3; do echo $n; done")
        container.wait()

        assert [line.text for line in self.lines(container, LogRequest(lines=2))] == ["2", "3"]

    def test_of_a_time(self, make: Make) -> None:
        """From one moment to another, both within a nanosecond."""
        container = make("/bin/busybox", "sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.05; done")
        container.wait()
        first, second, _ = self.lines(container)

        within = LogRequest(after_time(first.time), until=after_time(second.time))
        assert [line.text for line in self.lines(container, within)] == ["2"]

    def test_a_long_line_is_one(self, make: Make) -> None:
        """The engine cuts it into pieces of 16 KiB."""
        container = make("/bin/busybox", "sh", "-c", "head -c 50000 /dev/zero | tr '\\0' x; echo")
        container.wait()

        assert [len(line.text) for line in self.lines(container)] == [50_000]

    def test_of_a_terminal(self, make: Make) -> None:
        """Its log has no frames."""
        container = make("/bin/busybox", "sh", "-c", "echo one; echo two", tty=True)
        container.wait()

        assert [line.text for line in self.lines(container)] == ["one", "two"]

    def test_followed_to_its_end(self, make: Make) -> None:
        """The lines that come, until the container ends."""
        container = make("/bin/busybox", "sh", "-c", "echo one; sleep 0.5; echo two")

        assert [line.text for line in self.lines(container, LogRequest(follow=True))] == ["one", "two"]

    def test_a_driver_that_keeps_none(self, make: Make) -> None:
        """That is said in the engine's words."""
        container = make(log_config={"Type": "none"})

        with pytest.raises(ServiceError, match=r"^hive0: .*does not support reading"):
            self.lines(container)
