"""Removing versions of images, and what goes along with them."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from remote.images.registry_gc import ImageTag
from tasks.images import registry

OUTPUT = "before 100\nafter 30\n"


def tag(repository: str, key: str, hours: float) -> ImageTag:
    """Return a tag of this age."""
    return ImageTag(repository, key, f"sha256:{key}", time.time() - hours * 3600)


@pytest.mark.parametrize(
    ("layers", "gone", "said"),
    [
        ([("young", 0.5)], ["web/_manifests/tags/v1"], "removed 1 old version of images"),
        (
            [("young", 0.5), ("passed", 2)],
            ["skep/layer/_manifests/tags/passed", "web/_manifests/tags/v1"],
            "removed 1 old version of images",
        ),
    ],
)
def test_layers_that_images_have_long_since_go_along(
    monkeypatch: pytest.MonkeyPatch, layers: list[tuple[str, float]], gone: list[str], said: str
) -> None:
    """A layer that a build may still need stays, in the registry and by its name on the engine."""
    scripts: list[str] = []
    kept_locally: list[str] = []

    def script(text: str, **_options: Any) -> str:
        scripts.append(text)
        return OUTPUT

    def remove_local(_client: Any, _host: str, _address: str, kept: Any) -> int:
        kept_locally.extend(each.key for each in kept)
        return 0

    monkeypatch.setattr("remote.images.registry_gc.remove_local", remove_local)
    stage: Any = SimpleNamespace(repository=SimpleNamespace(short="hive0"), registry="reg:5000")
    connections: Any = SimpleNamespace(to=lambda _: SimpleNamespace(script=script), engine=lambda _: None)
    kept = [tag("web", "v2", 1), *(tag("skep/layer", key, hours) for key, hours in layers)]
    lines: list[str] = []

    assert registry.remove(stage, connections, [tag("web", "v1", 5)], kept, lines.append)

    removed = [line.removeprefix("rm -rf ") for line in scripts[0].splitlines() if line.startswith("rm -rf ")]
    assert sorted(each for each in removed if "/tags/" in each) == gone
    assert kept_locally == ["v2", "young"]
    assert lines[0].startswith(said)
