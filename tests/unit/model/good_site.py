"""A site.toml without mistakes, and the mistakes of others."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site_file.load import load

GOOD = """
site = "example"
[stages.private]
provider = "docker"
cidr = "172.31.0.0/24"
[stages.production]
provider = "prepared"
ip_address_list = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
separate_repository = false
[logs]
keep = "14d"
max_size = "5G"
[backup]
schedule = "Mon..Fri 01:00"
keep = { daily = 14 }
verify = "monthly"
[images.web]
from = "debian:12"
roles = ["nginx", { role = "nginx", vars = { PORT = 80 } }]
[networks.front]
[volumes.data]
hosts = ["hive0"]
backup = false
[services.web]
image = "web"
ports = ["8080:80", { target_port = 443, published_port = 443, mode = "host" }]
volumes = [{ source = "data", target = "/data" }]
"""


def problems(directory: Path, text: str) -> list[str]:
    """Return the mistakes that loading a text finds, without the file's name."""
    (directory / "site.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(directory / "site.toml")
    return [problem.removeprefix("site.toml: ") for problem in raised.value.problems]
