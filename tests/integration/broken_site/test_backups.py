"""Backups of a site of three hives: rows come back, wherever the service is; hives are kept apart; others work on."""

from collections.abc import Iterator

import pytest

from tests import rig
from tests.integration.doit_run import Running
from tests.integration.example_site import zone_rows
from tests.integration.example_site.example import HIVES, REPOSITORY, Example
from tests.integration.example_site.zone_rows import add_row, generations, made, resolves, restored, rows
from tests.integration.typed import typed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

DUMP = 'backup_command = "'
HELD = f"{DUMP}touch /tmp/begun; until test -e /tmp/go; do sleep 0.1; done; "
"""A dump that begins when it is told to."""
LOGIN = """
export RESTIC_REPOSITORY_FILE=/etc/skep/backup/repository RESTIC_PASSWORD_FILE=/etc/skep/backup/password
export RESTIC_CACHE_DIR=/tmp/tests-cache
restic() { timeout 100 restic --retry-lock 1m --cacert /etc/skep/ca.crt --no-cache "$@" 2>&1; }
place=$(sed 's,^rest:,,' $RESTIC_REPOSITORY_FILE)
asked() { curl -s -o /dev/null -w '%{http_code}\\n' --cacert /etc/skep/ca.crt "$@"; }
"""
"""What a hive knows of the repositories, for restic and for curl. The upkeep after a backup locks a repository."""


@pytest.fixture
def zone(site: Example) -> Iterator[Example]:
    """Give the site without rows of tests; those that this one adds are removed at the end."""
    zone_rows.remove_rows(site)
    yield site
    zone_rows.remove_rows(site)


@pytest.mark.disaster("a row, a file, a table")
def test_generation_two_of_three(zone: Example) -> None:
    """It brings exactly its rows, the name servers on all hives answer with them, and a run finds nothing to do."""
    made_then, rows_then = [], []
    for number in (1, 2, 3):
        add_row(zone, f"made{number}", f"192.0.2.{20 + number}")
        made_then.append(made(zone))
        rows_then.append(rows(zone))
    assert [each["id"] for each in generations(zone)][-3:] == made_then
    restored(zone, f"at={made_then[1]}")
    assert rows(zone) == rows_then[1]
    resolves(zone, {"www": ["192.0.2.10"], "made1": ["192.0.2.21"], "made2": ["192.0.2.22"], "made3": []})
    # Its user is among what was restored, and first data is not loaded again.
    assert zone.run().did_nothing
    zone.answers()


def test_hives_are_kept_apart(site: Example) -> None:
    """A hive's credentials change and delete nothing that is there, and open no other hive's repository."""
    generation = made(site)
    owner, other = "hive0", "hive1"
    assert site.hive_with("pdnsdb") == owner
    before = generations(site)
    # restic tries for a while, and its exit status is that of the rest.
    assert "403 Forbidden" in site.on(owner, f"{LOGIN}restic forget {generation} || true")
    names = site.on(
        REPOSITORY, f"cd /var/lib/skep-backup/{owner}; ls keys/* snapshots/{generation}*; find data -type f"
    ).split()
    for name in (names[0], names[1], names[-1]):
        path = f"{name.partition('/')[0]}/{name.rpartition('/')[2]}"
        codes = site.on(
            owner, f"{LOGIN}asked -X DELETE ${{place}}{path}; asked -d other ${{place}}{path}"
        ).split()
        assert codes == ["403", "403"], path
    assert generations(site)[-3:] == before[-3:]  # older ones may go, as `keep` says
    assert generation in site.on(owner, f"{LOGIN}restic snapshots")

    foreign = f"{LOGIN}place=$(echo $place | sed s,/{other}/$,/{owner}/,)\n"
    stolen = (
        f"{foreign}RESTIC_REPOSITORY_FILE= RESTIC_REPOSITORY=rest:$place restic snapshots || echo refused"
    )
    assert "refused" in site.on(other, stolen)
    for path in ("config", "keys/", "snapshots/", f"data/{names[-1].rpartition('/')[2]}"):
        assert site.on(other, f"{foreign}asked ${{place}}{path}").split() == ["403"], path
    assert site.on(other, f"{foreign}asked -d new ${{place}}keys/new").split() == ["403"]
    files = f"{LOGIN}place=$(echo $place | sed s,/{other}/$,/site/,)\nasked ${{place}}config"
    assert site.on(other, files).split() == ["403"]
    # Not even with the repository's files in hand: its password is another one.
    password = site.on(other, "cat /etc/skep/backup/password").strip()
    opened = f"restic -r /var/lib/skep-backup/{owner} --no-cache --no-lock snapshots 2>&1 || true"
    assert "wrong password" in site.on(REPOSITORY, f"RESTIC_PASSWORD={password} {opened}")


def begun(site: Example, running: Running) -> None:
    """Wait until a dump that is held has begun."""
    look = "test -e /tmp/begun && echo begun || true"
    running.wait_for(lambda: "begun" in site.inside(site.hive_with("pdnsdb"), "pdnsdb", look), "a dump")


def let_go(site: Example) -> None:
    """Let the dump go on, and those of this container that come later."""
    site.inside(site.hive_with("pdnsdb"), "pdnsdb", "rm -f /tmp/begun; touch /tmp/go")


@pytest.fixture
def slow(zone: Example) -> Iterator[Example]:
    """Give the site with dumps that are held."""
    with zone.edited(DUMP, HELD):
        ran = zone.run().well().ran
        assert ran == [f"setup_hosts:{hive}.backup_hive" for hive in HIVES]
        yield zone
    zone.settle()


