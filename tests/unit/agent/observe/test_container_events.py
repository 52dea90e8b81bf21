"""Tasks that end by themselves, as an engine's events tell them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.observe.container_events import TaskFailures
from agent.observe.engine_reader import EngineReader
from agent.observe.observe_config import ObservedService
from tests.doubles.observed_engine import ObservedEngine, observed_engine
from tests.rig import wait_until

SERVICES = {"web": ObservedService("web", 1), "job": ObservedService("job", None, may_end=True)}


class Followed:
    """An engine whose events are followed from moment 100 on."""

    def __init__(self, engine: ObservedEngine) -> None:
        self.engine = engine
        self.failures = TaskFailures(EngineReader(engine.path), {}, 100)
        self.failures.follow(100.0)

    def told(self, *events: tuple[str, str], service: str = "web", **attributes: str) -> dict[str, int]:
        """Have events told (container, action), and return the counts when the last one is here."""
        first = self.failures.since + 1
        for at, (container, action) in enumerate(events, first):
            self.engine.tell(at, action, container, service, **attributes)
        self.wait(lambda: self.failures.since == first + len(events) - 1)
        return self.failures.counts

    def wait(self, condition: Callable[[], bool]) -> None:
        """Take events until a condition holds."""

        def holds() -> bool:
            self.failures.take(SERVICES)
            return condition()

        wait_until(holds, "the events")


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    """Give an engine whose events are followed."""
    with observed_engine(tmp_path) as engine:
        followed = Followed(engine)
        yield followed
        followed.failures.close()


def test_an_end_that_nobody_ordered(followed: Followed) -> None:
    """It counts, whatever the status: a service's task is to run on."""
    assert followed.told(("c1", "die"), exitCode="3") == {"web": 1}
    assert followed.told(("c2", "die"), exitCode="0") == {"web": 2}


def test_an_end_that_was_ordered(followed: Followed) -> None:
    """It does not count: a deployment, a restart, a host that is drained."""
    assert followed.told(("c1", "kill"), ("c1", "die"), signal="15", exitCode="137") == {}


def test_a_signal_that_is_no_order_to_end(followed: Followed) -> None:
    """A container that was to read its configuration anew, and ended later, failed."""
    assert followed.told(("c1", "kill"), ("c1", "die"), signal="1", exitCode="1") == {"web": 1}


def test_a_signal_that_may_be_an_order(followed: Followed) -> None:
    """USR1 ends HAProxy, and has nginx open its log files anew: it is forgotten when a container had time to end."""
    minute = 60 * 10**9
    assert followed.told(("c1", "kill"), ("c1", "die"), signal="10", exitCode="0") == {}
    followed.told(("c2", "kill"), signal="10")
    followed.failures.since += minute + 9 * 10**9
    assert followed.told(("c2", "die"), exitCode="1") == {}
    followed.told(("c3", "kill"), signal="10")
    followed.failures.since += minute + 11 * 10**9
    assert followed.told(("c3", "die"), exitCode="1") == {"web": 1}


def test_an_unhealthy_container_is_ended(followed: Followed) -> None:
    """The swarm orders that, and it is a failure; not so where it was healthy again before."""
    unhealthy, healthy = "health_status: unhealthy", "health_status: healthy"
    assert followed.told(("c1", unhealthy), ("c1", "kill"), ("c1", "die"), signal="15") == {"web": 1}
    assert followed.told(("c2", unhealthy), ("c2", healthy), ("c2", "kill"), ("c2", "die"), signal="15") == {
        "web": 1
    }


def test_a_job(followed: Followed) -> None:
    """It may end well, and fails with another status."""
    assert followed.told(("c1", "die"), service="job", exitCode="0") == {}
    assert followed.told(("c2", "die"), service="job", exitCode="1") == {"job": 1}


def test_another_service(followed: Followed) -> None:
    """One that site.toml does not have, such as a one-off task, is left out."""
    assert followed.told(("c1", "die"), service="web-once", exitCode="1") == {}


def test_starts_and_ends_are_told(followed: Followed) -> None:
    """In order, with their services; a start is no failure, and what else happens is not told."""
    told: list[tuple[str, str, str]] = []
    followed.failures._tell = lambda *words: told.append(words)
    counts = followed.told(("c1", "start"), ("c1", "health_status: healthy"), ("c1", "kill"), signal="1")
    assert counts == {}
    followed.told(("c1", "die"), exitCode="1")
    assert told == [("start", "c1", "web"), ("die", "c1", "web")]
    assert '"start"' in followed.engine.asked[0][1]["filters"]


def test_an_engine_that_was_restarted(followed: Followed) -> None:
    """What it tells again counts once; from when on it is asked to tell is kept to the nanosecond."""
    followed.told(("c1", "die"), exitCode="1")
    followed.engine.end_events()

    def has_ended() -> bool:
        try:
            followed.failures.take(SERVICES)
        except AgentError:
            return True
        return False

    wait_until(has_ended, "the end")
    followed.failures.since = 5_000_000_101
    followed.failures.follow(100.0)
    assert followed.engine.asked[-1][1]["since"] == "5.000000101"
    followed.engine.tell(5_000_000_101, "die", "c1", "web", exitCode="1")
    assert followed.told(("c2", "die"), exitCode="1") == {"web": 2}


def test_a_clock_that_is_set_back(followed: Followed) -> None:
    """What happens then is not taken for what was told before."""
    followed.engine.tell(9_000, "die", "c1", "web", exitCode="1")
    followed.engine.tell(8_000, "die", "c2", "web", exitCode="1")
    followed.wait(lambda: followed.failures.counts == {"web": 2})
    ahead = TaskFailures(EngineReader(followed.engine.path), {}, 10**18)
    ahead.follow(5.0)
    ahead.close()
    assert followed.engine.asked[-1][1]["since"] == "5.000000000"
