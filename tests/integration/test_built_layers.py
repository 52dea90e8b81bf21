"""Layers of files, and layers that are pushed before their image, on a real engine with a real registry."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from stat import S_IMODE

import docker
import pytest

from remote.images import builder as images
from remote.images import registry_gc
from tests import debian, rig
from tests.doubles import image_histories
from tests.doubles.engine import Node
from tests.integration.built_layers import building, files, large_world, one_image, script, use_busybox
from tests.integration.real_engine import RealBench, containers, registry, remove_all, tags
from tests.integration.test_image_histories import _shell

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
OWN = """\
mkdir -p /own /real
echo old >/own/replaced
ln -s replaced /own/link
ln -s real /short
chmod 0710 /own
chown 7:8 /own
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the unpacked packages of a registry and a busybox."""
    directory = tmp_path_factory.mktemp("packages") / "debian"
    return debian.unpacked(directory, "docker-registry", "busybox-static")


@pytest.fixture
def bench(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealBench]:
    """Give a bench with a registry; nothing of it is left on the engine."""
    for module, name in ((image_histories, "TARBALLS"), (images, "LAYERS"), (images, "FAILED")):
        value = getattr(module, name)
        monkeypatch.setattr(module, name, dict(value) if isinstance(value, dict) else value)
    use_busybox(programs / "bin" / "busybox")
    monkeypatch.setattr(registry_gc, "_LAYERS", images.LAYERS)
    with (
        closing(docker.DockerClient(version="auto")) as client,
        registry(tmp_path / "r", programs / "usr" / "bin" / "docker-registry") as address,
    ):
        remove_all(client)
        try:
            yield RealBench(tmp_path / "site", client, address)
        finally:
            remove_all(client, address)


def layers_in_registry(tmp_path: Path) -> list[registry_gc.ImageTag]:
    """Return the tags of layers that were pushed before their image."""
    storage = str(tmp_path / "r" / "data" / "docker" / "registry" / "v2")
    found = registry_gc.parse_list(_shell(registry_gc.list_script(storage)))
    return [each for each in found if each.repository == "skep/layer"]


def test_files_leave_the_image_as_it_is(bench: RealBench) -> None:
    """Directories keep owner and mode, links are followed or replaced as said; a script can build on it."""
    world = one_image(
        first=script(OWN),
        files=files(own__replaced="new", own__link="file", short__b="b", new__sub__c="c", bin__tool="t"),
        after=script("cat /short/b /new/sub/c >/after\n"),
        last=files(etc__base="mine"),
    )
    world.roles["files"]["root/own/replaced"] = Node("file", 0o755, b"new")

    assert bench.build(world) is None

    found = bench.image("web").files
    # An export of this engine's has the kind of a file in its mode, too.
    assert replace(found["own"], mode=S_IMODE(found["own"].mode)) == Node("directory", 0o710, b"", (7, 8))
    assert (S_IMODE(found["own/replaced"].mode), found["own/replaced"].data) == (0o755, b"new")
    assert (found["own/link"].kind, found["own/link"].data) == ("file", b"file")
    assert found["short"].kind == "link"
    assert found["real/b"].data == b"b"
    assert (found["new/sub"].kind, S_IMODE(found["new/sub"].mode)) == ("directory", 0o755)
    assert found["after"].data == b"bc"
    assert found["etc/base"].data == b"mine"
    assert "tmp" in found


def test_layers_of_files_come_out_the_same(bench: RealBench) -> None:
    """Made anew, since the engine has lost them by name, they are the layers that they were."""
    world = one_image(one=files(etc__a="a", new__b="b"), two=files(etc__c="c"))
    assert bench.build(world) is None

    bench.engine.forget_images()
    world.images["other"], world.services["other"] = {**world.images["web"]}, "other"
    assert bench.build(world) is None

    first, second = (
        bench.client.images.get(bench.reference(name)).attrs["RootFS"]["Layers"] for name in ("web", "other")
    )
    assert len(first) == 3
    assert second == first


@pytest.mark.parametrize("line", ["pushing layer", "pushed {address}/skep/layer"])
def test_killed_while_a_layer_is_pushed(tmp_path: Path, programs: Path, bench: RealBench, line: str) -> None:
    """During the push and after it: the next run takes the layer that is there, and leaves nothing else behind."""
    world = large_world()
    line = line.format(address=bench.address)
    with building(bench.directory, bench.address, programs / "bin" / "busybox", line) as process:
        process.kill()
    bench.world = world

    assert bench.build(world) is None

    assert [view for view in bench.engine.ran if b"urandom" in view[0]["setup.sh"][2]] == []
    rig.wait_until(lambda: containers(bench.client) == [], "the build containers to be gone")
    reference = bench.reference("web")
    layers = layers_in_registry(tmp_path)
    assert len(layers) == (1 if line.startswith("pushed") else len(layers))
    # A day later they go; the image is whole.
    late = [replace(each, pushed=time.time() - 25 * 3600) for each in layers]
    assert registry_gc.surplus(late, (), 1) == late
    kept = [registry_gc.ImageTag("web", "k", reference.partition("@")[2], time.time())]
    script_ = registry_gc.collect_script(
        late,
        kept,
        storage=str(tmp_path / "r" / "data" / "docker" / "registry" / "v2"),
        config=str(tmp_path / "r" / "config.yml"),
        program=str(programs / "usr" / "bin" / "docker-registry"),
        stop=":",
        start=":",
    )
    output = _shell(script_)
    if registry_gc.freed(output) is not None:
        assert layers_in_registry(tmp_path) == []
    bench.client.images.remove(reference, force=True)
    bench.engine.forget_images()
    assert bench.image("web").files["more"].data == b"more\n"


def test_a_large_layer_is_pushed_before_its_image(tmp_path: Path, bench: RealBench) -> None:
    """The log says so; the registry has it by its key, the engine keeps no name for it, and it is sent only once."""
    assert bench.build(large_world()) is None

    (layer,) = layers_in_registry(tmp_path)
    log = (bench.directory / "state" / "private" / "logs" / "build_images" / "web.log").read_text()
    assert f"pushing layer {layer.key[:12]} already" in log
    assert [name for name in tags(bench.client) if name.startswith(f"{bench.address}/skep/layer")] == []
    assert bench.engine.pushed.count("skep/layer") == 1
    blobs = list((tmp_path / "r" / "data").rglob("data"))
    assert len([path for path in blobs if path.stat().st_size > 50_000_000]) == 1
