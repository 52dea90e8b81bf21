"""Hosts that an older skep made where site.toml names no image: they stay as they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model import site as types
from model.json_types import Json
from model.labels import HOST_IMAGE_LABEL, KEY_LABEL, NAME_LABEL
from model.stage import Stage
from providers.docker import image as docker_host_image
from providers.docker import provider as docker_provider
from providers.docker.provider import DockerProvider
from remote.ssh.ssh_files import SshFiles
from tests import rig

OLD = {
    "hive0": "552ddd68c6076be2eefe610be957fe7b85633c4503d9e8d6e8a7e3bc5fdc706c",
    "hive1": "d20f0de0c3df49c7d311cae79e92f70941b2656bab96d4473160088fd508223b",
}
"""The labels of the hosts of `provider_of` as skep made them when Debian 12 was the default (commit 722cdd4)."""


def provider_of(directory: Path, **config: Any) -> DockerProvider:
    """Return the provider of a stage of two hosts."""
    table = types.DockerStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    stage = Stage(types.Site(site="s.test", stages={"private": table}), "private", table)
    return DockerProvider(stage, SshFiles(directory, directory, directory, directory))


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the labels of the hosts that there are, for the tests to change; no image is there any more.

    Behind a blank may be the label that they have of their image.
    """
    labels = dict(OLD)

    def containers(**_: object) -> list[Json]:
        return [
            {
                "Id": f"c-{name}",
                "ImageID": "sha256:old",
                "State": "running",
                "Labels": {
                    NAME_LABEL: name,
                    KEY_LABEL: key.partition(" ")[0],
                    HOST_IMAGE_LABEL: key.partition(" ")[2],
                },
                "NetworkSettings": {"Networks": {"net": {"NetworkID": "n"}}},
            }
            for name, key in labels.items()
        ]

    @contextmanager
    def reading() -> Iterator[Any]:
        yield SimpleNamespace(
            containers=containers,
            networks=lambda **_: [{"Id": "n", "Created": "1", "Labels": {}}],
            volumes=lambda **_: {"Volumes": []},
            images=lambda **_: [],
        )

    monkeypatch.setattr(docker_provider, "reading", reading)
    return labels


def replaced(provider: DockerProvider) -> list[str]:
    """Return the things that are not as wanted, or not there, but for the network."""
    found = provider.found()
    wanted = {each.name: each for each in provider.resources() if each.name != "network"}
    return [name for name in wanted if name not in found or found[name].is_replaced(wanted[name])]


def test_the_default_is_debian_13() -> None:
    """For hosts that are made now."""
    assert types.DockerStage().image == "debootstrap:trixie"


def test_hosts_of_an_older_default_are_as_wanted(hosts: dict[str, str], tmp_path: Path) -> None:
    """Without a word in site.toml nothing is replaced, and no image wanted that nobody needs; state/ is not asked."""
    assert replaced(provider_of(tmp_path)) == []
    assert provider_of(tmp_path).found()["image"].id == "sha256:old"
    assert replaced(provider_of(tmp_path, host_image="debootstrap:bookworm")) == ["image"]
    assert hosts == OLD


def test_hosts_of_an_image_of_an_older_recipe_are_as_wanted(hosts: dict[str, str], tmp_path: Path) -> None:
    """No image is made that nobody needs, until a host is made anew."""
    provider = provider_of(tmp_path, host_image="debootstrap:bookworm")
    image = next(each for each in provider.resources() if each.name == "image")
    assert replaced(provider) == ["image"]

    for name in hosts:
        hosts[name] += f" {image.former_keys[0]}"
    assert replaced(provider) == []
    assert provider.found()["image"].id == "sha256:old"

    hosts["hive1"] = f"another {image.former_keys[0]}"
    assert replaced(provider) == ["image", "hive1"]


def test_a_word_in_site_toml_moves_them(hosts: dict[str, str], tmp_path: Path) -> None:
    """Today's default, said outright, is a change like any other."""
    assert replaced(provider_of(tmp_path, host_image="debootstrap:trixie")) == ["image", "hive0", "hive1"]
    assert hosts == OLD


def test_a_host_that_is_made_anew_gets_todays(hosts: dict[str, str], tmp_path: Path) -> None:
    """Whether it was lost, or something else of it changed: then the image is wanted too, and others stay."""
    del hosts["hive1"]
    assert replaced(provider_of(tmp_path)) == ["image", "hive1"]

    hosts.update(OLD, hive1="of another shape")
    assert replaced(provider_of(tmp_path)) == ["image", "hive1"]

    hosts["hive1"] = provider_of(tmp_path).resources()[-1].key
    assert replaced(provider_of(tmp_path)) == ["image"]


def test_no_image_is_made_that_nobody_needs(
    hosts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a colleague's clone, whose tasks all run once."""
    made: list[str] = []

    def ensure(_config: object, key: str, _log: object) -> str:
        made.append(key)
        return "sha256:new"

    monkeypatch.setattr(docker_host_image, "ensure", ensure)
    provider = provider_of(tmp_path)
    image = provider.resources()[0]

    assert getattr(provider.ensure(image, rig.quiet), "id", "") == "sha256:old"
    assert made == []
    del hosts["hive0"]
    assert getattr(provider.ensure(image, rig.quiet), "id", "") == "sha256:new"
    assert made == [image.key]
