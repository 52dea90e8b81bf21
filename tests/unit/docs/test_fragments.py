"""Each piece of site.toml in README and the documents is one: it loads, with what it leaves out put in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli

from model.site_file.load import site_of
from tests import pages
from tests.pages import Block

STAGE = {"provider": "docker", "cidr": "10.9.0.0/24", "number_of_hosts": 4, "separate_repository": True}
CLOUD = {"provider": "aws", "region": "eu-central-1", "cidr": "10.9.0.0/24", "instance_type": "t3.medium"}
BASE = "debian:13"
FRAGMENTS = [block for page in pages.pages() for block in pages.blocks(page) if block.language == "toml"]
SITES = [block for block in FRAGMENTS if not block.more]


@pytest.mark.parametrize("block", SITES, ids=str)
def test_each_loads(block: Block, tmp_path: Path) -> None:
    """As it is printed, in a site that has what it names."""
    site = tomli.loads(block.text)
    whole = {"site": "mysite", **site}
    _with_stages(whole)
    _with_images(whole)
    _with_services(whole)
    for file, text in _files(whole):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert site_of(whole, tmp_path / "site.toml", {}).site


def test_there_are_fragments() -> None:
    """The pages have the form that is looked for; only site.lock has a form of its own."""
    assert len(SITES) > 30
    assert {block.more for block in FRAGMENTS} <= {"", "site.lock"}


def test_a_lock_is_one() -> None:
    """What is printed of site.lock is an image's reference to its digest."""
    for block in FRAGMENTS:
        if block.more == "site.lock":
            images = tomli.loads(block.text)["images"]
            assert all(digest.startswith("sha256:") for digest in images.values())


def _with_stages(site: dict[str, Any]) -> None:
    """Put in a stage, or what one leaves out."""
    stages = site.setdefault("stages", {"private": {}})
    for stage in stages.values():
        if "provider" not in stage:
            left_out = CLOUD if "prices" in stage else STAGE
            stage.update({key: value for key, value in left_out.items() if key not in stage})
        for secret in filter(None, [stage.get("root_password")]):
            site.setdefault("secrets", {}).setdefault(secret, {"generate": 24})
    if len(stages) == 1:
        site.setdefault("stage", next(iter(stages)))


def _with_images(site: dict[str, Any]) -> None:
    """Put in what images are made from, and the secrets that they name."""
    for image in site.get("images", {}).values():
        if "from" not in image and "build" not in image:
            image["from"] = BASE
        for secret in image.get("secrets", ()):
            site.setdefault("secrets", {}).setdefault(secret, {"generate": 24})
    for registry in site.get("registries", {}).values():
        if "password" in registry:
            site.setdefault("secrets", {}).setdefault(registry["password"], {"env": "PASSWORD"})


def _with_services(site: dict[str, Any]) -> None:
    """Put in services' images, and what they use."""
    for service in site.get("services", {}).values():
        service.setdefault("image", BASE)
        for script in service.get("backup_scripts", ()):
            site.setdefault("backup", {})
            if "volume" in script and "volumes" not in service:
                service["volumes"] = [{"source": script["volume"], "target": "/data"}]
        for network in service.get("networks", ()):
            if network != "host":
                site.setdefault("networks", {}).setdefault(network, {})
        for kind, made in (("secrets", {"generate": 24}), ("configs", {"text": "x"})):
            for use in service.get(kind, ()):
                name = use if isinstance(use, str) else use["source"]
                site.setdefault(kind, {}).setdefault(name, made)
        for mount in service.get("volumes", ()):
            if mount.get("type", "volume") == "volume":
                site.setdefault("volumes", {}).setdefault(mount["source"], {"hosts": "each"})
        for text in str(service).split("secrets.")[1:]:
            site.setdefault("secrets", {}).setdefault(text.split()[0].rstrip("}"), {"generate": 24})


def _files(site: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the files that a site names, each with a text that does."""
    for image in site.get("images", {}).values():
        yield from ((f"roles/{_name(use)}/setup.sh", "true\n") for use in image.get("roles", ()))
        if "build" in image:
            build = image["build"] if isinstance(image["build"], dict) else {"context": image["build"]}
            mounts = "".join(f"RUN --mount=type=secret,id={name} true\n" for name in image.get("secrets", ()))
            text = f"FROM {BASE} AS {build.get('target', 'final')}\n{mounts}"
            yield f"{build['context']}/{build.get('dockerfile', 'Dockerfile')}", text
    for service in site.get("services", {}).values():
        yield from ((f"roles/{_name(use)}/setup.sh", "true\n") for use in service.get("initialize_roles", ()))
    for config in site.get("configs", {}).values():
        if "file" in config:
            yield config["file"], "x\n"
    for base in site.get("bases", {}).values():
        yield from ((base[key], "x\n") for key in ("tarball", "archive") if key in base)


def _name(use: Any) -> str:
    """Return the name of a role, in its short or its long form."""
    return use if isinstance(use, str) else str(use["role"])
