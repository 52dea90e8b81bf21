"""A stage whose things are in another place than site.toml says."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model import site as types
from model.errors import ConfigError, ProviderError
from model.keys.record import FactRecord, HostRecord, Record
from model.secrets.secret import Secret
from model.stage import Stage
from providers import create
from providers.aws.api import AwsApi
from providers.aws.provider import AwsProvider
from providers.base import Found, Provider
from providers.fake.provider import FakeProvider
from providers.openstack import api as openstack_api
from providers.openstack.provider import OpenStackProvider
from remote.mother.files import write_whole
from tasks.cleanup.inventory import inventory
from tasks.names import infra_task
from tasks.run.open import new_run
from tasks.run.place import FILE, Place
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
        match=rf"^stages\.\w+\.{key} was {before}, and is {after}: .* put it back in site\.toml and run "
        rf"`doit destroy`; or, .*: doit leave={before}$",
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


def test_borrowed_hosts_after_a_cloud(tmp_path: Path) -> None:
    """What was left behind once is not asked for again, though hosts that nobody makes are in no place."""
    place_of(tmp_path, aws_cloud.stage_of()).settle(make.quiet)
    table = types.PreparedStage(ip_address_list=["192.0.2.1"])
    stage = Stage(types.Site(site="aws.test", stages={"production": table}), "production", table)
    with pytest.raises(ConfigError, match="provider was aws, and is prepared"):
        place_of(tmp_path, stage).check()
    place_of(tmp_path, stage, "aws").settle(make.quiet)

    place_of(tmp_path, stage).check()


# -- stages of an older skep -------------------------------------------------------------------------------------------


def older(directory: Path, stage: Stage) -> State:
    """Write the records and traces of a stage that an older skep made, without a place, and return its state."""
    provider = create(stage, make.ssh_files(directory), directory, Secret)
    state = State(directory / "state" / stage.name)
    start = "/subscriptions/11111111-2222-3333-4444-555555555555/" if stage.provider == "azure" else ""
    for resource in provider.resources():
        task = infra_task(resource.name)
        record: Record = FactRecord(id=f"{start}{resource.name}")
        if resource.is_host:
            host = stage.host(resource.name)
            record = HostRecord(name=host.name, id=f"{start}1", address=host.address, ssh_host=host.address)
        state.write(task, record)
        good = {"good": {"_values_:": {"inputs": resource.inputs}}}
        write_whole(state.trace_path(task), json.dumps(good).encode())
    return state


def listing_all(provider: Provider) -> dict[str, Found]:
    """Return the listing of a provider that has all that is wanted."""
    return {one.name: Found(one.name, one.key, one.name, is_host=one.is_host) for one in provider.resources()}


def looked(directory: Path, stage: Stage, state: State, *left: str, hosts: bool = True) -> None:
    """Have a run list a stage's things, with its hosts or without."""
    provider = create(stage, make.ssh_files(directory), directory, Secret)
    things = {name: one for name, one in listing_all(provider).items() if hosts or not one.is_host}
    provider.found = lambda: things  # type: ignore[method-assign]
    Place(stage, state, provider, frozenset(left)).listing()


@pytest.mark.parametrize("cloud", STAGES)
def test_the_place_of_an_older_stage_is_kept_by_the_first_look(tmp_path: Path, cloud: str) -> None:
    """All of it is up to date, so that no task of it runs; who does not hold the stage, as a plan, writes nothing."""
    stage_of, key, before, after = STAGES[cloud]
    state = older(tmp_path, stage_of())
    looked(tmp_path, stage_of(), state)
    assert not (state.root / FILE).exists()

    state.lock("doit")
    looked(tmp_path, stage_of(), state)
    for task in state.traces.glob("*/*.json"):
        task.unlink()
    with pytest.raises(ConfigError, match=f"{key} was {before}, and is {after}"):
        place_of(tmp_path, stage_of(**{key: after})).check()
    state.unlock()


@pytest.mark.parametrize("cloud", ["aws", "azure", "gcp"])
def test_an_older_stage_tells_its_region(tmp_path: Path, cloud: str) -> None:
    """With another one in the first run of this skep, what its things were made from has the old one."""
    stage_of = STAGES[cloud][0]
    before = stage_of().config.region
    after = {"aws": "eu-west-1", "azure": "northeurope", "gcp": "us-east1"}[cloud]
    older(tmp_path, stage_of())
    place_of(tmp_path, stage_of()).check()
    moved = stage_of(region=after)
    with pytest.raises(ConfigError, match=f"region was {before}, and is {after}: .* doit leave={before}$"):
        place_of(tmp_path, moved).check()

    place_of(tmp_path, moved, before).settle(make.quiet)
    place_of(tmp_path, moved).check()


