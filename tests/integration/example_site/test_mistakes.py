"""Mistakes in site.toml are named, and nothing is touched."""

import pytest

from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_bad_input_touches_nothing(site: Example) -> None:
    """Mistakes in site.toml are said all at once, each with its path, before anything is touched; status 3."""
    before = site.identity()
    lock = (site.state / "lock").stat()
    with (
        site.edited("separate_repository = true", "seperate_repository = true"),
        site.edited('mode = "global"', 'mode = "everywhere"'),
        site.edited("published_port = 80,", "published_port = 'eighty',"),
        site.edited('timezone = "UTC"', "timezone = 1"),
    ):
        ended = site.run()
    text = ended.failed()
    assert ended.status == 3
    for path in (
        "seperate_repository",
        "services.powerdns.mode",
        "services.proxy.ports[0]",
        "setup_hosts.timezone",
    ):
        assert path in text, text
    assert lock.st_mtime_ns == (site.state / "lock").stat().st_mtime_ns
    assert before == site.identity()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('site = "', "site = ", "line "),
        ('provider = "docker"', 'provider = "dokcer"', "docker"),
        ('source = "pdnsdb_data"', 'source = "nowhere"', "nowhere"),
        ('secrets = ["pdns_db"]', 'secrets = ["pdns_db"]\nnetworks = ["other"]', "other"),
        ('roles = ["debian", "nginx"]', 'roles = ["debian", "engine-x"]', "engine-x"),
        ("[stages.private] ", '[stages.other] \nip_address_list = ["10.9.9.9"]\n[stages.private] ', "other"),
        ('provider = "docker"', 'provider = "docker"\nip_address_list = ["10.255.9.9"]', "10.255.9.9"),
    ],
    ids=["no TOML", "provider", "volume", "network", "role", "stage", "address outside"],
)
def test_each_mistake_is_named(site: Example, old: str, new: str, named: str) -> None:
    """Each kind of mistake gives a message that names it, no traceback, and status 3."""
    with site.edited(old, new):
        ended = site.run()
    assert named in ended.failed()
    assert ended.status == 3
