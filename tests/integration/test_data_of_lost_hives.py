"""Hives that are lost with a service's data: it comes back from its newest backup, on another hive or a new one."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests import rig
from tests.integration.site import Site, replaced
from tests.integration.units import run_unit

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

PURPOSE = "lost-data"
RUN = 900.0
"""Seconds that a run may take which makes hosts."""
TOML = """\
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
separate_repository = true
number_of_hosts = 4
[setup_hosts]
ntp_servers = []
[backup]
schedule = "Sun 04:00"
verify = "never"
[volumes.store]
hosts = ["hive0"]
[services.store]
image = "idle"
entrypoint = ["/bin/sh", "-c", ": >/db; while :; do sleep 1; done"]
volumes = [{{ source = "store", target = "/data" }}]
stop_grace_period = "1s"
endpoint_mode = "dnsrr"
converge_timeout = "300s"
healthcheck = {{ test = "test -e /db", interval = "1s", retries = 2 }}
initialize_roles = ["first"]
[[services.store.backup_scripts]]
name = "files"
volume = "store"
consistency = "pause"
[[services.store.backup_scripts]]
name = "db"
backup_command = "cat /db"
restore_command = "cat >/db"
"""
"""A service with rows in a volume and in what stands for a database; its first data would show among them."""
HIVES = ("hive0", "hive1", "hive2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site of three hives whose data is on the first; leave nothing of it."""
    made = Site(tmp_path_factory.mktemp("lost") / "site", PURPOSE)
    made.write_tiny(TOML.format(name=made.name, cidr=rig.free_cidr(PURPOSE)))
    made.write_role("first", "echo first >>/data/rows; echo first >>/db\n")
    with rig.own(made.name):
        try:
            made.run(timeout=RUN).well()
            yield made
        finally:
            made.run("destroy", f"confirm={made.name}", "volumes=all")


def inside(site: Site, host: str, script: str) -> str:
    """Run a script in the service's container on a host."""
    label = "com.docker.swarm.service.name=store"
    container = f"$(docker ps -q -f label={label} | head -n 1)"
    return site.on(host, f"docker exec -i {container} /bin/sh -eu <<'END'\n{script}\nEND")


def write(site: Site, host: str, row: str) -> None:
    """Have the service's data be one row."""
    inside(site, host, f"echo {row} >/data/rows; echo {row} >/db")


def rows(site: Site, host: str) -> list[str]:
    """Return the rows of the service's files and of its database."""
    return inside(site, host, "cat /data/rows /db").split()


def backup(site: Site) -> str:
    """Make a generation, and return its id."""
    found = re.search(r"^store: ([0-9a-f]{8}), ", site.run("backup", "store").well().text, re.MULTILINE)
    assert found is not None
    return found[1]


def lose(site: Site, host: str) -> None:
    """Have a host gone with its disk, as by a fire."""
    name = site.container(host)
    subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)
    disks = [f"{name}.docker", f"{name}.containerd"]
    subprocess.run(["docker", "volume", "rm", "-f", *disks], check=True, capture_output=True)
    # The swarm has another leader, which hears from each node before it calls it ready.
    others = [other for other in HIVES if other != host]
    nodes = "docker node ls --format '{{.Hostname}} {{.Status}}' || :"
    rig.wait_until(
        lambda: all(f"p-{other}.{site.name} Ready" in site.on(others[0], nodes) for other in others),
        "the swarm to go on",
    )


def put_on(site: Site, host: str) -> None:
    """Have site.toml say that the volume is on another hive from now on."""
    text = site.toml.read_text()
    site.toml.write_text(re.sub(r'(?<=\[volumes\.store\]\nhosts = \[")hive\d', host, text))
    assert site.toml.read_text() != text


def left(site: Site, host: str) -> str:
    """Return what a restoration left beside volumes and in the spool of a host."""
    return site.on(
        host,
        "find /var/lib/docker/volumes -maxdepth 2 -name 'skep-*'; find /var/lib/docker/skep-spool -type f",
    )


