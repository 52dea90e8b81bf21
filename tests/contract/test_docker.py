"""Promises of the docker provider beyond the contract: data, restarts, races of processes, kill -9."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from model import site as types
from model.errors import ProviderError
from model.keys.digest import key_of
from model.keys.record import HostRecord
from model.labels import HOST_IMAGE_BUILD_LABEL, NAME_LABEL, SITE_LABEL, STAGE_LABEL
from model.stage import Stage
from providers.docker import image as docker_host_image
from providers.docker.api import engine, thing
from remote.ssh.login import log_in
from tests import rig as make
from tests.contract.rigs import DockerRig

MIRROR = "http://deb.debian.org:80/debian"

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


@pytest.fixture
def up(docker_rig: DockerRig) -> DockerRig:
    """Give the rig with everything made."""
    make.ensure_all(docker_rig.provider())
    return docker_rig


def containers(rig: DockerRig) -> list[str]:
    """Return the ids of the site's containers."""
    with engine() as client:
        wanted = {"label": f"{SITE_LABEL}={rig.stage.site_name}"}
        return [str(container["Id"]) for container in client.containers(all=True, filters=wanted)]


class TestHost:
    """A host that is a container is a host."""

    def test_systemd_is_running(self, up: DockerRig) -> None:
        """The system comes up whole: no unit fails."""
        said = make.run_in(
            up.container("hive0"), "systemctl is-system-running --wait; systemctl --failed --no-legend"
        )

        assert said.strip() == "running"

    def test_names(self, up: DockerRig) -> None:
        """Its host name is its full name."""
        assert make.run_in(up.container("hive0"), "hostname").strip() == up.stage.hosts[0].name

    def test_an_engine_runs_in_it_and_its_containers_reach_the_network(self, up: DockerRig) -> None:
        """Containers on the default, on their own and on the host's network resolve names and fetch packages."""
        make.run_in(
            up.container("hive0"),
            """
            systemctl start docker
            docker image inspect base >/dev/null 2>&1 ||
                tar -C / -c --one-file-system --exclude=./var/lib/docker . | docker import - base >/dev/null
            docker network inspect own >/dev/null 2>&1 || docker network create own >/dev/null
            for network in bridge own host; do
                docker run --rm --network $network base sh -c 'apt-get -q update && apt-get -q -d -y install tzdata'
            done
            """,
        )

    def test_chrony_runs_and_leaves_the_clock_alone(self, up: DockerRig) -> None:
        """Chronyd can be active on a host, which may not set the mother's clock."""
        said = make.run_in(
            up.container("hive1"),
            "systemctl start chrony; systemctl is-active chrony; grep CapBnd /proc/1/status | cut -f2",
        ).split()

        assert said[0] == "active"
        assert not int(said[1], 16) >> 25 & 1  # CAP_SYS_TIME

    def test_survives_a_restart(self, up: DockerRig) -> None:
        """After `docker restart` it has its address and its keys, and lines written to /etc/hosts are there."""
        before = make.ensure_host(up.provider(), "hive0")
        make.run_in(
            up.container("hive0"),
            """
            echo '192.0.2.7 elsewhere.example' >>/etc/hosts
            echo other.example >/etc/hostname
            systemctl enable -q docker
            """,
        )
        with engine(timeout=240) as client:
            client.restart(up.container("hive0"))

        make.wait_until(lambda: log_in(before, up.files.key, "sudo -n true").worked, "ssh after the restart")
        there = log_in(
            before,
            up.files.key,
            "cat /etc/hosts; hostname; cat /etc/resolv.conf; systemctl is-enabled docker",
        )
        assert "192.0.2.7 elsewhere.example" in there.output
        assert "other.example" in there.output
        assert "nameserver" in there.output
        assert "enabled" in there.output
        assert make.ensure_host(up.provider(), "hive0") == before
        make.run_in(up.container("hive0"), f"echo {before.name} >/etc/hostname; hostname {before.name}")

    def test_starts_by_itself(self, up: DockerRig) -> None:
        """When the mother's engine starts it starts every host that nobody has stopped."""
        with engine() as client:
            policy = client.inspect_container(up.container("hive0"))["HostConfig"]["RestartPolicy"]

        assert policy["Name"] == "unless-stopped"

    def test_comes_back_when_it_dies(self, up: DockerRig) -> None:
        """A host whose processes are killed is started again by the engine, with its address and keys."""
        before = make.ensure_host(up.provider(), "hive1")
        with engine() as client:
            pid = client.inspect_container(before.id)["State"]["Pid"]
            subprocess.run(["kill", "-KILL", str(pid)], check=True)
            make.wait_until(lambda: client.inspect_container(before.id)["RestartCount"] > 0, "a restart")

        make.wait_until(lambda: log_in(before, up.files.key, "true").worked, "ssh after its death")

    @pytest.mark.usefixtures("docker_rig")
    def test_fenced_it_has_ended_and_forgets_its_swarm(self, up: DockerRig) -> None:
        """Frozen, it would go on where it was: it is killed. However it starts, its boot takes the old swarm away."""
        name, provider = up.container("hive0"), up.provider()
        make.run_in(name, "mkdir -p /var/lib/docker/swarm/raft && touch /var/lib/docker/kept")
        make.freeze(name)
        for _ in range(2):
            provider.fence("hive0", make.quiet)
            provider.forget_swarm("hive0", make.quiet)
        provider.fence("never", make.quiet)
        provider.forget_swarm("never", make.quiet)
        state = ["docker", "inspect", "-f", "{{.State.Status}}", name]
        assert subprocess.run(state, check=True, capture_output=True, text=True).stdout.strip() == "exited"

        subprocess.run(["docker", "start", name], check=True, capture_output=True, timeout=240)
        make.ensure_host(up.provider(), "hive0")
        assert make.run_in(
            name, "cd /var/lib/docker; ls -d swarm kept skep-forget-swarm 2>/dev/null || :"
        ).split() == ["kept"]
        # Of a host that runs nothing is taken away: its engine may be at work.
        make.run_in(name, "mkdir -p /var/lib/docker/swarm/raft")
        provider.forget_swarm("hive0", make.quiet)
        subprocess.run(["docker", "restart", name], check=True, capture_output=True, timeout=240)
        make.ensure_host(up.provider(), "hive0")
        assert make.run_in(name, "cd /var/lib/docker; ls -d swarm").split() == ["swarm"]
        make.run_in(name, "rm -r /var/lib/docker/swarm /var/lib/docker/kept")

    def test_published_ports(self, tmp_path: Path) -> None:
        """Where addresses can't be reached a host is reached by a port on 127.0.0.1, read anew after each start."""
        site = make.site_name("publish")
        with make.own(site):
            stage = make.docker_stage("publish", 1, publish=True)
            provider = make.provider_of(stage, make.ssh_files(tmp_path))
            record = make.ensure_all(provider)["hive0"]
            assert isinstance(record, HostRecord)
            assert (record.ssh_host, record.address) == ("127.0.0.1", stage.hosts[0].address)
            with engine(timeout=240) as client:
                client.restart(record.id)
            again = make.ensure_host(provider, "hive0")

            assert again.id == record.id
            assert log_in(again, tmp_path / "key", "true").worked


