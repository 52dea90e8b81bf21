"""Backups of a real site: made, listed, tried, gone back to. The last file: it prunes what the others left."""

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tasks.backup.shown_key import LINE
from tests import rig
from tests.integration.doit_run import Ended, Running
from tests.integration.one_host_site.one_host import HOST, OPEN, RUN, OneHost
from tests.integration.typed import typed
from tests.integration.units import run_unit

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
TINY = f"{OPEN}/tiny:1"
_TOML = """
[backup]
schedule = "Sun 04:00"
keep = {{ last = 99 }}
[[backup.copies]]
name = "away"
repository = "/srv/away"
files = {{ "/root/away/key" = "away" }}
[secrets.away]
generate = 32
[volumes.store]
hosts = ["hive0"]
[services.store]
image = "{image}"
command = ["/bin/sh", "-c", "test ! -e /data/broken || exit 7; : >/db; while :; do sleep 1; done"]
volumes = [{{ source = "store", target = "/data" }}]
stop_grace_period = "1s"
endpoint_mode = "dnsrr"
converge_timeout = "300s"
healthcheck = {{ test = "test -e /db", interval = "1s", retries = 2 }}
[[services.store.backup_scripts]]
name = "files"
volume = "store"
consistency = "pause"
verify_command = "cat /data/rows"
[[services.store.backup_scripts]]
name = "db"
backup_command = "{dump}"
restore_command = "cat >/db"
verify_command = "cat /db"
"""
_DUMP = "cat /data/rows"
_STOPPED = """
until docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' store | grep -qx 0; do sleep 0.05; done
until pkill -STOP -x restic; do sleep 0.05; done
"""
"""Waits until a backup has stopped the service, and freezes what reads its files."""
_FILES = 'files = { "/root/away/key" = "away" }'


@pytest.fixture(scope="module")
def store(site: OneHost) -> Iterator[OneHost]:
    """Give the site with a service that has data."""
    site.push(TINY, "1")
    site.write(_TOML.format(image=TINY, dump=_DUMP))
    site.ran()
    yield site
    site.write()
    site.run("prune", f"confirm={site.name}", "volumes=store").well()
    assert "skep-backup.timer" not in site.on_host("systemctl list-timers --all --no-legend")
    site.on_host("test ! -e /root/away/key; test ! -e /etc/skep/backup-files; rm -rf /srv/away")


def inside(site: OneHost, script: str) -> str:
    """Run a script in the service's container."""
    label = "com.docker.swarm.service.name=store"
    return site.on_host(
        f"docker exec -i $(docker ps -q -f label={label} | head -n 1) /bin/sh -eu <<'END'\n{script}\nEND"
    )


def write_rows(site: OneHost, *rows: str) -> None:
    """Have the service's data be these rows."""
    lines = " ".join(rows)
    inside(site, f"for row in {lines}; do echo $row; done >/data/rows; cat /data/rows >/db")


def rows(site: OneHost) -> list[str]:
    """Return the rows that the service has, of its files and its database."""
    return inside(site, "cat /data/rows /db").split()


def has_said(running: Running, text: str) -> bool:
    """Return whether a command has said something, or ended."""
    return text in running.text or running.process.poll() is not None


def made(site: OneHost) -> str:
    """Make a generation, and return its id."""
    done = typed(site, "backup", "store", timeout=900)
    assert done.returncode == 0, done.stderr.decode()
    found = re.match(r"store: ([0-9a-f]{8}), ", done.stdout.decode())
    assert found is not None, done.stdout
    return found[1]


def listed(site: OneHost) -> list[dict[str, object]]:
    """Return the generations, the oldest first."""
    done = typed(site, "backups", "--json")
    assert done.returncode == 0, done.stderr.decode()
    return list(json.loads(done.stdout))


def ids(site: OneHost) -> list[str]:
    """Return the ids of the generations. What else is told of them changes with the upkeep, as when they are copied."""
    return [str(each["id"]) for each in listed(site)]


def restored(site: OneHost, *words: str) -> Ended:
    """Restore the service."""
    return site.run("restore", "store", *words, f"confirm={site.name}", timeout=RUN)