@pytest.mark.disaster("a hive with a volume, and another one is to have it")
def test_a_volume_is_brought_from_its_backup_to_another_hive(site: Site) -> None:
    """Its hive is lost; the command is killed again and again; rows of the backup are there, and first data is not."""
    write(site, "hive0", "saved")
    identity = backup(site)
    write(site, "hive0", "unsaved")
    lose(site, "hive0")
    put_on(site, "hive1")
    refused = site.run("move_volume", "store", "to=hive1")
    assert refused.status == 2, refused.text
    assert "doit move_volume store to=hive1 from=backup brings the newest backup" in refused.text
    words = ("move_volume", "store", "to=hive1", "from=backup")
    said = ""
    for moment in ("store: is stopped", "hive1: has the label", "runs on hive1 from now on"):
        with site.start(*words) as running:
            running.wait_for(lambda moment=moment: moment in running.text, moment)  # type: ignore[misc]
            assert running.kill(), running.text
            said += running.text
    assert re.search(rf"service store: gets {identity} of .*, and loses what is since \d", said), said
    ended = site.run(*words, timeout=RUN)
    assert ended.status == 0, ended.text
    assert "service store: loaded db\n" in ended.text
    assert rows(site, "hive1") == ["saved"] * 2
    site.run(timeout=RUN).well()
    assert site.run(timeout=RUN).did_nothing
    assert rows(site, "hive1") == ["saved"] * 2
    assert left(site, "hive1") == ""


@pytest.mark.disaster("a hive with a volume")
def test_a_lost_hive_is_made_anew_with_its_data(site: Site) -> None:
    """Its newest good backup comes back by itself, killed in between; what came since is lost, which was said."""
    host = "hive1"
    write(site, host, "kept")
    identity = backup(site)
    write(site, host, "gone")
    lose(site, host)
    refused = site.run("replace_host", host)
    assert refused.status == 2, refused.text
    assert re.search(
        rf"volume store: .*; its backup of .* \({identity} of store\) comes back: what came since 2.* is lost",
        refused.text,
    ), refused.text
    words = ("replace_host", host, "volumes=all")
    for moment in (
        "is stopped until volume store is back",
        "doit move_volume store",
        "hive1: its node has its labels",
    ):
        with site.start(*words) as running:
            running.wait_for(lambda moment=moment: moment in running.text, moment, timeout=RUN)  # type: ignore[misc]
            assert running.kill(), running.text
    ended = site.run(*words, timeout=RUN)
    assert ended.status == 0, ended.text
    assert "hive1 is made anew, and all services run\n" in ended.text
    assert rows(site, host) == ["kept"] * 2
    site.run(timeout=RUN).well()
    assert site.run(timeout=RUN).did_nothing
    assert rows(site, host) == ["kept"] * 2
    assert left(site, host) == ""


def test_a_standby_is_there_at_once(site: Site) -> None:
    """The newest backup is kept restored on another hive; a move takes it from there; where the line goes, it goes."""
    found = re.search(r'(?<=\[volumes\.store\]\nhosts = \[")hive\d', site.toml.read_text())
    assert found is not None
    old, new = found[0], "hive2"
    hosts = f'hosts = ["{old}"]\n'
    site.toml.write_text(replaced(site.toml.read_text(), hosts, f'{hosts}standby = ["{new}"]\n'))
    site.run(timeout=RUN).well()
    assert f"! store: standby on {new}: nothing yet\n" in site.run("backups", "store").text
    write(site, old, "standing-by")
    identity = backup(site)
    run_unit(site, "hive3", "skep-backup-keep.service")
    run_unit(site, new, "skep-backup-standby.service")
    text = site.run("backups", "store").text
    assert re.search(rf"^store: standby on {new}: {identity} of .*, 0 h old$", text, re.MULTILINE), text
    kept = "cat /var/lib/docker/skep-standby/store/*/files/rows /var/lib/docker/skep-standby/store/*/db.dump"
    assert site.on(new, kept).split() == ["standing-by"] * 2

    put_on(site, new)
    site.toml.write_text(replaced(site.toml.read_text(), f'standby = ["{new}"]\n', ""))
    ended = site.run("move_volume", "store", f"to={new}", "from=backup", timeout=RUN)
    assert ended.status == 0, ended.text
    assert f"{new}: store: is here already, as a standby\n" in ended.text
    assert rows(site, new) == ["standing-by"] * 2
    site.run(timeout=RUN).well()
    site.run("prune", f"confirm={site.name}", "volumes=store").well()
    assert site.on(new, "ls /var/lib/docker/skep-standby 2>/dev/null || :") == ""
    assert site.run(timeout=RUN).did_nothing
    assert rows(site, new) == ["standing-by"] * 2
