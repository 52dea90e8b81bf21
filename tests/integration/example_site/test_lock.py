"""The stage's lock: one run at a time."""

import json
import time

import pytest

from tests.integration.example_site.example import (
    Example,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_second_run_is_turned_away(site: Example) -> None:
    """Of two runs at once the second ends at once, naming the first's process; the first is not disturbed."""
    site.forget_log("deploy_services:proxy")
    with site.edited('SITE_NAME = "example"', 'SITE_NAME = "two at once"'), site.start() as first:
        first.wait_for(lambda: site.log("deploy_services:proxy").count("changed service") > 0, "a deployment")
        began = time.monotonic()
        second = site.run()
        took = time.monotonic() - began
        holder = json.loads((site.state / "lock").read_text())["pid"]
        assert f"process {holder}" in second.failed(), second.text
        assert took < 5
        assert first.wait().well().ran == ["deploy_services:proxy"]
    assert site.settle() == ["deploy_services:proxy"]
