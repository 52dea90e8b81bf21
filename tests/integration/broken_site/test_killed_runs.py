"""A run killed at any moment: the next one converges, with no duplicate and no orphan."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.integration.example_site.example import HOSTS, REPOSITORY, ZONE_ADDRESS, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

CHRONY = {f"setup_hosts:{host}.chrony" for host in HOSTS}
IMAGE, SERVICE = "build_images:proxy", "deploy_services:proxy"
DATA = "initialize_services:pdnsdb.pdns-schema"


@dataclass(frozen=True)
class Moment:
    """When a run is killed.

    Args:
        work: What is at work then.
        now: Tells that it is then.
        edit: What is changed in site.toml, so that there is that work; nothing: the proxy's role.

    """

    work: set[str]
    now: Callable[[Example], bool]
    edit: tuple[str, str] | None = None


MOMENTS = {
    "a step of a host": Moment(
        CHRONY,
        lambda site: "because" in site.log("setup_hosts:hive2.chrony"),
        ('"0.debian.pool.ntp.org", ', '"ntp.invalid", '),
    ),
    "a role in a build": Moment(
        {IMAGE}, lambda site: bool(site.on(REPOSITORY, "docker ps -q -f name=skep-build").strip())
    ),
    "the end of a build": Moment({IMAGE}, lambda site: "Processing triggers for nginx" in site.log(IMAGE)),
    "a deployment": Moment(
        {SERVICE},
        lambda site: "changed service" in site.log(SERVICE),
        ('SITE_NAME = "example"', 'SITE_NAME = "killed"'),
    ),
    "an initialization": Moment(
        {DATA},
        lambda site: "running role" in site.log(DATA),
        (f'ZONE_ADDRESS = "{ZONE_ADDRESS}"', 'ZONE_ADDRESS = "192.0.2.30"'),
    ),
}

EACH_TIME = {"a step of a host", "a deployment"}
"""Those that are tried after every change."""


@pytest.mark.parametrize(
    "moment",
    [pytest.param(moment, marks=() if moment in EACH_TIME else pytest.mark.full) for moment in MOMENTS],
)
def test_killed_during(site: Example, moment: str) -> None:
    """Killed with all its processes during a piece of work: the next run does that again and nothing else."""
    work, now, edit = (when := MOMENTS[moment]).work, when.now, when.edit
    # An image alone: what deploys it has a moment of its own.
    words = () if edit else ("build_images",)
    with site.edited(*edit) if edit else site.role_edited():
        for task in work:
            site.forget_log(task)
        with site.start(*words) as running:
            running.wait_for(lambda: now(site), moment)
            assert running.kill()
        # After a killed build others of the repository host look whether theirs is there.
        assert site.redone(site.run(*words).well()) <= work
        again = site.run(*words)
        assert (again.status, again.ran) == (0, []), again.text
        site.is_whole()
    assert set(site.settle()) == work
    site.answers()
