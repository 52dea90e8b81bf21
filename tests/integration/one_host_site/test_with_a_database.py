"""Backups of a real MariaDB and a real PostgreSQL. The last file but one: what it made is pruned."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import rig
from tests.integration.one_host_site.databases import Database, mariadb, postgresql, write_roles, write_site
from tests.integration.one_host_site.one_host import RUN, OneHost
from tests.integration.typed import typed

SERVICES = ("mariadb", "postgresql")
pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
_MARIADB = """
create database app;
create table app.users (n int primary key) engine = innodb;
create table app.copies (n int primary key) engine = innodb;
create user app@'%' identified by 'of-a-test';
grant all on app.* to app@'%';
"""
_POSTGRESQL = """
create role app login password 'of-a-test';
create database app owner app;
\\connect app
set role app;
create table users (n int primary key);
create table copies (n int primary key);
"""
_SESSIONS = {
    "mariadb": "select count(*) from information_schema.processlist where info like '%SIGN%' "
    "and id <> connection_id();",
    "postgresql": "select count(*) from pg_stat_activity where query like '%SIGN%' and pid <> pg_backend_pid();",
}
"""Counts the sessions whose statement has a text."""
_TABLES = (
    "select table_name from information_schema.tables where table_schema in ('app', 'public') order by 1;"
)

_LEFT = """
docker ps -aq -f label=skep.verify
docker volume ls -q -f dangling=true
ls -d /var/lib/skep/verify 2>/dev/null || true
"""


@pytest.fixture(scope="module")
def databases(site: OneHost) -> Iterator[dict[str, Database]]:
    """Give the site with both, each with a database `app`."""
    write_roles(site)
    write_site(site)
    site.ran()
    both = {"mariadb": mariadb(site), "postgresql": postgresql(site)}
    both["mariadb"].sql(_MARIADB)
    both["postgresql"].sql(_POSTGRESQL)
    yield both
    site.write()
    site.run("prune", f"confirm={site.name}", "volumes=mariadb_data,postgresql_data").well()


def in_app(database: Database, text: str) -> list[str]:
    """Have SQL carried out in database `app`."""
    use = "use app;" if database.service == "mariadb" else "\\connect app"
    return database.sql(f"{use}\n{text}")


def made(site: OneHost, *services: str) -> dict[str, str]:
    """Make a generation of services, and return their ids."""
    before = {str(each["id"]) for each in listed(site)}
    done = typed(site, "backup", *services, timeout=900)
    assert done.returncode == 0, done.stderr.decode()
    return {str(each["service"]): str(each["id"]) for each in listed(site) if each["id"] not in before}


def listed(site: OneHost) -> list[dict[str, object]]:
    """Return the generations, the oldest first."""
    done = typed(site, "backups", "--json")
    assert done.returncode == 0, done.stderr.decode()
    return list(json.loads(done.stdout))


def background(database: Database, command: str, sign: str) -> None:
    """Start a command in a database's container, and wait until the server has a session at work that shows it.

    Args:
        database: The database.
        command: The command.
        sign: What the text of the session's statement has.

    """
    database.site.on_host(f"docker exec -i -d {database.container} sh -c '{command}'")
    sessions = _SESSIONS[database.service].replace("SIGN", sign)
    rig.wait_until(lambda: database.sql(sessions) != ["0"], f"{database.service}: {sign}")


def restored(site: OneHost, service: str, generation: str) -> None:
    """Have a service go back to a generation."""
    ended = site.run("restore", service, f"at={generation}", f"confirm={site.name}", timeout=RUN)
    assert ended.status == 0, ended.text


def test_generation_two_of_three_brings_exactly_its_rows(databases: dict[str, Database]) -> None:
    """Of both: no row more or less, no table that came since, accounts and owners; also while somebody is connected."""
    site = databases["mariadb"].site
    generations = []
    for row in ("(1)", "(2)", "(3)"):
        for database in databases.values():
            in_app(database, "insert into users values ROW;".replace("ROW", row))
        generations.append(made(site))
    for database in databases.values():
        in_app(database, "create table since (n int primary key, foreign key (n) references users (n));")
    background(databases["mariadb"], 'mariadb app -e "select sleep(300)"', "sleep(300)")
    background(databases["postgresql"], 'psql -d app -c "select pg_sleep(300)"', "sleep(300)")
    databases["mariadb"].sql("drop user app@'%';")
    for service, database in databases.items():
        restored(site, service, generations[1][service])
        assert in_app(database, "select n from users order by n;") == ["1", "2"], service
        assert in_app(database, _TABLES) == ["copies", "users"], service
    assert databases["mariadb"].sql("select user from mysql.user where user = 'app';") == ["app"]
    owner = "select tableowner from pg_tables where tablename = 'users';"
    assert in_app(databases["postgresql"], owner) == ["app"]
    assert site.run(timeout=RUN).did_nothing


def test_a_generation_is_tried_in_a_server_of_its_own(databases: dict[str, Database]) -> None:
    """Both dumps are loaded into an empty server without a network; one without rows is of no use; nothing is left."""
    site = databases["mariadb"].site
    left = site.on_host(_LEFT)  # other files may have left a volume
    assert "/var/lib/skep/verify" not in left
    for database in databases.values():
        in_app(database, "delete from users; insert into users values (1);")
    made(site)
    done = typed(site, "verify_backups", timeout=900)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stdout.decode()
    assert said.count("bytes loaded; verify_command ended well") == len(SERVICES), said
    in_app(databases["postgresql"], "delete from users;")
    bad = made(site, "postgresql")["postgresql"]
    done = typed(site, "verify_backups", "postgresql", timeout=900)
    assert done.returncode == 1
    assert "script app: verify_command ended with 1" in done.stderr.decode()
    [found] = [each for each in listed(site) if each["id"] == bad]
    assert found["test"]["ok"] is False  # type: ignore[index]
    assert site.on_host(_LEFT) == left


def test_a_dump_while_rows_are_written_is_of_one_moment(databases: dict[str, Database]) -> None:
    """What is written to two tables at once is in both of them in a generation, or in none."""
    site = databases["mariadb"].site
    for service, client in (("mariadb", "mariadb app"), ("postgresql", "psql -q -d app")):
        database = databases[service]
        in_app(database, "delete from users; delete from copies;")
        row = "begin; insert into users values ($i); insert into copies values ($i); commit;"
        background(database, f'i=0; while i=$((i + 1)); do echo "{row}"; done | {client}', "insert into")
        generation = made(site, service)[service]
        restored(site, service, generation)
        users, copies = in_app(database, "select count(*) from users; select count(*) from copies;")
        assert users == copies != "0"


def test_a_server_that_dies_in_the_middle_of_its_dump(databases: dict[str, Database]) -> None:
    """No generation, exit status 1, and `doit status` says so until a backup goes well."""
    database = databases["mariadb"]
    site, before = database.site, listed(database.site)
    in_app(
        database,
        "create table big (x longtext); insert into big select repeat(uuid(), 20000) from seq_1_to_200;",
    )
    spool = "/var/lib/docker/skep-spool/mariadb/app.dump"
    watch = f"until [ -s {spool} ]; do :; done; docker kill {database.container}"
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(site.on_host, watch)
        done = typed(site, "backup", "mariadb", timeout=900)
        killed.result()
    assert done.returncode == 1
    assert "mariadb: no backup: script app: " in done.stderr.decode()
    assert listed(site) == before
    failed = re.compile(r"mariadb: its backup has failed for \d+ min: script app: ")
    status = typed(site, "status")
    assert status.returncode == 2
    assert failed.search(status.stdout.decode()), status.stdout
    healthy = f"docker exec {database.container} mariadb-healthy >/dev/null 2>&1 && echo yes || true"
    rig.wait_until(lambda: site.on_host(healthy) == "yes\n", "MariaDB to be there again")
    in_app(database, "drop table big;")
    made(site, "mariadb")
    assert not failed.search(typed(site, "status").stdout.decode())
