"""Constraints on hosts that no stage has."""

from pathlib import Path

import pytest

from model.checks.warnings import warnings
from model.site_file.load import load, select
from tests.unit.model.good_site import GOOD, problems

SITE = GOOD.replace('volumes = [{ source = "data", target = "/data" }]\n', "")


def of(constraint: str, more: str = "") -> str:
    """Return the site with a constraint."""
    return f"{SITE}{more}\nplacement.constraints = ['{constraint}']\n"


@pytest.mark.parametrize(
    ("constraint", "more", "is_refused"),
    [
        ("node.hostname == hive2", "", False),
        ("node.hostname == hive3", "", False),
        ("node.hostname == hive3", "available_on = ['production']", True),
        ("node.hostname == hive9", "", True),
        ("Node.Hostname == HIVE9", "", True),
        ("node.hostname == p-hive9.example", "", True),
        ("node.hostname == p-hive2.example", "", False),
        ("node.hostname == hive2.example", "", False),
        ("node.hostname == hive9.elsewhere.test", "", False),
        ("node.hostname == gpu-box", "", False),
        ("node.hostname != hive9", "", False),
        ("node.hostname == {{ vars.where }}", "", False),
    ],
)
def test_a_host_in_skeps_naming_that_no_stage_has(
    site_dir: Path, constraint: str, more: str, *, is_refused: bool
) -> None:
    """Of those that have the service. Other names may be of nodes that joined otherwise."""
    text = of(constraint, more) + "[vars]\nwhere = 'hive9'\n"
    if not is_refused:
        (site_dir / "site.toml").write_text(text)
        load(site_dir / "site.toml")
        return

    [line] = problems(site_dir, text)

    assert line.startswith("services.web.placement.constraints[0]: ")
    assert "no stage with this service has such a host (there are: hive0, hive1, hive2" in line


@pytest.mark.parametrize(
    ("constraint", "is_told"),
    [
        ("node.role == worker", True),
        ("node.role != manager", True),
        ("node.role == manager", False),
        ("node.role != worker", False),
        ("node.labels.role == worker", False),
    ],
)
def test_workers_are_a_warning(site_dir: Path, constraint: str, *, is_told: bool) -> None:
    """All hives are managers, and people bring the constraint from other swarms."""
    (site_dir / "site.toml").write_text(of(constraint))

    found = list(warnings(select(load(site_dir / "site.toml"), None), site_dir))

    assert [line.startswith("services.web.placement.constraints[0]: ") for line in found] == [True] * is_told
