"""The container of a service that a person means."""

import pytest

from model.errors import ServiceError
from model.labels import SERVICE_LABEL, TASK_ID_LABEL, TASK_NAME_LABEL
from model.stage import Host
from tasks.operate.containers import ALL, ServiceContainer, ServiceContainers, chosen, service_container

HOSTS = [
    Host(f"hive{n}", f"p-hive{n}.example", f"10.0.0.{n}", is_hive=True, is_repository=False) for n in range(3)
]


def container(
    slot: str, on: int, *, state: str = "running", status: str = "Up 3 hours", is_saved: bool = False
) -> ServiceContainer:
    """Return a container of a task."""
    listed = {
        "Id": f"{slot}{on}" + "abcdef" * 10,
        "State": state,
        "Status": status,
        "Created": 10,
        "Labels": {
            SERVICE_LABEL: "web",
            TASK_NAME_LABEL: f"web.{slot}.task{slot}",
            TASK_ID_LABEL: f"task{slot}",
        },
    }
    return service_container(HOSTS[on], "web", listed, [str(listed["Id"])] if is_saved else ())


def found(*containers: ServiceContainer, silent: tuple[str, ...] = ()) -> ServiceContainers:
    """Return them."""
    return ServiceContainers(containers, silent)


def test_names() -> None:
    """A task goes by its number; one of a global service, whose name has the node's id, by its host."""
    assert container("2", 1).task == "web.2"
    assert container("wzw4e3q5elkwr3o7lc0huxw3c", 1).task == "web.hive1"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (None, "web.2"),
        ("1", "web.1"),
        ("3", "web.3"),
        ("hive2", "web.3"),
        ("web.1", "web.1"),
        ("30abcdef", None),
    ],
)
def test_one_is_chosen(task: str | None, expected: str | None) -> None:
    """Without a name the first healthy one; else by number, host, or the beginning of its id."""
    containers = found(
        container("1", 0, status="Up 2 s (health: starting)"),
        container("2", 1, status="Up 3 hours (healthy)"),
        container("3", 2, status="Up 3 hours (healthy)"),
        container("4", 0, state="exited", status="Exited (1)"),
    )
    if expected is None:
        with pytest.raises(ServiceError, match=r"^web: no task 30abcdef runs; there are web.1 on hive0"):
            chosen(containers, "web", task)
        return

    assert [each.task for each in chosen(containers, "web", task)] == [expected]


def test_by_its_id() -> None:
    """Its first letters are enough, as docker prints them."""
    one = container("1", 0)

    assert chosen(found(one, container("2", 1)), "web", one.id[:12]) == [one]


def test_all() -> None:
    """All that run."""
    assert (
        len(
            chosen(found(container("1", 0), container("2", 1), container("3", 2, state="exited")), "web", ALL)
        )
        == 2
    )


@pytest.mark.parametrize("task", [None, "1", "hive0", ALL])
def test_one_that_is_paused(task: str | None) -> None:
    """Nothing can be done in it: that is said, with who has paused it, and not that none runs."""
    saved, odd = container("1", 0, state="paused", is_saved=True), container("1", 0, state="paused")

    with pytest.raises(ServiceError, match=r"^web: no container"):
        chosen(found(container("1", 0, state="exited")), "web", None)
    with pytest.raises(ServiceError) as by_backup:
        chosen(found(saved), "web", task)
    with pytest.raises(ServiceError) as by_somebody:
        chosen(found(odd), "web", task)

    assert str(by_backup.value) == f"{saved.words} is paused while its files are saved, and goes on then"
    assert str(by_somebody.value).startswith(
        f"{odd.words} is paused, and by no backup: on hive0, docker unpause"
    )


def test_another_than_the_one_that_is_paused() -> None:
    """Where any will do, or all are meant, those that run are taken."""
    saved, runs = container("1", 0, state="paused", is_saved=True), container("2", 1)

    assert chosen(found(saved, runs), "web", None) == [runs]
    assert chosen(found(saved, runs), "web", ALL) == [runs]
    with pytest.raises(ServiceError, match=r"^web.1 on hive0 .* is paused while"):
        chosen(found(saved, runs), "web", "1")


def test_none_runs() -> None:
    """The last one is named, with how it ended, and so are hosts that could not be asked."""
    ended = container("1", 0, state="exited", status="Exited (3) 2 minutes ago")
    message = (
        rf"^web: no container of it runs; the last one: web.1 on hive0 \({ended.id[:12]}\), Exited \(3\) 2 minutes ago "
        r"\(hive2: no answer\) \(doit status web\)$"
    )

    with pytest.raises(ServiceError, match=message):
        chosen(found(ended, silent=("hive2: no answer",)), "web", None)
