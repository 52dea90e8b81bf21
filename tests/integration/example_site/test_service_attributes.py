"""Every attribute of a service, read back from its containers; jobs, chosen ports, secrets and configs."""

import json
import re
from uuid import uuid4

import pytest

from tests import rig
from tests.integration.example_site.example import (
    HIVES,
    QUICK,
    Example,
)
from tests.integration.example_site.leaks import Processes, own_secrets, places_that_show
from tests.integration.typed import typed, words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ATTRIBUTES = f"""
[services.many]
{QUICK.replace('networks = ["dns"]', 'networks = [{ name = "dns", aliases = ["other"] }]')}
entrypoint = ["/bin/sh", "-c", "exec sleep infinity"]
user = "www-data"
working_dir = "/var"
hostname = "box"
environment = {{ NUMBER = 7, YES = true }}
hosts = {{ "db.example.test" = "192.0.2.1" }}
dns = ["192.0.2.53"]
dns_search = ["example.test"]
dns_options = ["ndots:2"]
labels = {{ text = "a", list = [1, 2] }}
logging = {{ driver = "json-file", options = {{ max-file = 2, max-size = "1m" }} }}
restart_config = {{ delay = "1s" }}
init = true
read_only = true
cap_add = ["NET_ADMIN"]
cap_drop = ["CHOWN"]
sysctls = {{ "net.ipv4.ip_unprivileged_port_start" = 80 }}
ulimits = {{ nofile = 4321, core = {{ soft = 0, hard = 1 }} }}
cpu_limit = 0.5
mem_limit = "64M"
cpu_reservation = 0.1
mem_reservation = "16M"
stop_signal = "SIGINT"
volumes = [
  {{ type = "tmpfs", target = "/scratch", tmpfs_size = "1M", tmpfs_mode = "1770" }},
  {{ type = "bind", source = "/etc/skep", target = "/skep", readonly = true, propagation = "rslave" }},
]
secrets = ["told", {{ source = "printed", target = "/etc/printed", uid = 33, gid = "34", mode = "0440" }}]
configs = [{{ source = "plain", target = "/etc/plain.conf", uid = 33, mode = "0640" }}, "keyed"]
[services.many.placement]
constraints = ["node.labels.skep.name==hive1"]
preferences = ["node.labels.skep.name"]
max_replicas_per_node = 2
[services.many.update_config]
parallelism = 2
delay = "3s"
failure_action = "pause"
monitor = "1s"
max_failure_ratio = 0.25
order = "stop-first"
[services.many.rollback_config]
parallelism = 3
delay = "4s"
failure_action = "continue"
monitor = "2s"
max_failure_ratio = 0.5
order = "start-first"
[secrets.told]
env = "SKEP_TEST_TOLD"
[secrets.printed]
command = ["cat", "printed"]
[configs.plain]
file = "plain.conf"
[configs.keyed]
text = "{{{{ secrets.told }}}}{{{{ secrets.printed }}}}"
[registry]
keep = 1
[services.each]
{QUICK}
mode = "global"
entrypoint = ["sleep", "infinity"]
tty = true
ports = [{{ target_port = 7, mode = "host" }}, {{ target_port = 7, protocol = "udp", mode = "host" }}]
[services.asks]
{QUICK}
entrypoint = ["sleep", "infinity"]
replicas = 2
environment = {{ PORT = "{{{{ services.each.ports['7/udp'] }}}}" }}
[services.everywhere]
{QUICK.replace('networks = ["dns"]', "networks = []").replace("healthcheck", "# healthcheck")}
mode = "global-job"
entrypoint = ["/bin/sh", "-c", "echo here"]
[services.once]
{QUICK.replace('networks = ["dns"]', "networks = []").replace("healthcheck", "# healthcheck")}
mode = "replicated-job"
replicas = 3
max_concurrent = 2
entrypoint = ["/bin/sh", "-c", "echo done"]
[networks.dns]
"""
# systemd wants a bus to be asked through.
STANDALONE = """
[images.whole]
from = "debian:13"
standalone = true
[[images.whole.roles]]
role = "debian"
vars = { PACKAGES = "systemd-sysv dbus" }
[services.whole]
image = "whole"
standalone = true
endpoint_mode = "dnsrr"
stop_grace_period = "120s"
networks = ["dns"]
converge_timeout = "300s"
[networks.dns]
"""


