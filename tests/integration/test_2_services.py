"""Every attribute of a service, read back from a container that runs with it; jobs; chosen ports; an init."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.integration.live import HIVES, Processes, Running, Site
from tests.integration.secrecy import own_secrets, where_seen
from tests.rig import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

COMMON = """
image = "proxy"
endpoint_mode = "dnsrr"
healthcheck = { test = "true", interval = "1s" }
stop_grace_period = "2s"
networks = ["dns"]
converge_timeout = "90s"
"""
ATTRIBUTES = f"""
[services.many]
{COMMON.replace('networks = ["dns"]', 'networks = [{ name = "dns", aliases = ["other"] }]')}
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
preferences = ["node.hostname"]
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
{COMMON}
mode = "global"
entrypoint = ["sleep", "infinity"]
tty = true
ports = [{{ target_port = 7, mode = "host" }}, {{ target_port = 7, protocol = "udp", mode = "host" }}]
[services.asks]
{COMMON}
entrypoint = ["sleep", "infinity"]
replicas = 2
environment = {{ PORT = "{{{{ services.each.ports['7/udp'] }}}}" }}
[services.everywhere]
{COMMON.replace('networks = ["dns"]', "networks = []").replace("healthcheck", "# healthcheck")}
mode = "global-job"
entrypoint = ["/bin/sh", "-c", "echo here"]
[services.once]
{COMMON.replace('networks = ["dns"]', "networks = []").replace("healthcheck", "# healthcheck")}
mode = "replicated-job"
replicas = 3
max_concurrent = 2
entrypoint = ["/bin/sh", "-c", "echo done"]
[networks.dns]
"""

# systemd wants a bus to be asked through.
STANDALONE = f"""
[images.whole]
from = "debian:12"
standalone = true
[[images.whole.roles]]
role = "debian"
vars = {{ PACKAGES = "systemd-sysv dbus" }}
[services.whole]
{COMMON.replace('"proxy"', '"whole"').replace("healthcheck", "# healthcheck").replace('"2s"', '"30s"')}
standalone = true
[networks.dns]
"""


@contextmanager
def added(site: Site, text: str) -> Iterator[None]:
    """Have these services within; they are removed at the end."""
    names = re.findall(r"^\[services\.(\w+)\]", text, re.MULTILINE)
    try:
        with site.edited("[networks.dns]\n", text):
            yield
    finally:
        assert site.run("prune", f"confirm={site.name}").status == 0
        assert not [name for name in names if site.on("hive0", f"docker service ls -qf name={name}")]


def inside(site: Site, host: str, service: str, script: str) -> str:
    """Run a script in a service's container on a host."""
    found = f"$(docker ps -qf label=com.docker.swarm.service.name={service} | head -n 1)"
    return site.on(host, f"docker exec -i {found} sh -eu <<'END'\n{script}\nEND")


def inspected(site: Site, host: str, service: str) -> dict[str, object]:
    """Return what the engine says of a service's container."""
    found = f"$(docker ps -qf label=com.docker.swarm.service.name={service} | head -n 1)"
    [table] = json.loads(site.on(host, f"docker inspect {found}"))
    assert isinstance(table, dict)
    return table


def test_every_attribute(site: Site, processes: Processes) -> None:
    """What site.toml says of a service is so in its containers; a job is done once; chosen ports are read by others.

    No secret is seen by anybody who was not given it; older contents of configs go.
    """
    told, printed = uuid4().hex, uuid4().hex
    site.variables["SKEP_TEST_TOLD"] = told
    (site.directory / "printed").write_text(f"{printed}\n")
    (site.directory / "plain.conf").write_text("{{ stage }} one\n")
    with added(site, ATTRIBUTES):
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
        assert where_seen(site, processes, [*own_secrets(site), told, printed]) == []
        assert site.run().well().did_nothing


