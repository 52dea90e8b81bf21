"""Provider gcp against a Google of the tests' own, which holds each request against Google's publications."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import ProviderError
from model.keys.record import HostRecord
from providers.gcp.api import GcpApi
from providers.gcp.errors import GcpError
from providers.gcp.network import GcpNetwork
from providers.gcp.provider import GcpProvider
from remote.ssh.ssh_files import SshFiles
from tasks.run.state import State
from tests import rig as make
from tests.contract import faults
from tests.contract.second_checkout import second_checkout
from tests.doubles.gcp import cloud as gcp_cloud
from tests.doubles.gcp.published import RefusedError, understood
from tests.doubles.gcp.server import Google

pytestmark = pytest.mark.timeout(1200)


class GcpLife(faults.PlayedLife):
    """A life at Google.

    Args:
        google: The cloud.
        files: The stage's ssh files.

    """

    whole = Counter(  # noqa: RUF012 - never changed
        networks=1, subnetworks=1, firewalls=2, addresses=1, disks=2, filestore=1, hive0=1
    )
    caller = GcpApi

    def __init__(self, google: Google, files: SshFiles) -> None:
        self.google = google
        stage = gcp_cloud.stage_of(
            number_of_hosts=1, separate_repository=False, nfs=True, mirrored_disk_size=5
        )
        super().__init__(stage, files)

    def reset(self) -> None:
        """Have the project be empty."""
        self.google.reset()

    def fail(self, at: int, how: str) -> None:
        """Have a call fail."""
        self.google.fail(at, how)

    def has_failed(self) -> bool:
        """Return whether one has."""
        return bool(self.google.failed)

    def things(self) -> list[str]:
        """Return all that there is in the project."""
        return gcp_cloud.things(self.google)

    def counts(self, what: str) -> bool:
        """Return whether it changes something: then the process dies while the operation is at work."""
        return what.rpartition(".")[2] not in {"get", "get_from_family", "GET"}


@pytest.fixture
def life(google: Google, tmp_path: Path) -> GcpLife:
    """Give a stage."""
    return GcpLife(google, make.ssh_files(tmp_path))


class TestMaking(faults.Making):
    """A whole stage is made."""

    least = 7
    among = {"Networks.insert", "Firewalls.insert", "Instances.insert", "file.POST"}  # noqa: RUF012 - never changed


class TestDestroying(faults.Destroying):
    """A whole stage is removed."""

    fewest = 7


@pytest.mark.usefixtures("google")
class TestStage:
    """The things that a stage is made of."""

    def test_a_host_is_as_it_was_asked_for(self, google: Google, tmp_path: Path) -> None:
        """Zones, addresses, disks, keys and labels are those of site.toml; the host key is pinned."""
        key = f"projects/p/locations/{'europe-west3'}/keyRings/r/cryptoKeys/k"
        stage = gcp_cloud.stage_of(
            number_of_hosts=2, mirrored_disk_size=5, kms_key_id=key, public_addresses=["hive0"]
        )
        records = {
            name: record
            for name, record in make.ensure_all(make.provider_of(stage, make.ssh_files(tmp_path))).items()
            if isinstance(record, HostRecord)
        }
        first, second = (
            next(
                thing
                for thing in google.things.values()
                if thing.get("description", "").split()[1:2] == [name]
            )
            for name in ("hive0", "hive1")
        )
        told = {item["key"]: item["value"] for item in first["metadata"]["items"]}

        assert first["zone"].endswith("europe-west3-a")
        assert second["zone"].endswith("europe-west3-b")
        assert [face["networkIP"] for one in (first, second) for face in one["networkInterfaces"]] == [
            "10.1.0.10",
            "10.1.0.11",
        ]
        assert [(disk["diskSizeGb"], disk["diskEncryptionKey"]["kmsKeyName"]) for disk in first["disks"]] == [
            ("20", key),
            ("5", key),
        ]
        # A link has the device's name: https://cloud.google.com/compute/docs/disks/disk-symlinks
        [extra] = [disk["deviceName"] for disk in first["disks"] if disk["diskSizeGb"] == "5"]
        lines: list[str] = []
        provider = make.provider_of(stage, make.ssh_files(tmp_path))
        provider.ensure(make.resource(provider, "hive0"), lines.append)
        assert f"hive0.gcp.test: its extra disk of 5 GiB is /dev/disk/by-id/google-{extra}" in lines
        assert first["labels"]["skep-site"] == "gcp_test"
        assert told["skep-image"] == "77"
        assert records["hive0"].host_keys == (told["skep-host-key"],)
        assert records["hive0"].ssh_host.startswith("198.51.100.")
        assert records["hive1"].ssh_host == "10.1.0.11"

    def test_a_new_port_changes_one_rule(self, google: Google, tmp_path: Path) -> None:
        """Nothing but the firewall changes; a port that somebody else opened is drift, and is closed."""
        files = make.ssh_files(tmp_path)
        make.ensure_all(
            make.provider_of(gcp_cloud.stage_of(number_of_hosts=1, separate_repository=False), files)
        )
        service = {"image": "debian:12", "ports": [{"target_port": 80, "published_port": 80, "mode": "host"}]}
        stage = gcp_cloud.stage_of(number_of_hosts=1, separate_repository=False, services={"web": service})
        provider = make.provider_of(stage, files)
        assert (
            provider.found()["firewall"].drift == "the firewall rules differ (closed: 80/tcp from 0.0.0.0/0)"
        )
        google.calls.clear()
        make.ensure(provider, "firewall")

        assert [call for call in google.calls if call.split(".")[-1] not in {"list", "get"}] == [
            "compute.firewalls.update"
        ]
        assert provider.found()["firewall"].drift == ""

    def test_sizes_and_public_addresses_change_in_place(self, tmp_path: Path) -> None:
        """The host stays the one that it is; a disk can't become smaller."""
        files = make.ssh_files(tmp_path)
        words: dict[str, Any] = {"number_of_hosts": 1, "separate_repository": False}
        before = make.ensure_all(make.provider_of(gcp_cloud.stage_of(**words), files))["hive0"]
        assert isinstance(before, HostRecord)
        larger = gcp_cloud.stage_of(
            **words, instance_type="e2-standard-4", disk_size=30, public_addresses=False
        )
        assert make.provider_of(larger, files).found()["hive0"].must_stop
        grown = make.provider_of(gcp_cloud.stage_of(**words, disk_size=30), files).found()["hive0"]
        assert (grown.must_stop, grown.drift.endswith("has 20 GiB, not 30")) == (False, True)
        after = make.ensure_host(make.provider_of(larger, files), "hive0")

        assert after.id == before.id
        assert after.ssh_host == "10.1.0.10"
        found = make.provider_of(larger, files).found()["hive0"]
        assert (found.running, found.drift, found.must_stop) == (True, "", False)
        smaller = gcp_cloud.stage_of(
            **words, instance_type="e2-standard-4", disk_size=20, public_addresses=False
        )
        with pytest.raises(ProviderError, match="has 30 GiB, and can't be made smaller"):
            make.ensure_host(make.provider_of(smaller, files), "hive0")

    def test_a_disk_is_as_large_as_its_image(self, google: Google, tmp_path: Path) -> None:
        """Without a size it has what the image needs; one that is smaller is refused before and on the way."""
        files = make.ssh_files(tmp_path)
        words: dict[str, Any] = {"number_of_hosts": 1, "separate_repository": False}
        google.image_size = 50
        small = make.provider_of(gcp_cloud.stage_of(**words, disk_size=20), files)
        assert small.check() == [
            (
                "stages.production.disk_size: 20 GiB are fewer than the 50 GiB of image debian-12: set 50 or more, or "
                "leave disk_size out"
            )
        ]
        with pytest.raises(
            GcpError, match=r"image size \(50 GB\).*: the image needs a larger disk: set disk_size"
        ):
            make.ensure_all(small)

        provider = make.provider_of(gcp_cloud.stage_of(**words), files)
        assert provider.check() == []
        make.ensure_all(provider)
        [disk] = [one for path, one in google.things.items() if "/disks/" in path]
        assert disk["sizeGb"] == "50"
        make.ensure_host(provider, "hive0")

    def test_a_look_is_one_listing_for_each_kind(self, google: Google, tmp_path: Path) -> None:
        """A run that has nothing to do asks six questions; pages are gone through."""
        stage = gcp_cloud.stage_of(number_of_hosts=4)
        make.ensure_all(make.provider_of(stage, make.ssh_files(tmp_path)))
        google.calls.clear()
        found = make.provider_of(stage, make.ssh_files(tmp_path)).found()
        asked = sorted(google.calls)
        google.page = 1

        assert asked == [
            "compute.addresses.list",
            "compute.firewalls.list",
            "compute.instances.aggregatedList",
            "compute.networks.list",
            "compute.subnetworks.list",
            "file.projects.locations.instances.list",
        ]
        assert make.provider_of(stage, make.ssh_files(tmp_path)).found() == found

    def test_two_stages_share_a_project(self, tmp_path: Path) -> None:
        """Neither sees the other's things, and one's end leaves the other whole."""
        files = make.ssh_files(tmp_path)
        stages = [
            gcp_cloud.stage_of(name=name, number_of_hosts=1, separate_repository=False)
            for name in ("production", "staging")
        ]
        one, other = (make.provider_of(stage, files) for stage in stages)
        make.assert_apart(one, other)


