"""Build containers of the builder."""

import threading
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from model.errors import BuildError
from remote.images.builder import Builder, failed_tag
from remote.images.registry import SiteRegistry
from tests.doubles.engine import refuse


def test_two_images_with_the_same_layers_are_committed_at_the_same_time(tmp_path: Path) -> None:
    """A container's name tells them apart, and two checkouts that build the same image."""
    made: list[str] = []

    def create(_image: str, name: str, **_options: Any) -> Any:
        made.append(name)
        return SimpleNamespace(commit=lambda **_: SimpleNamespace(id="i"), remove=lambda **_: None)

    client: Any = SimpleNamespace(containers=SimpleNamespace(create=create))
    builder = Builder(
        client, "hive3", SiteRegistry("reg", "u", "p"), "o", lambda _: threading.Lock(), tmp_path, print
    )
    for config in ({"User": "a"}, {"User": "b"}, {"User": "a"}):
        builder._commit("sha256:top", config)

    assert len(set(made)) == 3


def test_only_this_checkouts_left_over_containers_go(tmp_path: Path) -> None:
    """Another checkout may be at work in its own; one that is older than any build has nobody left.

    A mark of a host that is not asked stays.
    """
    now, hour = datetime.now(UTC), timedelta(hours=1)
    removed: list[str] = []

    def container(name: str, age: timedelta) -> Any:
        created = f"{(now - age).replace(tzinfo=None).isoformat()}123Z"
        return SimpleNamespace(
            name=f"skep-build.o.{name}", attrs={"Created": created}, remove=lambda **_: removed.append(name)
        )

    found = [container("mine", hour), container("theirs", 2 * hour), container("lost", 25 * hour)]
    client: Any = SimpleNamespace(containers=SimpleNamespace(list=lambda **_: found))
    marks = tmp_path / "building"
    marks.mkdir()
    (marks / "mine").write_text("hive3")
    # As another version of skep left it.
    (marks / "unnamed").touch()
    (marks / "elsewhere").write_text("hive1")

    Builder(
        client, "hive3", SiteRegistry("reg", "u", "p"), "o", lambda _: threading.Lock(), marks, print
    ).clear_leftovers()

    assert removed == ["mine", "lost"]
    assert [mark.name for mark in marks.iterdir()] == ["elsewhere"]


@pytest.mark.parametrize(
    ("status", "said", "is_told"),
    [
        (409, "removal of container 509c is already in progress", False),
        (404, "No such container: 509c", False),
        (409, "You cannot remove a paused container 509c", True),
        (500, "driver failed", True),
    ],
)
def test_a_container_that_the_engine_is_removing(
    tmp_path: Path, status: int, said: str, *, is_told: bool
) -> None:
    """The run was killed when it had asked for that: the next one goes on. Its mark goes only with the container."""

    def remove(**_options: Any) -> None:
        refuse(status, said)

    marks = tmp_path / "building"
    marks.mkdir()
    (marks / "mine").write_text("hive3")
    left = SimpleNamespace(
        name="skep-build.o.mine", attrs={"Created": "2026-11-29T11:03:31.1Z"}, remove=remove
    )
    client: Any = SimpleNamespace(containers=SimpleNamespace(list=lambda **_: [left]))
    builder = Builder(
        client, "hive3", SiteRegistry("reg", "u", "p"), "o", lambda _: threading.Lock(), marks, print
    )

    with pytest.raises(BuildError, match=said) if is_told else nullcontext():
        builder.clear_leftovers()

    assert (marks / "mine").exists() is is_told


class ShellsEngine:
    """An engine with the remains of a failed build, and containers of shells in it that hold them."""

    def __init__(self, *states: str) -> None:
        self.api = self.images = self
        self.there = {f"c{number}": state for number, state in enumerate(states)}
        self.labelled: list[str] = []
        self.has_image = True

    def get(self, _reference: str) -> None:
        """Find the image."""
        if not self.has_image:
            raise ImageNotFound("no such image")

    def remove(self, _reference: str) -> None:
        """Remove its tag, as the engine does."""
        if self.there:
            raise APIError(
                "409", SimpleNamespace(status_code=409), "conflict: container c0 is using its image"
            )
        self.has_image = False

    def containers(self, *, all: bool, filters: dict[str, list[str]]) -> list[dict[str, str]]:  # noqa: A002
        """List those in these states."""
        assert all
        self.labelled = filters["label"]
        return [{"Id": name} for name, state in self.there.items() if state in filters["status"]]

    def remove_container(self, container: str, *, force: bool, v: bool) -> None:
        """Remove one."""
        assert force
        assert v
        del self.there[container]


@pytest.mark.parametrize("states", [[], ["created"], ["created", "exited"], ["created", "running"]])
def test_a_shell_that_never_started_keeps_no_failed_build(tmp_path: Path, states: list[str]) -> None:
    """It goes with the secrets in it. One that is open goes on: the failed build stays, and the good one is good."""
    client: Any = ShellsEngine(*states)
    said: list[str] = []
    builder = Builder(
        client, "hive3", SiteRegistry("reg", "u", "p"), "o", lambda _: threading.Lock(), tmp_path, said.append
    )

    builder.forget_failed("web")

    assert list(client.there.values()) == [state for state in states if state == "running"]
    assert client.has_image is ("running" in states)
    assert client.labelled == [f"skep.shell=skep/failed:{failed_tag('o', 'web')}"]
    assert ["stays until the next build" in line for line in said] == ([True] if "running" in states else [])

    # Without one, nothing is looked for.
    client.there, client.has_image, client.labelled = {}, False, []
    builder.forget_failed("web")
    assert client.labelled == []
