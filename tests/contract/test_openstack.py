"""Provider openstack against a real control plane: what the common suite does not ask."""

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from model.errors import ProviderError
from model.stage import Stage
from providers.base import Provider
from providers.fake import KilledError
from providers.openstack_api import Api
from remote.ssh import SshFiles
from tests import rig as make
from tests.contract import faults
from tests.contract.rigs import CloudRig
from tests.openstack import cloud

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


class OpenStackLife(faults.Life):
    """A life at OpenStack.

    Args:
        files: The stage's ssh files.

    """

    whole: ClassVar[Counter[str]] = Counter(
        {
            "network": 1,
            "router": 1,
            "subnet": 1,
            "security-group": 1,
            "floatingip": 1,
            "port": 1,
            "volume": 1,
            "hive0": 1,
        }
    )

    def __init__(self, files: SshFiles) -> None:
        self.api = Api("loopback", None)
        super().__init__(self.stage_of(), files)

    @staticmethod
    def stage_of(**config: Any) -> Stage:
        """Return the stage, with other settings."""
        return cloud.stage_of(
            "life.test",
            **{
                "number_of_hosts": 1,
                "separate_repository": False,
                "disk_size": 10,
                "mirrored_disk_size": 2,
                **config,
            },
        )

    def things(self) -> list[str]:
        """Return all that there is in the project, once deleted servers have let go of their volumes."""
        return cloud.settled(self.api)

    def but(self, **config: Any) -> Provider:
        """Return a provider of the stage with other settings."""
        return make.provider_of(self.stage_of(**config), self.files)


@pytest.fixture
def life(openstack: Path, openstack_rig: CloudRig, tmp_path: Path) -> OpenStackLife:
    """Give a stage with nothing made; of the common suite's nothing is left either."""
    del openstack
    make.remove_all(openstack_rig.provider())
    return OpenStackLife(make.ssh_files(tmp_path))


class TestFaults:
    """OpenStack fails, and skep is killed: at each call of a whole life that changes something, once."""

    @pytest.mark.parametrize("how", ["refused", "lost"])
    def test_each_call_fails_once(self, life: OpenStackLife, how: str) -> None:
        """A call that fails, or is done without an answer, does not fail the run, and nothing is made twice."""
        making, removing = cloud.Faults(how), cloud.Faults(how)
        with making.at_work():
            life.make()
        life.assert_whole()
        with removing.at_work():
            life.destroy()
        assert life.kinds() == Counter()

        assert {"POST /networks", "POST /routers", "POST /ports", "POST /servers"} <= making.calls()
        assert {"PUT /routers/ID/add_router_interface", "PUT /floatingips/ID"} <= making.calls()
        assert {"DELETE /servers/ID", "DELETE /ports/ID", "DELETE /networks/ID"} <= removing.calls()

    def test_killed_after_each_call(self, life: OpenStackLife) -> None:
        """Run after run is killed after the first call that none before it had made; the last one is whole."""
        making, removing = cloud.Faults("killed"), cloud.Faults("killed")
        for going, do, check in (
            (making, life.make, life.assert_whole),
            (removing, life.destroy, lambda: None),
        ):
            is_done = False
            while not is_done:
                with going.at_work():
                    try:
                        do()
                        is_done = True
                    except KilledError:
                        pass
            check()

        assert len(making.met) >= 15
        assert len(removing.met) >= 7

    def test_killed_and_then_destroyed(self, life: OpenStackLife) -> None:
        """What a run left that was killed as it made the server is found by its marks, and removed."""
        with cloud.Faults("killed", "POST /servers").at_work(), pytest.raises(KilledError):
            life.make()
        life.destroy()

        assert life.kinds() == Counter()


class TestChecks:
    """What is said before anything is made."""

    def test_unknown_names(self, life: OpenStackLife) -> None:
        """Flavors, images, zones and networks that there are not are said all at once, with what there is."""
        said = life.but(
            instance_type="huge", image_name="plan9-4", available_zones=["az9"], external_network="moon"
        ).check()

        assert len(said) == 4
        assert "there is no flavor huge; the project has m1.large, m1.medium, m1.small" in said[0]
        assert "there is no image plan9-4" in said[1]
        assert "there is no zone az9; there are az1, az2, az3" in said[2]
        assert "there is no moon; the cloud has public" in said[3]

    def test_wrong_credentials(
        self, life: OpenStackLife, openstack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A wrong password is said in one line, with the request's id and where credentials come from."""
        secret = (openstack.parent / "secret").read_text().strip()
        wrong = tmp_path / "clouds.yaml"
        wrong.write_text(openstack.read_text().replace(secret, "wrong"))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(wrong))
        [said] = life.provider().check()

        assert "401" in said
        assert "(request req-" in said
        assert "clouds.yaml" in said

    def test_quota(self, life: OpenStackLife) -> None:
        """A quota that is too small is said before the first server is made."""
        [said] = life.but(number_of_hosts=6, instance_type="m1.large").check()

        assert "needs 24 more CPUs, and of 20 that the project may have 0 are taken" in said


class TestChanges:
    """What changes while hosts stay, and what does not go well."""

    def test_rules_are_changed_in_place(self, life: OpenStackLife) -> None:
        """A rule that somebody else made is drift, and goes; one that is missing comes; the group stays."""
        provider = life.provider()
        for name in ("network", "firewall"):
            make.ensure(provider, name)
        before = provider.found()["firewall"]
        body = {
            "security_group_id": before.id,
            "direction": "ingress",
            "protocol": "tcp",
            "port_range_min": 1,
            "port_range_max": 99,
        }
        life.api.ask("POST", "network", "/security-group-rules", {"security_group_rule": body})
        drift = life.provider().found()["firewall"].drift
        assert drift == "the firewall is another (open: 1/tcp IPv4 1 to 99 from 0.0.0.0/0)"

        make.ensure(provider, "firewall")

        assert life.provider().found()["firewall"] == before
        life.destroy()

    def test_no_valid_host(self, life: OpenStackLife) -> None:
        """Where no host has room, Nova's reason is said, and the next run removes what is in ERROR."""
        provider = life.but(volume_type="no-such-type")
        for resource in provider.resources()[:-1]:
            make.ensure(provider, resource.name)
        with pytest.raises(ProviderError, match="no-such-type"):
            make.ensure(provider, "hive0")
        life.make()
        life.assert_whole()
        life.destroy()
        assert life.kinds() == Counter()
