"""Scripts that remove steps and accounts from a host."""

import subprocess

import pytest

from remote.hostsetup.removal import account_removal_script, removal_script


@pytest.mark.parametrize(
    "text", [removal_script("registry"), removal_script("chrony"), account_removal_script(["a", "b"])]
)
def test_scripts_are_posix_shell(text: str) -> None:
    """They can be parsed."""
    subprocess.run(["sh", "-n"], input=text.encode(), check=True)


def test_a_marker_goes_last() -> None:
    """A prune that was killed in the middle is seen to have left something."""
    lines = removal_script("registry").splitlines()

    marker = lines.index("rm -f /var/lib/skep/steps/registry")
    assert marker > lines.index('systemctl --quiet disable --now "$its_unit"')
