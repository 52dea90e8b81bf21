"""The histories of `tests/unit/test_images_property.py` on a real engine: a few dozen, short."""

import copy
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from remote import images
from tests import image_histories
from tests.engine_double import Fault
from tests.image_histories import AROUND, EDITS, World, build, compare, edited, first_world
from tests.integration.live_images import (
    PREFIX,
    RealBench,
    histories,
    registry,
    remove_all,
    root_file_system,
    unpacked_packages,
)

pytestmark = pytest.mark.integration
LENGTH = 3


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the unpacked packages of a registry and a busybox."""
    return unpacked_packages(
        tmp_path_factory.mktemp("packages") / "debian", "docker-registry", "busybox-static"
    )


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    """Give the mother's engine; nothing of these tests is left on it."""
    with closing(docker.DockerClient(version="auto")) as found:
        remove_all(found)
        yield found
        remove_all(found)


@pytest.fixture
def benches(
    tmp_path: Path, programs: Path, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RealBench, RealBench]]:
    """Give two benches: one for a history, and one on which there is nothing."""
    for name in image_histories.TARBALLS:
        data = root_file_system(programs / "bin" / "busybox", name)
        monkeypatch.setitem(image_histories.TARBALLS, name, data)
    monkeypatch.setattr(images, "LAYERS", f"{PREFIX}/layer")
    monkeypatch.setattr(images, "FAILED", f"{PREFIX}/failed")
    program = programs / "usr" / "bin" / "docker-registry"
    with registry(tmp_path / "r1", program) as one, registry(tmp_path / "r2", program) as two:
        try:
            yield RealBench(tmp_path / "site", client, one), RealBench(tmp_path / "fresh", client, two)
        finally:
            remove_all(client, one, two)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(histories()))
def test_a_history_on_a_real_engine(
    seed: int, benches: tuple[RealBench, RealBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its end, the same files and configuration as from nothing; and no layer built that was not changed."""
    chance = random.Random(seed)  # noqa: S311 - the same history each time
    bench, fresh = benches
    world = _local(first_world())
    assert build(bench, world, None) is None
    past = [copy.deepcopy(world)]
    said: str | None = None
    history = []
    for _ in range(LENGTH):
        a, b, c = (chance.randrange(60) for _ in range(3))
        edit = (chance.choice([*EDITS, *AROUND]), a, b, c)
        fault = None
        if chance.random() < 0.3:
            kind = chance.choice(["refused", "lost", "killed"])
            fault = Fault(chance.randint(1, 60), chance.random() < 0.5, kind)
        history.append((edit, fault))
        world = _local(edited(bench, world, past, edit))
        said = build(bench, world, fault)
        past.append(copy.deepcopy(world))
    said = build(bench, world, None)
    monkeypatch.setattr(images, "LAYERS", f"{PREFIX}/layer-fresh")

    compare(bench, world, said, fresh)


def _local(world: World) -> World:
    """Return a world whose bases are all made here."""
    world.bases["hub:1"] = {"tarball": "two.tar"}
    return world
