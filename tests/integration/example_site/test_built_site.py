"""The built site: it is whole, answers on its published ports alone, and keeps its secrets."""

import json
import re
import subprocess
import tomllib

import pytest

from remote.ssh.ssh_files import socket_directory
from tests.integration import queries
from tests.integration.example_site.example import (
    HIVES,
    HOSTS,
    ZONE,
    ZONE_ADDRESS,
    Example,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

CLOSED = "refused|timed out"


def test_is_whole(site: Example) -> None:
    """A site built from nothing has each of its things once, and nothing else."""
    site.is_whole()


@pytest.mark.parametrize("host", HIVES)
def test_dns_answers(site: Example, host: str) -> None:
    """The name server answers on every hive's published port, by UDP and by TCP."""
    site.answers()  # a name server sees its schema a second after that was loaded
    address = site.addresses[host]
    for tcp in (False, True):
        assert queries.dns(address, f"www.{ZONE}", tcp=tcp) == [ZONE_ADDRESS]
        assert [str(queries.SOA)] == queries.dns(address, ZONE, queries.SOA, tcp=tcp)
        with pytest.raises(OSError, match=f"code {queries.REFUSED}"):
            queries.dns(address, "elsewhere.invalid", tcp=tcp)


def test_http_answers(site: Example) -> None:
    """The proxy's published port gives the status page and, for reading only, the name server's API."""
    site.answers()
    address = site.proxy()
    status, page = queries.http_get(address, "/")
    assert (status, "<h1>example</h1>" in page) == (200, True)
    assert queries.http_get(address, "/healthz") == (200, "ok\n")
    assert queries.powerdns_api(address)["type"] == "Server"
    status, zones = queries.http_get(address, "/api/v1/servers/localhost/zones")
    assert (200, [f"{ZONE}."]) == (status, [zone["name"] for zone in json.loads(zones)])
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert queries.http_get(address, "/api/v1/servers/localhost/zones", method=method)[0] == 403


def test_nothing_else_answers(site: Example) -> None:
    """A port of a service that is not published is closed."""
    for port in (3306, 8081):
        with pytest.raises(OSError, match=CLOSED):
            queries.http_get(site.addresses["hive0"], "/", port=port, timeout=2)


def test_printed_commands_can_be_pasted(site: Example) -> None:
    """Each line that a run prints under "the services' addresses" works as it is."""
    text = site.run().text
    lines = re.findall(r"^  (\w+) +(.+)$", text.partition("the services' addresses:")[2], re.MULTILINE)
    services = tomllib.loads(site.toml.read_text())["services"]
    assert sum(len(service.get("try", ())) for service in services.values()) == len(lines), text
    for service, printed in lines:
        line = printed.partition("  # ")[0]  # its answer, after a run that deployed something
        # Where there is no dig, the test of the name server's ports above says the same.
        if subprocess.run(["which", line.split()[0]], capture_output=True, check=False).returncode == 0:
            done = subprocess.run(
                [*line.split(), *(["--fail"] if line.startswith("curl") else [])],
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
            assert (done.returncode, bool(done.stdout.strip())) == (0, True), (
                f"{service}: {line}: {done.stderr}"
            )


@pytest.mark.parametrize("host", HOSTS)
def test_ssh_config_works(site: Example, host: str) -> None:
    """`ssh -F state/<stage>/ssh_config <host>` logs in, and only to the host whose key was pinned."""
    ssh = ["ssh", "-F", "state/private/ssh_config"]

    def output(*words: str) -> str:
        return subprocess.run(
            [*ssh, *words], cwd=site.directory, capture_output=True, text=True, check=True, timeout=120
        ).stdout

    assert f"p-{host}.{site.name}\n" == output(host, "hostname")
    assert re.search("^stricthostkeychecking (yes|true)$", output("-G", host), re.MULTILINE)
    known = (site.state / "known_hosts").read_text()
    assert f"p-{host}.{site.name} " in known


def test_images_are_without_apts_caches(site: Example) -> None:
    """What a role installed is in its layer; what apt makes anew of its lists is not."""
    host = site.hive_with("pdnsdb")
    assert (
        site.inside(
            host, "pdnsdb", "dpkg-query -W mariadb-server >/dev/null; find /var/cache/apt -name '*.bin'"
        )
        == ""
    )


def test_secrets_are_their_owners(site: Example) -> None:
    """Nobody else can read the secrets in the state directory."""
    for path in [site.state / "secrets", *(site.state / "secrets").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".pub", path


def test_sockets_are_private(site: Example) -> None:
    """The tunnels' directory lets nobody else in."""
    found = [path for path in socket_directory(site.state).iterdir() if path.is_socket()]
    assert {f"{host}.ssh" for host in HOSTS} <= {path.name for path in found}
    for path in (found[0].parent, *found):
        assert path.stat().st_mode & 0o077 == 0
