"""A site that was built: it answers, and as long as nothing changes nothing is done to it."""

import json
import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from remote.ssh.connection import socket_directory
from tests.integration import ask
from tests.integration.live import HIVES, HOSTS, ZONE, ZONE_ADDRESS, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MEMORY = 150 * 1024
"""KiB that doit may use at most."""
# Refuses to connect or to start a program, and notes that it was tried, even where the error is swallowed.
_REFUSING = """
import os, sys
def _hook(event, args):
    if event == "subprocess.Popen" and args[1] == ["uname", "-p"]:
        return  # plumbum asks so for the processor when it is imported
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}:
        with open(os.environ["SKEP_TEST_ATTEMPTS"], "a") as file: file.write(f"{event} {args}\\n")
        raise OSError(f"{event} is refused by the test")
sys.addaudithook(_hook)
"""
CLOSED = "refused|timed out"
SDKS = ("boto3", "botocore", "google.cloud", "vagrant")


def test_is_whole(site: Site) -> None:
    """A site built from nothing has each of its things once, and nothing else."""
    site.is_whole()


def test_second_run_does_nothing(site: Site) -> None:
    """The second run does nothing, and says so in one line; what runs is left alone."""
    before = site.identity()
    again = site.run()
    assert again.did_nothing, again.text
    assert before == site.identity()


def test_each_phase_alone_does_nothing(site: Site) -> None:
    """A phase, or a resource of one, can be asked for alone; nothing is done there either."""
    for words in (("build_images",), ("setup_hosts:hive1.chrony", "deploy_services:proxy")):
        ended = site.run(*words)
        assert (ended.status, ended.ran) == (0, []), ended.text


@pytest.mark.parametrize("host", HIVES)
def test_dns_answers(site: Site, host: str) -> None:
    """The name server answers on every hive's published port, by UDP and by TCP."""
    address = site.addresses[host]
    for tcp in (False, True):
        assert ask.dns(address, f"www.{ZONE}", tcp=tcp) == [ZONE_ADDRESS]
        assert [str(ask.SOA)] == ask.dns(address, ZONE, ask.SOA, tcp=tcp)
        with pytest.raises(OSError, match=f"code {ask.REFUSED}"):
            ask.dns(address, "elsewhere.invalid", tcp=tcp)


def test_http_answers(site: Site) -> None:
    """The proxy's published port gives the status page and, for reading only, the name server's API."""
    address = site.proxy()
    status, page = ask.http_get(address, "/")
    assert (status, "<h1>example</h1>" in page) == (200, True)
    assert ask.http_get(address, "/healthz") == (200, "ok\n")
    assert ask.api(address)["type"] == "Server"
    status, zones = ask.http_get(address, "/api/v1/servers/localhost/zones")
    assert (200, [f"{ZONE}."]) == (status, [zone["name"] for zone in json.loads(zones)])
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert ask.http_get(address, "/api/v1/servers/localhost/zones", method=method)[0] == 403


def test_nothing_else_answers(site: Site) -> None:
    """A port of a service that is not published is closed."""
    for port in (3306, 8081):
        with pytest.raises(OSError, match=CLOSED):
            ask.http_get(site.addresses["hive0"], "/", port=port, timeout=2)


def test_what_is_said_can_be_pasted(site: Site) -> None:
    """Each line that a run prints under "the services answer" works as it is."""
    text = site.run().text
    lines = re.findall(r"^  (\w+) +(.+)$", text.partition("the services answer:")[2], re.MULTILINE)
    said = tomllib.loads(site.toml.read_text())["services"]
    assert sum(len(service.get("try", ())) for service in said.values()) == len(lines), text
    for service, line in lines:
        # Where there is no dig, the test of the name server's ports above says the same.
        if subprocess.run(["which", line.split()[0]], capture_output=True, check=False).returncode == 0:
            done = subprocess.run(
                [*line.split(), *(["--fail"] if line.startswith("curl") else [])],
                capture_output=True,
                text=True,
                check=False,
                timeout=20,
            )
            assert (done.returncode, bool(done.stdout.strip())) == (0, True), (
                f"{service}: {line}: {done.stderr}"
            )


@pytest.mark.parametrize("host", HOSTS)
def test_ssh_config_works(site: Site, host: str) -> None:
    """`ssh -F state/<stage>/ssh_config <host>` logs in, and only to the host whose key was pinned."""
    ssh = ["ssh", "-F", "state/private/ssh_config"]

    def said(*words: str) -> str:
        return subprocess.run(
            [*ssh, *words], cwd=site.directory, capture_output=True, text=True, check=True, timeout=30
        ).stdout

    assert f"p-{host}.{site.name}\n" == said(host, "hostname")
    assert re.search("^stricthostkeychecking (yes|true)$", said("-G", host), re.MULTILINE)
    known = (site.state / "known_hosts").read_text()
    assert f"p-{host}.{site.name} " in known