def _looked_at_from_inside(site: Site) -> None:
    """Look at what the processes see."""
    said = inside(
        site,
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
    assert said[:3] == ["www-data", "/var", "box"]
    assert said[3] == "7 true"
    assert said[4].split() == ["192.0.2.1", "db.example.test"]
    assert said[5:7] == ["80", "4321"]
    # The tmpfs is root's, and of mode 1770: this user may not write there.
    assert said[8:11] == ["no", "1770", "docker-init"]
    resolver = inside(site, "hive1", "many", "cat /etc/resolv.conf")
    assert "search example.test" in resolver
    assert "ndots:2" in resolver
    bounding = inside(site, "hive1", "many", "sed -n 's/CapBnd:.//p' /proc/1/status")
    assert int(bounding, 16) & 1 << 12, "NET_ADMIN"
    assert not int(bounding, 16) & 1 << 0, "CHOWN"
    assert inside(site, "hive1", "many", "getent hosts other | wc -l") == "1\n"


def _looked_at_by_the_engine(site: Site) -> None:
    """Look at what the engine was told, where a process does not see it."""
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
    said = site.on("hive0", "docker service inspect many")
    [service] = json.loads(said)
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
    assert preferences == [{"Spread": {"SpreadDescriptor": "node.hostname"}}]
    reserved = service["Spec"]["TaskTemplate"]["Resources"]["Reservations"]
    assert reserved == {"NanoCPUs": 100_000_000, "MemoryBytes": 16 << 20}
    each = inspected(site, "hive0", "each")["Config"]
    assert isinstance(each, dict)
    assert each["Tty"] is True


def _files(site: Site, told: str, printed: str) -> None:
    """Look at the files that secrets and configs are: what is in them, whose they are, what Docker calls them."""
    paths = "/run/secrets/told /etc/printed /etc/plain.conf /keyed"
    script = f"stat -c '%a %u %g' {paths}; cat /etc/plain.conf /keyed; ! cat /run/secrets/told 2>/dev/null"
    said = inside(site, "hive1", "many", script).split("\n")
    assert said == ["400 0 0", "440 33 34", "640 33 0", "444 0 0", "private one", told + printed]
    root = "docker exec -u 0 $(docker ps -qf label=com.docker.swarm.service.name=many) cat"
    assert site.on("hive1", f"{root} /run/secrets/told /etc/printed") == told + printed
    kinds = {kind: _contents(site, kind) for kind in ("secret", "config")}
    assert {kind: [name for name, _ in found] for kind, found in kinds.items()} == {
        "secret": ["keyed", "printed", "told"],
        "config": ["plain"],
    }


def _contents(site: Site, kind: str) -> list[tuple[str, str]]:
    """Return the Docker secrets or configs of the service, each with its name and the digest after that."""
    names = site.on("hive0", f"docker {kind} ls --format '{{{{.Name}}}}'").split()
    found = sorted((name.rpartition("-")[0], name.rpartition("-")[2]) for name in names)
    return [each for each in found if each[0] in {"keyed", "printed", "told", "plain"}]


def _another_content(site: Site) -> None:
    """Change a config: its service alone is rolled, and the older content goes."""
    before = _contents(site, "config")
    with site.edited("one", "two", site.directory / "plain.conf"):
        changed = site.run().well()
        assert changed.ran == ["deploy_services:config.plain", "deploy_services:many"]
        assert inside(site, "hive1", "many", "cat /etc/plain.conf") == "private two\n"
        [(name, digest)] = _contents(site, "config")
        assert (name, digest) not in before
        assert "an older content of config plain that nothing uses any more" in changed.text
    assert site.settle() == ["deploy_services:config.plain", "deploy_services:many"]
    assert _contents(site, "config") == before


def _ports(site: Site) -> None:
    """Look at the ports that were chosen: kept on the service, published on each hive, told to others."""
    [service] = json.loads(site.on("hive0", "docker service inspect each"))
    labels = service["Spec"]["Labels"]
    chosen = {labels["skep.port.7.tcp"], labels["skep.port.7.udp"]}
    assert chosen == {"61001", "61002"}
    published = {str(port["PublishedPort"]) for port in service["Endpoint"]["Ports"]}
    assert published == chosen
    for host in HIVES:
        assert len(site.on(host, "docker ps -qf label=com.docker.swarm.service.name=each").split()) == 1
    where = next(h for h in HIVES if site.on(h, "docker ps -qf label=com.docker.swarm.service.name=asks"))
    assert inside(site, where, "asks", 'echo "$PORT"') == f"{labels['skep.port.7.udp']}\n"
    # What is known of them here is a cache.
    (site.state / "deploy_services" / "ports.chosen.json").unlink()
    assert site.run().well().ran == ["deploy_services:ports.chosen"]
    [again] = json.loads(site.on("hive0", "docker service inspect each"))
    assert again["Spec"]["Labels"] == labels


def _job(site: Site) -> None:
    """Look at a job: as many tasks as it wanted have ended well, and run again for a change, and only then."""
    done = "docker service ps once --format '{{.CurrentState}}' | grep -c ^Complete || true"
    assert site.on("hive0", done) == "3\n"
    with site.edited('"echo done"', '"echo again"'):
        assert site.settle() == ["deploy_services:once"]
        logs = site.on("hive0", "docker service logs --raw once 2>/dev/null | sort | uniq -c")
        assert re.sub(" +", " ", logs).split("\n") == [" 3 again", " 3 done", ""]
    with site.edited('"echo done"', '"echo why >&2; exit 3"'):
        failed = site.run()
        assert failed.status == 1
        assert re.search(r"service once: \d tasks failed one after another", failed.text), failed.text
        assert "| why" in failed.text
    assert site.settle() == ["deploy_services:once"]


def _job_everywhere(site: Site) -> None:
    """Look at a job that runs once on each hive, and what its container said there."""
    nodes = [f"p-{host}.{site.name}" for host in HIVES]
    states = site.on(
        "hive0",
        "docker service ps everywhere --format '{{.Node}} {{.CurrentState}}' | cut -d' ' -f1,2 | sort",
    )
    assert states.splitlines() == [f"{node} Complete" for node in nodes]
    logs = site.on("hive0", "docker service logs --raw everywhere 2>/dev/null | sort")
    assert logs.splitlines() == ["here"] * len(HIVES)


UPDATES = f"""
[services.first]
{COMMON.replace('test = "true"', 'test = "test -e /tmp/well"')}
entrypoint = ["/bin/sh", "-c", "sleep 2; touch /tmp/well; exec sleep infinity"]
environment = {{ VERSION = "one" }}
init = true
restart_config = {{ delay = "1s" }}
initialize_roles = ["patient"]
[services.second]
{COMMON}
depends_on = ["first"]
entrypoint = ["sleep", "infinity"]
init = true
[networks.dns]
"""


def test_order_rollback_and_pins(site: Site) -> None:
    """A service waits for the one that it depends on to be healthy, and is left alone when that changes.

    Its container is killed while it is initialized, which begins anew then, and is not done again by what follows. A
    failed update is undone by itself; one that went well can be taken back, stays so until its definition changes,
    and every command says so.
    """
    with added(site, UPDATES), role(site, "patient", PATIENT):
        made = _killed_while_it_is_initialized(site)
        assert made.index("deploy_services:first") < made.index("deploy_services:second")
        mark = initialized(site)
        with site.edited('VERSION = "one"', 'VERSION = "two"'):
            # Nothing is initialized again by an update, one that is undone, or a way back.
            assert site.settle() == ["deploy_services:first"]
            assert version(site) == "two"
            _fails_and_is_undone(site)
            _back_and_forth(site)
            assert initialized(site) == mark
        # Its definition changed: the pin is over.
        assert site.settle() == ["deploy_services:first"]
        assert version(site) == "one"
        assert "pinned" not in site.run("list").text


PATIENT = """\
touch /tmp/began
while [ ! -e /tmp/go ]; do sleep 0.1; done
touch /tmp/loaded
"""


@contextmanager
def role(site: Site, name: str, script: str) -> Iterator[None]:
    """Have a role within."""
    path = site.role(f"{name}/setup.sh")
    path.parent.mkdir()
    try:
        path.write_text(f"#!/bin/sh\nset -eu\n{script}")
        path.chmod(0o755)
        yield
    finally:
        shutil.rmtree(path.parent)


def _killed_while_it_is_initialized(site: Site) -> list[str]:
    """Kill the container in the middle: the role runs again in the next one, from its beginning."""
    task = "initialize_services:first.patient"
    with site.start() as running:
        killed = _beginning(site, running, "")
        where, container = killed
        site.on(where, f"docker kill {container}")
        where, container = _beginning(site, running, container)
        site.on(where, f"docker exec {container} touch /tmp/go")
        made = running.wait().well().ran
    assert "the container went away meanwhile" in site.log(task)
    site.on(where, f"docker exec {container} test -e /tmp/loaded")
    assert task in made
    assert initialized(site)
    return made


def _beginning(site: Site, running: Running, except_: str) -> tuple[str, str]:
    """Return host and container in which the role has begun, as soon as there is another than this."""
    found: list[tuple[str, str]] = []
    script = (
        "for id in $(docker ps -qf label=com.docker.swarm.service.name=first); do "
        "docker exec $id test -e /tmp/began 2>/dev/null && echo $id; done; true"
    )

    def begun() -> bool:
        here = site.everywhere(HIVES, script)
        found[:] = [(host, said.strip()) for host, said in here.items() if said.strip() not in {"", except_}]
        return bool(found)

    running.wait_for(begun, "the role to begin")
    return found[0]


def initialized(site: Site) -> str:
    """Return the mark of the service's initialization."""
    label = '{{index .Spec.Labels "skep.initialized.patient"}}'
    return site.on("hive0", f"docker service inspect first --format '{label}'").strip()


def version(site: Site) -> str:
    """Return what the running container of the service has in its environment."""
    where = next(h for h in HIVES if site.on(h, "docker ps -qf label=com.docker.swarm.service.name=first"))
    return inside(site, where, "first", 'echo "$VERSION"').strip()


def _fails_and_is_undone(site: Site) -> None:
    """Deploy what never becomes healthy: the old task comes back, and the next run tries again."""
    with site.edited("sleep 2; touch /tmp/well", "echo no use; exit 7"):
        failed = site.run()
        assert failed.status == 1
        assert "service first: the update failed and was undone" in failed.text
        assert "| no use" in failed.text
        assert version(site) == "two"
        # It is tried again by the next run.
        assert site.run("plan").status == 2
    assert site.settle() == ["deploy_services:first"]


def _back_and_forth(site: Site) -> None:
    """Take the service back, look at what is said of it, and end that."""
    unknown = site.run("rollback", "first", "to=77")
    assert unknown.status == 1
    assert re.search(r"has no revision 77; there are:\n +to=2 .*runs now\n +to=1 .*VERSION", unknown.text)
    assert site.run("rollback", "nobody").status == 3
    back = site.run("rollback", "first")
    assert back.status == 0, back.text
    assert version(site) == "one"
    said = "first is pinned to revision 1, behind site.toml"
    assert said in back.text
    assert said in site.run("list").text
    again = site.run().well()
    assert again.ran == []
    assert said in again.text
    assert site.run("plan").status == 0
    # What is known of it here is a cache.
    (site.state / "pinned.json").unlink()
    (site.state / "traces" / "deploy_services" / "first.json").unlink()
    assert site.run().well().ran == ["deploy_services:first"]
    assert version(site) == "one"
    assert said in site.run("list").text
    ended = site.run("rollback", "first", "to=latest")
    assert ended.status == 0, ended.text
    assert site.settle() == ["deploy_services:first"]
    assert version(site) == "two"
    assert site.run("rollback", "first", "to=1").status == 0


def test_standalone(site: Site) -> None:
    """A standalone service runs systemd, which comes up whole, runs units, and ends in order when it is told to."""
    with added(site, STANDALONE):
        assert {"build_images:whole", "deploy_services:whole"} <= set(site.run().well().ran)
        where = next(
            h for h in HIVES if site.on(h, "docker ps -qf label=com.docker.swarm.service.name=whole")
        )
        said = inside(
            site,
            where,
            "whole",
            """
            cat /proc/1/comm
            timeout 60 systemctl is-system-running --wait
            systemd-run --quiet --wait --pipe --collect sed -n 's/.*name=systemd:/unit /p' /proc/self/cgroup
            stat -f -c %T /run /run/lock /tmp
            """,
        ).split("\n")
        assert said[:2] == ["systemd", "running"]
        assert re.search(r"^unit /.*/run-\w+\.service$", said[2])
        assert said[3:] == ["tmpfs", "tmpfs", "tmpfs", ""]
        container = site.on(where, "docker ps -qf label=com.docker.swarm.service.name=whole").strip()
        site.on("hive0", "docker service scale --detach whole=0")
        ends = f"docker events --since 5m --until 0s -f container={container} -f event=die"
        died = f"{ends} --format '{{{{.Actor.Attributes.exitCode}}}}'"
        wait_until(lambda: bool(site.on(where, died).strip()), "the end of its container", 60)
        # It would be 137 if it had been killed, after `stop_grace_period`.
        assert site.on(where, died).strip() == "0"
