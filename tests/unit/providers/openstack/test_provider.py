"""Provider openstack: what it knows without asking anybody."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.checks import check
from model.errors import ProviderError
from model.hosts.firewall import INSIDE, Rule, inbound
from model.site_file.load import parse_site
from model.stage import Stage
from providers.cloud.host import parse_tag, tag
from providers.openstack.api import OpenStackError, is_transient
from providers.openstack.network import _as_rule, rules_of
from providers.openstack.provider import OpenStackProvider
from remote.ssh.connection import SshFiles


def site_of(**config: Any) -> types.Site:
    """Return a site with a stage at OpenStack."""
    table = {"provider": "openstack", "instance_type": "m1.small", "cidr": "10.1.0.0/24", **config}
    return parse_site({"site": "o.test", "stages": {"production": table}})


def stage_of(**config: Any) -> Stage:
    """Return that stage."""
    site = site_of(**config)
    return Stage(site, "production", site.stages["production"])


def provider_of(stage: Stage) -> OpenStackProvider:
    """Return its provider."""
    here = Path("nowhere")
    return OpenStackProvider(stage, SshFiles(here, here, here, here))


def test_rules_come_back_as_they_were_sent() -> None:
    """What is read of a security group is what was asked for, so that nothing is opened or closed twice."""
    rules = [*inbound(stage_of()), Rule("sctp", 36412, "0.0.0.0/0")]
    answer = {
        "id": "group",
        "security_group_rules": [
            {
                "port_range_min": None,
                "port_range_max": None,
                "remote_group_id": None,
                "remote_ip_prefix": None,
            }
            | _as_rule(rule, "group")
            | {"id": str(n)}
            for n, rule in enumerate(rules)
        ],
    }

    assert rules_of(answer) == {rule: str(n) for n, rule in enumerate(rules)}
    assert any(rule.source == INSIDE for rule in rules)


@pytest.mark.parametrize(
    "other",
    [
        {"port_range_min": 22, "port_range_max": 23},
        {"ethertype": "IPv6"},
        {"protocol": None},
        {"remote_ip_prefix": "192.0.2.0/24"},
        {"remote_ip_prefix": None, "remote_group_id": "another"},
    ],
)
def test_a_rule_of_somebody_else_is_none_of_ours(other: dict[str, Any]) -> None:
    """A rule that differs in anything is not taken for one that is wanted."""
    rule = Rule("tcp", 22, "0.0.0.0/0")
    said = {"remote_group_id": None, **_as_rule(rule, "group"), "id": "1"}

    assert set(rules_of({"id": "group", "security_group_rules": [said]})) == {rule}
    assert rule not in rules_of({"id": "group", "security_group_rules": [{**said, **other}]})


def test_a_mark_is_read_by_its_own_stage_alone() -> None:
    """Name and key come back; another stage, and a description by a person, tell nothing. The longest fits."""
    stage, other = stage_of(), site_of()
    description = tag(stage, "hive0", "k" * 64)

    assert parse_tag(stage, description) == ("hive0", "k" * 64)
    assert parse_tag(Stage(other, "staging", stage.config), description) == ("", "")
    assert parse_tag(stage, "the office network") == ("", "")
    assert parse_tag(stage, None) == ("", "")
    assert len(tag(stage, "address." + "h" * 63, "k" * 64)) <= 255


def test_an_error_is_said_with_its_request_and_what_to_do() -> None:
    """The request's id is in the message; a quota is told from a missing role, and from what passes."""
    quota = OpenStackError("POST network /ports", 409, "OverQuota: Quota exceeded for port.", "req-1")

    assert str(quota) == (
        "OpenStack POST network /ports: 409: OverQuota: Quota exceeded for port (request req-1): ask the cloud's "
        "operators for more, or remove what the project no longer needs"
    )
    assert not is_transient(quota)
    assert is_transient(OpenStackError("GET compute /servers", 429, "Too many requests"))
    assert is_transient(OpenStackError("POST network /ports", 409, "IpAddressAlreadyAllocated"))
    assert not is_transient(OpenStackError("GET compute /servers", 401, "Unauthorized"))
    assert not is_transient(OpenStackError("POST compute /servers", 403, "Policy doesn't allow it"))
    assert "the role `member`" in str(OpenStackError("POST compute /servers", 403, "Policy doesn't allow it"))


def test_without_openstacksdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the extra is told in one line how to get it."""
    monkeypatch.setitem(sys.modules, "openstack", None)
    [said] = provider_of(stage_of()).check()

    assert said == (
        "provider openstack needs openstacksdk: install it with `SKEP_EXTRAS=openstack ./setup true`"
    )


def test_the_sdk_is_not_imported_for_a_list() -> None:
    """What a stage wants is known without openstacksdk."""
    code = (
        "import sys, providers.openstack.provider;"
        "sys.exit('openstack' in sys.modules or 'keystoneauth1' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_hosts_need_what_they_are_made_in() -> None:
    """Each host needs network, subnet and firewall, and its floating IP only where it has one."""
    wanted = provider_of(stage_of(number_of_hosts=2, public_addresses=["hive0"])).resources()
    needs = {resource.name: resource.needs for resource in wanted}

    assert needs["hive0"] == ("network", "subnet.subnet0", "firewall", "address.hive0")
    assert needs["hive1"] == ("network", "subnet.subnet0", "firewall")
    assert "address.hive1" not in needs


def test_what_openstack_does_otherwise_is_a_mistake() -> None:
    """Keys that other clouds have and that mean nothing here are refused, each with what to do."""
    said = check(site_of(disk_encrypted=True, kms_key_id="k"), Path())

    assert (
        "stages.production.disk_encrypted: OpenStack encrypts by a type of volumes: name one with volume_type"
        in said
    )
    assert any(line.startswith("stages.production.kms_key_id: ") for line in said)
    assert check(site_of(disk_encrypted=True, volume_type="luks"), Path()) == []


def test_a_wrong_stage_is_refused() -> None:
    """A table of another provider is a caller's fault."""
    table = types.DockerStage(cidr="10.0.0.0/24")
    with pytest.raises(TypeError, match="not one of the openstack provider"):
        provider_of(Stage(types.Site(site="o.test", stages={"p": table}), "p", table))
    assert issubclass(OpenStackError, ProviderError)
