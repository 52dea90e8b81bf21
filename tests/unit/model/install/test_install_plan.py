"""Plans and answers of hosts, whatever their distribution."""

import re

import pytest

from model import install
from tests.unit.model.install.example_plan import BOND, RELEASES, STORAGE, plan_of


@pytest.mark.parametrize("release", RELEASES)
def test_nobody_gets_a_password(release: str) -> None:
    """Root is locked, the admin user has the stage's key, and no password is anywhere, not even a given one."""
    files = install.answers(plan_of(release=release, root_password="root")).files
    whole = "\n".join(text.reveal() for text in files.values())

    assert "ssh-ed25519 STAGE skep" in whole
    assert "PRIVATE-HALF" in whole
    assert not re.search(r"\$[56y]\$|chpasswd|plain_text_passwd|password-again", whole)
    assert (
        "root-password-crypted password *" in whole
        or "rootpw --lock" in whole
        or '"lock_passwd": true' in whole
    )


@pytest.mark.parametrize("release", RELEASES)
def test_answers_print_no_secret(release: str) -> None:
    """The installation's host key is one, wherever an answer is shown."""
    answers = install.answers(plan_of(release=release))

    assert "PRIVATE-HALF" not in repr(answers)


def test_the_second_host_has_its_own() -> None:
    """Address, name and further addresses go by the host's place."""
    plan = plan_of("hive1", networks=[BOND, STORAGE])

    assert (plan.name, [net.address for net in plan.nets]) == (
        "hive1.iron.test",
        ["10.9.8.11/24", "10.7.0.2/16"],
    )
