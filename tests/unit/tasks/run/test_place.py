"""A stage whose things are in another place than site.toml says."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import ConfigError, ProviderError
from model.secrets.secret import Secret
from model.stage import Stage
from providers import create
from tasks.run.place import Place
from tasks.run.state import State
from tests import rig as make
from tests.doubles.aws import cloud as aws_cloud
from tests.doubles.azure import cloud as azure_cloud
from tests.doubles.gcp import cloud as gcp_cloud
from tests.openstack import cloud as openstack_cloud

STAGES: dict[str, Any] = {
    "aws": (aws_cloud.stage_of, "region", "eu-central-1", "eu-west-1"),
    "azure": (azure_cloud.stage_of, "region", "westeurope", "northeurope"),
    "gcp": (gcp_cloud.stage_of, "project", "skep-tests", "other"),
    "openstack": (openstack_cloud.stage_of, "cloud", "loopback", "other"),
}


def place_of(directory: Path, stage: Stage, *left: str) -> Place:
    """Return the place of a stage."""
    provider = create(stage, make.ssh_files(directory), directory, Secret)
    return Place(stage, State(directory / "state" / stage.name), provider, frozenset(left))


@pytest.mark.parametrize("cloud", STAGES)
def test_another_place_is_refused_until_it_is_named(tmp_path: Path, cloud: str) -> None:
    """The old place's things run on there, unseen: the message has both places, and both ways out."""
    stage_of, key, before, after = STAGES[cloud]
    place_of(tmp_path, stage_of()).settle(make.quiet)
    place_of(tmp_path, stage_of()).check()
    moved = stage_of(**{key: after})
    with pytest.raises(
        ConfigError,
        match=rf"^stages\.\w+\.{key} was {before}, and is {after}: .* `doit destroy` it first; or, .*: doit "
        rf"leave={before}$",
    ):
        place_of(tmp_path, moved).check()
    with pytest.raises(ProviderError, match=f"was {before}, and is {after}"):
        place_of(tmp_path, moved).settle(make.quiet)

    lines: list[str] = []
    place_of(tmp_path, moved, before).check()
    place_of(tmp_path, moved, before).settle(lines.append)
    assert lines == [f"left behind {key} {before}: what is there runs on, and skep no longer sees it"]
    place_of(tmp_path, moved).check()


def test_another_provider_is_another_place(tmp_path: Path) -> None:
    """Its region alone says nothing, and is not compared."""
    place_of(tmp_path, aws_cloud.stage_of()).settle(make.quiet)

    with pytest.raises(ConfigError, match=r"provider was aws, and is gcp: .* doit leave=aws$"):
        place_of(tmp_path, gcp_cloud.stage_of()).check()


def test_what_only_credentials_say_is_kept_when_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscription that the environment names is compared as one in site.toml; none at all is no other one."""
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    place_of(tmp_path, azure_cloud.stage_of(subscription_id=None)).settle(make.quiet)
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "one")
    place_of(tmp_path, azure_cloud.stage_of(subscription_id=None)).settle(make.quiet)
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID")
    place_of(tmp_path, azure_cloud.stage_of(subscription_id=None)).check()

    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "two")
    with pytest.raises(ConfigError, match="subscription_id was one, and is two"):
        place_of(tmp_path, azure_cloud.stage_of(subscription_id=None)).check()


def test_a_stage_of_an_older_skep_has_no_place_yet(tmp_path: Path) -> None:
    """It is taken to be where site.toml says."""
    place_of(tmp_path, aws_cloud.stage_of()).check()