def inspected(site: Example, host: str, service: str) -> dict[str, object]:
    """Return `docker inspect` of a service's container."""
    found = f"$(docker ps -qf label=com.docker.swarm.service.name={service} | head -n 1)"
    [table] = json.loads(site.on(host, f"docker inspect {found}"))
    assert isinstance(table, dict)
    return table


def test_every_attribute(site: Example, processes: Processes) -> None:
    """Each attribute in site.toml is so in the containers; a job is done once; chosen ports are read by others.

    No secret is seen by anybody who was not given it; older contents of configs go.
    """
    told, printed = uuid4().hex, uuid4().hex
    site.variables["SKEP_TEST_TOLD"] = told
    (site.directory / "printed").write_text(f"{printed}\n")
    (site.directory / "plain.conf").write_text("{{ stage }} one\n")
    with site.added(ATTRIBUTES):
        first = site.run().well()
        assert {
            f"deploy_services:{name}"
            for name in ("many", "each", "asks", "once", "everywhere", "ports.chosen")
        } <= set(first.ran)
        _looked_at_from_inside(site)
        _looked_at_by_the_engine(site)
        _files(site, told, printed)
        _ports(site)
        _job(site)
        _job_everywhere(site)
        _another_content(site)
        assert places_that_show(site, processes, [*own_secrets(site), told, printed]) == []
        assert site.run().well().did_nothing


def _looked_at_from_inside(site: Example) -> None:
    """Check the attributes that a process in the container sees."""
    lines = site.inside(
        "hive1",
        "many",
        """
        id -un; pwd; hostname; echo "$NUMBER $YES"
        grep db.example.test /etc/hosts
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start
        ulimit -n
        grep -c . /skep/timezone
        ! touch /skep/x 2>/dev/null; ! touch /var/x 2>/dev/null; touch /scratch/x 2>/dev/null || echo no
        stat -c %a /scratch
        cat /proc/1/comm
        """,
    ).split("\n")
    assert lines[:3] == ["www-data", "/var", "box"]
    assert lines[3] == "7 true"
    assert lines[4].split() == ["192.0.2.1", "db.example.test"]
    assert lines[5:7] == ["80", "4321"]
    # The tmpfs is root's, and of mode 1770: this user may not write there.
    assert lines[8:11] == ["no", "1770", "docker-init"]
    resolver = site.inside("hive1", "many", "cat /etc/resolv.conf")
    assert "search example.test" in resolver
    assert "ndots:2" in resolver
    bounding = site.inside("hive1", "many", "sed -n 's/CapBnd:.//p' /proc/1/status")
    assert int(bounding, 16) & 1 << 12, "NET_ADMIN"
    assert not int(bounding, 16) & 1 << 0, "CHOWN"
    assert site.inside("hive1", "many", "getent hosts other | wc -l") == "1\n"


