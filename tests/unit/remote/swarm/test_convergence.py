"""Waiting for services: one snapshot for all who wait, and when a service counts as running."""

import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import RemoteDisconnected
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError
from urllib3.exceptions import ProtocolError

from model.errors import ServiceError
from remote.swarm import convergence
from remote.swarm.convergence import ConvergencePolicy, NotRunningError, wait_until_converged
from remote.swarm.endings import CHECK_CANT_RUN
from remote.swarm.poller import SwarmPoller

PATIENCE = ConvergencePolicy(timeout=20, stable=0.0)


class Engine:
    """A manager's engine with services whose tasks a test moves on."""

    def __init__(self, *names: str) -> None:
        self.api = self
        self.looks = 0
        self.out_of_sequence = False
        self.lists: dict[str, dict[str, Any]] = {
            name: {
                "ID": f"id-{name}",
                "Version": {"Index": 1},
                "Spec": {
                    "Name": name,
                    "Mode": {"Replicated": {"Replicas": 1}},
                    "TaskTemplate": {"ContainerSpec": {"Image": "new"}},
                    "Labels": {},
                },
                "ServiceStatus": {"DesiredTasks": 1, "RunningTasks": 1},
            }
            for name in names
        }
        self.all_tasks = [self.task(name) for name in names]
        self.all_nodes = [self.node("hive0"), self.node("hive1")]

    @staticmethod
    def node(host: str, state: str = "ready", message: str = "") -> dict[str, Any]:
        """Return a node as the swarm sees it."""
        return {"ID": host, "Description": {"Hostname": host}, "Status": {"State": state, "Message": message}}

    @staticmethod
    def task(name: str, state: str = "running", **status: Any) -> dict[str, Any]:
        """Return a task of a service as it is now."""
        return {
            "ID": f"task-of-{name}-{time.monotonic_ns()}",
            "ServiceID": f"id-{name}",
            "DesiredState": "shutdown" if state == "rejected" else "running",
            "Spec": {"ContainerSpec": {"Image": "new"}},
            "Status": {"State": state, **status},
        }

    def services(self, *, status: bool) -> list[dict[str, Any]]:
        """List them."""
        assert status
        self.looks += 1
        return list(self.lists.values())

    def nodes(self) -> list[dict[str, Any]]:
        """List them."""
        return list(self.all_nodes)

    def tasks(self) -> list[dict[str, Any]]:
        """List them."""
        return list(self.all_tasks)

    def inspect_service(self, name: str) -> dict[str, Any]:
        """Return one."""
        return self.lists[name]

    def update_service(
        self, _id: str, _version: int, _template: Any, name: str, labels: Any, *_: Any, **__: Any
    ) -> None:
        """Keep its labels."""
        if self.out_of_sequence:
            self.out_of_sequence = False
            raise APIError("update out of sequence")
        self.lists[name]["Spec"]["Labels"] = labels


def wait(engine: Engine, name: str, *, changed: bool = True) -> list[str]:
    """Wait for a service, and return the log."""
    said: list[str] = []
    client: Any = engine
    wait_until_converged(
        SwarmPoller(client, "hive0"),
        name,
        PATIENCE,
        lambda _node, _container: ("hive0", []),
        said.append,
        changed=changed,
    )
    return said


class TestLook:
    """One look for many."""

    def test_is_shared(self) -> None:
        """Those who ask while a look is not older than they want get the same; who wants a newer one, takes it."""
        engine = Engine("web")
        client: Any = engine
        look = SwarmPoller(client, "hive0")
        moment = time.monotonic()
        barrier = threading.Barrier(8)

        def ask(_: int) -> object:
            barrier.wait(timeout=20)
            return look.since(moment, print)

        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(ask, range(8)))

        assert engine.looks == 1
        assert all(each is seen[0] for each in seen)
        assert look.since(time.monotonic(), print) is not seen[0]

    def test_is_never_older_than_asked_for(self) -> None:
        """A snapshot from before a service was changed says nothing of it as it is."""
        client: Any = Engine("web")
        look = SwarmPoller(client, "hive0")
        look.since(0, print)
        changed = time.monotonic()

        assert look.since(changed, print).began >= changed


