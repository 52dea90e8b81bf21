"""A run with nothing to do: it does nothing and says so."""

import os

import pytest

from tests.integration.example_site.example import REPOSITORY, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_second_run_does_nothing(site: Example) -> None:
    """The second run does nothing, and says so in one line; no id of anything changes."""
    before = site.identity()
    again = site.run()
    assert again.did_nothing, again.text
    assert before == site.identity()


def test_each_phase_alone_does_nothing(site: Example) -> None:
    """A phase, or a resource of one, can be asked for alone; nothing is done there either."""
    for words in (("build_images",), ("setup_hosts:hive1.chrony", "deploy_services:proxy")):
        ended = site.run(*words)
        assert (ended.status, ended.ran) == (0, []), ended.text


def test_what_means_nothing_changes_nothing(site: Example) -> None:
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
    # Only the copy of the site's own files that backups have is to be the same, letter by letter.
    assert ended.well().all_ran == [f"setup_hosts:{REPOSITORY}.backup_site"]
    # And so again for those tests that come later: the files are as they were.
    assert site.run().well().all_ran == [f"setup_hosts:{REPOSITORY}.backup_site"]