@pytest.mark.full
def test_runs_while_a_backup_is_at_work(slow: Example) -> None:
    """One that leaves the service alone changes nothing for it; one that deploys it ends it, which is said."""
    with slow.start("backup", "pdnsdb") as backup:
        begun(slow, backup)
        with slow.edited('SITE_NAME = "example"', 'SITE_NAME = "meanwhile"'):
            assert slow.run().well().ran == ["deploy_services:proxy"]
        assert backup.process.poll() is None
        let_go(slow)
        ended = backup.wait()
        assert ended.status == 0, ended.text
    before = generations(slow)
    slow.inside("hive0", "pdnsdb", "rm /tmp/go")
    with slow.start("backup", "pdnsdb") as backup:
        begun(slow, backup)
        with slow.edited('stop_grace_period = "60s"', 'stop_grace_period = "50s"'):
            assert "deploy_services:pdnsdb" in slow.run().well().ran
            ended = backup.wait()
            assert ended.status == 1, ended.text
            assert "pdnsdb: no backup: script db: " in ended.text, ended.text
            status = typed(slow, "status")
            assert status.returncode == 2
            assert "! pdnsdb: its backup has failed for " in status.stdout.decode()
    assert generations(slow)[-3:] == before[-3:]  # older ones may go, as `keep` says
    slow.run().well()
    let_go(slow)
    made(slow)
    slow.is_well()


@pytest.mark.full
def test_the_service_moves(slow: Example) -> None:
    """In the middle of a backup, which fails and is made on the new hive; what the old one made is restored there."""
    add_row(slow, "kept", "192.0.2.31")
    let_go(slow)
    there = made(slow)
    kept = rows(slow)
    slow.inside("hive0", "pdnsdb", "rm /tmp/go")
    with slow.edited('hosts = ["hive0"]', 'hosts = ["hive1"]'):
        with slow.start("backup", "pdnsdb") as backup:
            begun(slow, backup)
            moved = slow.run("move_volume", "pdnsdb_data", "to=hive1")
            assert moved.status == 0, moved.text
            ended = backup.wait()
            assert ended.status == 1, ended.text
        assert slow.hive_with("pdnsdb") == "hive1"
        assert rows(slow) == kept
        let_go(slow)
        add_row(slow, "later", "192.0.2.32")
        here = made(slow)
        assert [(each["id"], each["host"]) for each in generations(slow)][-2:] == [
            (there, "hive0"),
            (here, "hive1"),
        ]
        # What is there now is saved first, by a new container at the latest.
        restored(slow, f"at={there}")
        assert rows(slow) == kept
        assert sorted(generations(slow)[-3]["hives"]) == ["hive0", "hive1"]
        resolves(slow, {"kept": ["192.0.2.31"], "later": []})
        prune(slow, "hive0")
    moved = slow.run("move_volume", "pdnsdb_data", "to=hive0")
    assert moved.status == 0, moved.text
    prune(slow, "hive1")
    let_go(slow)
    restored(slow, f"at={here}")
    resolves(slow, {"kept": ["192.0.2.31"], "later": ["192.0.2.32"]})


def prune(site: Example, old: str) -> None:
    """Remove the copy that a move has left."""
    text = site.run("prune", f"confirm={site.name}", "volumes=pdnsdb_data").text
    assert f"removed volume pdnsdb_data on {old}" in text, text


FILES = """\
[[services.pdnsdb.backup_scripts]]
name = "files"
volume = "pdnsdb_data"
consistency = "pause"

[[services.pdnsdb.initialize_roles]]
"""
PAUSED = """
container=$(docker ps -q -f label=com.docker.swarm.service.name=pdnsdb)
paused() { docker inspect -f '{{.State.Paused}}' $container; }
"""
AGENT = "python3 -I /usr/local/lib/skep/agent.pyz backup run --service pdnsdb"
KILLS = {
    "doit's": (
        f"{AGENT} --kind asked >/dev/null 2>&1 &",
        "kill -9 $(sed 's/.*process \\([0-9]*\\).*/\\1/' /run/skep/backup.lock)",
    ),
    "the timer's": (
        "systemctl start --no-block skep-backup.service",
        "systemctl kill -s KILL skep-backup.service",
    ),
}
"""Whose job it is, to how it begins and how it is killed."""


@pytest.mark.full
@pytest.mark.parametrize("whose", KILLS)
def test_killed_while_the_database_is_paused(zone: Example, whose: str) -> None:
    """It runs on within seconds, though no other job comes; nothing is a generation; the next backup is one."""
    begin, kill = KILLS[whose]
    with zone.edited("[[services.pdnsdb.initialize_roles]]\n", FILES):
        zone.run().well()
        zone.inside("hive0", "pdnsdb", "head -c 150000000 /dev/urandom >/var/lib/mysql/large")
        before = generations(zone)
        zone.on(
            "hive0",
            f"{PAUSED}{begin}\nuntil [ $(paused) = true ]; do sleep 0.02; done\n{kill}",
        )
        rig.wait_until(
            lambda: zone.on("hive0", f"{PAUSED}paused").strip() == "false", "the database to run on", 60
        )
        assert generations(zone)[-3:] == before[-3:]  # older ones may go, as `keep` says
        identity = made(zone)
        zone.inside("hive0", "pdnsdb", "rm /var/lib/mysql/large")
        assert [each["id"] for each in generations(zone)] == [*(each["id"] for each in before), identity]
    # Of another host restic takes a lock for left behind after half an hour: until then the upkeep would wait.
    zone.on(REPOSITORY, "rm -f /var/lib/skep-backup/hive0/locks/*")
    zone.settle()
    zone.answers()