class TestTrouble:
    """Google's refusals."""

    def test_a_check_says_it_all_beforehand(self, google: Google, tmp_path: Path) -> None:
        """Permissions, zones, machine types, images and quotas are said at once, and nothing is made."""
        google.denied.add("compute.instances.create")
        google.quotas["STATIC_ADDRESSES"] = 1.0
        stage = gcp_cloud.stage_of(
            number_of_hosts=2,
            image_name="debian-11",
            repository_instance_type="n9-huge",
            available_zones=["europe-west3-a"],
        )
        said = make.provider_of(stage, make.ssh_files(tmp_path)).check()

        path = "stages.production"
        assert said[0].startswith(
            f"{path}: the credentials lack compute.instances.create in project skep-tests: "
        )
        assert said[1:3] == [
            f"{path}.image_name: there is no debian-11 in project debian-cloud",
            f"{path}.instance_type: zone europe-west3-a has no n9-huge",
        ]
        assert said[3].startswith(
            f"{path}: needs 2 more STATIC_ADDRESSES, but the project, in europe-west3, has 0 of at most 1 already"
        )
        assert len(said) == 4
        assert gcp_cloud.things(google) == []

    def test_quotas_of_cpus(self, google: Google, tmp_path: Path) -> None:
        """N2 has one of its own and takes none of CPUS; that of all regions is looked at, by who may."""
        files = make.ssh_files(tmp_path)
        google.quotas["CPUS"] = 1.0
        new = make.provider_of(gcp_cloud.stage_of(number_of_hosts=3, instance_type="n2-standard-4"), files)
        [said] = new.check()
        assert said.startswith(
            "stages.production: needs 12 more N2_CPUS, but the project, in europe-west3, has 0 of at most 8 already"
        )
        google.quotas["N2_CPUS"], google.project_quotas["CPUS_ALL_REGIONS"] = 24.0, 10.0
        [said] = new.check()
        assert "needs 12 more CPUS_ALL_REGIONS, but the project has 0 of at most 10 already" in said
        google.forbidden.add("compute.projects.get")
        assert new.check() == []

        old = make.provider_of(gcp_cloud.stage_of(number_of_hosts=1, instance_type="e2-standard-4"), files)
        assert "needs 4 more CPUS, but" in old.check()[0]

    def test_os_login_that_an_organization_demands(self, google: Google, tmp_path: Path) -> None:
        """The message names the constraint, and the way out."""
        google.policies.add("compute.requireOsLogin")
        stage = gcp_cloud.stage_of(number_of_hosts=1, separate_repository=False)
        with pytest.raises(
            GcpError,
            match=r"constraints/compute\.requireOsLogin violated .*: the organization's policy wants OS Login",
        ):
            make.ensure_all(make.provider_of(stage, make.ssh_files(tmp_path)))

    def test_filestore_that_nobody_may_list(self, google: Google, tmp_path: Path) -> None:
        """A stage without NFS works all the same; one with it says what is missing."""
        files = make.ssh_files(tmp_path)
        google.forbidden.add("file.*")
        stage = gcp_cloud.stage_of(number_of_hosts=1, separate_repository=False)
        make.ensure_all(make.provider_of(stage, files))
        make.remove_all(make.provider_of(stage, files))
        assert gcp_cloud.things(google) == []

        with pytest.raises(GcpError, match="grant that permission"):
            make.provider_of(gcp_cloud.stage_of(nfs=True), files).found()

    @pytest.mark.parametrize("refused", ["may not be asked", "is off"])
    def test_a_filestore_that_the_stage_had(self, google: Google, tmp_path: Path, refused: str) -> None:
        """Without `nfs` in site.toml it is still there: an end that can't see it would leave it running."""
        files = make.ssh_files(tmp_path)
        provider = make.provider_of(gcp_cloud.stage_of(number_of_hosts=1, nfs=True), files)
        State(tmp_path).write("build_infra:nfs", make.ensure_all(provider)["nfs"])
        stage = gcp_cloud.stage_of(number_of_hosts=1)
        if refused == "is off":
            google.disabled.add("file.googleapis.com")
        else:
            google.forbidden.add("file.*")

        with pytest.raises(
            ProviderError, match=rf"(?s)the stage had a Filestore.* remove {tmp_path}/build_infra/nfs"
        ):
            make.provider_of(stage, files).found()
        State(tmp_path).forget("build_infra:nfs")
        assert "nfs" not in make.provider_of(stage, files).found()

    @pytest.mark.parametrize("service", ["file", "compute", "cloudresourcemanager"])
    def test_a_service_that_is_off(self, google: Google, tmp_path: Path, service: str) -> None:
        """It is named, with the command that enables it and no other."""
        google.disabled.add(f"{service}.googleapis.com")
        said = make.provider_of(gcp_cloud.stage_of(nfs=True), make.ssh_files(tmp_path)).check()

        assert said[0].endswith(f": enable that API (`gcloud services enable {service}.googleapis.com`)")

    @pytest.mark.usefixtures("google")
    def test_places_that_there_are_not(self, tmp_path: Path) -> None:
        """The message for an unknown zone or region names the known ones."""
        said = make.provider_of(
            gcp_cloud.stage_of(available_zones=["europe-west3-x"]), make.ssh_files(tmp_path)
        ).check()
        assert said[0] == (
            "stages.production.available_zones: europe-west3 has no zone europe-west3-x; it has europe-west3-a, "
            "europe-west3-b, europe-west3-c"
        )

        [line] = make.provider_of(gcp_cloud.stage_of(region="moon-west1"), make.ssh_files(tmp_path)).check()
        assert "there is no region moon-west1" in line

    def test_nothing_stands_in_the_way(self, google: Google, tmp_path: Path) -> None:
        """Where all is well a check says nothing."""
        stage = gcp_cloud.stage_of(number_of_hosts=3, nfs=True)

        assert make.provider_of(stage, make.ssh_files(tmp_path)).check() == []
        assert google.things == {}

    def test_without_credentials(
        self, google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That there are none is one line that says how to get some."""
        from google import auth
        from google.auth.exceptions import DefaultCredentialsError

        def none(**_words: Any) -> None:
            raise DefaultCredentialsError("Your default credentials were not found")

        del google
        monkeypatch.setattr(auth, "default", none)
        monkeypatch.setattr(GcpApi, "client", lambda api, _kind: api.project)
        [said] = make.provider_of(gcp_cloud.stage_of(), make.ssh_files(tmp_path)).check()

        assert said.startswith(
            "Google sign in: Your default credentials were not found: log in (`gcloud auth"
        )

    def test_credentials_that_expire_on_the_way(self, life: GcpLife, monkeypatch: pytest.MonkeyPatch) -> None:
        """The run ends at once and tells the way out; the next one goes on where it was."""
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import RefreshError

        def too_old(*_: Any) -> None:
            raise RefreshError("invalid_grant: Token has been expired or revoked.")

        make.ensure(life.provider(), "network")
        life.google.knows_nobody = True
        monkeypatch.setattr(AnonymousCredentials, "refresh", too_old)
        with pytest.raises(
            GcpError, match=r"Token has been expired or revoked.*: log in \(`gcloud auth"
        ) as caught:
            life.make()
        assert str(caught.value).endswith("then run doit again, it continues where it stopped")

        life.google.knows_nobody = False
        life.make()
        life.assert_whole()

    def test_a_zone_without_room(self, google: Google, tmp_path: Path) -> None:
        """The message of a failed operation has its name, by which Google finds it, and the way out."""
        google.full_zones.add("europe-west3-a")
        stage = gcp_cloud.stage_of(number_of_hosts=1, separate_repository=False)
        with pytest.raises(GcpError) as caught:
            make.ensure_all(make.provider_of(stage, make.ssh_files(tmp_path)))

        assert caught.value.request.startswith("operation-")
        assert "set another instance_type or available_zones" in str(caught.value)

    def test_a_quota_that_is_met_on_the_way(self, life: GcpLife) -> None:
        """The message for a quota that others used up since the check has the way out; the next run goes on."""
        life.google.quotas["INSTANCES"] = 0.0
        with pytest.raises(GcpError, match=r"quotaExceeded.*ask for more at IAM & Admin > Quotas"):
            life.make()
        life.google.quotas["INSTANCES"] = 24.0

        life.make()
        life.assert_whole()

    def test_a_busy_cloud(self, life: GcpLife) -> None:
        """Where every third call is one too many, all is made once."""
        life.google.throttle = 3
        life.make()
        life.google.throttle = 0

        life.assert_whole()

    def test_what_is_in_use_is_not_removed(
        self, google: Google, life: GcpLife, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A network with something in it that is not skep's stays, and the message says why."""
        life.make()
        monkeypatch.setattr(GcpProvider, "delete_policy", replace(GcpProvider.delete_policy, timeout=0.05))
        with pytest.raises(GcpError, match="something that is not skep's uses it"):
            life.provider().remove("network", make.quiet)

        assert any("/networks/" in path for path in google.things)


class TestPublished:
    """Google's published form of requests."""

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({"name": "a", "autoCreateSubnetwork": False}, "Network has no such field"),
            ({"name": "A_b"}, "does not match"),
            ({"name": "a", "mtu": "many"}, "no int32"),
            ({"name": "a", "networkFirewallPolicyEnforcementOrder": "NEVER"}, "is none of"),
        ],
    )
    def test_what_the_schema_does_not_have_is_refused(self, body: dict[str, Any], said: str) -> None:
        """Unknown fields, patterns, formats and enums are Google's own, and count."""
        with pytest.raises(RefusedError, match=said):
            understood("compute.v1", "POST", "projects/p/global/networks", {}, body)

    def test_the_provider_is_refused_where_it_errs(
        self, google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mistake of ours is met as the cloud's refusal: a name that is none."""
        monkeypatch.setattr(GcpNetwork, "name", lambda _self, *_words: "Not_A_Name")
        with pytest.raises(GcpError, match="does not match"):
            make.ensure(make.provider_of(gcp_cloud.stage_of(), make.ssh_files(tmp_path)), "network")

        assert google.things == {}


def test_the_sdk_is_left_alone() -> None:
    """What a stage wants is known without Google's SDK, which takes seconds to import."""
    code = (
        "import sys; from tests.doubles.gcp import cloud; from providers.gcp.provider import GcpProvider;"
        "from pathlib import Path;"
        "from remote.ssh.ssh_files import SshFiles; h = Path('x');"
        "GcpProvider(cloud.stage_of(), SshFiles(h, h, h, h)).resources();"
        "sys.exit(any(name.startswith('google') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=make.ROOT).returncode == 0


def test_a_second_checkout_is_let_in_by_metadata(google: Google, tmp_path: Path) -> None:
    """Google's agent lets its key in; then the key is an entry as all others, and metadata is as it was."""

    def metadata() -> dict[str, str]:
        [instance] = [thing for path, thing in google.things.items() if "/instances/" in path]
        return {item["key"]: item["value"] for item in instance["metadata"]["items"]}

    stage = gcp_cloud.stage_of(number_of_hosts=1, separate_repository=False)
    with second_checkout(stage, tmp_path, lambda: metadata().get("ssh-keys", "")) as second:
        before = metadata()

        assert second.ensure() == second.first

        assert metadata() == before
        [script] = second.scripts
        assert f"ssh-ed25519 {second.blob} skep:" in script
