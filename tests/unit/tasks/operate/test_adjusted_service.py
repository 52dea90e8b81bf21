"""Small changes to a service that runs: at each moment the next run can tell whether it is as a run left it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ServiceError
from model.json_types import Json
from model.labels import BACKUP_STOP_LABEL, SPEC_LABEL, labels_of
from model.swarm.scaled import scale_labels
from model.swarm.spread import spread_extra
from remote.swarm import convergence, services
from remote.swarm.spec import spec_digest
from tasks.operate.adjusted_service import AdjustedService, json_copy
from tests import made as rig
from tests.doubles.managers import quiet


class Swarm:
    """A swarm with one service.

    Args:
        is_ours: Whether it is as a run left it.

    """

    def __init__(self, *, is_ours: bool = True) -> None:
        spec: Json = {
            "Name": "web",
            "Mode": {"Replicated": {"Replicas": 3}},
            "TaskTemplate": {},
            "UpdateConfig": {"Order": "stop-first"},
        }
        spec["Labels"] = {SPEC_LABEL: spec_digest(spec) if is_ours else "of-another"}
        self.service: Json = {"ID": "w", "Spec": spec}
        self.fitted: list[tuple[int, str, bool]] = []
        """At each wait: the tasks, the order of updates, and whether it looks as a run left it."""
        self.fails_at = 0

    def write(self, _client: object, _found: Json, spec: Json) -> None:
        """Take a specification."""
        self.service = {"ID": "w", "Spec": json_copy(spec)}

    def wait(self, *_: object, **__: object) -> None:
        """Note how the service looks while it is waited for, where a run may be killed."""
        self.fitted.append(self.look())
        if len(self.fitted) == self.fails_at:
            raise ServiceError("service web: its tasks fail")

    def look(self) -> tuple[int, str, bool]:
        """Return how the service looks."""
        spec = self.service["Spec"]
        fits = labels_of(self.service).get(SPEC_LABEL) == spec_digest(spec)
        return spec["Mode"]["Replicated"]["Replicas"], spec["UpdateConfig"]["Order"], fits


def adjusted(directory: Path, monkeypatch: pytest.MonkeyPatch, swarm: Swarm) -> AdjustedService:
    """Return the service of a made site, in a swarm."""
    made = rig.new(directory)
    made.make()
    run = made.run()
    client: Any = object()
    run.connections.manager = lambda **_: (run.stage.hives[0], client)  # type: ignore[method-assign]
    monkeypatch.setattr(type(run.connections), "swarm_poller", None)
    monkeypatch.setattr(services, "find_service", lambda *_: json_copy(swarm.service))
    monkeypatch.setattr(services, "write_service", swarm.write)
    monkeypatch.setattr(convergence, "wait_until_converged", swarm.wait)
    return AdjustedService(run, "web")


def test_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tasks for a while, which are nobody's change; then as many as before."""
    swarm = Swarm()

    adjusted(tmp_path, monkeypatch, swarm).spread(2, quiet)

    assert swarm.fitted == [(5, "stop-first", True), (3, "stop-first", True)]


def test_spread_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the further tasks don't run, the number is that of before at once."""
    swarm = Swarm()
    swarm.fails_at = 1

    with pytest.raises(ServiceError, match="its tasks fail"):
        adjusted(tmp_path, monkeypatch, swarm).spread(2, quiet)

    assert swarm.look() == (3, "stop-first", True)


@pytest.mark.parametrize(
    ("start_first", "waited"),
    [(False, (3, "stop-first", True)), (True, (3, "start-first", False))],
)
def test_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: tuple[int, str, bool], *, start_first: bool
) -> None:
    """By the service's own order, or by another one for this time, which the next run would put right after a kill."""
    swarm = Swarm()

    adjusted(tmp_path, monkeypatch, swarm).restart(quiet, start_first=start_first)

    assert swarm.fitted == [waited]
    assert swarm.look() == (3, "stop-first", True)
    assert swarm.service["Spec"]["TaskTemplate"]["ForceUpdate"] == 1