def test_what_means_nothing_changes_nothing(site: Site) -> None:
    """A comment, the order of keys, times and the group's rights to write are no reason to do anything."""
    role = site.role("nginx/setup.sh")
    environment = '{ SITE_NAME = "example", PDNS_API_HOST = "powerdns" }'
    other = "{ PDNS_API_HOST = 'powerdns', SITE_NAME = 'example' } # the same"
    mode = role.stat().st_mode
    with (
        site.edited(environment, other),
        site.edited("[networks.dns]", "# of no\n\n# consequence\n[networks.dns]"),
    ):
        for path in site.directory.glob("roles/**/*"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        role.chmod(mode | 0o020)
        try:
            ended = site.run()
        finally:
            role.chmod(mode)
    assert ended.did_nothing, ended.text


def test_list_opens_no_connection(site: Site, tmp_path: Path) -> None:
    """`doit list` tries neither to connect nor to start a program, and says that all is up to date."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "sitecustomize.py").write_text(_REFUSING)
    attempts = tmp_path / "attempts"
    ended = site.run(
        "list",
        PYTHONPATH=str(tmp_path),
        SKEP_TEST_ATTEMPTS=str(attempts),
        PATH=str(tmp_path / "bin"),
        DOCKER_HOST=f"unix://{tmp_path}/none",
        HOME=str(tmp_path),
        timeout=30,
    )
    assert ended.status == 0, ended.text
    assert not attempts.exists(), attempts.read_text()
    phases = [
        line.split()[0]
        for line in ended.text.splitlines()
        if re.match("(build|setup|deploy|initialize)_", line)
    ]
    assert phases == [
        "build_infra",
        "setup_hosts",
        "build_images",
        "build_networks",
        "build_volumes",
        "deploy_services",
        "initialize_services",
    ]
    assert ended.text.count("up to date") == 7, ended.text


def test_list_says_what_is_stale(site: Site) -> None:
    """`doit list` shows which resource a change makes stale, and does nothing about it."""
    with site.edited('SITE_NAME = "example"', 'SITE_NAME = "another"'):
        ended = site.run("list", "--all")
    stale = [line for line in ended.text.splitlines() if re.search(r"\bstale\b", line)]
    assert any("deploy_services:proxy" in line or line.strip().startswith("proxy ") for line in stale), (
        ended.text
    )
    assert site.run().did_nothing


def test_bad_input_touches_nothing(site: Site) -> None:
    """Mistakes in site.toml are said all at once, each with its path, before anything is touched; status 3."""
    before = site.identity()
    lock = (site.state / "lock").stat()
    with (
        site.edited("separate_repository = true", "seperate_repository = true"),
        site.edited('mode = "global"', 'mode = "everywhere"'),
        site.edited("published_port = 80,", "published_port = 'eighty',"),
        site.edited('timezone = "UTC"', "timezone = 1"),
    ):
        ended = site.run(timeout=30)
    text = ended.failed()
    assert ended.status == 3
    for path in (
        "seperate_repository",
        "services.powerdns.mode",
        "services.proxy.ports[0]",
        "setup_hosts.timezone",
    ):
        assert path in text, text
    assert lock.st_mtime_ns == (site.state / "lock").stat().st_mtime_ns
    assert before == site.identity()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('site = "', "site = ", "line "),
        ('provider = "docker"', 'provider = "dokcer"', "docker"),
        ('source = "pdnsdb_data"', 'source = "nowhere"', "nowhere"),
        ('secrets = ["pdns_db"]', 'secrets = ["pdns_db"]\nnetworks = ["other"]', "other"),
        ('roles = ["debian", "nginx"]', 'roles = ["debian", "engine-x"]', "engine-x"),
        ("[stages.private] ", '[stages.other] \nip_address_list = ["10.9.9.9"]\n[stages.private] ', "other"),
        ('provider = "docker"', 'provider = "docker"\nip_address_list = ["10.255.9.9"]', "10.255.9.9"),
    ],
    ids=["no TOML", "provider", "volume", "network", "role", "stage", "address outside"],
)
def test_each_mistake_is_named(site: Site, old: str, new: str, said: str) -> None:
    """Each kind of mistake gives a message that names it, no traceback, and status 3."""
    with site.edited(old, new):
        ended = site.run(timeout=30)
    assert said in ended.failed()
    assert ended.status == 3


def test_second_run_is_turned_away(site: Site) -> None:
    """Of two runs at once the second ends at once, naming the first's process; the first is not disturbed."""
    site.forget_log("deploy_services:proxy")
    with site.edited('SITE_NAME = "example"', 'SITE_NAME = "two at once"'), site.start() as first:
        first.wait_for(lambda: site.log("deploy_services:proxy").count("changed service") > 0, "a deployment")
        began = time.monotonic()
        second = site.run(timeout=30)
        took = time.monotonic() - began
        holder = json.loads((site.state / "lock").read_text())["pid"]
        assert f"process {holder}" in second.failed(), second.text
        assert took < 5
        assert first.wait().well().ran == ["deploy_services:proxy"]
    assert site.settle() == ["deploy_services:proxy"]


def test_memory_and_imports(site: Site) -> None:
    """No run, the one that built the site among them, took more than 150 MB; looking imports no SDK."""
    peaks = [int(line) for line in site.peaks.read_text().split()]
    assert max(peaks) <= MEMORY, peaks
    site.run()
    imported = set(site.modules.read_text().split())
    assert "tasks.observe.live_state" in imported
    assert [name for name in (*SDKS, "docker") if name in imported] == []


def test_secrets_are_their_owners(site: Site) -> None:
    """What the state directory keeps of secrets nobody else can read."""
    for path in [site.state / "secrets", *(site.state / "secrets").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".pub", path


def test_sockets_are_private(site: Site) -> None:
    """The tunnels' directory lets nobody else in."""
    found = [path for path in socket_directory(site.state).iterdir() if path.is_socket()]
    assert {f"{host}.ssh" for host in HOSTS} <= {path.name for path in found}
    for path in (found[0].parent, *found):
        assert path.stat().st_mode & 0o077 == 0
