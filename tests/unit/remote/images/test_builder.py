"""Build containers of the builder."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from remote.images.builder import Builder
from remote.images.registry import SiteRegistry


def test_two_images_with_the_same_layers_are_committed_at_the_same_time(tmp_path: Path) -> None:
    """A container's name tells them apart; the same image always has the same, which clears up after a killed run."""
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

    assert made[0] == made[2] != made[1]
