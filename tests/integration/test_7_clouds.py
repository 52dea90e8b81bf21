"""All phases on what a cloud's provider returned: a host of each cloud is mapped to a container host."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import machine, rig
from tests.aws import cloud as aws_cloud
from tests.contract.rigs import DockerRig
from tests.integration.live import Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PURPOSE = "oncloud"
TOML = """\
site = "{name}"
[stages.private]
provider = "{provider}"
{config}
cidr = "{cidr}"
ip_address_list = ["{address}"]
number_of_hosts = 1
separate_repository = false
public_addresses = false
"""


@dataclass(frozen=True)
class Cloud:
    """A cloud as a run of doit finds it.

    Args:
        config: What its stage says, in TOML.
        environment: Where the run's SDK finds it.
        user_data: Returns what it would hand to the stage's one host; empty while there is none.

    """

    config: str
    environment: dict[str, str]
    user_data: Callable[[], str]


@contextmanager
def aws(directory: Path) -> Iterator[Cloud]:
    """Give Amazon as moto has it."""
    import boto3

    with aws_cloud.started(directory) as server:
        server.ask(reset=True)
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        client = boto3.client(
            "ec2",
            region_name=aws_cloud.REGION,
            endpoint_url=server.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

        def user_data() -> str:
            found = client.describe_instances(
                Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
            )["Reservations"]
            if not found:
                return ""
            identifier = found[0]["Instances"][0]["InstanceId"]
            answer = client.describe_instance_attribute(InstanceId=identifier, Attribute="userData")
            return machine.decoded(answer["UserData"]["Value"])

        yield Cloud(f'region = "{aws_cloud.REGION}"\ninstance_type = "t3.medium"', environment, user_data)


CLOUDS: dict[str, Callable[[Path], AbstractContextManager[Cloud]]] = {"aws": aws}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRig]:
    """Make a machine with systemd and sshd."""
    stage = rig.docker_stage(PURPOSE, 1)
    with rig.own(stage.site_name):
        below = DockerRig(stage, rig.ssh_files(tmp_path_factory.mktemp("below")))
        rig.ensure_all(below.provider())
        yield below


@pytest.mark.parametrize("provider", CLOUDS)
def test_all_phases_on_a_clouds_host(provider: str, host: DockerRig, tmp_path: Path) -> None:
    """The host is logged in to by its pinned key, set up, and runs a service; then there is nothing to do."""
    site = Site(tmp_path / "site", tmp_path / "scratch")
    site.name = rig.site_name(PURPOSE)
    (tmp_path / "cloud").mkdir()
    with CLOUDS[provider](tmp_path / "cloud") as cloud:
        site.write_idle(
            TOML.format(
                name=site.name,
                provider=provider,
                config=cloud.config,
                cidr=host.stage.config.cidr,
                address=host.stage.hosts[0].address,
            )
        )

        site.variables = cloud.environment

        with machine.Machine(host.container("hive0"), cloud.user_data):
            site.run().well()

        running = rig.run_in(host.container("hive0"), "docker service ls --format '{{.Name}} {{.Replicas}}'")
        assert running.split() == ["idle", "1/1"]
        again = site.run()
        assert again.did_nothing, again.text
        ended = site.run("destroy", f"confirm={site.name}")
        assert ended.status == 0, ended.text
        assert cloud.user_data() == ""