class TestWhoDoesNotAnswer:
    """A host that dies or freezes while a service is rolled out is named, at once and in the failure."""

    def test_a_node_that_the_swarm_misses(self) -> None:
        """The log has it with the first look, and so has the message when time is over."""
        engine = Engine("web")
        engine.all_nodes[1] = engine.node("hive1", "down", "heartbeat failure")
        engine.lists["web"]["UpdateStatus"] = {"State": "updating"}
        said: list[str] = []
        client: Any = engine
        words = "hive1 does not answer: the swarm sees it as down (heartbeat failure)"

        with pytest.raises(ServiceError, match=re.escape(f"waited 0 s for service web to run: {words}")):
            wait_until_converged(
                SwarmPoller(client, "hive0"),
                "web",
                ConvergencePolicy(0, 0),
                lambda *_: ("", []),
                said.append,
                changed=True,
            )
        assert said == [f"1 of 1 tasks run; {words}"]

    def test_a_manager_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All who wait for its answer are told whose it is, long before the time for an answer is over."""
        monkeypatch.setattr("remote.swarm.poller.SILENCE", 0.05)
        engine, told = Engine("web"), threading.Barrier(3)
        monkeypatch.setattr(engine, "tasks", lambda: [] * (told.wait(20) + 1))
        said: list[str] = []
        client: Any = engine
        look = SwarmPoller(client, "hive0")

        def log(line: str) -> None:
            said.append(line)
            told.wait(20)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: look.since(1.0, log), range(2)))

        assert said == ["hive0: its Docker Engine has not answered for 0.05 s"] * 2

    def test_is_asked_in_vain_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who waited while another one asked in vain gets the same error, named by host, and does not ask anew."""
        engine, both = Engine("web", "db"), threading.Barrier(2)
        come = threading.Semaphore(0)
        lock = threading.Lock()

        class Counted:
            """The poller's lock, which says who waits for it."""

            def __enter__(self) -> None:
                come.release()
                lock.acquire()

            def __exit__(self, *_: object) -> None:
                lock.release()

        def services(*, status: bool) -> list[dict[str, Any]]:
            assert status
            engine.looks += 1
            for _ in range(2):
                assert come.acquire(timeout=20)
            raise requests.ConnectionError(ProtocolError("Connection aborted.", RemoteDisconnected("x")))

        monkeypatch.setattr(engine, "services", services)
        client: Any = engine
        look = SwarmPoller(client, "hive0")
        monkeypatch.setattr(look, "_lock", Counted())

        def failure(name: str) -> str:
            both.wait(20)
            with pytest.raises(ServiceError) as caught:
                wait_until_converged(look, name, PATIENCE, lambda *_: ("", []), print, changed=True)
            return str(caught.value)

        with ThreadPoolExecutor(2) as pool:
            messages = sorted(pool.map(failure, ("db", "web")))

        assert engine.looks == 1
        assert messages == [
            f"hive0: looking at the tasks of service {name}: its Docker Engine does not answer "
            "(the connection was closed without an answer)"
            for name in ("db", "web")
        ]


