"""Provider aws against moto's server behind a strict layer: questions beyond the common suite's."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from model.errors import KeyRefusedError, ProviderError
from model.keys.record import HostRecord
from providers.aws.errors import AwsError
from providers.aws.provider import AwsProvider
from providers.base import Provider
from tests import rig as make
from tests.contract.second_checkout import second_checkout
from tests.doubles.aws import cloud as aws_cloud
from tests.doubles.aws.cloud import Cloud

pytestmark = pytest.mark.timeout(1200)

ONE: dict[str, Any] = {
    "number_of_hosts": 1,
    "separate_repository": False,
    "available_zones": ["eu-central-1a"],
}
"""A stage of one host."""


def provider_of(directory: Path, **config: Any) -> Provider:
    """Return a provider of a stage, whose ssh key lies in a directory."""
    return make.provider_of(aws_cloud.stage_of(**config), aws_cloud.files_of(directory))


def hosts(cloud: Cloud) -> list[dict[str, Any]]:
    """Return all instances that live, as Amazon lists them, by the name of the host."""
    client = boto3.client("ec2", region_name=aws_cloud.REGION, endpoint_url=cloud.url)
    states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}]
    found = [
        one for each in client.describe_instances(Filters=states)["Reservations"] for one in each["Instances"]
    ]
    return sorted(found, key=lambda one: next(t["Value"] for t in one["Tags"] if t["Key"] == "skep.name"))


def test_a_host_is_as_it_was_asked_for(aws: Cloud, tmp_path: Path) -> None:
    """Zones, addresses, disks and tags are those of site.toml; disks are encrypted, metadata is IMDSv2 alone."""
    provider = provider_of(tmp_path, number_of_hosts=2, mirrored_disk_size=5, public_addresses=["hive0"])
    records = make.ensure_all(provider)
    first, second = hosts(aws)
    client = boto3.client("ec2", region_name=aws_cloud.REGION, endpoint_url=aws.url)
    disks = {
        (volume["Attachments"][0]["InstanceId"], volume["Size"], volume["Encrypted"])
        for volume in client.describe_volumes()["Volumes"]
    }
    tags = {tag["Key"]: tag["Value"] for tag in first["Tags"]}
    hive0, hive1 = records["hive0"], records["hive1"]
    assert isinstance(hive0, HostRecord)
    assert isinstance(hive1, HostRecord)

    assert [one["Placement"]["AvailabilityZone"] for one in (first, second)] == [
        "eu-central-1a",
        "eu-central-1b",
    ]
    assert [one["PrivateIpAddress"] for one in (first, second)] == [hive0.address, hive1.address]
    assert {(first["InstanceId"], 20, True), (first["InstanceId"], 5, True)} <= disks
    [extra] = [
        volume["VolumeId"]
        for volume in client.describe_volumes()["Volumes"]
        if volume["Size"] == 5 and volume["Attachments"][0]["InstanceId"] == first["InstanceId"]
    ]
    lines: list[str] = []
    provider.ensure(make.resource(provider, "hive0"), lines.append)
    path = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{extra.replace('-', '')}"
    assert f"hive0.aws.test: its extra disk of 5 GiB is {path}, or, if that is not there, /dev/xvdf" in lines
    for one in (first, second):
        options = one["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    assert (tags["skep.site"], tags["skep.stage"], tags["skep.name"]) == ("aws.test", "production", "hive0")
    assert hive0.host_keys == (tags["skep.host-key"],)
    assert hive0.ssh_host == first["PublicIpAddress"]
    assert hive1.ssh_host == hive1.address


def test_a_look_is_one_listing_for_each_kind(aws: Cloud, tmp_path: Path) -> None:
    """A run that has nothing to do asks seven questions."""
    make.ensure_all(provider_of(tmp_path, number_of_hosts=2, nfs=True))
    aws.ask(clear=True)
    provider_of(tmp_path, number_of_hosts=2, nfs=True).found()

    assert sorted(aws.calls()) == [
        "DescribeAddresses",
        "DescribeFileSystems",
        "DescribeInstances",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeVolumes",
        "DescribeVpcs",
    ]


def test_a_new_port_changes_one_group(aws: Cloud, tmp_path: Path) -> None:
    """Nothing but the firewall changes; a port that somebody else opened is drift, and is closed."""
    make.ensure_all(provider_of(tmp_path, **ONE))
    [group] = [thing.split()[1] for thing in aws.things() if thing.startswith("group ")]
    client = boto3.client("ec2", region_name=aws_cloud.REGION, endpoint_url=aws.url)
    other = {"IpProtocol": "tcp", "FromPort": 99, "ToPort": 99, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    client.authorize_security_group_ingress(GroupId=group, IpPermissions=[other])
    service = {"image": "debian:12", "ports": [{"target_port": 80, "published_port": 80, "mode": "host"}]}
    provider = provider_of(tmp_path, **ONE, services={"web": service})
    assert provider.found()["firewall"].drift == (
        "the firewall rules differ (closed: 80/tcp from 0.0.0.0/0, open: 99/tcp from 0.0.0.0/0)"
    )
    aws.ask(clear=True)
    make.ensure(provider, "firewall")

    assert [call for call in aws.calls() if not call.startswith("Describe")] == [
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress",
    ]
    assert provider.found()["firewall"].drift == ""


def test_sizes_change_in_place(aws: Cloud, tmp_path: Path) -> None:
    """The host stays the one that it is, with its public address; a disk can't become smaller."""
    before = make.ensure_all(provider_of(tmp_path, **ONE))["hive0"]
    larger = provider_of(tmp_path, **ONE, instance_type="t3.large", disk_size=30)
    found = larger.found()["hive0"]
    assert (found.must_stop, found.drift) == (True, "hive0 is a t3.medium")

    assert make.ensure_host(larger, "hive0") == before
    [instance] = hosts(aws)
    found = larger.found()["hive0"]
    assert (instance["InstanceType"], found.running, found.drift) == ("t3.large", True, "")
    with pytest.raises(ProviderError, match="has 30 GiB, and can't be made smaller"):
        make.ensure_host(provider_of(tmp_path, **ONE, instance_type="t3.large", disk_size=20), "hive0")