def test_nothing_to_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a service that stands still it is said, and not that new tasks run."""
    swarm = Swarm()
    swarm.service["Spec"]["Mode"] = {"Replicated": {"Replicas": 0}}

    with pytest.raises(ServiceError, match=r"web: is to have no tasks.*doit scale web=1"):
        adjusted(tmp_path, monkeypatch, swarm).restart(quiet)
    assert swarm.fitted == []


def stopped_for_backup(swarm: Swarm, *, seconds: float) -> None:
    """Have a backup stop the service so many seconds ago."""
    swarm.service["Spec"]["Mode"]["Replicated"]["Replicas"] = 0
    swarm.service["Spec"]["Labels"][BACKUP_STOP_LABEL] = "3"
    swarm.service["UpdatedAt"] = datetime.fromtimestamp(time.time() - seconds, UTC).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda web: web.restart(quiet),
        lambda web: web.scale(1, quiet),
        lambda web: web.scale(0, quiet),
        lambda web: web.spread(1, quiet),
    ],
    ids=["restart", "scale", "scale to none", "spread"],
)
def test_its_files_are_being_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[AdjustedService], None]
) -> None:
    """A task that ran meanwhile would spoil the backup, and so would another number: nothing is changed."""
    swarm = Swarm()
    stopped_for_backup(swarm, seconds=60)
    before = json_copy(swarm.service)

    with pytest.raises(
        ServiceError, match="is stopped while its files are being saved; it goes on by itself"
    ):
        change(adjusted(tmp_path, monkeypatch, swarm))

    assert swarm.service == before


def test_left_stopped_by_its_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run starts it, or a person gives it a number, which is that person's from then on."""
    swarm = Swarm()
    stopped_for_backup(swarm, seconds=22_000)
    web = adjusted(tmp_path, monkeypatch, swarm)

    with pytest.raises(
        ServiceError, match=r"a backup has stopped it, and has not started it again \(doit starts it\)"
    ):
        web.restart(quiet)
    web.scale(4, quiet)

    assert swarm.look() == (4, "stop-first", True)
    assert BACKUP_STOP_LABEL not in labels_of(swarm.service)


def test_a_strangers_change_stays_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody else changed is not made a run's own by a restart: the next run puts it right."""
    swarm = Swarm(is_ours=False)
    service = adjusted(tmp_path, monkeypatch, swarm)

    service.restart(quiet)
    service.spread(1, quiet)
    service.scale(4, quiet)

    assert [fits for _, _, fits in swarm.fitted] == [False] * 4


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "3 tasks, as site.toml says"),
        (
            scale_labels(3),
            (
                "scaled to 3 until the next run; site.toml says 2, and the next run goes back to that "
                "(until=2h or keep leaves it so)"
            ),
        ),
        (scale_labels(3, keep=True), "scaled to 3 until its definition changes; site.toml says 2"),
    ],
)
def test_site_toml_says_otherwise(labels: dict[str, str], words: str) -> None:
    """It is said with its own number, and what the next run does."""
    run: Any = SimpleNamespace(stage=SimpleNamespace(services={"web": SimpleNamespace(replicas=2)}))

    assert AdjustedService(run, "web")._scale_words(3, labels) == words


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("is_written", [True, False])
def test_a_spread_that_is_killed_at_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, is_written: bool
) -> None:
    """What comes after it goes back to the number of before, also of a service that is scaled, and no label stays."""
    swarm = Swarm()
    swarm.service["Spec"]["Labels"] |= scale_labels(3, keep=True)
    before, real, count = json_copy(swarm.service["Spec"]), swarm.write, 0

    def write(client: object, found: Json, spec: Json) -> None:
        nonlocal count
        count += 1
        # The process is gone: its last words are not written either.
        if count < number or (count == number and is_written):
            real(client, found, spec)
        if count >= number:
            raise SystemExit(137)

    service = adjusted(tmp_path, monkeypatch, swarm)
    with monkeypatch.context() as patch:
        patch.setattr(services, "write_service", write)
        with pytest.raises(SystemExit):
            service.spread(2, quiet)
    left = spread_extra(swarm.service["Spec"])
    assert left == (2 if (number, is_written) in {(1, True), (2, False)} else 0)
    assert swarm.look()[2]

    if left:
        service.end_spread(quiet)
    assert swarm.service["Spec"] == before
