"""The example on hosts that somebody else prepared: reached with root's password, nothing of skep on them.

They have Debian 12, and so have the images. Their network takes smaller packets than Ethernet, as OpenStack's often do.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.labels import KEY_LABEL, NAME_LABEL
from model.site.networks import MTU
from providers.docker.api import engine, thing
from providers.docker.network import NETWORK
from tests import rig
from tests.contract.rigs import DockerRig, PreparedRig
from tests.integration import queries
from tests.integration.site import Site

PURPOSE = "onprepared"
HOSTS = ("hive0", "hive1")
RUN = 900.0
"""Seconds that a run may take."""
SIZE = 1400
"""Bytes of the largest packet in their network."""
HEADERS, VXLAN = 28, 50
"""Bytes of the IP and ICMP headers of a ping, and of what an overlay network adds to a packet."""
LARGE = 4_000_000
RECEIVE = f"""
import socket
door = socket.create_server(("", 4711))
door.settimeout(240)
line = door.accept()[0]
line.settimeout(240)
left = {LARGE}
while left and (data := line.recv(1 << 16)):
    left -= len(data)
print("left", left)
"""
SEND = f"""
import socket, sys, time
for attempt in range(2000):
    try:
        line = socket.create_connection((sys.argv[1], 4711), 240)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
line.sendall(bytes({LARGE}))
line.close()
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedRig]:
    """Make two machines with systemd, sshd and root's password, and no trace of skep's admin user."""
    stage = rig.docker_stage(PURPOSE, len(HOSTS), host_image="debootstrap:bookworm")
    with rig.own(stage.site_name):
        below = DockerRig(stage, rig.ssh_files(tmp_path_factory.mktemp("below")))
        make_small_network(below)
        rig.ensure_all(below.provider())
        prepared = PreparedRig(below, rig.ssh_files(tmp_path_factory.mktemp("prepared")))
        for host in HOSTS:
            prepared.prepare(host)
        yield prepared


def make_small_network(below: DockerRig) -> None:
    """Make the network that the provider is to find."""
    stage, key = below.stage, rig.resource(below.provider(), NETWORK).key
    with engine() as client:
        client.create_network(
            thing(stage),
            driver="bridge",
            options={MTU: str(SIZE)},
            ipam={"Driver": "default", "Config": [{"Subnet": stage.config.cidr}]},
            labels={**stage.labels, NAME_LABEL: NETWORK, KEY_LABEL: key},
        )


def site_on(hosts: PreparedRig, directory: Path) -> Site:
    """Return the example with a stage of two prepared hosts."""
    site = Site(directory, PURPOSE, "staging")
    site.copy_roles()
    addresses = ", ".join(f'"{host.address}"' for host in hosts.stage.hosts)
    stage = f"""[stages.staging]
provider = "prepared"
cidr = "{hosts.stage.config.cidr}"
ip_address_list = [{addresses}]
separate_repository = false
root_password = "root"

[setup_hosts]"""
    text = re.sub(r"\[stages\.private\].*?\[setup_hosts\]", stage, site.example_toml(), flags=re.DOTALL)
    text = text.replace("debian:13", "debian:12").replace("trixie", "bookworm")
    text = text.replace("[networks.dns]\n", "[monitoring]\n\n[logs]\n\n[networks.dns]\n", 1)
    site.toml.write_text(text.replace("[secrets]", '[secrets]\nroot = { env = "ROOT_PASSWORD" }', 1))
    site.variables["ROOT_PASSWORD"] = PreparedRig.PASSWORD
    return site


def answers(address: str) -> list[str]:
    """Return a name server's addresses for the zone; none while it does not answer."""
    try:
        return queries.dns(address, "www.example.test")
    except OSError:
        return []


def are_taken(hosts: PreparedRig) -> bool:
    """Return whether the repository host's exporter tells that its logs arrived a minute ago or later."""
    told = rig.run_in(hosts.below.container("hive1"), "date +'now %s'; curl -s http://127.0.0.1:9100/metrics")
    figures = dict(re.findall(r"^(now|skep_logs_\S+) (\S+)$", told, re.MULTILINE))
    taken = float(figures.get("skep_logs_taken_timestamp_seconds", 0))
    return float(figures["now"]) - taken < 60 and figures.get("skep_logs_collector_full") == "0"


def looked_at(hosts: PreparedRig) -> dict[str, int]:
    """Return from how many hosts Prometheus has figures, by job; none while it does not answer."""
    asked = "promtool query instant http://127.0.0.1:9090 up 2>&1 || true"
    told = rig.run_in(hosts.below.container("hive1"), asked)  # the last host is the repository
    jobs = re.findall(r'^up\{.*job="(\w+)".*\} => 1 ', told, re.MULTILINE)
    return {job: jobs.count(job) for job in sorted(set(jobs))}