class TestData:
    """Data is never destroyed on the way to something else."""

    def test_a_replaced_host_keeps_its_engines_data(self, up: DockerRig) -> None:
        """A host that is replaced for another key, or after it was deleted, has its predecessor's volumes."""
        provider = up.provider()
        make.run_in(up.container("hive0"), "echo precious >/var/lib/docker/mark")
        try:
            provider.ensure(make.with_another_key(make.resource(provider, "hive0")), make.quiet)
            assert make.run_in(up.container("hive0"), "cat /var/lib/docker/mark") == "precious\n"
            up.delete("hive0")
            make.ensure(provider, "hive0")
            assert make.run_in(up.container("hive0"), "cat /var/lib/docker/mark") == "precious\n"
        finally:
            make.ensure(up.provider(), "hive0")

    def test_what_is_left_of_a_host_is_found_and_removed(self, up: DockerRig) -> None:
        """Volumes whose host was deleted are found under its name, so that a destroy takes them with it."""
        up.delete("hive1")
        assert not up.provider().found()["hive1"].running

        up.provider().remove("hive1", make.quiet)

        assert "hive1" not in up.provider().found()


class TestHalfMade:
    """The leftovers of a killed run are adopted or removed."""

    def test_a_container_that_was_never_started(self, up: DockerRig) -> None:
        """A created container is adopted: the same id, now a host."""
        up.delete("hive0")
        with make.other_process(up.stage, up.files, ["hive0"]) as process:
            make.read_until(process, "creating container")
            make.wait_until(lambda: len(containers(up)) == 2, "the container")
        with engine() as client:
            [left] = client.containers(all=True, filters={"name": f"^/{up.container('hive0')}$"})

        record = make.ensure_host(up.provider(), "hive0")

        assert record.id == left["Id"]
        assert log_in(record, up.files.key, "true").worked

    @pytest.mark.parametrize("mark", ["creating container", "waiting for ssh"])
    @pytest.mark.parametrize("delay", [0.0, 0.05, 0.3])
    def test_killed_at_any_moment(self, up: DockerRig, mark: str, delay: float) -> None:
        """After kill -9 the next run converges: one container a host, two volumes, nothing else."""
        up.provider().remove("hive0", make.quiet)
        with make.other_process(up.stage, up.files, ["network", "hive0"]) as process:
            make.read_until(process, mark)
            time.sleep(delay)  # where in the work it dies is the point

        records = make.ensure_all(up.provider())

        record = records["hive0"]
        assert isinstance(record, HostRecord)
        assert log_in(record, up.files.key, "sudo -n true").worked
        assert len(make.labelled(up.stage.site_name)) == 2 + 4 + 1

    def test_a_killed_probe_is_swept(self, up: DockerRig) -> None:
        """The container of a probe that was killed goes when a host is removed."""
        with engine() as client:
            image = client.inspect_container(up.container("hive0"))["Image"]
            client.create_container(image, ["true"], labels={**up.stage.labels, "skep.probe": "true"})

        assert "" not in up.provider().found()
        up.provider().remove("hive1", make.quiet)

        assert len(containers(up)) == 1


