"""The host that a person names, where a checkout knows of hosts or does not."""

from pathlib import Path

import pytest

from model.errors import HostError
from tasks.operate.containers import find_containers
from tasks.operate.named_host import made_host
from tests import made as rig


def test_a_host_by_its_name(tmp_path: Path) -> None:
    """Its short or its full one; a wrong name is answered with the right ones."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    host = run.stage.hosts[0]

    assert made_host(run, host.short) == made_host(run, host.name) == host
    with pytest.raises(HostError, match=f"has no host hive9; there are {host.short}, "):
        made_host(run, "hive9")


def test_a_host_that_is_not_made(tmp_path: Path) -> None:
    """It is told which command makes it, where others are known; it may be a new one of site.toml."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    short = run.stage.hosts[1].short
    (run.state.root / "build_infra" / f"{short}.json").unlink()

    with pytest.raises(HostError, match=f"^{short}: not made yet; `doit build_infra` makes the hosts$"):
        made_host(run, short)


def test_a_fresh_clone(tmp_path: Path) -> None:
    """It knows none of the hosts of a site that runs: nobody is told to make them, but how they are found."""
    run = rig.new(tmp_path).run()

    with pytest.raises(HostError) as of_host:
        made_host(run, "hive0")
    with pytest.raises(HostError) as of_hives:
        find_containers(run, "web")

    rest = "doit status finds those that there are, doit makes them"
    assert str(of_host.value) == f"state/{run.stage.name} knows no host: {rest}"
    assert str(of_hives.value) == f"state/{run.stage.name} knows no hive: {rest}"
