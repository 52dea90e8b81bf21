"""All phases on a host of each cloud, for which a container host stands."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import rig
from tests.contract.rigs import DockerRig
from tests.doubles.aws import cloud as aws_cloud
from tests.doubles.azure import server as azure_server
from tests.doubles.cloud_init import FirstBoot, GuestAgent, decoded, google_keys
from tests.doubles.gcp import cloud as gcp_cloud
from tests.doubles.gcp import guest as gcp_guest
from tests.doubles.gcp import server as gcp_server
from tests.integration.site import Site
from tests.openstack import cloud as openstack_cloud

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

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
        user_data: Returns what it would hand to the stage's one host; empty while there is none.
        environment: Where the run's SDK finds it.
        prelude: Python for its process, where the SDK is to be told in another way.
        agent: Returns what it has its agent on that host do, as a script; None where no agent lets keys in.

    """

    config: str
    user_data: Callable[[], str]
    environment: dict[str, str] = field(default_factory=dict)
    prelude: str = ""
    agent: Callable[[], str] | None = None


@contextmanager
def aws(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give Amazon as moto has it."""
    import boto3

    with aws_cloud.started(request.getfixturevalue("tmp_path")) as server:
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
            return decoded(answer["UserData"]["Value"])

        yield Cloud(f'region = "{aws_cloud.REGION}"\ninstance_type = "t3.medium"', user_data, environment)


@contextmanager
def azure(_: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give Azure as it is published."""
    with azure_server.started() as cloud:

        def user_data() -> str:
            found = cloud.of_kind("Microsoft.Compute/virtualMachines")
            return decoded(found[0]["hidden"]) if found else ""

        yield Cloud(
            f'region = "{azure_server.REGION}"\nsubscription_id = "{azure_server.SUBSCRIPTION}"\n'
            'instance_type = "Standard_B2s"',
            user_data,
            prelude=prelude("azure", cloud.url),
            agent=lambda: "\n".join(cloud.scripts.values()),
        )


@contextmanager
def gcp(_: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give Google as the tests have it."""
    with gcp_cloud.started() as (google, url):

        def metadata(name: str) -> str:
            with google.lock:
                values = [
                    item["value"]
                    for thing in google.things.values()
                    for item in thing.get("metadata", {}).get("items", ())
                    if item["key"] == name
                ]
            return values[0] if values else ""

        yield Cloud(
            f'region = "{gcp_server.REGION}"\nproject = "{gcp_server.PROJECT}"\ninstance_type = "e2-medium"',
            lambda: metadata("startup-script"),
            prelude=prelude("gcp", url),
            agent=lambda: google_keys(metadata("ssh-keys").splitlines()),
        )


@contextmanager
def openstack(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give OpenStack's own services."""
    clouds = request.getfixturevalue("control_plane")
    admin = openstack_cloud.administrator(clouds)

    def user_data() -> str:
        answer = admin.compute.get("/servers/detail?all_tenants=1", microversion="2.3").json()
        return next((decoded(one["OS-EXT-SRV-ATTR:user_data"]) for one in answer["servers"]), "")

    yield Cloud(
        'cloud = "loopback"\ninstance_type = "m1.small"\ndisk_size = 10',
        user_data,
        {"OS_CLIENT_CONFIG_FILE": str(clouds)},
    )


def prelude(cloud: str, url: str) -> str:
    """Return Python that tells a provider's SDK where its cloud is."""
    return (
        f"sys.path.append({str(rig.ROOT)!r})\n"
        f"from tests.doubles.{cloud} import cloud\n"
        f"for seam in cloud.seams({url!r}): setattr(*seam)\n"
    )


SHORT_WAITS = f"""
sys.path.append({str(rig.ROOT)!r})
from providers.aws import host as aws
from providers.cloud import host as cloud
cloud.UNKNOWN_KEY_TIMEOUT = cloud.LET_IN_TIMEOUT = aws.CONNECT_TIMEOUT = 0.1
"""
"""Python for a run that nobody lets in meanwhile, which would try for up to 110 s."""


CLOUDS: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Cloud]]] = {
    "aws": aws,
    "azure": azure,
    "gcp": gcp,
    "openstack": openstack,
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], DockerRig]]:
    """Give a function that returns the container host for a purpose, made at its first call."""
    made: dict[str, DockerRig] = {}
    with ExitStack() as stack:

        def host(purpose: str) -> DockerRig:
            if purpose not in made:
                stage = rig.docker_stage(purpose, 1)
                stack.enter_context(rig.own(stage.site_name))
                made[purpose] = DockerRig(stage, rig.ssh_files(tmp_path_factory.mktemp("below")))
                rig.ensure_all(made[purpose].provider())
                # A machine of a cloud lets nobody in who comes from the provider below.
                rig.run_in(made[purpose].container("hive0"), "rm -rf /home/skep/.ssh")
            return made[purpose]

        yield host


