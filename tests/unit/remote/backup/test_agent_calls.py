"""The agent on a host, asked over ssh: its result, what it tells meanwhile, and why there is none."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from model.errors import HostError
from remote.backup.agent_calls import AgentFailedError, ask_agent, fetch_archive
from remote.mother.process import Running
from tests.doubles.agent import AgentHost, BareHost

if TYPE_CHECKING:
    from remote.ssh.connection import Connection


def ask(host: AgentHost, *words: str, heard: list[Mapping[str, Any]] | None = None) -> Any:
    """Ask a host's agent."""
    return ask_agent(cast("Connection", host), *words, heard=None if heard is None else heard.append)


def test_the_result_and_what_is_told_before_it() -> None:
    """Progress and sentences are heard in their order; the result is none of them."""
    host = AgentHost("hive0", {"status": lambda _: {"services": []}})
    told: list[Mapping[str, Any]] = [
        {"say": "waits"},
        {"progress": {"doing": "reading", "service": "web", "bytes": 1, "of": 2}},
    ]
    host.says = told
    heard: list[Mapping[str, Any]] = []

    assert ask(host, "status", heard=heard) == {"services": []}
    assert heard == told


def test_an_error_is_the_agents_sentence() -> None:
    """The host is named, and the sentence is the agent's."""
    host = AgentHost("hive0", {"status": lambda _: "No space left on device"})

    with pytest.raises(AgentFailedError, match=r"^hive0: No space left on device$"):
        ask(host, "status")


def test_what_failed_in_parts_has_its_result() -> None:
    """What went well beside it can be told."""
    result = {"generations": [{"service": "web"}], "failed": {"db": "exit status 1"}}
    host = AgentHost("hive0", {"run": lambda _: result})

    with pytest.raises(AgentFailedError, match=r"^hive0: db: exit status 1$") as error:
        ask(host, "run", "--kind", "asked")
    assert error.value.result == result


def test_a_host_without_an_agent() -> None:
    """The way out is named."""
    with pytest.raises(HostError, match=r"^hive0: .*\(doit setup_hosts\)"):
        ask(BareHost("hive0", {}), "status")


def test_a_connection_that_is_cut() -> None:
    """It is no success, whatever was told before."""
    host = AgentHost("hive0", {})
    host.says, host.is_cut = [{"say": "reading"}], True

    with pytest.raises(HostError, match=r"^hive0: "):
        ask(host, "status")


class Sender:
    """A repository host, of which a generation is fetched.

    Args:
        script: The shell's script in the agent's place, for which `tar` makes an archive of the working directory.

    """

    name = "repository0"

    def __init__(self, script: str) -> None:
        self.script = script

    def session(self, _command: str) -> Running:
        """Start it."""
        return Running(["sh", "-c", self.script], stdin=True, stdout=True)


def fetch(script: str, directory: Path) -> list[int]:
    """Fetch a generation from it; return the bytes that were told meanwhile."""
    come: list[int] = []
    fetch_archive(cast("Connection", Sender(script)), ("tar", "aa000001"), directory, come.append)
    return come


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give a directory with a generation's files."""
    directory = tmp_path / "source"
    directory.mkdir()
    for name in ("one", "two"):
        (directory / name).write_text(name * 100)
    return directory


def test_an_archive_is_unpacked(source: Path, tmp_path: Path) -> None:
    """Each file arrives as it was; how much came is told meanwhile."""
    come = fetch(f"""echo '{{"say": "archive"}}'; tar -C {source} -c .""", tmp_path / "here")

    assert come == sorted(come)
    assert come[-1] % 512 == 0
    assert come[-1] > 600, "the bytes of the archive, which has both files"
    assert {each.name: each.read_text() for each in (tmp_path / "here").iterdir()} == {
        "one": "one" * 100,
        "two": "two" * 100,
    }


@pytest.mark.parametrize(
    ("script", "said"),
    [
        # What tar writes of one file alone, without its end, looks like an archive that is whole.
        ("""echo '{"say": "archive"}'; tar -C SOURCE -c one | head -c 1024; exit 1""", "did not come whole"),
        ("""echo '{"say": "archive"}'; tar -C SOURCE -c one | head -c 600""", "did not come whole"),
        (
            """echo '{"error": "there is no such generation", "kind": "host"}'""",
            "there is no such generation",
        ),
        ("true", "doit setup_hosts"),
    ],
)
def test_an_archive_that_does_not_come_whole(script: str, said: str, source: Path, tmp_path: Path) -> None:
    """It is an error, even if it ends between two files."""
    with pytest.raises(HostError, match=f"^repository0: .*{said}"):
        fetch(script.replace("SOURCE", str(source)), tmp_path / "here")
