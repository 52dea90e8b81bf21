"""How often each alarm is looked for. That each is given when it should be: tests/integration/test_alarm_rules.py."""

import json

from model.alarms.rule_file import rule_file
from model.site_file.load import parse_site
from model.stage import Stage


def test_how_often_alarms_are_looked_for() -> None:
    """Each five seconds; each minute those that read hours of metrics; a service's own as often as metrics are read.

    So are those that look through a day of readings.
    """
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24"}},
            "monitoring": {},
            "services": {"web": {"image": "web", "alerts": [{"name": "Slow", "expr": "latency > 1"}]}},
        }
    )
    groups = json.loads(rule_file(Stage(site, "private", site.stages["private"])))["groups"]
    of: dict[str, set[str]] = {}
    for group in groups:
        of.setdefault(group["interval"], set()).update(rule.get("alert", "") for rule in group["rules"])
    assert of["60s"] == {"DiskFilling", "InodesFilling"}
    assert of["15s"] == {"Slow", "ErrorSeen", "ServiceRestarts"}
    assert of["5s"] > {"", "HostSilent", "ServiceDown", "Watchdog"}
    assert not of["5s"] & of["60s"]