def _looked_at_by_the_engine(site: Example) -> None:
    """Check the attributes that only the engine knows."""
    table = inspected(site, "hive1", "many")
    host, config = table["HostConfig"], table["Config"]
    assert isinstance(host, dict)
    assert isinstance(config, dict)
    assert (host["Memory"], host["NanoCpus"], host["ReadonlyRootfs"]) == (64 << 20, 500_000_000, True)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "2", "max-size": "1m"}}
    assert {"Name": "core", "Soft": 0, "Hard": 1} in host["Ulimits"]
    assert config["StopSignal"] == "SIGINT"
    mounts = table["Mounts"]
    assert isinstance(mounts, list)
    assert [m["Propagation"] for m in mounts if m["Destination"] == "/skep"] == ["rslave"]
    [service] = json.loads(site.on("hive0", "docker service inspect many"))
    assert {name: service["Spec"]["Labels"][name] for name in ("text", "list")} == {
        "text": "a",
        "list": "[1, 2]",
    }
    second = 1_000_000_000
    assert service["Spec"]["UpdateConfig"] == {
        "Parallelism": 2, "Delay": 3 * second, "FailureAction": "pause", "Monitor": second,
        "MaxFailureRatio": 0.25, "Order": "stop-first",
    }  # fmt: skip
    assert service["Spec"]["RollbackConfig"] == {
        "Parallelism": 3, "Delay": 4 * second, "FailureAction": "continue", "Monitor": 2 * second,
        "MaxFailureRatio": 0.5, "Order": "start-first",
    }  # fmt: skip
    preferences = service["Spec"]["TaskTemplate"]["Placement"]["Preferences"]
    assert preferences == [{"Spread": {"SpreadDescriptor": "node.labels.skep.name"}}]
    reserved = service["Spec"]["TaskTemplate"]["Resources"]["Reservations"]
    assert reserved == {"NanoCPUs": 100_000_000, "MemoryBytes": 16 << 20}
    each = inspected(site, "hive0", "each")["Config"]
    assert isinstance(each, dict)
    assert each["Tty"] is True


def _files(site: Example, told: str, printed: str) -> None:
    """Check the files of secrets and configs: their contents, owners and modes, and their names in Docker."""
    paths = "/run/secrets/told /etc/printed /etc/plain.conf /keyed"
    script = f"stat -c '%a %u %g' {paths}; cat /etc/plain.conf /keyed; ! cat /run/secrets/told 2>/dev/null"
    lines = site.inside("hive1", "many", script).split("\n")
    assert lines == ["400 0 0", "440 33 34", "640 33 0", "444 0 0", "private one", told + printed]
    root = "docker exec -u 0 $(docker ps -qf label=com.docker.swarm.service.name=many) cat"
    assert site.on("hive1", f"{root} /run/secrets/told /etc/printed") == told + printed
    kinds = {kind: _contents(site, kind) for kind in ("secret", "config")}
    assert {kind: [name for name, _ in found] for kind, found in kinds.items()} == {
        "secret": ["keyed", "printed", "told"],
        "config": ["plain"],
    }


def _contents(site: Example, kind: str) -> list[tuple[str, str]]:
    """Return the Docker secrets or configs of the service, each with its name and the digest after that."""
    names = site.on("hive0", f"docker {kind} ls --format '{{{{.Name}}}}'").split()
    found = sorted((name.rpartition("-")[0], name.rpartition("-")[2]) for name in names)
    return [each for each in found if each[0] in {"keyed", "printed", "told", "plain"}]


def _another_content(site: Example) -> None:
    """Change a config: its service alone is rolled, and the older content goes."""
    before = _contents(site, "config")
    with site.edited("one", "two", site.directory / "plain.conf"):
        changed = site.run().well()
        assert changed.ran == ["deploy_services:config.plain", "deploy_services:many"]
        assert site.inside("hive1", "many", "cat /etc/plain.conf") == "private two\n"
        [(name, digest)] = _contents(site, "config")
        assert (name, digest) not in before
        assert "an old version of config plain that nothing uses any more" in changed.text
    assert site.settle() == ["deploy_services:config.plain", "deploy_services:many"]
    assert _contents(site, "config") == before


