"""Whom a port is open to, and the metadata service, are the firewalls' alone: no service is deployed for them."""

from pathlib import Path

import pytest

from tasks.explain.status import UP_TO_DATE
from tests import made as rig
from tests.made import Made

PORT = '\nports = [{ target_port = 80, published_port = 80, mode = "host" }]'


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made, with a service on hive0 that publishes a port."""
    site = rig.new(tmp_path)
    site.edit('image = "web"', f'image = "web"{PORT}')
    site.make()
    return site


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('mode = "host" }', 'mode = "host", open_to = "stage" }'),
        ('mode = "host" }', 'mode = "host", open_to = ["192.0.2.0/24"] }'),
        (PORT, f"{PORT}\nmetadata = true"),
    ],
)
def test_only_the_firewall_of_the_hive_changes(made: Made, old: str, new: str) -> None:
    """That of the hive where the service may run."""
    made.edit(old, new)
    table = made.table()

    assert {name for name in table.names if table[name].status != UP_TO_DATE} == {
        "setup_hosts:hive0.firewall"
    }