def test_a_disk_that_could_not_grow_yet(aws: Cloud, tmp_path: Path) -> None:
    """Amazon changes no volume twice within hours: that is said, and is drift until the disk has grown."""
    make.ensure_all(provider_of(tmp_path, **ONE))
    make.ensure_host(provider_of(tmp_path, **ONE, disk_size=30), "hive0")
    larger = provider_of(tmp_path, **ONE, disk_size=40)
    [volume] = [thing.split()[1] for thing in aws.things() if thing.startswith("volume ")]
    drift = f"hive0: disk {volume} has 30 GiB, not 40"
    assert (larger.found()["hive0"].drift, larger.found()["hive0"].must_stop) == (drift, False)
    lines: list[str] = []
    larger.ensure(make.resource(larger, "hive0"), lines.append)

    assert [line for line in lines if "GiB" in line] == [
        (
            f"{volume}: still has 30 GiB, and not 40: Amazon changes no disk again so soon "
            "(VolumeModificationRateExceeded): run doit again in some hours"
        )
    ]
    assert larger.found()["hive0"].drift == drift
    aws.ask(is_rested=True)
    make.ensure_host(larger, "hive0")
    assert larger.found()["hive0"].drift == ""


def test_a_disk_is_as_large_as_its_image(aws: Cloud, tmp_path: Path) -> None:
    """Without a size in site.toml it has what the image needs; one that is smaller is refused before and on the way."""
    arm: dict[str, Any] = {**ONE, "instance_type": "t4g.medium"}
    small = provider_of(tmp_path, **arm, disk_size=20)
    assert small.check() == [
        (
            "stages.production.disk_size: 20 GiB are fewer than the 25 GiB of image debian-12: set 25 or more, "
            "or leave disk_size out"
        )
    ]
    with pytest.raises(
        AwsError, match=r"InvalidBlockDeviceMapping.*: the image needs a larger disk: set disk_size"
    ):
        make.ensure_all(small)

    provider = provider_of(tmp_path, **arm)
    assert provider.check() == []
    make.ensure_all(provider)
    client = boto3.client("ec2", region_name=aws_cloud.REGION, endpoint_url=aws.url)
    assert [volume["Size"] for volume in client.describe_volumes()["Volumes"]] == [25]
    make.ensure_host(provider, "hive0")
    assert provider.found()["hive0"].drift == ""