def packets_fit(hosts: PreparedRig) -> None:
    """Send the largest packets that containers have: they arrive whole, and larger ones are not sent.

    Between tasks on two hosts, from a task to the outside, and from a container of the engine's own network.
    """
    gateway = str(hosts.stage.config.cidr).replace(".0/24", ".1")

    def on(host: str, script: str) -> str:
        return rig.run_in(hosts.below.container(host), script).strip()

    def task(host: str, shown: str) -> str:
        one = "$(docker ps -q -f label=com.docker.swarm.service.name=powerdns)"
        return on(host, f"docker inspect -f '{{{{{shown}}}}}' {one}")

    def ping(inside: str, address: str, most: int) -> None:
        for size, arrives in ((most, True), (most + 1, False)):
            order = f"nsenter -t {inside} -n ping -nc 1 -W 5 -M do -s {size - HEADERS} {address} 2>&1 || true"
            if arrives:
                # Between hosts it does when their engines have told each other where the task is.
                rig.wait_until(
                    lambda order=order: " 0% packet loss" in on("hive0", order),  # type: ignore[misc]
                    f"a packet of {size} bytes to arrive at {address}",
                )
                continue
            told = on("hive0", order)
            assert " 0% packet loss" not in told, told
            assert re.search(rf"too long, mtu\W+{most}$", told, re.MULTILINE), told

    inside, other = task("hive0", ".State.Pid"), task("hive1", ".State.Pid")
    address = task("hive1", '(index .NetworkSettings.Networks "dns").IPAddress')
    ping(inside, address, SIZE - VXLAN)
    ping(inside, gateway, SIZE)
    run_one = f"docker run -d --name small --entrypoint sleep {task('hive0', '.Image')} 300 >/dev/null"
    own = on("hive0", f"{run_one}\ndocker inspect -f '{{{{.State.Pid}}}}' small")
    ping(own, gateway, SIZE)
    on("hive0", "docker rm -f small")
    assert on("hive0", f"docker network inspect -f '{{{{index .Options \"{MTU}\"}}}}' ingress") == str(SIZE)

    def run(host: str, netns: str, program: str, *words: str) -> str:
        return on(host, f"nsenter -t {netns} -n python3 - {' '.join(words)} <<'END'\n{program}\nEND")

    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(run, "hive1", other, RECEIVE)
        run("hive0", inside, SEND, address)
        assert received.result() == "left 0"


@pytest.mark.integration
@pytest.mark.full
@pytest.mark.timeout(1800)
def test_all_seven_phases_on_prepared_hosts(hosts: PreparedRig, tmp_path: Path) -> None:
    """From a root password to answered queries; again it does nothing; destroy removes all of skep's.

    Images are built, and services speak with one another, in a network of small packets.
    """
    site = site_on(hosts, tmp_path / "site")
    address = hosts.stage.hosts[0].address

    first = site.run(timeout=RUN).well()
    assert "takes packets of" not in first.text
    # The name server sees its schema a second after it was loaded.
    rig.wait_until(lambda: answers(address) == ["192.0.2.10"], "the name server to answer")

    packets_fit(hosts)
    assert f"packets of {SIZE} bytes arrive between hive0, hive1" in "".join(
        path.read_text() for path in (site.state / "logs" / "deploy_services").iterdir()
    )

    again = site.run(timeout=RUN)
    assert again.did_nothing, again.text
    assert PreparedRig.PASSWORD not in "".join(
        path.read_text(errors="replace") for path in (site.directory / "state").rglob("*") if path.is_file()
    )

    # By Debian 12's restic, on a repository host that is a hive as well.
    for words, said in (
        (("backup",), "pdnsdb: "),
        (("verify_backups",), "  db: "),
        (("restore", "pdnsdb", "at=latest", f"confirm={site.name}"), "pdnsdb: has the data of "),
    ):
        done = site.run(*words, timeout=RUN)
        assert (done.status, said in done.text) == (0, True), done.text

    # By Debian 12's Prometheus and rsyslog: both hosts are looked at, and what services say is kept.
    rig.wait_until(lambda: looked_at(hosts) == {"engine": 2, "node": 2}, "Prometheus to see both hosts")

    def is_kept() -> bool:
        return "powerdns" in site.run("logs", "powerdns", "central=yes").text

    rig.wait_until(is_kept, "a line of a service to be kept")
    rig.wait_until(lambda: are_taken(hosts), "the repository host to tell that logs are taken")

    ended = site.run("destroy", f"confirm={site.name}", "volumes=all", timeout=RUN)
    assert ended.status == 0, ended.text
    left = rig.run_in(
        hosts.below.container("hive0"), "docker service ls -q 2>/dev/null || true; docker volume ls -q"
    )
    assert left.strip() == ""
    assert not site.state.exists()
    # The hosts stay, and with them the history.
    told = rig.run_in(hosts.below.container("hive1"), "tail -n 1 /var/lib/skep/history/*.jsonl")
    assert '"outcome":"destroyed"' in told
