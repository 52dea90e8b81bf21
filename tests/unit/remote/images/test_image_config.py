"""An image's configuration on top of its base's, and the archive that the engine takes."""

import json
import tarfile
from io import BytesIO
from typing import Any

import pytest

from model.keys.tree import Entry
from remote.images.archive import archive_of
from remote.images.image_config import compose, image_archive, merged_config

BASE: dict[str, Any] = {
    "Hostname": "abc",
    "Image": "sha256:0",
    "Env": ["PATH=/bin", "LANG=C"],
    "Cmd": ["hub"],
    "Entrypoint": None,
    "User": "daemon",
    "ExposedPorts": {"9/tcp": {}},
    "Labels": {"a": "1", "b": "1"},
    "Volumes": {"/data": {}},
}


@pytest.mark.parametrize(
    ("config", "labels", "key", "value"),
    [
        ({}, {}, "Hostname", None),
        ({}, {}, "Image", None),
        ({}, {}, "Volumes", {"/data": {}}),
        ({"Env": ["LANG=de", "A=1"]}, {}, "Env", ["PATH=/bin", "LANG=de", "A=1"]),
        ({"ExposedPorts": {"80/tcp": {}}}, {}, "ExposedPorts", {"9/tcp": {}, "80/tcp": {}}),
        ({}, {"b": "2", "c": "3"}, "Labels", {"a": "1", "b": "2", "c": "3"}),
        ({}, {}, "Cmd", ["hub"]),
        ({"Entrypoint": ["run"], "Cmd": []}, {}, "Cmd", None),
        ({"User": "root"}, {}, "User", "root"),
        ({"User": None}, {}, "User", "daemon"),
        ({}, {}, "Healthcheck", None),
        ({}, {}, "WorkingDir", None),
    ],
)
def test_a_definition_on_top_of_a_base(
    config: dict[str, Any], labels: dict[str, str], key: str, value: Any
) -> None:
    """As a Dockerfile's lines would set it; nothing of the build containers is in it."""
    assert merged_config(BASE, config, labels).get(key) == value


def test_equal_images_are_one() -> None:
    """The same layers and configuration make the same bytes, whatever else the engine says of the image."""
    image = {
        "RootFS": {"Layers": ["sha256:1", "sha256:2"]},
        "Architecture": "amd64",
        "Os": "linux",
        "Created": "T",
    }

    one = compose(image, {"User": "a", "Env": []})

    assert one == compose({**image, "Id": "x"}, {"Env": [], "User": "a"})
    assert compose(image, {"User": "b"}).id != one.id
    with tarfile.open(fileobj=BytesIO(b"".join(image_archive([one], {})))) as archive:
        (manifest,) = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
        text = archive.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
    assert len(manifest["Layers"]) == 2
    assert manifest["RepoTags"] is None
    assert f"sha256:{manifest['Config']}" == f"{one.id}.json"
    assert json.loads(text)["rootfs"]["diff_ids"] == ["sha256:1", "sha256:2"]


def test_layers_come_along_with_the_images_that_have_them() -> None:
    """Each once, however many images have it; those that the engine has are only named."""
    image = {"RootFS": {"Layers": ["sha256:1"]}, "Created": "T"}
    files = archive_of([Entry("a", 0o644, b"x" * 600, "file")])
    size, digest = files.measured()
    name = f"sha256:{digest}"
    stack = [compose(image, {}, [name], "skep/layer:k1"), compose(image, {"User": "a"}, [name])]

    data = b"".join(image_archive(stack, {name: files}))

    assert len(data) % tarfile.BLOCKSIZE == 0
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        assert archive.getmember(f"{digest}.tar").size == size
        assert archive.extractfile(f"{digest}.tar").read() == bytes(files)  # type: ignore[union-attr]
        manifest = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
        assert len(archive.getnames()) == 4
    assert [entry["RepoTags"] for entry in manifest] == [["skep/layer:k1"], None]
    assert [entry["Layers"] for entry in manifest] == [["1.tar", f"{digest}.tar"]] * 2
