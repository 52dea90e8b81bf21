"""The site of a history on prepared hosts: containers on which root lets one key in, and that skep has never seen."""

from pathlib import Path

from tests import rig
from tests.contract.rigs import DockerRig
from tests.integration.life.lived_site import MOST, PURPOSE, LivedSite, Shape

_PREPARE = """
userdel -rf skep 2>/dev/null || true
rm -rf /etc/sudoers.d/*
mkdir -p -m 0700 /root/.ssh
echo '{key}' >/root/.ssh/authorized_keys
"""


class PreparedSite(LivedSite):
    """The site. Root's key is beside its checkouts, as the administrators of the hosts would give it to both."""

    owns_hosts = False

    def _stage(self) -> dict[str, object]:
        """Return what the stage says."""
        return {
            "provider": "prepared",
            "cidr": self.shape.cidr,
            "ip_address_list": self.shape.addresses[: self.shape.number],
            "repository": self.shape.repository,
            "private_key": str(self.directory.with_name("roots") / "key"),
        }

    @property
    def machines(self) -> tuple[str, ...]:
        """All that were prepared."""
        return tuple(f"hive{number}" for number in range(MOST))


def prepared(directory: Path, cidr: str) -> PreparedSite:
    """Make as many hosts as there may ever be, and return the site that has some of them."""
    stage = rig.docker_stage(PURPOSE, MOST, cidr=cidr)
    below = DockerRig(stage, rig.ssh_files(directory / "below"))
    rig.ensure_all(below.provider())
    roots = rig.ssh_files(directory / "roots")
    for host in stage.hosts:
        rig.run_in(below.container(host.short), _PREPARE.format(key=roots.public_key))
    return PreparedSite(directory / "first", Shape(cidr))