def test_an_older_stage_tells_its_subscription(tmp_path: Path) -> None:
    """Azure's ids begin with it, in whichever case."""
    one = "11111111-2222-3333-4444-555555555555"
    older(tmp_path, azure_cloud.stage_of(subscription_id=one))
    place_of(tmp_path, azure_cloud.stage_of(subscription_id=one)).check()

    with pytest.raises(ConfigError, match=f"subscription_id was {one}, and is another"):
        place_of(tmp_path, azure_cloud.stage_of(subscription_id="another")).check()


@pytest.mark.parametrize("cloud", STAGES)
def test_an_older_stage_of_which_nothing_is_listed(tmp_path: Path, cloud: str) -> None:
    """It may be anywhere: its hosts are not made anew before a person says so."""
    stage_of = STAGES[cloud][0]
    state = older(tmp_path, stage_of())
    with pytest.raises(
        ProviderError, match=rf"state/ knows hive0, .* not in provider {cloud}, .*: doit leave=unknown$"
    ):
        looked(tmp_path, stage_of(), state, hosts=False)
    looked(tmp_path, stage_of(), state, "unknown", hosts=False)

    place_of(tmp_path, stage_of()).settle(make.quiet)
    looked(tmp_path, stage_of(), state, hosts=False)


def test_a_run_looks_by_the_place(tmp_path: Path) -> None:
    """So do `doit destroy` and `doit halt`, which would remove or stop nothing in the wrong place."""
    stage = make.docker_stage("place", 1, cidr="10.0.0.0/24")
    state = State(tmp_path / "state" / "private")
    run = new_run(tmp_path, stage, state, provider=FakeProvider(stage))
    make.ensure_all(run.provider)
    state.lock("doit")
    assert run.live_state.things
    run.live_state.close()
    assert (state.root / FILE).read_text() == '{\n  "provider": "docker"\n}\n'

    (state.root / FILE).write_text('{"provider": "aws"}')
    with pytest.raises(ProviderError, match="provider was aws, and is docker"):
        inventory(stage, state, run.connections, run.provider, run.place)
    state.unlock()


# -- what credentials alone say ----------------------------------------------------------------------------------------


def test_another_account_of_amazon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Things have their owner's number; where there are none, the credentials are asked."""
    asked: list[str] = []

    def call(_api: AwsApi, operation: str, **_: str) -> Any:
        asked.append(operation)
        return {"Account": "222222222222"}

    monkeypatch.setattr(AwsApi, "call", call)
    stage = aws_cloud.stage_of()
    state = State(tmp_path / "state" / stage.name)
    for things in ([{"OwnerId": "111111111111"}], []):
        provider = create(stage, make.ssh_files(tmp_path), tmp_path, Secret)
        assert isinstance(provider, AwsProvider)
        provider._api.learn_account(things)
        place = Place(stage, state, provider)
        if things:
            place.settle(make.quiet)
            assert asked == []
            continue
        with pytest.raises(
            ConfigError,
            match=r"^the credentials' account was 111111111111, and is 222222222222: .* use the former credentials and "
            r"run `doit destroy`; or, .* leave=111111111111$",
        ):
            place.check()
    assert asked == ["get_caller_identity"]
    place_of(tmp_path, stage).check()


def test_another_project_of_openstack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known once somebody signed in."""
    stage = openstack_cloud.stage_of()
    state = State(tmp_path / "state" / stage.name)
    providers = []
    for project in ("one", "two"):
        connection = SimpleNamespace(network=None, current_project_id=project)
        monkeypatch.setattr(openstack_api, "_connect", lambda *_, found=connection: found)
        provider = create(stage, make.ssh_files(tmp_path), tmp_path, Secret)
        assert isinstance(provider, OpenStackProvider)
        assert provider._api.project == project
        providers.append(provider)
    Place(stage, state, providers[0]).settle(make.quiet)

    with pytest.raises(ConfigError, match="the credentials' project was one, and is two"):
        Place(stage, state, providers[1]).check()
    place_of(tmp_path, stage).check()
