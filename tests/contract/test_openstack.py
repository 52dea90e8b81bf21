"""Provider openstack against a real control plane: what the common suite does not ask."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model.digest import key_of
from model.errors import ProviderError
from providers.base import Provider
from providers.fake import KilledError
from providers.openstack_api import Api
from remote.ssh import SshFiles
from tests import rig as make
from tests.openstack import cloud

WHOLE = Counter(network=1, router=1, subnet=1, floatingip=1, port=1, volume=1, hive0=1) + Counter(
    {"security-group": 1}
)
"""What there is of the stage when it is made."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


class Life:
    """One host with all that it can have, and what a run and `doit destroy` do to it.

    Args:
        files: The stage's ssh files.

    """

    def __init__(self, files: SshFiles) -> None:
        self.files = files
        self.api = Api("loopback", None)
        self.stage = cloud.stage_of(
            "life.test", number_of_hosts=1, separate_repository=False, disk_size=10, mirrored_disk_size=2
        )

    def provider(self, **config: Any) -> Provider:
        """Return a new provider, as another run has."""
        stage = cloud.stage_of("life.test", number_of_hosts=1, separate_repository=False, **config)
        return make.provider_of(stage if config else self.stage, self.files)

    def make(self) -> None:
        """Do what a run does."""
        make.ensure_all(self.provider())

    def destroy(self) -> None:
        """Do what `doit destroy` does."""
        provider = self.provider()
        for name in reversed(list(provider.found())):
            provider.remove(name, make.quiet)

    def assert_whole(self) -> None:
        """Assert that all is there, once, as it should be."""
        assert cloud.kinds(self.api) == WHOLE
        provider = self.provider()
        found = provider.found()
        for resource in provider.resources():
            thing = found[resource.name]
            assert (thing.key, thing.running, thing.drift) == (key_of(resource.inputs), True, ""), thing

    def assert_nothing(self) -> None:
        """Assert that nothing is left."""
        assert cloud.kinds(self.api) == Counter()


@pytest.fixture
def life(openstack: Path, openstack_rig: object, tmp_path: Path) -> Life:
    """Give a stage with nothing made; of the common suite's nothing is left either."""
    del openstack
    make_nothing(openstack_rig.provider())  # type: ignore[attr-defined]
    return Life(make.ssh_files(tmp_path))


def make_nothing(provider: Provider) -> None:
    """Remove all of a stage."""
    for name in reversed(list(provider.found())):
        provider.remove(name, make.quiet)


class TestFaults:
    """OpenStack fails, and skep is killed: at each call of a whole life that changes something, once."""

    @pytest.mark.parametrize("how", ["refused", "lost"])
    def test_each_call_fails_once(self, life: Life, how: str) -> None:
        """A call that fails, or is done without an answer, does not fail the run, and nothing is made twice."""
        making, removing = cloud.Faults(how), cloud.Faults(how)
        with making.at_work():
            life.make()
        life.assert_whole()
        with removing.at_work():
            life.destroy()
        life.assert_nothing()

        assert {"POST /networks", "POST /routers", "POST /ports", "POST /servers"} <= making.calls()
        assert {"PUT /routers/ID/add_router_interface", "PUT /floatingips/ID"} <= making.calls()
        assert {"DELETE /servers/ID", "DELETE /ports/ID", "DELETE /networks/ID"} <= removing.calls()

    def test_killed_after_each_call(self, life: Life) -> None:
        """Run after run is killed after the first call that none before it had made; the last one is whole."""
        making, removing = cloud.Faults("killed"), cloud.Faults("killed")
        for faults, do, check in (
            (making, life.make, life.assert_whole),
            (removing, life.destroy, life.assert_nothing),
        ):
            is_done = False
            while not is_done:
                with faults.at_work():
                    try:
                        do()
                        is_done = True
                    except KilledError:
                        pass
            check()

        assert len(making.met) >= 15
        assert len(removing.met) >= 7

    def test_killed_and_then_destroyed(self, life: Life) -> None:
        """What a run left that was killed as it made the server is found by its marks, and removed."""
        faults = cloud.Faults("killed")
        faults.met = ["all but the server"]
        while not any(call.startswith("POST /servers") for call in faults.met):
            with faults.at_work(), pytest.raises(KilledError):
                life.make()
        life.destroy()

        life.assert_nothing()


class TestChecks:
    """What is said before anything is made."""

    def test_unknown_names(self, life: Life) -> None:
        """Flavors, images, zones and networks that there are not are said all at once, with what there is."""
        said = life.provider(
            instance_type="huge", image_name="plan9-4", available_zones=["az9"], external_network="moon"
        ).check()

        assert len(said) == 5
        assert "there is no flavor huge; the project has m1.large, m1.medium, m1.small" in said[0]
        assert "there is no image plan9-4" in said[1]
        assert "there is no zone az9; there are az1, az2, az3" in said[2]
        assert "there is no moon; the cloud has public" in said[3]

    def test_wrong_credentials(
        self, life: Life, openstack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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

    def test_quota(self, life: Life) -> None:
        """A quota that is too small is said before the first server is made."""
        stage = cloud.stage_of("life.test", number_of_hosts=6, instance_type="m1.large")
        [said] = make.provider_of(stage, life.files).check()

        assert "needs 24 more CPUs, and of 20 that the project may have 0 are taken" in said


class TestChanges:
    """What changes while hosts stay, and what does not go well."""

    def test_rules_are_changed_in_place(self, life: Life) -> None:
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
        assert (
            "open: 1" in life.provider().found()["firewall"].drift
            or life.provider().found()["firewall"].drift
        )

        make.ensure(provider, "firewall")

        assert life.provider().found()["firewall"] == before
        life.destroy()

    def test_no_valid_host(self, life: Life) -> None:
        """Where no host has room, Nova's reason is said, and the next run removes what is in ERROR."""
        provider = life.provider(volume_type="no-such-type")
        for resource in provider.resources()[:-1]:
            make.ensure(provider, resource.name)
        with pytest.raises(ProviderError, match="no-such-type"):
            make.ensure(provider, "hive0")
        life.make()
        life.assert_whole()
        life.destroy()
        life.assert_nothing()
