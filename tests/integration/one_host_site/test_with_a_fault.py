"""Backups of a real site whose repository can't be had, or whose hive has a wrong clock: said, kept, mended."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.integration.one_host_site.one_host import OneHost
from tests.integration.one_host_site.test_with_backups import inside, listed, made, store, write_rows
from tests.integration.typed import typed

__all__ = ["store"]
pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
_SERVER = "skep-backup-server.service"
_UNREACHABLE = "the repository does not answer, or does not take this: "
_PASSWORD, _LOGIN = "/etc/skep/backup/password", "/etc/skep/backup/repository"
_CLOCK = """
cat >/usr/local/bin/restic <<'END'
#!/bin/sh
for word; do
    if [ "$word" = backup ]; then exec /usr/bin/restic "$@" --time "$(date -d 'DAYS days' '+%F %T')"; fi
done
exec /usr/bin/restic "$@"
END
chmod 0755 /usr/local/bin/restic
"""
"""Has the hive date its snapshots as with another clock. A container's own clock can't be set: it is the machine's."""


def refused(site: OneHost, why: str, within: float) -> None:
    """Make a backup, which must fail in time, with no generation, said by `doit status` as long as none goes well."""
    before, began = listed_quietly(site), time.monotonic()
    done = typed(site, "backup", "store", timeout=900)
    assert time.monotonic() - began < within
    assert done.returncode == 1
    assert f"store: no backup: {why}" in done.stderr.decode()
    status = typed(site, "status")
    assert status.returncode == 2
    assert re.search(
        rf"store: its backup has failed for \d+ min: {re.escape(why)}", status.stdout.decode()
    ), status.stdout
    assert site.on_host("docker ps -q -f status=paused") == ""
    assert listed_quietly(site) == before


def listed_quietly(site: OneHost) -> list[object]:
    """Return the ids of the generations, as the repository host knows them also while its server is off."""
    return [each["id"] for each in listed(site)]


def mended(site: OneHost) -> None:
    """Make a backup, which must go well; `doit status` has nothing more to say of it."""
    made(site)
    assert "store: its backup has failed" not in typed(site, "status").stdout.decode()


@contextmanager
def changed(site: OneHost, path: str, script: str) -> Iterator[None]:
    """Change a file of the host by a script of sed's, and put it back."""
    site.on_host(f"cp -p {path} {path}.kept; sed -i '{script}' {path}")
    try:
        yield
    finally:
        site.on_host(f"mv {path}.kept {path}")


def test_a_server_that_is_off(store: OneHost) -> None:
    """Nothing is dumped or paused; a server that dies in the middle is given up, and the service runs on."""
    write_rows(store, "row")
    made(store)
    store.on_host(f"systemctl stop {_SERVER}")
    try:
        refused(store, _UNREACHABLE, 300)
    finally:
        store.on_host(f"systemctl start {_SERVER}")
    mended(store)

    data = "$(docker volume inspect -f '{{.Mountpoint}}' $(docker volume ls -q | grep store))"
    store.on_host(f"head -c 100000000 /dev/urandom >{data}/big")
    packs = "find /var/lib/skep-backup/hive0/data -type f | wc -l"
    arrived = f"n=$({packs}); until [ $({packs}) -gt $n ]; do :; done"
    stop = f"{arrived}; systemctl kill -s KILL {_SERVER}; systemctl stop {_SERVER}"
    with ThreadPoolExecutor() as pool:
        stopped = pool.submit(store.on_host, stop)
        try:
            refused(store, _UNREACHABLE, 600)
        finally:
            stopped.result()
            store.on_host(f"systemctl start {_SERVER}")
    mended(store)
    inside(store, "rm /data/big")


def test_a_wrong_password(store: OneHost) -> None:
    """That of the repository, and that of its server: each is said at once."""
    write_rows(store, "row")
    made(store)
    with changed(store, _PASSWORD, "s/./0/g"):
        refused(store, "restic: wrong password or no key found", 180)
    with changed(store, _LOGIN, "s,hive0:[^@]*@,hive0:other@,"):
        refused(store, "restic: unable to open config file: unexpected HTTP response (401)", 180)
    mended(store)


def test_a_hive_whose_clock_is_a_day_wrong(store: OneHost) -> None:
    """What it makes is listed in the order in which it arrived, and its clock is named."""
    write_rows(store, "row")
    ids = [made(store)]
    try:
        for days in ("-1", "+1"):
            store.on_host(_CLOCK.replace("DAYS", days))
            ids.append(made(store))
    finally:
        store.on_host("rm /usr/local/bin/restic")
    ids.append(made(store))
    found = [each for each in listed(store) if each["id"] in ids]
    assert [each["id"] for each in found] == ids
    assert [each["clock_is_wrong"] for each in found] == [False, True, True, False]