class TestConverged:
    """When a service runs."""

    def test_runs(self) -> None:
        """A service all of whose tasks run is labelled with the digest of its specification."""
        engine = Engine("web")

        assert wait(engine, "web") == ["1 of 1 tasks run"]
        assert "skep.spec" in engine.lists["web"]["Spec"]["Labels"]

    def test_a_task_that_ends_between_two_looks_has_not_run_for_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """How long a task has run is told by looks at it, however seldom a busy swarm is looked at."""
        clock = SimpleNamespace(now=100.0)
        fake = SimpleNamespace(
            monotonic=lambda: clock.now, sleep=lambda pause: setattr(clock, "now", clock.now + pause)
        )
        for module in ("swarm.convergence", "swarm.poller", "mother.wait"):
            monkeypatch.setattr(f"remote.{module}.time", fake)
        engine = Engine("web")
        seen: list[float] = []

        def tasks() -> list[dict[str, Any]]:
            # A look takes long enough for the next one to be seconds away.
            clock.now += 0.1
            seen.append(clock.now)
            if len(seen) == 2:
                engine.all_tasks = [Engine.task("web")]
            return list(engine.all_tasks)

        monkeypatch.setattr(engine, "tasks", tasks)
        client: Any = engine
        look = SwarmPoller(client, "hive0")
        wait_until_converged(
            look, "web", ConvergencePolicy(60, 1.0), lambda *_: ("", []), lambda _: None, changed=True
        )

        assert len(seen) >= 3
        assert seen[-1] - seen[1] >= 1.0

    def test_somebody_else_is_not_written_over(self) -> None:
        """A service that was changed since it was seen to run is not labelled as running."""
        engine = Engine("web")
        other = {"ContainerSpec": {"Image": "other"}}

        def labels(_service: Mapping[str, Any]) -> dict[str, str]:
            engine.lists["web"] = {
                **engine.lists["web"],
                "Spec": {**engine.lists["web"]["Spec"], "TaskTemplate": other},
            }
            engine.out_of_sequence = True
            return {}

        client: Any = engine
        with pytest.raises(ServiceError, match="somebody else changed it since; run doit again"):
            wait_until_converged(
                SwarmPoller(client, "hive0"),
                "web",
                PATIENCE,
                lambda *_: ("", []),
                lambda _: None,
                changed=True,
                labels=labels,
            )
        assert engine.lists["web"]["Spec"]["Labels"] == {}

    def test_old_tasks_do_not_count(self) -> None:
        """A task of the specification before is none that runs as specified."""
        engine = Engine("web")
        engine.all_tasks[0]["Spec"] = {"ContainerSpec": {"Image": "old"}}
        client: Any = engine

        with pytest.raises(ServiceError, match="waited 0 s for service web to run"):
            wait_until_converged(
                SwarmPoller(client, "hive0"),
                "web",
                ConvergencePolicy(0, 0),
                lambda *_: ("", []),
                lambda _: None,
                changed=True,
            )

    def test_an_update_that_was_undone(self) -> None:
        """An update that the swarm rolled back is a failure, with the task's own error, where this run made it."""
        engine = Engine("web")
        engine.lists["web"]["UpdateStatus"] = {"State": "rollback_completed", "Message": "update rolled back"}
        engine.all_tasks.append(engine.task("web", "rejected", Err="No such image: x"))

        with pytest.raises(ServiceError, match=r"the update failed and was undone .*\n.*No such image: x"):
            wait(engine, "web")
        assert wait(engine, "web", changed=False) == ["1 of 1 tasks run"]

    def test_an_update_that_could_not_be_undone(self) -> None:
        """Where the specification before fails as well, the message does not say that it runs again."""
        engine = Engine("web")
        engine.lists["web"]["UpdateStatus"] = {"State": "rollback_paused", "Message": "update paused"}

        with pytest.raises(ServiceError, match="the update failed and could not be undone"):
            wait(engine, "web")

    def test_one_that_is_removed(self) -> None:
        """A service that somebody removes meanwhile is not waited for."""
        engine = Engine("web")
        del engine.lists["web"]

        with pytest.raises(ServiceError, match="service web: was removed by somebody else"):
            wait(engine, "web")

    def test_a_job(self) -> None:
        """A job is done when all tasks of its last run have ended well; nothing is written on it then."""
        engine = Engine("once")
        engine.lists["once"]["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 1, "MaxConcurrent": 1}}
        engine.lists["once"]["JobStatus"] = {"JobIteration": {"Index": 2}}
        engine.all_tasks = [
            {**engine.task("once", "complete"), "JobIteration": {"Index": 2}},
            {**engine.task("once", "complete"), "JobIteration": {"Index": 1}},
        ]

        assert wait(engine, "once") == ["1 of 1 tasks are done"]
        assert engine.lists["once"]["Spec"]["Labels"] == {}


def ended(engine: Engine, name: str, state: str = "complete", **status: Any) -> dict[str, Any]:
    """Return a task that ended, and that the swarm replaces."""
    return {**engine.task(name, state, **status), "DesiredState": "shutdown"}


class TestTasksThatEnd:
    """A service whose tasks end is not waited for until its time is over."""

    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give the swarm no time to make another task: a test's engine makes none."""
        monkeypatch.setattr("remote.swarm.convergence._ALONE_PATIENCE", 0.0)

    @staticmethod
    def policy(engine: Engine, condition: str, attempts: int = 0) -> None:
        """Set when the service's tasks are started again."""
        template = engine.lists["web"]["Spec"]["TaskTemplate"]
        template["RestartPolicy"] = {"Condition": condition, "MaxAttempts": attempts}

    def test_three_that_end_by_themselves(self) -> None:
        """With status 0, one after another, while the next is about to start."""
        engine = Engine("web")
        engine.all_tasks = [
            *(ended(engine, "web", Message="finished") for _ in range(3)),
            engine.task("web", "ready"),
        ]

        with pytest.raises(NotRunningError) as raised:
            wait(engine, "web")

        message = str(raised.value)
        assert message.startswith(
            "service web: its tasks end by themselves with status 0, 3 of them one after another: "
        )
        assert 'what is to end is a job: mode = "replicated-job"' in message
        assert "complete: finished" in message

    @pytest.mark.parametrize(
        ("condition", "attempts", "state", "why"),
        [
            (
                "on-failure",
                0,
                "complete",
                "its task ended by itself with status 0, and restart_config (condition = ",
            ),
            ("none", 0, "failed", 'its task failed, and restart_config (condition = "none") starts no other'),
            (
                "any",
                2,
                "failed",
                'its task failed, and restart_config (condition = "any", max_attempts = 2) starts',
            ),
        ],
    )
    @pytest.mark.parametrize("changed", [True, False])
    def test_one_that_nothing_follows(
        self, condition: str, attempts: int, state: str, why: str, *, changed: bool
    ) -> None:
        """Also of a service that was not changed: its task may have ended long ago."""
        engine = Engine("web")
        self.policy(engine, condition, attempts)
        engine.all_tasks = [ended(engine, "web", state, Err="it broke")]

        with pytest.raises(NotRunningError) as raised:
            wait(engine, "web", changed=changed)

        assert str(raised.value).startswith(f"service web: {why}")
        assert "it broke" in str(raised.value)

    @pytest.mark.parametrize(
        ("condition", "state"),
        [("any", "complete"), ("any", "failed"), ("on-failure", "rejected"), ("job", "failed")],
    )
    def test_one_that_another_follows_late(self, condition: str, state: str) -> None:
        """A busy manager takes more than a moment; the restart policy says that another one comes."""
        engine = Engine("web")
        if condition == "job":
            engine.lists["web"]["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 1}}
            engine.lists["web"]["JobStatus"] = {"JobIteration": {"Index": 1}}
        self.policy(engine, "on-failure" if condition == "job" else condition)
        last = {**ended(engine, "web", state, Err="it broke"), "JobIteration": {"Index": 1}}
        looks: list[int] = []

        def tasks() -> list[dict[str, Any]]:
            looks.append(1)
            follows = engine.task("web", "complete" if condition == "job" else "running")
            return [last, *([{**follows, "JobIteration": {"Index": 1}}] if len(looks) > 3 else [])]

        engine.tasks = tasks  # type: ignore[method-assign]

        said = wait(engine, "web")

        assert said[-1].startswith("1 of 1 tasks"), said

    def test_a_job_that_failed_for_good(self) -> None:
        """One whose `restart_config` has no other task started."""
        engine = Engine("web")
        self.policy(engine, "none")
        engine.lists["web"]["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 1}}
        engine.lists["web"]["JobStatus"] = {"JobIteration": {"Index": 1}}
        engine.all_tasks = [{**ended(engine, "web", "failed", Err="it broke"), "JobIteration": {"Index": 1}}]

        with pytest.raises(NotRunningError, match="its task failed, and restart_config"):
            wait(engine, "web")

    def test_a_job_whose_tasks_end_well_is_done(self) -> None:
        """However many there are."""
        engine = Engine("web")
        engine.lists["web"]["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 4}}
        engine.lists["web"]["JobStatus"] = {"JobIteration": {"Index": 1}}
        engine.all_tasks = [{**ended(engine, "web"), "JobIteration": {"Index": 1}} for _ in range(4)]

        assert wait(engine, "web") == ["4 of 4 tasks are done"]

    def test_what_ended_before_says_nothing_of_a_change(self) -> None:
        """A service that was scaled up has an ended task of the same specification, and its new one runs."""
        engine = Engine("web")
        engine.lists["web"]["PreviousSpec"] = {"Name": "web"}
        engine.all_tasks = [*(ended(engine, "web") for _ in range(5)), engine.task("web")]

        assert wait(engine, "web") == ["1 of 1 tasks run"]

    @pytest.mark.parametrize("can_run", [True, False])
    def test_a_health_check_that_cannot_be_run(
        self, monkeypatch: pytest.MonkeyPatch, *, can_run: bool
    ) -> None:
        """A task that starts is asked for its health check: one whose program is not there is not waited for."""
        monkeypatch.setattr("remote.swarm.convergence._CHECK_PAUSE", 0.0)
        engine = Engine("web")
        engine.all_tasks = [{**engine.task("web", "starting"), "NodeID": "n0"}]
        asked: list[str] = []

        def last_words(node: str, _container: str) -> tuple[str, list[str]]:
            asked.append(node)
            if can_run:
                engine.all_tasks = [engine.task("web")]
            return "hive0", [
                "its health check failed with exit status 1" if can_run else f"{CHECK_CANT_RUN}: curl"
            ]

        client: Any = engine
        run = partial(
            wait_until_converged,
            SwarmPoller(client, "hive0"),
            "web",
            PATIENCE,
            last_words,
            print,
            changed=True,
        )
        if can_run:
            run()
        else:
            with pytest.raises(NotRunningError, match="service web: its health check can't be run\\n"):
                run()
        assert set(asked) == {"n0"}

    def test_the_end_of_an_update_is_the_swarms_to_tell(self) -> None:
        """While it is under way the swarm counts tasks that end, and undoes it."""
        engine = Engine("web")
        engine.lists["web"]["UpdateStatus"] = {"State": "updating"}
        engine.all_tasks = [ended(engine, "web") for _ in range(3)]
        told: list[int] = []

        def tasks() -> list[dict[str, Any]]:
            told.append(1)
            if len(told) == 3:
                engine.lists["web"]["UpdateStatus"] = {"State": "rollback_completed", "Message": "undone"}
            return engine.all_tasks

        engine.tasks = tasks  # type: ignore[method-assign]

        with pytest.raises(NotRunningError, match="the update failed and was undone"):
            wait(engine, "web")


class TestDeadEnd:
    """An update that waits for a task which the swarm itself has given up is begun again."""

    @staticmethod
    def engine(created: str) -> Engine:
        """Return one with an update, and a task of that time which was told to stop before it was on a host."""
        engine = Engine("web")
        engine.lists["web"]["UpdateStatus"] = {"State": "updating", "StartedAt": "2026-01-01T00:00:05.5Z"}
        task = engine.task("web", "pending")
        engine.all_tasks.append({**task, "DesiredState": "shutdown", "CreatedAt": created})
        return engine

    def test_it_is_begun_again_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the same specification, after a while; then it ends."""
        monkeypatch.setattr(convergence, "_DEAD_END_PATIENCE", 0.3)
        engine = self.engine("2026-01-01T00:00:06Z")
        forced: list[int] = []
        keep = engine.update_service

        def update(*words: Any, **named: Any) -> None:
            if template := words[2].get("ForceUpdate"):
                forced.append(template)
                engine.lists["web"]["UpdateStatus"] = {"State": "completed"}
            keep(*words, **named)

        monkeypatch.setattr(engine, "update_service", update)

        said = wait(engine, "web")

        assert forced[0] == 1
        assert "its update waits for a task that the swarm has given up: beginning the update again" in said

    def test_one_of_an_earlier_update_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The swarm keeps such a task among the former ones."""
        monkeypatch.setattr(convergence, "_DEAD_END_PATIENCE", 0.0)
        engine = self.engine("2026-01-01T00:00:04Z")
        told: list[int] = []

        def tasks() -> list[dict[str, Any]]:
            told.append(1)
            if len(told) == 3:
                engine.lists["web"]["UpdateStatus"] = {"State": "completed"}
            return engine.all_tasks

        monkeypatch.setattr(engine, "tasks", tasks)

        assert not [line for line in wait(engine, "web") if "again" in line]


class TestNotAllocated:
    """Tasks that stay `new` get no addresses from the swarm, and so no host."""

    @staticmethod
    def waiting(monkeypatch: pytest.MonkeyPatch, **network: Any) -> str:
        """Return why a service is given up whose task stays new, and which is in a network that looks like this."""
        clock = SimpleNamespace(now=100.0)
        fake = SimpleNamespace(
            monotonic=lambda: clock.now, sleep=lambda pause: setattr(clock, "now", clock.now + pause)
        )
        for module in ("swarm.convergence", "swarm.poller", "mother.wait"):
            monkeypatch.setattr(f"remote.{module}.time", fake)
        engine = Engine("web")
        engine.all_tasks = [Engine.task("web", "new")]
        engine.lists["web"]["Spec"]["TaskTemplate"]["Networks"] = [{"Target": "id-b"}]
        engine.inspect_network = lambda _id: {"Name": "b", "Scope": "swarm", **network}  # type: ignore[attr-defined]
        client: Any = engine
        with pytest.raises(ServiceError) as caught:
            wait_until_converged(
                SwarmPoller(client, "hive0"),
                "web",
                ConvergencePolicy(300, 0.0),
                lambda *_: ("", []),
                lambda _: None,
                changed=True,
            )
        assert clock.now - 100 < 40, "it waited although it was clear"
        return str(caught.value)

    def test_the_network_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Seen: services stood still for six minutes, and nothing said why."""
        assert self.waiting(monkeypatch, Driver="", IPAM={"Config": None}) == (
            "service web: 1 tasks are new and on no host for 30 s: the swarm has given network b no addresses: change "
            "its subnet (doit build_networks makes it anew)"
        )

    def test_so_is_one_without_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of its addresses may be taken by others."""
        network = {"Driver": "overlay", "IPAM": {"Config": [{"Subnet": "10.20.0.0/29"}]}}

        assert "no more are left in network b" in self.waiting(monkeypatch, **network)

    def test_the_hosts_own_is_none_of_the_swarms(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service in the network of its host needs no addresses."""
        network = {"Name": "host", "Scope": "local", "Driver": "host", "IPAM": {"Config": []}}

        assert self.waiting(monkeypatch, **network).endswith("for 30 s: the swarm does not allocate them")
