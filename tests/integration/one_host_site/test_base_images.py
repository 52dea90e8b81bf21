"""Base images on a real engine from a real registry: tags that move, a lock, a login, a mirror, a saved image."""

import subprocess

import pytest

from tests.integration.one_host_site.one_host import CLOSED, HOST, OPEN, PASSWORD, RUN, USER, OneHost

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
TINY = f"{OPEN}/tiny:1"
UPSTREAM, BASE = "build_images:upstream.127.0.0.1-5999-tiny-1", "build_images:base.127.0.0.1-5999-tiny-1"
BUILT = f"""
[images.built]
from = "{TINY}"
roles = ["mark"]
command = ["sleep", "1000000"]
[services.built]
image = "built"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
"""
AS_IT_IS = """
[services.plain]
image = "NAME"
command = ["sleep", "1000000"]
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
"""


@pytest.fixture
def first(site: OneHost) -> str:
    """Give the digest of a first version, from which an image is built and a service runs as it is."""
    (site.directory / "site.lock").unlink(missing_ok=True)
    digest = site.push(TINY, "1")
    site.write(BUILT, AS_IT_IS.replace("NAME", TINY))
    site.ran()
    return digest


def test_what_is_pulled_runs_by_its_digest(site: OneHost, first: str) -> None:
    """An image that is built on, and one that runs as it is, have the digest that upstream had at the pull."""
    assert site.image_of("plain").endswith(f":5000/base/127.0.0.1-5999-tiny-1@{first}")
    assert site.file_in("built", "/built-from") == "1"
    assert site.ran() == {}


@pytest.mark.full
def test_a_moved_tag_is_noticed_and_said(site: OneHost, first: str) -> None:
    """The reason has both digests, and all that is made from it follows; `doit list` asks no upstream."""
    second = site.push(TINY, "2")
    listed = site.run("list", "--all").text

    ran = site.ran()

    assert "stale" not in listed
    assert ran[UPSTREAM] == f"{TINY} moved upstream: {first[:19]} → {second[:19]}"
    assert ran[BASE] == f"upstream: {first[7:19]} → {second[7:19]}"
    assert sorted(ran) == sorted(
        [UPSTREAM, BASE, "build_images:built", "deploy_services:built", "deploy_services:plain"]
    )
    assert site.file_in("built", "/built-from") == site.file_in("plain", "/version") == "2"
    assert site.ran() == {}


def test_an_upstream_that_is_away_makes_nothing_stale(site: OneHost, first: str) -> None:
    """An upstream that does not answer, or is gone, makes nothing stale, not even without the record."""
    del first
    site.on_host("systemctl kill -s STOP upstream-5999")
    try:
        slow = site.ran()
        site.on_host("systemctl kill -s CONT upstream-5999; systemctl stop upstream-5999")
        away = site.ran()
        (site.state / "build_images/upstream.127.0.0.1-5999-tiny-1.json").unlink()
        lost = site.ran()
    finally:
        site.restart_upstream()

    assert slow == away == {}
    assert list(lost) == [UPSTREAM]
    assert f"{TINY} stays what it was" in site.log(UPSTREAM)


@pytest.mark.full
def test_a_lock_holds_and_upgrade_moves(site: OneHost, first: str) -> None:
    """A locked tag moves when the lock is upgraded, not with upstream; going back to the old lock builds nothing."""
    assert site.run("lock").text == f"{TINY}: {first[:19]} (new)\n"
    assert (site.directory / "site.lock").read_text() == f'[images]\n"{TINY}" = "{first}"\n'
    assert list(site.ran()) == [UPSTREAM]
    locked = (site.directory / "site.lock").read_text()
    second = site.push(TINY, "3")
    assert site.ran() == {}

    assert site.run("lock", f"upgrade={TINY}").text == f"{TINY}: {first[:19]} → {second[:19]}\n"
    ran = site.ran()

    assert ran[UPSTREAM] == f"pinned: {first[7:19]} → {second[7:19]}"
    assert site.file_in("built", "/built-from") == site.file_in("plain", "/version") == "3"
    (site.directory / "site.lock").write_text(locked)
    site.ran()
    log = site.log("build_images:built")
    assert "found " in log
    assert "building layer" not in log
    assert site.file_in("plain", "/version") == "1"


def test_a_login(site: OneHost) -> None:
    """Without a login and with a wrong one the message says so; with the right one it works. No file has a password."""
    (site.directory / "site.lock").unlink(missing_ok=True)
    name = f"{CLOSED}/tiny:1"
    site.on_host(f"echo {PASSWORD} | docker login -u {USER} --password-stdin {CLOSED} >/dev/null 2>&1")
    site.push(name, "4")
    site.on_host(f"docker logout {CLOSED}")
    service = AS_IT_IS.replace("NAME", name)
    login = f'[registries."{CLOSED}"]\nuser = "{USER}"\npassword = "upstream"\n'

    site.write(service)
    none = site.run(timeout=RUN).text
    site.write(login, service)
    wrong = site.run(timeout=RUN, UPSTREAM_PASSWORD="wrong-horse-9").text
    site.ran()

    assert f'if it wants a login, say it in site.toml: [registries."{CLOSED}"]' in none
    assert f"{CLOSED} refused user {USER} with the secret upstream" in wrong
    assert "debootstrap" not in wrong
    assert site.file_in("plain", "/version") == "4"
    texts = [path.read_text(errors="replace") for path in site.directory.rglob("*") if path.is_file()]
    assert not any(PASSWORD in text or "wrong-horse" in text for text in texts)


def test_a_mirror(site: OneHost) -> None:
    """An image of Docker Hub comes from the mirror, and Docker Hub itself is not asked."""
    site.push(f"{OPEN}/library/elsewhere:1", "5")
    site.write(f'[registries."docker.io"]\nmirror = "{OPEN}"\n', AS_IT_IS.replace("NAME", "elsewhere:1"))

    site.ran()

    assert site.file_in("plain", "/version") == "5"


@pytest.mark.full
def test_a_saved_image(site: OneHost) -> None:
    """A compressed file of `docker save` is a base, whatever the name in it; a changed file is a new base."""
    site.write('[bases.app]\narchive = "app.tar.gz"\ntag = "saved:6"\n', AS_IT_IS.replace("NAME", "app"))
    for version in ("6", "7"):
        site.on_host(
            f"{site.import_command('saved:6', version)}\n"
            "docker save saved:6 | gzip >/srv/app.tar.gz; docker image rm saved:6 >/dev/null"
        )
        subprocess.run(
            ["docker", "cp", f"{site.container(HOST)}:/srv/app.tar.gz", "app.tar.gz"],
            cwd=site.directory,
            check=True,
            capture_output=True,
        )

        ran = site.ran()

        assert "build_images:base.app" in ran
        assert site.file_in("plain", "/version") == version
    assert site.ran() == {}
