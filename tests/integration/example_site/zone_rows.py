"""The rows of the example's database, and what its name servers make of them."""

import json
import re
from typing import Any

from tests import rig
from tests.integration import queries
from tests.integration.example_site.example import HEALS, HIVES, ZONE, Example
from tests.integration.typed import typed

_TTL = 7
"""Seconds, by which the tests know their own rows."""


def sql(site: Example, text: str) -> str:
    """Have the database do something, and return what it prints."""
    return site.inside(site.hive_with("pdnsdb"), "pdnsdb", f"mariadb -N pdns <<'SQL'\n{text}\nSQL")


def add_row(site: Example, name: str, address: str) -> None:
    """Give a name of the zone an address."""
    values = f"id, '{name}.{ZONE}', 'A', '{address}', {_TTL}"
    sql(
        site,
        f"INSERT INTO records (domain_id, name, type, content, ttl) SELECT {values} FROM domains;",  # noqa: S608 - ours
    )


def rows(site: Example) -> list[str]:
    """Return all rows."""
    return sql(site, "SELECT CONCAT_WS(' ', name, type, content) FROM records ORDER BY id;").splitlines()


def remove_rows(site: Example) -> None:
    """Remove the tests' own rows."""
    sql(site, f"DELETE FROM records WHERE ttl = {_TTL};")  # noqa: S608 - a number


def resolves(site: Example, expected: dict[str, list[str]]) -> None:
    """Wait until the name servers on all hives have these addresses for names of the zone; none for one that is not."""

    def address_of(host: str, name: str) -> list[str]:
        try:
            return queries.dns(site.addresses[host], f"{name}.{ZONE}")
        except OSError as error:
            return [] if "code 3" in str(error) else [str(error)]

    found: dict[str, dict[str, list[str]]] = {}

    def is_so() -> bool:
        found.update({host: {name: address_of(host, name) for name in expected} for host in HIVES})
        return all(answers == expected for answers in found.values())

    try:
        rig.wait_until(is_so, f"all name servers to have {expected}", HEALS)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}") from None


def made(site: Example) -> str:
    """Make a generation of the database, and return its id."""
    done = typed(site, "backup", "pdnsdb", timeout=900)
    assert done.returncode == 0, done.stderr.decode()
    found = re.match(r"pdnsdb: ([0-9a-f]{8}), ", done.stdout.decode())
    assert found is not None, done.stdout
    return found[1]


def generations(site: Example) -> list[dict[str, Any]]:
    """Return the database's generations, the oldest first."""
    done = typed(site, "backups", "pdnsdb", "--json")
    assert done.returncode == 0, done.stderr.decode()
    return list(json.loads(done.stdout))


def restored(site: Example, *words: str) -> str:
    """Restore the database, and return what that says."""
    ended = site.run("restore", "pdnsdb", *words, f"confirm={site.name}")
    assert ended.status == 0, ended.text
    return ended.text