def test_generation_two_of_three_brings_exactly_its_rows(store: OneHost) -> None:
    """Planned first; what was there becomes a generation, too; a generation is named by its id, a time, or latest."""
    made_then = []
    for number in (1, 2, 3):
        write_rows(store, *(f"row{n}" for n in range(number)))
        made_then.append(made(store))
    newest = listed(store)[-len(made_then) :]  # other files have made some, too
    assert [each["id"] for each in newest] == made_then
    assert [each["revision"] for each in newest] == [{"number": 1, "pinned": None}] * len(made_then)
    planned = typed(store, "restore", "store", f"at={made_then[1]}")
    assert planned.returncode == 2, planned.stderr
    assert f"store: goes back to {made_then[1]} of " in planned.stdout.decode()
    assert f"to do it: doit restore store at={made_then[1]} confirm={store.name}" in planned.stdout.decode()
    assert rows(store) == ["row0", "row1", "row2"] * 2

    ended = restored(store, f"at={made_then[1]}")
    assert ended.status == 0, ended.text
    assert rows(store) == ["row0", "row1"] * 2
    before = listed(store)[-1]
    assert before["kind"] == "before-restore"
    ended = restored(store, f"at={before['id']}")
    assert ended.status == 0, ended.text
    assert rows(store) == ["row0", "row1", "row2"] * 2
    planned = typed(store, "restore", "store", f"at={made_then[1]}", "script=db")
    assert f"to do it: doit restore store at={made_then[1]} script=db confirm=" in planned.stdout.decode()
    unknown = typed(store, "restore", "store", "at=00000000")
    assert unknown.returncode == 1
    assert unknown.stderr.decode().startswith("at=00000000: no generation of store; there are: ")
    assert store.run(timeout=RUN).did_nothing


def test_a_generation_is_tried_and_brought_here(store: OneHost, tmp_path: Path) -> None:
    """`verify_backups` and `backups` say what was found; `into=` brings the files; the service stays as it is."""
    write_rows(store, "first")
    identity = made(store)
    write_rows(store, "second")
    done = typed(store, "verify_backups", "store", timeout=900)
    assert done.returncode == 0, done.stderr.decode()
    assert "  files: verify_command ended well" in done.stdout.decode()
    assert "  db: 6 bytes loaded; verify_command ended well" in done.stdout.decode()
    assert listed(store)[-1]["test"]["ok"] is True  # type: ignore[index]
    assert rows(store) == ["second"] * 2
    done = typed(store, "restore", "store", f"at={identity}", f"into={tmp_path / 'here'}")
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "here/files/rows").read_text() == "first\n"
    assert (tmp_path / "here/db.dump").read_text() == "first\n"


def test_a_dump_that_fails(store: OneHost) -> None:
    """No generation, exit status 1; noted on the hive until one goes well."""
    write_rows(store, "first")
    before = ids(store)
    toml = _TOML.format(image=TINY, dump="cat /data/rows; echo lost the server >&2; exit 3")
    assert store.on_host("stat -c '%a %U' /root/away/key").split() == ["600", "root"]
    store.write(toml.replace(_FILES, ""))
    assert "setup_hosts:hive0.backup_hive" in store.ran()
    done = typed(store, "backup", timeout=900)
    assert done.returncode == 1
    why = "store: no backup: script db: backup_command ended with 3: lost the server"
    assert why in done.stderr.decode()
    assert ids(store) == before
    assert store.on_host("ls /root/away /etc/skep/backup-files").split() == [
        "/etc/skep/backup-files:",
        "known",
        "paths",
        "/root/away:",
    ], "a file that site.toml has no more is still there"
    store.write(_TOML.format(image=TINY, dump=_DUMP))
    store.ran()
    made(store)
    assert ids(store)[:-1] == before


