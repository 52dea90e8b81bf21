"""A site with templates."""

from pathlib import Path

from model.site_file.load import load, select
from model.stage import Stage

SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[stages.private.vars]
domain = "private.example"
[stages.production]
provider = "prepared"
ip_address_list = ["192.0.2.1", "192.0.2.2"]
[secrets]
db = { generate = 20 }
token = { env = "SKEP_TEST_TOKEN" }
[vars]
domain = "{{ stage }}.example.com"
replicas = 2
servers = ["a.{{ vars.domain }}", "b"]
url = "postgres://web:{{ secrets.db }}@{{ vars.domain }}"
items = "hides no method"
[services.db]
image = "nginx:1"
ports = ["5433:5432", "5353:53/udp", "54:53/tcp"]
[services.web]
image = "nginx:1"
"""


SECRET = "correct-horse/battery"


def site(directory: Path, web: str, stage: str = "private") -> Stage:
    """Return a stage in which service `web` has these further lines."""
    (directory / "site.toml").write_text(SITE + web)
    return select(load(directory / "site.toml"), stage)
