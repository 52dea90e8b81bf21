"""A stage in a cloud whose subnets lie in one zone each."""

from typing import Any

from model.site_file.load import parse_site
from model.stage import Stage


def stage_of(name: str = "production", site: str = "example.test", **config: Any) -> Stage:
    """Return a stage in a cloud whose subnets lie in one zone each."""
    services = config.pop("services", {})
    table = {
        "provider": "aws", "region": "eu-central-1", "instance_type": "t3.medium", "cidr": "10.1.0.0/24", **config
    }  # fmt: skip
    whole = parse_site({"site": site, "stages": {name: table}, "services": services})
    return Stage(whole, name, whole.stages[name])