def _ports(site: Example) -> None:
    """Check the chosen ports: kept on the service, published on each hive, told to others."""
    [service] = json.loads(site.on("hive0", "docker service inspect each"))
    labels = service["Spec"]["Labels"]
    chosen = {labels["skep.port.7.tcp"], labels["skep.port.7.udp"]}
    assert chosen == {"61001", "61002"}
    published = {str(port["PublishedPort"]) for port in service["Endpoint"]["Ports"]}
    assert published == chosen
    for host in HIVES:
        assert len(site.on(host, "docker ps -qf label=com.docker.swarm.service.name=each").split()) == 1
    where = site.hive_with("asks")
    assert site.inside(where, "asks", 'echo "$PORT"') == f"{labels['skep.port.7.udp']}\n"
    # What is known of them here is a cache.
    (site.state / "deploy_services" / "ports.chosen.json").unlink()
    assert site.run().well().ran == ["deploy_services:ports.chosen"]
    [again] = json.loads(site.on("hive0", "docker service inspect each"))
    assert again["Spec"]["Labels"] == labels


def _job(site: Example) -> None:
    """Check a job: as many tasks as it wants have ended well, and run doit again for a change, and only then."""
    done = "docker service ps once --format '{{.CurrentState}}' | grep -c ^Complete || true"
    assert site.on("hive0", done) == "3\n"
    with site.edited('"echo done"', '"echo again"'):
        assert site.settle() == ["deploy_services:once"]
        assert _said(site, "once", 6) == ["again"] * 3 + ["done"] * 3
    with site.edited('"echo done"', '"echo why >&2; exit 3"'):
        failed = site.run()
        assert failed.status == 1
        assert re.search(r"service once: \d tasks failed one after another", failed.text), failed.text
        assert "| why" in failed.text
    assert site.settle() == ["deploy_services:once"]


def _job_everywhere(site: Example) -> None:
    """Check a job that runs once on each hive, and its output there."""
    nodes = [f"p-{host}.{site.name}" for host in HIVES]
    states = site.on(
        "hive0",
        "docker service ps everywhere --format '{{.Node}} {{.CurrentState}}' | cut -d' ' -f1,2 | sort",
    )
    assert states.splitlines() == [f"{node} Complete" for node in nodes]
    assert _said(site, "everywhere", len(HIVES)) == ["here"] * len(HIVES)


def _said(site: Example, service: str, count: int) -> list[str]:
    """Return the lines that a service's tasks have said, sorted, once there are as many: the engine gathers them."""
    lines: list[str] = []

    def are_there() -> bool:
        lines[:] = site.on(
            "hive0", f"docker service logs --raw {service} 2>/dev/null | sort || :"
        ).splitlines()
        return len(lines) >= count

    rig.wait_until(are_there, f"{count} lines of {service}")
    return lines


@pytest.mark.full
def test_standalone(site: Example) -> None:
    """A standalone service runs systemd, which comes up whole, runs units, and ends in order when it is told to."""
    with site.added(STANDALONE):
        assert {"build_images:whole", "deploy_services:whole"} <= set(site.run().well().ran)
        where = site.hive_with("whole")
        lines = site.inside(
            where,
            "whole",
            """
            cat /proc/1/comm
            timeout 300 systemctl is-system-running --wait
            systemd-run --quiet --wait --pipe --collect sed -n 's/.*name=systemd:/unit /p' /proc/self/cgroup
            stat -f -c %T /run /run/lock /tmp
            """,
        ).split("\n")
        assert lines[:2] == ["systemd", "running"]
        assert re.search(r"^unit /.*/run-[\w-]+\.service$", lines[2])
        assert lines[3:] == ["tmpfs", "tmpfs", "tmpfs", ""]
        assert words(typed(site, "exec", "whole", "--", "systemctl", "is-system-running")) == (0, "running\n")
        assert re.search(r"^whole +1 of 1 ", words(typed(site, "status"))[1], re.MULTILINE)
        container = site.on(where, "docker ps -qf label=com.docker.swarm.service.name=whole").strip()
        site.on("hive0", "docker service scale --detach whole=0")
        ends = f"docker events --since 5m --until 0s -f container={container} -f event=die"
        died = f"{ends} --format '{{{{.Actor.Attributes.exitCode}}}}'"
        rig.wait_until(lambda: bool(site.on(where, died).strip()), "the end of its container")
        # It would be 137 if it had been killed, after `stop_grace_period`.
        assert site.on(where, died).strip() == "0"