class TestRace:
    """Several processes at once."""

    def test_processes_make_one_of_each(self, docker_rig: DockerRig) -> None:
        """Three processes that make network and hosts at once end with one of each, and all of them well."""
        for name in ("hive0", "hive1", "network"):
            docker_rig.provider().remove(name, make.quiet)
        names = ["network", "hive0", "hive1"]
        with (
            make.other_process(docker_rig.stage, docker_rig.files, names) as one,
            make.other_process(docker_rig.stage, docker_rig.files, names) as two,
            make.other_process(docker_rig.stage, docker_rig.files, names) as three,
        ):
            said = [make.read_until(process, "made hive1") for process in (one, two, three)]

        made = [[line for line in lines if line.startswith("made ")] for lines in said]
        assert made[0] == made[1] == made[2]
        assert len(make.labelled(docker_rig.stage.site_name)) == 2 + 4 + 1


class TestNetwork:
    """The network of a stage."""

    def test_another_sites_addresses_are_refused(self, up: DockerRig, tmp_path: Path) -> None:
        """A cidr that another site has is refused before anything is made, with who has it and the way out."""
        config = up.stage.config
        other = make.docker_stage("overlap", 1, cidr=config.cidr)
        provider = make.provider_of(other, make.ssh_files(tmp_path))

        [said] = provider.check()
        assert f"stage private's of the site {up.stage.site_name}" in said
        assert "stages.private.cidr" in said
        with pytest.raises(ProviderError, match="overlaps"):
            make.ensure(provider, "network")
        assert make.labelled(other.site_name) == []

    @pytest.mark.usefixtures("docker_rig")
    def test_a_network_of_other_addresses_takes_its_hosts_along(self, tmp_path: Path) -> None:
        """When the cidr changes, the network is replaced and its host follows, with its data."""
        site = make.site_name("moved")
        with make.own(site):
            files = make.ssh_files(tmp_path)
            stage = make.docker_stage("moved", 1)
            make.ensure_all(make.provider_of(stage, files))
            make.run_in(thing(stage, "hive0"), "echo precious >/var/lib/docker/mark")
            moved = make.docker_stage("moved", 1)
            assert moved.config.cidr != stage.config.cidr
            said: list[str] = []
            provider = make.provider_of(moved, files)
            make.ensure(provider, "network", said.append)
            record = make.ensure_host(provider, "hive0", said.append)

            assert record.address == moved.hosts[0].address
            assert log_in(record, files.key, "true").worked
            assert make.run_in(thing(moved, "hive0"), "cat /var/lib/docker/mark") == "precious\n"
            assert any("keeps its engine's data" in line for line in said)

    def test_a_network_that_was_removed_is_made_again_under_its_hosts(self, up: DockerRig) -> None:
        """Hosts that were stopped while their network was pruned are put into the new one, as the same hosts."""
        before = make.ensure_host(up.provider(), "hive0")
        with engine(timeout=240) as client:
            for container in containers(up):
                client.stop(container)
            client.remove_network(up.provider().found()["network"].id)

        after = make.ensure_all(up.provider())["hive0"]

        assert isinstance(after, HostRecord)
        assert after.address == before.address
        assert log_in(after, up.files.key, "true").worked
        assert up.provider().found()["hive0"].running

    def test_a_running_host_that_lost_its_network_is_put_back(self, up: DockerRig) -> None:
        """A host that was disconnected by hand is found as not usable, and ensured it is the same host, connected."""
        before = make.ensure_host(up.provider(), "hive0")
        with engine() as client:
            client.disconnect_container_from_network(before.id, up.provider().found()["network"].id)
        assert not up.provider().found()["hive0"].running

        assert make.ensure_host(up.provider(), "hive0") == before

    def test_who_has_the_address_is_said(self, up: DockerRig) -> None:
        """A host whose address another container has taken says which one."""
        up.provider().remove("hive0", make.quiet)
        with engine() as client:
            network = client.networks(names=[thing(up.stage)])[0]["Id"]
            image = client.inspect_container(up.container("hive1"))["Image"]
            squatter = client.create_container(
                image, ["sleep", "600"], labels={SITE_LABEL: up.stage.site_name, STAGE_LABEL: "x"}
            )
            address = up.stage.hosts[0].address
            client.connect_container_to_network(squatter, network, ipv4_address=address)
            client.start(squatter)
            name = client.inspect_container(squatter)["Name"].lstrip("/")
            try:
                with pytest.raises(ProviderError, match=f"is taken by the container {name}"):
                    make.ensure(up.provider(), "hive0")
            finally:
                client.remove_container(squatter, force=True)

        make.ensure_host(up.provider(), "hive0")

    def test_a_name_that_is_taken_is_said(self, up: DockerRig) -> None:
        """A container that is not skep's but has a host's name is left alone, and named."""
        up.provider().remove("hive0", make.quiet)
        with engine() as client:
            image = client.inspect_container(up.container("hive1"))["Image"]
            labels = {SITE_LABEL: up.stage.site_name, STAGE_LABEL: "x", NAME_LABEL: "y"}
            squatter = client.create_container(image, ["true"], name=up.container("hive0"), labels=labels)
            try:
                with pytest.raises(ProviderError, match="exists that is not skep's"):
                    make.ensure(up.provider(), "hive0")
            finally:
                client.remove_container(squatter, force=True)


