"""A host's packages are upgraded, killed on the way and again: from a repository of its own with two versions."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

HOST = "hive2"
_PREPARE = """
mkdir -p /srv/repo /tmp/p/DEBIAN /tmp/p/etc
cd /srv/repo
for version in 1.0 2.0; do
    printf 'Package: skeptest\\nVersion: %s\\nArchitecture: all\\nMaintainer: t <t@t>\\nDescription: t\\n' \
        $version >/tmp/p/DEBIAN/control
    echo /etc/skeptest.conf >/tmp/p/DEBIAN/conffiles
    echo $version >/tmp/p/etc/skeptest.conf
    [ $version = 1.0 ] || { printf '#!/bin/sh\\nsleep 4\\n' >/tmp/p/DEBIAN/postinst; chmod 755 /tmp/p/DEBIAN/postinst; }
    dpkg-deb -b -Znone /tmp/p skeptest_$version.deb >/dev/null
done
dpkg -i skeptest_1.0.deb >/dev/null
echo changed >/etc/skeptest.conf
file=skeptest_2.0.deb
{ dpkg-deb -f $file; echo "Filename: ./$file"; echo "Size: $(stat -c %s $file)"
  echo "SHA256: $(sha256sum $file | cut -d ' ' -f 1)"; } >Packages
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list.d/skeptest.list
touch /run/reboot-required
"""
_CLEAN = """
rm -rf /srv/repo /tmp/p /etc/apt/sources.list.d/skeptest.list /run/reboot-required
dpkg --purge skeptest >/dev/null
"""


@contextmanager
def newer_package(site: Example) -> Iterator[None]:
    """Have a package on the host of which there is a newer version, and have the host ask for a restart."""
    site.on(HOST, _PREPARE)
    try:
        yield
    finally:
        site.on(HOST, _CLEAN)


def test_a_host_is_upgraded_and_restarted(site: Example) -> None:
    """Said first; killed while dpkg is at work, and typed again; then the host is restarted, and all runs as before."""
    with newer_package(site):
        plan = site.run("upgrade_hosts", HOST)
        assert plan.status == 2, plan.text
        assert "skeptest 1.0 → 2.0" in plan.text, plan.text
        assert "it has to be restarted: asked for by its packages" in plan.text, plan.text
        planned = site.run("plan").text
        assert re.search(
            r"packages of hive2: .* newer ones? when last looked for, (today|yesterday)", planned
        ), planned
        words = ("upgrade_hosts", HOST, f"confirm={site.name}")
        with site.start(*words) as running:
            running.wait_for(lambda: f"{HOST}: upgrading" in running.text, "the upgrade")
            assert running.kill()
        ended = site.run(*words)
        assert ended.status == 0, ended.text
        assert f"{HOST}: is restarted" in ended.text, ended.text
        assert site.on(HOST, "dpkg-query -W -f '${Version} ${db:Status-Status}' skeptest") == "2.0 installed"
        assert site.on(HOST, "cat /etc/skeptest.conf").strip() == "changed"
        assert site.on(HOST, "ls /run/reboot-required 2>/dev/null || echo none").strip() == "none"
        # It takes tasks again, and nothing is left to do.
        node = f"docker node inspect -f '{{{{.Spec.Availability}}}}' p-{HOST}.{site.name}"
        assert site.on("hive0", node).strip() == "active"
        again = site.run("upgrade_hosts", HOST)
        assert again.status == 0, again.text
        assert re.search("upgraded (today|yesterday)", site.run("plan").text)
    site.settle()
    site.answers()
    site.is_whole()
