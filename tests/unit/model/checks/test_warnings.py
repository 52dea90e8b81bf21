"""What is hardly meant is a warning: of labels, see test_unread_labels.py."""

from pathlib import Path

import pytest

from model.checks.warnings import warnings
from model.site_file.load import load, select
from tests.unit.model.good_site import GOOD


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("${TOKEN}", "TOKEN"),
        ("${TOKEN:-none}", "TOKEN"),
        ("${TOKEN:?must be set}", "TOKEN"),
        ("$TOKEN", "TOKEN"),
        ("it costs 5$", ""),
        ("-Dhome=${user.home}", ""),
        ("a ${TOKEN}", ""),
        ("$(id)", ""),
    ],
)
def test_a_variable_of_composes_is_handed_on_as_it_is(site_dir: Path, value: str, name: str) -> None:
    """Nothing replaces it, and the service would start with it; what only has one in it may be for a program."""
    (site_dir / "site.toml").write_text(f'{GOOD}environment = {{ A = "{value}" }}\n')

    found = list(warnings(select(load(site_dir / "site.toml"), None)))

    told = f"services.web.environment.A: {name} is a variable of compose's, and handed on as it is: write the value, "
    assert [line.startswith(told) for line in found] == [True] * bool(name)
