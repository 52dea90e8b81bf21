"""A run killed at any moment: the next one converges, with no duplicate and no orphan, and redoes what was in work."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.integration.live import HOSTS, REPOSITORY, ZONE_ADDRESS, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

NTP = ('"0.debian.pool.ntp.org", ', '"ntp.invalid", ')
NGINX = ("add-packages nginx-light\n", "echo once more\nadd-packages nginx-light\n")
DEPLOY = ('SITE_NAME = "example"', 'SITE_NAME = "killed"')
INITIALIZE = (f'ZONE_ADDRESS = "{ZONE_ADDRESS}"', 'ZONE_ADDRESS = "192.0.2.30"')
CHRONY = [f"setup_hosts:{host}.chrony" for host in HOSTS]


def _build_runs(site: Site) -> bool:
    return bool(site.on(REPOSITORY, "docker ps -q -f name=skep-build").strip())


def _pushed(site: Site) -> bool:
    return "setting" in site.log("build_images:proxy") or "pushed" in site.log("build_images:proxy")


MOMENTS: dict[str, tuple[tuple[str, str], str, Callable[[Site], bool], set[str]]] = {
    "a step of a host": (
        NTP,
        "",
        lambda site: "because" in site.log("setup_hosts:hive2.chrony"),
        set(CHRONY),
    ),
    "a build begins": (NGINX, "nginx/setup.sh", _build_runs, {"build_images:proxy", "deploy_services:proxy"}),
    "a build ends": (NGINX, "nginx/setup.sh", _pushed, {"build_images:proxy", "deploy_services:proxy"}),
    "a deployment": (
        DEPLOY,
        "",
        lambda site: "changed service" in site.log("deploy_services:proxy"),
        {"deploy_services:proxy"},
    ),
    "an initialization": (
        INITIALIZE,
        "",
        lambda site: "running role" in site.log("initialize_services:pdnsdb.pdns-schema"),
        {"initialize_services:pdnsdb.pdns-schema"},
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_during(site: Site, moment: str) -> None:
    """Killed with all its processes during a piece of work: the next run does that again and nothing else."""
    (old, new), role, now, work = MOMENTS[moment]
    with ExitStack() as stack:
        stack.enter_context(site.edited(old, new, site.role(role) if role else None))
        for task in work:
            phase, _, name = task.partition(":")
            (site.state / "logs" / phase / f"{name}.log").unlink(missing_ok=True)
        running = stack.enter_context(site.start())
        running.wait_for(lambda: now(site), moment, 60)
        running.kill()
        ran = site.settle()
        assert set(ran) <= work
        assert ran
        site.is_whole()
    assert set(site.settle()) == work
    site.answers()
