"""Provider openstack against a real control plane: questions beyond the common suite's."""

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, ClassVar

import pytest

from model.errors import ProviderError
from model.keys.record import FactRecord, HostRecord
from model.stage import Stage
from providers.base import Provider
from providers.fake.provider import KilledError
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import OpenStackError
from remote.ssh.ssh_files import SshFiles
from tests import rig as make
from tests.contract import faults
from tests.contract.rigs import CloudRig
from tests.openstack import cloud

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(2400)]


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
            "share": 1,
            "hive0": 1,
        }
    )

    def __init__(self, files: SshFiles) -> None:
        self.api = OpenStackApi("loopback", None)
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
                "nfs": True,
                "share_size": 1,
                **config,
            },
        )

    def things(self) -> list[str]:
        """Return all that there is in the project, once deleted servers have let go of their volumes."""
        return cloud.settled(self.api)

    def except_(self, **config: Any) -> Provider:
        """Return a provider of the stage with other settings."""
        return make.provider_of(self.stage_of(**config), self.files)


def keystone_of(clouds: Path) -> str:
    """Return where Keystone is, by a clouds.yaml."""
    return next(line.split()[1] for line in clouds.read_text().splitlines() if "auth_url" in line)


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

        made = {"POST /networks", "POST /routers", "POST /ports", "POST /servers", "POST /shares"}
        assert made | {"POST /shares/ID/action"} <= making.calls()
        assert {"PUT /routers/ID/add_router_interface", "PUT /floatingips/ID"} <= making.calls()
        assert {"DELETE /servers/ID", "DELETE /ports/ID", "DELETE /networks/ID"} <= removing.calls()
        assert "DELETE /shares/ID" in removing.calls()

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
        """What a run left that was killed as it made the server is found by its tags, and removed."""
        with cloud.Faults("killed", "POST /servers").at_work(), pytest.raises(KilledError):
            life.make()
        life.destroy()

        assert life.kinds() == Counter()

    def test_a_server_that_nova_gives_up_as_it_is_deleted(
        self, life: OpenStackLife, openstack: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is deleted again: as one that is still being built goes into ERROR where it should be gone."""
        life.make()
        admin, drop, given_up = cloud.administrator(openstack), OpenStackApi.drop, list[str]()

        def give_up(api: OpenStackApi, service: str, path: str) -> bool:
            if service != "compute" or path in given_up:
                return drop(api, service, path)
            given_up.append(path)
            admin.compute.post(
                f"{path}/action", json={"os-resetState": {"state": "error"}}
            ).raise_for_status()
            return True

        monkeypatch.setattr(OpenStackApi, "drop", give_up)
        life.destroy()

        assert len(given_up) == 1
        assert life.kinds() == Counter()


class TestChecks:
    """The problems that a check finds."""

    def test_unknown_names(self, life: OpenStackLife) -> None:
        """Unknown flavors, images, zones and networks are all named at once, with the known ones."""
        said = life.except_(
            instance_type="huge",
            image_name="plan9-4",
            available_zones=["az9"],
            external_network="moon",
            share_type="tape",
        ).check()

        assert len(said) == 5
        assert "there is no flavor huge; the project has m1.large, m1.medium, m1.small" in said[0]
        assert "there is no image plan9-4" in said[1]
        assert "there is no zone az9; there are az1, az2, az3" in said[2]
        assert "there is no moon; the cloud has public" in said[3]
        assert "share_type: there is no tape; the cloud has plain, served" in said[4]

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

    def test_missing_permissions(self, life: OpenStackLife) -> None:
        """Who may look and not make is told so beforehand, by each service that would refuse; nothing is made."""
        said = life.except_(cloud="loopback-reader").check()

        assert [line.split(":")[0] for line in said] == [
            "OpenStack POST network /floatingips",
            "OpenStack POST compute /servers",
            "OpenStack POST shared_file_system /shares",
        ]
        assert all("(request req-" in line and "the user needs the role `member`" in line for line in said)
        assert life.kinds() == Counter()

    def test_credentials_that_expire_on_the_way(
        self, life: OpenStackLife, openstack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The run ends at once, with the request's id and the way out; the next one goes on where it was."""
        from openstack import connect

        person: Any = connect(cloud="loopback")
        path = f"/users/{person.current_user_id}/application_credentials"
        body = {"application_credential": {"name": "short"}}
        credential = person.identity.post(path, json=body).json()["application_credential"]
        short = tmp_path / "clouds.yaml"
        short.write_text(
            "clouds:\n  loopback:\n    region_name: RegionOne\n    auth_type: v3applicationcredential\n    auth:\n"
            f"      auth_url: {keystone_of(openstack)}\n      application_credential_id: {credential['id']}\n"
            f"      application_credential_secret: {credential['secret']}\n"
        )
        with monkeypatch.context() as patch:
            patch.setenv("OS_CLIENT_CONFIG_FILE", str(short))
            make.ensure(life.provider(), "network")
            person.identity.delete(f"{path}/{credential['id']}").raise_for_status()
            # Its token is at its end, and there is no new one to be had.
            cloud.connection("loopback").session.invalidate()
            with pytest.raises(OpenStackError, match=r"401: .*\(request req-.*has expired") as caught:
                make.ensure(life.provider(), "firewall")
        assert str(caught.value).endswith("then run doit again, it continues where it stopped")

        make.ensure_all(life.provider())
        assert life.kinds()["network"] == 1
        life.destroy()

    def test_quota(self, life: OpenStackLife) -> None:
        """A quota that is too small is said before the first server is made."""
        [said] = life.except_(number_of_hosts=6, instance_type="m1.large").check()

        assert "needs 24 more CPUs, but the project has 0 of at most 20 already" in said


class TestChanges:
    """Changes while hosts stay, and failures."""

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
        assert drift == "the firewall rules differ (open: 1-99/tcp from 0.0.0.0/0)"

        make.ensure(provider, "firewall")

        assert life.provider().found()["firewall"] == before
        life.destroy()

    def test_name_servers(self, life: OpenStackLife) -> None:
        """Subnets give hosts those of site.toml, also one that is there already; without any, the cloud's stay."""
        provider = life.except_(dns_servers=["9.9.9.9", "1.1.1.1"])

        def servers() -> list[str]:
            own = provider.found()["subnet.subnet0"].id
            listed = life.api.listing("network", "/subnets", "subnets")
            return next(list(one["dns_nameservers"]) for one in listed if one["id"] == own)

        for name in ("network", "subnet.subnet0"):
            make.ensure(life.except_(), name)
        drift = provider.found()["subnet.subnet0"].drift
        assert drift == "the name servers are the cloud's, not 9.9.9.9, 1.1.1.1"
        make.ensure(provider, "subnet.subnet0")
        assert servers() == ["9.9.9.9", "1.1.1.1"]
        provider.remove("subnet.subnet0", make.quiet)
        make.ensure(provider, "subnet.subnet0")

        assert servers() == ["9.9.9.9", "1.1.1.1"]
        assert provider.found()["subnet.subnet0"].drift == ""
        assert life.except_().found()["subnet.subnet0"].drift == ""
        life.destroy()

    def test_sizes_change_in_place(self, life: OpenStackLife) -> None:
        """Another flavor and larger volumes leave the host the one that it is; a volume can't become smaller."""
        before = make.ensure_all(life.except_(nfs=False, disk_size=12))["hive0"]
        larger = life.except_(nfs=False, disk_size=14, mirrored_disk_size=3, instance_type="m1.medium")
        found = larger.found()["hive0"]
        assert (found.must_stop, found.drift) == (True, "hive0 is a m1.small")
        grown = life.except_(nfs=False, disk_size=14).found()["hive0"]
        assert (grown.must_stop, grown.drift.endswith("has 12 GiB, not 14")) == (False, True)

        assert make.ensure_host(larger, "hive0") == before
        found = larger.found()["hive0"]
        assert (found.must_stop, found.drift, found.running) == (False, "", True)
        volumes = life.api.listing("block_storage", "/volumes/detail", "volumes")
        assert sorted((volume["size"], volume["bootable"]) for volume in volumes) == [
            (3, "false"),
            (14, "true"),
        ]
        with pytest.raises(ProviderError, match="has 14 GiB, and can't be made smaller"):
            make.ensure_host(life.except_(nfs=False, disk_size=12, instance_type="m1.medium"), "hive0")
        life.destroy()

    def test_a_disk_is_as_large_as_its_image(self, life: OpenStackLife) -> None:
        """Without a size it has what the image needs; one that is smaller is refused before and on the way."""
        made = cloud.make_image("large", min_disk=25)
        try:
            small = life.except_(nfs=False, image_name="large")
            assert [line for line in small.check() if "disk_size" in line] == [
                (
                    "stages.private.disk_size: 10 GiB are fewer than the 25 GiB of image large: set 25 or more, "
                    "or leave disk_size out"
                )
            ]
            with pytest.raises(
                OpenStackError, match=r"minimum size.*: the image needs a larger disk: set disk_size"
            ):
                make.ensure_all(small)
            provider = life.except_(nfs=False, image_name="large", disk_size=None, mirrored_disk_size=None)
            make.ensure_all(provider)
            [volume] = life.api.listing("block_storage", "/volumes/detail", "volumes")
            assert volume["size"] == 25
            make.ensure_host(provider, "hive0")
            life.destroy()
        finally:
            life.api.drop("image", f"/images/{made}")

    def test_a_disk_of_the_flavors_own(self, life: OpenStackLife) -> None:
        """It grows with the flavor, also where a run was killed in between; alone it can't, which is said."""
        before = make.ensure_all(life.except_(nfs=False))["hive0"]
        assert isinstance(before, HostRecord)
        larger = life.except_(nfs=False, disk_size=20, instance_type="m1.medium")
        with pytest.raises(ProviderError, match="its disk is its flavor's own and has 10 GiB"):
            make.ensure_host(life.except_(nfs=False, disk_size=20), "hive0")
        with pytest.raises(ProviderError, match=r"that of m1\.medium has 20 GiB: set disk_size to that"):
            make.ensure_host(life.except_(nfs=False, instance_type="m1.medium"), "hive0")

        with (
            cloud.Faults("killed", f"POST /servers/{before.id}/action").at_work(),
            pytest.raises(KilledError),
        ):
            make.ensure_host(larger, "hive0")
        assert make.ensure_host(larger, "hive0") == before
        found = larger.found()["hive0"]
        assert (found.drift, found.running) == ("", True)
        life.destroy()

    @pytest.mark.parametrize("kind", ["plain", "served"])
    def test_a_share(self, life: OpenStackLife, kind: str) -> None:
        """It is mounted from where Manila says, lets the stage in alone, grows, and does not shrink."""
        provider = life.except_(share_type=kind)
        for name in ("network", "subnet.subnet0"):
            make.ensure(provider, name)
        record = make.ensure(provider, "nfs")
        assert isinstance(record, FactRecord)
        server, _, path = record.id.partition(":")
        assert (ip_address(server) in ip_network("10.1.0.0/24")) == (kind == "served")
        assert path.startswith("/shares/")
        assert provider.found()["nfs"].id == record.id
        [share] = life.api.listing("shared_file_system", "/shares/detail", "shares")
        rules = life.api.ask(
            "POST", "shared_file_system", f"/shares/{share['id']}/action", {"access_list": None}
        )
        assert [(rule["access_to"], rule["access_level"]) for rule in rules["access_list"]] == [
            ("10.1.0.0/24", "rw")
        ]

        assert make.ensure(life.except_(share_type=kind, share_size=3), "nfs") == record
        with pytest.raises(ProviderError, match="has 3 GiB, and is not made smaller"):
            make.ensure(life.except_(share_type=kind, share_size=2), "nfs")
        other = life.except_(share_type="served" if kind == "plain" else "plain", share_size=3)
        with pytest.raises(
            ProviderError, match="is of another type, which can't be changed, and it may hold data"
        ):
            make.ensure(other, "nfs")
        life.destroy()
        assert life.kinds() == Counter()

    def test_a_look_is_one_listing_for_each_kind(
        self, life: OpenStackLife, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run that has nothing to do asks nine questions; the volumes' tell the disks' sizes."""
        life.make()
        asked: list[str] = []
        ask = OpenStackApi.ask

        def noted(
            api: OpenStackApi, method: str, service: str, path: str, body: Any = None, **query: str
        ) -> Any:
            asked.append(f"{method} {path}")
            return ask(api, method, service, path, body, **query)

        monkeypatch.setattr(OpenStackApi, "ask", noted)
        life.provider().found()

        assert sorted(asked) == [
            "GET /floatingips",
            "GET /networks",
            "GET /ports",
            "GET /routers",
            "GET /security-groups",
            "GET /servers/detail",
            "GET /shares/detail",
            "GET /subnets",
            "GET /volumes/detail",
        ]
        life.destroy()

    def test_two_stages_share_a_project(self, life: OpenStackLife) -> None:
        """Neither sees the other's things, and one's end leaves the other whole."""
        stages = [
            cloud.stage_of("life.test", name, number_of_hosts=1, separate_repository=False, disk_size=10)
            for name in ("production", "staging")
        ]
        one, other = (make.provider_of(stage, life.files) for stage in stages)
        make.assert_apart(one, other)
        make.remove_all(other)
        assert life.kinds() == Counter()

    def test_a_quota_that_is_met_on_the_way(self, life: OpenStackLife, openstack: Path) -> None:
        """The message for a used up quota comes at once, with the request's id and the way out."""
        network = cloud.administrator(openstack).network
        path = f"/quotas/{life.api.project}"
        make.ensure(life.provider(), "network")
        network.put(path, json={"quota": {"floatingip": 0}}).raise_for_status()
        try:
            with pytest.raises(
                OpenStackError, match=r"409: OverQuota.*\(request req-.*ask the cloud's operators"
            ):
                make.ensure(life.provider(), "address.hive0")
        finally:
            network.delete(path).raise_for_status()
        life.destroy()

    def test_no_valid_host(self, life: OpenStackLife) -> None:
        """Where no host has room, the message has Nova's reason, and the next run removes the server in ERROR."""
        provider = life.except_(volume_type="no-such-type")
        for resource in provider.resources()[:-1]:
            make.ensure(provider, resource.name)
        with pytest.raises(ProviderError, match="no-such-type"):
            make.ensure(provider, "hive0")
        life.make()
        life.assert_whole()
        life.destroy()
        assert life.kinds() == Counter()
