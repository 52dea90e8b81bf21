"""What tests on real hosts begin with."""

from pathlib import Path

import pytest

from tests import rig


@pytest.mark.parametrize(("there", "then"), [("128\n", "1024\n"), ("1024\n", "1024\n"), ("4096\n", "4096\n")])
def test_room_for_hosts_beside_those_of_other_sites(tmp_path: Path, there: str, then: str) -> None:
    """The kernel's default has room for 14 hosts on a machine; a limit that somebody raised is left alone."""
    limit = tmp_path / "limit"
    limit.write_text(there)

    rig.make_room(limit)

    assert limit.read_text() == then


def test_a_machine_that_has_no_such_limit(tmp_path: Path) -> None:
    """Where it can't be read or written, the tests go on."""
    rig.make_room(tmp_path / "none")

    assert not (tmp_path / "none").exists()