@pytest.mark.parametrize(
    "provider", ["aws", *(pytest.param(name, marks=pytest.mark.full) for name in CLOUDS if name != "aws")]
)
def test_all_phases_on_a_clouds_host(
    provider: str, hosts: Callable[[str], DockerRig], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The plan counts hosts and disks; the host is logged in to by its pinned key, and runs a service.

    A second checkout is let in beside the first one, by the cloud's agent or by the first; its key is taken out alone.
    """
    # OpenStack's tests may run in another process.
    purpose = PURPOSE + ("-os" if provider == "openstack" else "")
    host = hosts(purpose)
    site = Site(tmp_path / "site", purpose)
    with CLOUDS[provider](request) as cloud:
        site.write_tiny(
            TOML.format(
                name=site.name,
                provider=provider,
                config=cloud.config,
                cidr=host.stage.config.cidr,
                address=host.stage.hosts[0].address,
            )
        )

        site.variables = cloud.environment
        site.begins_with(cloud.prelude)
        planned = site.run("plan")
        assert planned.status == 2, planned.text
        takes = planned.text.rpartition(f"; provider {provider} makes ")[2]
        # Without a size in site.toml it is as large as its image needs.
        size = {"openstack": "10", "azure": "at least 30"}.get(provider, "at least 20")
        assert takes.rstrip().endswith(f"1 hosts, 1 disks, {size} GiB of disk"), planned.text
        if provider == "gcp":
            gcp_guest.install(host.container("hive0"))
        with FirstBoot(host.container("hive0"), cloud.user_data):
            first = site.run().well()

        done = {name.partition(":")[0] for name in first.ran}
        assert done >= {"build_infra", "setup_hosts", "build_images", "build_networks", "deploy_services"}, (
            first.text
        )
        running = rig.run_in(host.container("hive0"), "docker service ls --format '{{.Name}} {{.Replicas}}'")
        assert running.split() == ["idle", "1/1"]
        if provider == "gcp":
            address = host.stage.hosts[0].address
            kept = gcp_guest.boot(host.container("hive0"), "skep-1234-hive0.c.project.internal", address)
            assert kept.splitlines() == [f"p-hive0.{site.name}", "untouched"]
        again = site.run()
        assert again.did_nothing, again.text
        has_second_checkout(site, cloud, host.container("hive0"))
        ended = site.run("destroy", f"confirm={site.name}")
        assert ended.status == 0, ended.text
        assert cloud.user_data() == ""
        # The next cloud's machine has what takes long, but no swarm, and lets nobody in.
        leave = "docker swarm leave --force; rm -rf /var/lib/skep/started /home/skep/.ssh"
        rig.run_in(host.container("hive0"), leave)


def has_second_checkout(site: Site, cloud: Cloud, container: str) -> None:
    """Let a second checkout in, and take it out again: what runs stays, and so does the first checkout's key."""
    second = Site(site.directory.with_name("second"), PURPOSE)
    shutil.copytree(
        site.directory, second.directory, ignore=shutil.ignore_patterns("state"), dirs_exist_ok=True
    )
    second.variables = site.variables
    before = rig.run_in(container, "docker ps -q --no-trunc")
    with GuestAgent(container, cloud.agent or str):
        second.begins_with(cloud.prelude + ("" if cloud.agent else SHORT_WAITS))
        ended = second.run()
        if cloud.agent is None:
            second.begins_with(cloud.prelude)
            # Its sshd has no mind to be asked by this machine again for a while.
            rig.run_in(container, "systemctl restart ssh")
            [key] = re.findall("doit authorize '(.*?)'", ended.failed())
            let_in = site.run("authorize", key)
            assert let_in.status == 0, let_in.text
            ended = second.run()
        ended.well()
    assert rig.run_in(container, "docker ps -q --no-trunc") == before
    assert [second.run("plan").status, site.run().did_nothing] == [0, True]

    keys = json.loads(site.run("list", "--json").well().text)["ssh_keys"]
    [other] = [key["name"] for key in keys if not key["own"]]
    taken = site.run("prune", f"confirm={site.name}", f"key={other}")

    assert taken.status == 0, taken.text
    entries = rig.run_in(container, "cat ~skep/.ssh/authorized_keys").splitlines()
    own = (site.state / "secrets" / "id_ed25519.pub").read_text().split()[1]
    assert [entry.split()[1] for entry in entries] == [own]
    assert site.run().did_nothing