def test_a_run_while_a_backup_has_stopped_the_service(store: OneHost) -> None:
    """It leaves the service alone and ends well; so does the backup, and the service goes on."""
    write_rows(store, "first")
    before = ids(store)
    store.write(_TOML.format(image=TINY, dump=_DUMP).replace('"pause"', '"stop"'))
    store.ran()
    with store.start("backup", "store") as backup:
        store.on_host(f"timeout 240 sh -eu <<'END'{_STOPPED}END")
        try:
            meanwhile = store.run(timeout=RUN)
            told = typed(store, "status").stdout.decode()
        finally:
            store.on_host("pkill -CONT -x restic")
        ended = backup.wait()
    assert meanwhile.did_nothing, meanwhile.text
    assert "store is stopped while its files are saved, and goes on then" in told
    assert ended.status == 0, ended.text
    assert ids(store)[:-1] == before
    assert store.run(timeout=RUN).did_nothing
    assert rows(store) == ["first"]  # its database was in the container before
    store.write(_TOML.format(image=TINY, dump=_DUMP))
    store.ran()


def test_a_dump_that_can_not_be_loaded(store: OneHost) -> None:
    """It is said; the same can be tried again, and so can another generation, with which the service is whole."""
    write_rows(store, "kept")
    good = made(store)
    inside(store, "echo more >/data/more")
    store.write(_TOML.format(image=TINY, dump=_DUMP).replace("cat >/db", "cat >/db; exit 4"))
    store.ran()
    ended = restored(store, f"at={good}")
    assert ended.status == 1, ended.text
    assert "script db: restore_command ended with 4" in ended.text
    store.write(_TOML.format(image=TINY, dump=_DUMP))
    store.ran()
    before = next(each["id"] for each in reversed(listed(store)) if each["kind"] == "before-restore")
    ended = restored(store, f"at={before}")
    assert ended.status == 0, ended.text
    assert inside(store, "cat /data/more").split() == ["more"]
    assert rows(store) == ["kept"] * 2


def test_files_that_the_service_can_not_live_with(store: OneHost) -> None:
    """The service has its old files back, and runs; the message says so."""
    write_rows(store, "good")
    inside(store, ": >/data/broken")
    done = typed(store, "backup", "store", timeout=900)
    assert done.returncode == 0, done.stderr.decode()
    broken = listed(store)[-1]["id"]
    inside(store, "rm /data/broken")
    ended = restored(store, f"at={broken}", "script=files")
    assert ended.status == 1, ended.text
    said = r"\d+ tasks failed one after another \(task: non-zero exit \(7\)\) with the files of "
    assert re.search(said, ended.text), ended.text
    assert "it has its old files again" in ended.text
    assert inside(store, "cat /data/rows").split() == ["good"]
    rig.wait_until(
        lambda: "(healthy)" in store.on_host("docker ps --format '{{.Status}}'"), "the service to be healthy"
    )


def test_killed_in_the_middle(store: OneHost) -> None:
    """Typed again it goes on; nothing is lost, nothing is left, and a run finds nothing to do."""
    write_rows(store, "old")
    identity = made(store)
    write_rows(store, "new")
    for said in ("what is there now is", "is stopped", "starts with the files of"):
        with store.start("restore", "store", f"at={identity}", f"confirm={store.name}") as running:
            running.wait_for(partial(has_said, running, said), said)
            running.kill()
    ended = restored(store, f"at={identity}")
    assert ended.status == 0, ended.text
    assert rows(store) == ["old"] * 2
    left = store.on_host(
        "find /var/lib/docker/volumes -maxdepth 2 -name 'skep-*'; find /var/lib/docker/skep-spool -type f"
    )
    assert left == ""
    assert store.run(timeout=RUN).did_nothing


def test_after_a_power_cut(store: OneHost) -> None:
    """At the next boot a service that was stopped for its backup goes on, and the backup of that night begins again."""
    write_rows(store, "first")
    before = ids(store)
    store.on_host(
        "docker service scale --detach store=0 >/dev/null\n"
        "while docker ps -q -f label=com.docker.swarm.service.name=store | grep -q .; do sleep 0.2; done\n"
        "cd /var/lib/skep/backup\n"
        """echo '{"by": 1, "stopped": "store", "replicas": 1}' >held.json\necho 1 >begun.json\n"""
        "systemctl restart skep-backup-boot.service"
    )
    rig.wait_until(lambda: len(ids(store)) > len(before), "the night's backup")
    assert listed(store)[-1]["kind"] == "scheduled"
    assert inside(store, "cat /data/rows").split() == ["first"]
    rig.wait_until(
        lambda: "begun.json" not in store.on_host("ls /var/lib/skep/backup"), "the end of the night's backup"
    )
    assert "held.json" not in store.on_host("ls /var/lib/skep/backup")
    assert store.on_host("systemctl is-active skep-backup-boot").strip() == "active"


