"""Values that look odd and are valid: each loads."""

from pathlib import Path
from typing import Any

import pytest

from model.checks import check
from model.site_file.load import load, parse_site
from remote.swarm.spec import words
from tests.doubles.azure.cloud import stage_of as azure_stage
from tests.openstack.cloud import stage_of as openstack_stage
from tests.unit.model.good_site import GOOD, problems
from tests.unit.model.hosts.cloud_stage import stage_of as aws_stage


@pytest.mark.parametrize(
    "text",
    [
        "user = ':1000'",
        "user = 'user@domain'",
        "user = 'ünï:grüppe'",
        "user = 'machine$'",
        "user = 'www-data:'",
        "hostname = '_x'",
        "hostname = 'a_b'",
        "entrypoint = ['']\ncommand = ['nginx', '-v']",
        "entrypoint = ['']\ncommand = 'nginx -v'",
    ],
)
def test_settings_that_docker_takes(site_dir: Path, text: str) -> None:
    """Users are whatever the container's `/etc/passwd` has, and `['']` clears the image's entrypoint."""
    (site_dir / "site.toml").write_text(GOOD + text)

    load(site_dir / "site.toml")


def test_an_empty_word_clears_an_entrypoint(site_dir: Path) -> None:
    """It is sent as it is, for an image as well; no list of words at all is the image's own."""
    text = GOOD.replace('from = "debian:12"', 'from = "debian:12"\nentrypoint = [""]')
    (site_dir / "site.toml").write_text(f"{text}entrypoint = ['']\ncommand = 'x'")

    site = load(site_dir / "site.toml")

    assert words(site.services["web"].entrypoint) == words(site.images["web"].entrypoint) == [""]


def test_zones_of_regions_without_zones() -> None:
    """docs/providers.md: in a region without zones set `available_zones = [""]`; a subnet has none by `""`."""
    subnet = {"name": "a", "cidr": "10.1.0.0/25", "available_zone": ""}

    assert check(azure_stage(available_zones=[""]).site, Path()) == []
    assert check(azure_stage(cidr="10.1.0.0/24", subnets=[subnet]).site, Path()) == []
    (line,) = check(azure_stage(available_zones=[" "]).site, Path())
    assert line == "stages.production.available_zones[0]: is empty"


@pytest.mark.parametrize(
    "named",
    [
        {"image_name": "Debian 12 Bookworm"},
        {"instance_type": "4 vCPU 8 GB"},
        {"available_zones": ["zone 1"]},
        {"region": "Region One"},
    ],
)
def test_names_of_openstack(named: dict[str, Any]) -> None:
    """Images, flavors, zones and regions have the names that their cloud's people gave them."""
    assert check(openstack_stage(**named).site, Path()) == []


def test_an_image_of_amazons_with_a_name_of_several_words() -> None:
    """`<account>/<name>` is an image, whose name may have spaces."""
    assert check(aws_stage(image_name="123456789012/Our image (2026)").site, Path()) == []


@pytest.mark.parametrize(
    ("user", "is_one"),
    [
        (r"CORP\admin", True),
        ("admin@corp.example", True),
        ("machine$", True),
        ("a b", False),
        ("a'b", False),
        ("a\tb", False),
    ],
)
def test_the_user_of_a_prepared_host(user: str, *, is_one: bool) -> None:
    """Hosts of a domain have its users; ssh and shells would divide a name with white space or quotes."""
    stage = {
        "provider": "prepared",
        "ip_address_list": ["192.0.2.1"],
        "separate_repository": False,
        "user": user,
    }

    found = check(parse_site({"site": "example", "stages": {"p": stage}}), Path())

    assert [line.startswith("stages.p.user: ") for line in found] == [True] * (not is_one)


def test_lines_of_key_files_end_as_lines_do(site_dir: Path) -> None:
    """So they come out of `cat id_ed25519.pub`; a second line is still one too many."""
    accounts = GOOD + '[setup_hosts.users.a]\npublic_keys = ["ssh-ed25519 AAAA u\\n"]\n'
    (site_dir / "site.toml").write_text(accounts)
    load(site_dir / "site.toml")

    (line,) = problems(site_dir, accounts.replace("u\\n", "u\\nv\\n"))
    assert line.startswith("setup_hosts.users.a.public_keys[0]: ")
    assert line.endswith("has a line break in it")