def test_a_public_address_stays_and_goes(tmp_path: Path, aws: Cloud) -> None:
    """A host that is replaced has its public address again; one that is to have none loses it in place."""
    provider = provider_of(tmp_path, **ONE)
    first = make.ensure_all(provider)["hive0"]
    again = provider.ensure(make.with_another_key(make.resource(provider, "hive0")), make.quiet)
    assert isinstance(first, HostRecord)
    assert isinstance(again, HostRecord)
    assert (again.ssh_host, again.id == first.id) == (first.ssh_host, False)

    make.ensure_all(provider)
    private = provider_of(tmp_path, **ONE, public_addresses=False)
    assert private.found()["hive0"].drift == "hive0 has a public address"
    record = make.ensure_host(private, "hive0")
    assert record.ssh_host == record.address
    assert any(thing.startswith("address ") for thing in aws.things())


def test_two_stages_share_an_account(tmp_path: Path, aws: Cloud) -> None:
    """Neither sees the other's things, and one's end leaves the other whole."""
    one, other = (provider_of(tmp_path, **ONE, name=name) for name in ("production", "staging"))
    make.assert_apart(one, other)
    assert Counter(thing.split()[0] for thing in aws.things())["vpc"] == 1


def test_a_check_says_it_all_beforehand(aws: Cloud, tmp_path: Path) -> None:
    """Permissions, zones, types and quotas are said at once, and nothing is made."""
    aws.ask(
        denied=["CreateVpc", "RunInstances"],
        quotas={"L-0263D0A3": 1.0, "L-F678F1CE": 5.0, "L-1216C47A": 32.0},
    )
    said = provider_of(
        tmp_path,
        number_of_hosts=2,
        repository_instance_type="t9.huge",
        available_zones=["eu-central-1a", "eu-central-1x"],
    ).check()

    text = "\n".join(said)
    assert "eu-central-1 has no zone eu-central-1x for this account; it has eu-central-1a" in text
    assert "stages.production.instance_type: eu-central-1 has no t9.huge" in text
    for operation in ("CreateVpc", "RunInstances"):
        assert f"AWS {operation}: UnauthorizedOperation" in text
    assert "docs/providers.md has the policy that skep needs" in text
    assert (
        "needs 2 more public addresses, but this account, in eu-central-1, has 0 of at most 1 already" in text
    )
    assert aws.things() == []


def test_a_check_asks_as_the_real_calls_do(aws: Cloud, tmp_path: Path) -> None:
    """Where an organization's policies demand tags, encryption and IMDSv2, it refuses nothing that works."""
    aws.ask(is_demanding=True)
    provider = provider_of(tmp_path, **ONE, nfs=True, mirrored_disk_size=5)
    assert provider.check() == []
    assert aws.things() == [], "a dry run made something"
    make.ensure_all(provider)

    plain = provider_of(tmp_path, **ONE, disk_encrypted=False, name="plain")
    [said] = plain.check()
    assert said.startswith("AWS RunInstances: UnauthorizedOperation")


def test_new_things_that_others_do_not_know_yet(aws: Cloud, tmp_path: Path) -> None:
    """A route by a gateway, and targets in subnets, are asked for again: they have codes of their own for it."""
    aws.ask(lag=3)
    make.ensure_all(provider_of(tmp_path, **ONE, nfs=True))

    assert len(hosts(aws)) == 1


