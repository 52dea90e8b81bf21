"""Build containers of the builder."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from remote.images.builder import Builder
from remote.images.registry import SiteRegistry


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
