"""An image that can't be built: the message says why and where, and the rest of the site is done."""

import re

import pytest

from tests.integration.example_site.example import REGISTRY, REPOSITORY, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_role_that_fails(site: Example) -> None:
    """A role whose script fails: host, role, exit status, its last lines and the log's path; the rest is done."""
    setup = site.role("nginx/setup.sh")
    with (
        site.edited("set -eu\n", "set -eu\necho the brown fox\necho jumps >&2\nexit 7\n", setup),
        site.edited('"0.debian.pool.ntp.org", ', '"ntp.invalid", '),
    ):
        text = site.run().failed()
        assert re.search(r"^FAILED  build_images:proxy on hive3", text, re.MULTILINE), text
        for words in ("hive3: role nginx: setup.sh: exit status 7", "the brown fox", "jumps"):
            assert words in text, text
        assert "state/private/logs/build_images/proxy.log" in text
        # Behind it there are only remarks on the site.
        assert re.search("^failed: build_images:proxy;", text, re.MULTILINE), text
        # What had nothing to do with it was done, and stays done.
        assert len(re.findall(r"^setup_hosts:hive\d\.chrony ", text, re.MULTILINE)) == 4, text
        site.answers()
        again = site.run().failed()
        assert "chrony" not in again
        assert "failed" in site.run("list").text
    with site.edited('"0.debian.pool.ntp.org", ', '"ntp.invalid", '):
        assert site.settle() == ["build_images:proxy"]
    site.settle()


def test_base_that_cannot_be_had(site: Example) -> None:
    """A base image that can't be pulled: the message says which, and how to make one instead."""
    added = """
[images.strange]
from = "127.0.0.1:9/strange:1"
[services.strange]
image = "strange"
endpoint_mode = "dnsrr"
[networks.dns]
"""
    with site.edited("[networks.dns]\n", added):
        text = site.run("build_images").failed()
    assert "127.0.0.1:9/strange:1" in text
    assert "hive3" in text
    assert '[bases."127.0.0.1:9/strange:1"]' in text
    assert "debootstrap" in text
    assert site.run().did_nothing


@pytest.mark.full
def test_full_disk_on_the_repository(site: Example) -> None:
    """The registry's disk is full: the message says so and on which host; with room again the next run goes on."""
    site.on(
        REPOSITORY,
        f"""
        rm -rf /run/registry; cp -a {REGISTRY} /run/registry
        used=$(du -sk /run/registry | cut -f1)
        mount -t tmpfs -o size=$((used + 400))k,mode=755 tmpfs {REGISTRY}
        cp -a /run/registry/. {REGISTRY}/
        rm -rf /run/registry
        systemctl restart docker-registry
        """,
    )
    try:
        big = "head -c 3000000 /dev/urandom >/usr/local/share/big\n"
        with site.role_edited(big):
            text = site.run().failed()
            assert "FAILED  build_images:proxy on hive3" in text, text
            assert re.search(rf"the disk under {REGISTRY} on p-hive3\S* is full", text), text
    finally:
        site.on(REPOSITORY, f"umount -l {REGISTRY}; systemctl restart docker-registry")
    assert site.settle() == ["build_images:proxy"]
    site.answers()