class TestImage:
    """The host image, which stages share."""

    @pytest.fixture
    def derived(self, docker_rig: DockerRig) -> Iterator[tuple[Stage, str]]:
        """Give a stage whose host image is made from the one that is there, in seconds; removed at the end."""
        key = key_of(docker_host_image.inputs(types.DockerStage()))
        # By a name of this checkout's own: what is made of it is nobody else's.
        name = f"skep-test-host:{make.CHECKOUT}"
        with engine() as client:
            client.tag(docker_host_image.find(client, key), *name.split(":"))
        stage = make.docker_stage("image", 1, host_image=name)
        assert stage.site_name != docker_rig.stage.site_name
        assert isinstance(stage.config, types.DockerStage)
        mine = key_of(docker_host_image.inputs(stage.config))
        with make.own(stage.site_name):
            try:
                yield stage, mine
            finally:
                docker_host_image.remove(mine, make.quiet)
                with engine() as client:
                    assert docker_host_image.find(client, mine) is None
                    docker_host_image.sweep(client, mine)
                    client.remove_image(name)
                    assert leftovers(mine) == []

    def test_is_made_from_a_reference_and_stays_while_it_is_used(
        self, derived: tuple[Stage, str], tmp_path: Path
    ) -> None:
        """An image that a container of any stage uses is not removed, and one that nobody uses is."""
        stage, _ = derived
        provider = make.provider_of(stage, make.ssh_files(tmp_path))
        make.ensure_all(provider)
        said: list[str] = []
        provider.remove("image", said.append)
        assert "stays" in said[0]
        assert "image" in provider.found()

        provider.remove("hive0", make.quiet)
        provider.remove("image", make.quiet)

        assert "image" not in provider.found()

    def test_processes_make_one(self, derived: tuple[Stage, str], tmp_path: Path) -> None:
        """Of two processes that want the image one makes it, and the other waits and has it too."""
        stage, key = derived
        files = make.ssh_files(tmp_path)
        with (
            make.other_process(stage, files, ["image"]) as one,
            make.other_process(stage, files, ["image"]) as two,
        ):
            said = [make.read_until(process, "made image") for process in (one, two)]

        assert said[0][-1] == said[1][-1]
        assert sorted("committing the host image" in lines for lines in said) == [False, True]
        assert leftovers(key) == []

    def test_a_killed_build_leaves_nothing_for_long(self, derived: tuple[Stage, str], tmp_path: Path) -> None:
        """After kill -9 in the middle of the installation the next run makes the image and removes the remains."""
        stage, key = derived
        files = make.ssh_files(tmp_path)
        with make.other_process(stage, files, ["image"]) as process:
            make.read_until(process, "Reading package lists")
        assert leftovers(key) != []

        make.ensure(make.provider_of(stage, files), "image")

        assert leftovers(key) == []

    @pytest.mark.usefixtures("docker_rig")
    def test_a_killed_debootstrap_leaves_nothing_at_all(self, tmp_path: Path) -> None:
        """After kill -9 in the middle of debootstrap neither process nor mount nor file is left."""
        # Under another name of the mirror, as the image of the usual one is there already.
        stage = make.docker_stage("image", 1, host_image="debootstrap:bookworm", mirror=MIRROR)
        assert isinstance(stage.config, types.DockerStage)
        key = key_of(docker_host_image.inputs(stage.config))
        with make.other_process(stage, make.ssh_files(tmp_path), ["image"]) as process:
            make.read_until(process, "Setting up")
            children = processes_below(process.pid)
            assert any("debootstrap" in command for command in children.values())

        make.wait_until(lambda: not any(map(alive, children)), "the end of debootstrap")
        assert leftovers(key) == []
        assert "skep" not in Path("/proc/mounts").read_text()


def leftovers(key: str) -> list[str]:
    """Return the leftovers of a build of the host image."""
    with engine() as client:
        wanted = {"label": f"{HOST_IMAGE_BUILD_LABEL}={key}"}
        return [
            *(str(container["Id"]) for container in client.containers(all=True, filters=wanted)),
            *(str(image["Id"]) for image in client.images(filters=wanted)),
        ]


def processes_below(pid: int) -> dict[int, str]:
    """Return the processes below one, with their command lines."""
    parents = {}
    for path in make.process_directories():
        with suppress(OSError):
            words = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)] = (int(words[1]), (path / "cmdline").read_text())
    found: dict[int, str] = {}
    while more := {
        p: c for p, (parent, c) in parents.items() if p not in found and (parent == pid or parent in found)
    }:
        found |= more
    return found


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
