"""The histories of `tests/unit/tasks/images/test_histories.py` on a real engine: a few dozen, short."""

import copy
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from remote.images import builder as images
from remote.images import registry_gc
from tests import debian
from tests.doubles import image_histories
from tests.doubles.engine import Fault, Node
from tests.doubles.image_histories import AROUND, EDITS, World, build, compare, edited, first_world
from tests.integration.real_engine import (
    PREFIX,
    RealBench,
    histories,
    registry,
    remove_all,
)

pytestmark = pytest.mark.integration
LENGTH = 3


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the unpacked packages of a registry and a busybox."""
    return debian.unpacked(
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
        data = debian.busybox_root(programs / "bin" / "busybox", name)
        monkeypatch.setitem(image_histories.TARBALLS, name, data)
    monkeypatch.setattr(images, "LAYERS", f"{PREFIX}/layer")
    monkeypatch.setattr(images, "FAILED", f"{PREFIX}/failed")
    program = programs / "usr" / "bin" / "docker-registry"
    with registry(tmp_path / "r1", program) as one, registry(tmp_path / "r2", program) as two:
        try:
            yield RealBench(tmp_path / "site", client, one), RealBench(tmp_path / "fresh", client, two)
        finally:
            remove_all(client, one, two)


@pytest.mark.timeout(1800)
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
    failure: str | None = None
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
        failure = build(bench, world, fault)
        past.append(copy.deepcopy(world))
    failure = build(bench, world, None)
    monkeypatch.setattr(images, "LAYERS", f"{PREFIX}/layer-fresh")

    compare(bench, world, failure, fresh)


def _local(world: World) -> World:
    """Return a world whose bases are all made here."""
    world.bases["hub:1"] = {"tarball": "two.tar"}
    return world


def _shell(script: str) -> str:
    """Run a script of `remote.images.registry_gc` as the repository host's root would."""
    done = subprocess.run(
        ["sh", "-eu", "-s"],
        input=script,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(1800)
def test_old_versions_go_and_the_rest_stays_whole(
    tmp_path: Path, programs: Path, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that are neither in use nor new are gone from the registry, with their bytes; all others are whole."""
    monkeypatch.setattr(images, "LAYERS", f"{PREFIX}/layer")
    monkeypatch.setattr(registry_gc, "_LAYERS", f"{PREFIX}/layer")
    monkeypatch.setattr(registry_gc, "LOCAL_BASES", (f"{PREFIX}/none",))
    for name in image_histories.TARBALLS:
        data = debian.busybox_root(programs / "bin" / "busybox", name)
        monkeypatch.setitem(image_histories.TARBALLS, name, data)
    program = programs / "usr" / "bin" / "docker-registry"
    storage = str(tmp_path / "r" / "data" / "docker" / "registry" / "v2")
    with registry(tmp_path / "r", program) as address:
        bench, world = RealBench(tmp_path / "site", client, address), _local(first_world())
        references = []
        try:
            for number in range(6):
                # A megabyte that does not compress, another one each time.
                world.roles["r1"]["a"] = Node("file", 0o644, random.Random(number).randbytes(1_000_000))  # noqa: S311
                assert build(bench, world, None) is None
                references.append(bench.reference("web"))
            found = registry_gc.parse_list(_shell(registry_gc.list_script(storage)))
            assert len([each for each in found if each.repository == "web"]) == 6
            # As if the swarm's services still ran the first one.
            used = {reference.partition("/")[2] for reference in (references[0], references[-1])}

            old = registry_gc.surplus(found, used, keep=2)
            kept = [each for each in found if each not in old]
            script = registry_gc.collect_script(
                old,
                kept,
                storage=storage,
                config=str(tmp_path / "r" / "config.yml"),
                program=str(program),
                stop=":",
                start=":",
            )
            before = _bytes(storage)
            output = _shell(script)

            assert [
                any(f"web@{each.digest}" == reference.partition("/")[2] for each in old)
                for reference in references
            ] == [False, True, True, True, False, False]
            freed = registry_gc.freed(output)
            assert freed is not None
            assert before - _bytes(storage) > 2_900_000
            assert freed > 2_900_000
            registry_gc.remove_local(client, "here", address, kept)
            left = [image["RepoTags"] or [] for image in client.api.images()]
            ours = [names for names in left if any(address in tag for tag in names)]
            assert len(ours) == 5  # three of web, one of db, one base
            for reference in (references[0], *references[-2:]):
                client.images.remove(reference, force=True)
                assert reference in client.images.pull(*reference.split("@")).attrs["RepoDigests"]
            for reference in references[1:4]:
                with pytest.raises(docker.errors.APIError):
                    client.images.pull(*reference.split("@"))
            # Going back further than what was kept builds it again, and the registry takes it.
            world.roles["r1"]["a"] = Node("file", 0o644, random.Random(2).randbytes(1_000_000))  # noqa: S311
            assert bench.build(world) is None
            client.images.remove(bench.reference("web"), force=True)
            client.images.pull(*bench.reference("web").split("@"))
        finally:
            remove_all(client, address)


def _bytes(directory: str) -> int:
    """Return how many bytes the files below a directory have."""
    return sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