@pytest.mark.parametrize(("key", "code"), [("wrong", "InvalidClientTokenId"), ("expired", "ExpiredToken")])
def test_credentials_that_are_none(aws: Cloud, tmp_path: Path, key: str, code: str) -> None:
    """The message for wrong and for expired credentials is one line, with the request's id and the way out."""
    with aws_cloud.used(aws, access_key=key):
        [said] = provider_of(tmp_path, **ONE).check()

    assert said.startswith(f"AWS GetCallerIdentity: {code}: ")
    assert "(request 11111111-2222-3333-4444-555555555555)" in said
    assert "`aws sso login`" in said


def test_credentials_that_expire_on_the_way(aws: Cloud, tmp_path: Path) -> None:
    """The run ends at once, with the request's id; the next one goes on where it was."""
    make.ensure(provider_of(tmp_path, **ONE), "network")
    with (
        aws_cloud.used(aws, access_key="expired"),
        pytest.raises(AwsError, match=r"RequestExpired.*\(request .*\): the credentials have expired"),
    ):
        make.ensure_all(provider_of(tmp_path, **ONE))

    make.ensure_all(provider_of(tmp_path, **ONE))
    assert Counter(thing.split()[0] for thing in aws.things())["vpc"] == 1


def test_no_room(aws: Cloud, tmp_path: Path) -> None:
    """The message for a full zone has the request's id and the way out; a later run makes the host."""
    aws.ask(full=["eu-central-1a"])
    with pytest.raises(
        AwsError, match=r"InsufficientInstanceCapacity.*\(request .*\): Amazon has no capacity"
    ):
        make.ensure_all(provider_of(tmp_path, **ONE))
    aws.ask(full=[])

    make.ensure_all(provider_of(tmp_path, **ONE))
    assert len(hosts(aws)) == 1


def test_a_quota_that_is_met_on_the_way(aws: Cloud, tmp_path: Path) -> None:
    """What the account may have no more of is said with the code of the quota."""
    aws.ask(quotas={"L-0263D0A3": 0.0, "L-F678F1CE": 5.0, "L-1216C47A": 32.0})
    with pytest.raises(AwsError, match=r"AddressLimitExceeded.*Service Quotas \(L-0263D0A3\)"):
        make.ensure(provider_of(tmp_path, **ONE), "address.hive0")


def test_what_is_in_use_is_not_removed(aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with something in it that is not skep's stays, and the message says why."""
    del aws
    provider = provider_of(tmp_path, **ONE)
    make.ensure_all(provider)
    monkeypatch.setattr(AwsProvider, "delete_policy", replace(AwsProvider.delete_policy, timeout=0.05))
    with pytest.raises(AwsError, match="something that is not skep's uses it"):
        provider.remove("network", make.quiet)


def test_a_second_checkout_is_let_in_by_instance_connect(aws: Cloud, tmp_path: Path) -> None:
    """EC2 Instance Connect lets its key in for a minute, in which it becomes an entry as all others."""
    stage = aws_cloud.stage_of(number_of_hosts=1, separate_repository=False)
    operation = "SendSSHPublicKey"
    blob = ""
    with second_checkout(stage, tmp_path, lambda: blob if operation in aws.calls() else "") as second:
        blob = second.blob

        assert second.ensure() == second.first

        [script] = second.scripts
        assert f"ssh-ed25519 {second.blob} skep:" in script


def test_a_second_checkout_where_instance_connect_is_missing(aws: Cloud, tmp_path: Path) -> None:
    """Which key is refused is said, with both ways back in; the host stays as it is."""
    stage = aws_cloud.stage_of(number_of_hosts=1, separate_repository=False)
    with second_checkout(stage, tmp_path, str) as second:
        before = aws.things()
        key = second.files.own_key
        assert key is not None

        with pytest.raises(KeyRefusedError) as caught:
            second.ensure()

        assert f"hive0 refuses this checkout's key ({key.fingerprint}, " in str(caught.value)
        assert f"doit authorize '{key.public} " in str(caught.value)
        assert aws.things() == before
