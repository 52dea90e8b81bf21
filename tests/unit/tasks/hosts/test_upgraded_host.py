"""In which order hosts are upgraded, and what is seen of each before."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError
from remote.hostsetup.updates import HostUpdates
from remote.mother.wait import Pace
from tasks.hosts import upgraded_host
from tasks.hosts.upgraded_host import HostLook, HostUpgrade, looks
from tests import made as rig
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site of three hives, whose leader is hive0, and a repository host."""
    site = rig.new(tmp_path)
    site.edit("number_of_hosts = 3", "number_of_hosts = 4")
    site.make()
    for identity, node in site.swarm.nodes.items():
        short = identity.removeprefix("node-of-")
        node["Description"] = {"Hostname": site.run().stage.host(short).name}
        node["ManagerStatus"] = {"Leader": short == "hive0"}
    return site


def looked(made: Made) -> dict[str, HostLook]:
    """Return what is seen of each host, in order; each says that it is up to date."""
    run = made.run()
    connections: Any = run.connections
    connections.to = lambda _host: SimpleNamespace(script=lambda *_words, **_more: "engine 26.1.5\n")
    return {each.host.short: each for each in looks(run, run.stage.hosts)}


def test_the_leader_is_the_last(made: Made) -> None:
    """What is no hive goes first: nothing of the swarm is lost with it."""
    found = looked(made)

    assert list(found) == ["hive3", "hive1", "hive2", "hive0"]
    assert all(each.is_current for each in found.values())


def test_what_a_kill_left_is_seen(made: Made) -> None:
    """A hive that skep drained, one that is stopped, one that does not answer: none of them is up to date."""
    made.swarm.nodes["node-of-hive1"]["Spec"]["Labels"]["skep.aside"] = "true"
    made.cloud.stop(made.run().stage, "hive2")
    made.hosts["hive0"] = replace(made.hosts["hive0"], error="hive0: ssh: no answer")
    found = looked(made)

    assert (found["hive1"].is_aside, found["hive1"].is_current) == (True, False)
    assert (found["hive2"].is_stopped, found["hive2"].is_current) == (True, False)
    assert (found["hive0"].error, found["hive0"].is_current) == ("hive0: ssh: no answer", False)
    assert found["hive3"] == HostLook(made.run().stage.host("hive3"), HostUpdates(engine="26.1.5"))


class Rebooting:
    """A connection to a machine that restarts: it is silent for a while, and has another boot id then."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answers = iter(["first", HostError("no answer"), "first", "second"])

    def run(self, command: str, **_more: Any) -> str:
        """Answer with the id of the boot."""
        self.said.append(command)
        answer = next(self.answers)
        if isinstance(answer, HostError):
            raise answer
        return f"{answer}\n"

    def script(self, text: str, **_more: Any) -> None:
        """Take the order to restart."""
        self.said.append(text)

    def close(self) -> None:
        """Close the connection."""

    forget_failure = close


def test_a_machine_is_back_when_it_has_booted_anew(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it still shuts down and answers, nor while it is silent; then the lock is held there again."""
    run, connection, joined = made.run(), Rebooting(), list[str]()
    connections: Any = run.connections
    connections.to = lambda _host: connection
    monkeypatch.setattr(connections, "reset", lambda _host: None)
    monkeypatch.setattr(run.stage_lock, "join", lambda host: joined.append(host.short))
    monkeypatch.setattr(upgraded_host, "Pace", lambda **_more: Pace(0.0, 0.0))
    host = run.stage.host("hive1")
    log: list[str] = []
    HostUpgrade(run, HostLook(host, HostUpdates()), log.append)._restart(HostUpdates(restart="kernel"))

    assert next(connection.answers, None) is None
    assert "systemctl reboot" in connection.said[1]
    assert joined == ["hive1"]
    assert log[0] == "hive1: is restarted (kernel)"


def test_a_container_that_nobody_can_start_is_not_stopped(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prepared hosts may be containers: whoever made them has to restart them."""
    run = made.run()
    monkeypatch.setattr(type(run.provider), "owns", False)
    found = HostLook(run.stage.host("hive1"), HostUpdates())
    with pytest.raises(
        HostError, match="is a container that skep can't start: restart it, then type this again"
    ):
        HostUpgrade(run, found, lambda _text: None)._restart(HostUpdates(restart="libc6", is_container=True))