def test_a_hive_can_only_add(store: OneHost) -> None:
    """Its credentials forget nothing, and open no other path; without them nobody is let in; others can't reach it."""
    made(store)
    env = (
        "export RESTIC_REPOSITORY_FILE=/etc/skep/backup/repository RESTIC_PASSWORD_FILE=/etc/skep/backup/password\n"
        "export RESTIC_CACHE_DIR=/tmp/cache\n"
    )
    # A backup that a test before this one has killed left a lock, for which restic would ask nobody.
    run_unit(store, HOST, "skep-backup-keep.service")
    before = ids(store)
    forget = "timeout 100 restic --retry-lock 1m --cacert /etc/skep/ca.crt forget latest"
    refused = store.on_host(f"{env}{forget} 2>&1 || true")
    assert "403" in refused or "Forbidden" in refused or refused == "", refused
    assert ids(store) == before
    place = store.on_host("sed 's,/hive0/$,/hive1/,; s,^rest:,,' /etc/skep/backup/repository").strip()
    answer = store.on_host(
        f"curl -s -o /dev/null -w '%{{http_code}}' --cacert /etc/skep/ca.crt {place}config"
    )
    assert answer == "403"


def test_the_key_is_asked_for_until_it_was_printed(store: OneHost) -> None:
    """Each run, plan and status say so in a line; afterwards none does, and none has anything to do."""
    status = typed(store, "status").stdout.decode()
    assert LINE in store.run(timeout=RUN).text
    assert LINE in typed(store, "plan").stdout.decode()
    assert LINE in status
    key = typed(store, "backups", "key")
    assert re.fullmatch(r"[0-9a-f]{64}\n", key.stdout.decode())
    assert key.stderr.decode() == ""
    assert key.stdout.decode().strip() not in store.on_host("cat /etc/skep/backup/* /etc/skep/backup.json")
    again = store.run(timeout=RUN)
    assert again.did_nothing
    assert LINE not in again.text
    assert LINE not in typed(store, "plan").stdout.decode()
    told = json.loads(typed(store, "status", "--json").stdout)
    assert told["key_shown"].keys() == {"at", "by"}
    vault = store.directory / "state/private/secrets/vault.json"
    held = json.loads(vault.read_text())
    del held["key_shown"]
    vault.write_text(json.dumps(held, indent=1))
    assert LINE not in typed(store, "plan").stdout.decode(), "another checkout knows it from the host"


def test_the_timers(store: OneHost) -> None:
    """The schedule is that of site.toml; what it starts ends well, and keeps what it should."""
    write_rows(store, "first")
    timers = store.on_host("systemctl list-timers --all --no-legend")
    assert "skep-backup.timer" in timers
    assert "skep-backup-keep.timer" in timers
    due = json.loads(store.on_host("cat /var/lib/skep/backup/schedule.json"))
    assert (due["schedule"], due["period"], list(due["first"])) == ("Sun 04:00", 7 * 86_400, ["store"])
    assert due["first"]["store"] > time.time()
    store.on_host("rm -f /var/lib/skep/backup/status/store.json")  # a test that was asked for counts as well
    run_unit(store, HOST, "skep-backup.service")
    run_unit(store, HOST, "skep-backup-keep.service")
    newest = listed(store)[-1]
    assert newest["kind"] == "scheduled"
    assert newest["test"] is not None, "a first generation is tried by itself"
    assert newest["copies"]["away"] is not None  # type: ignore[index]
    key = store.on_host("cat /root/away/key")
    assert (len(key), key[-1:]) == (33, "\n")
