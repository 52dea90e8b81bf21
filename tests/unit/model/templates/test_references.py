"""The names that a template refers to."""

from pathlib import Path

import pytest

from model.templates import secrets_used
from tests.unit.model.templates.templated_site import site


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ vars.domain }}", set()),
        ("secrets.db", set()),
        ("{{ secrets.db }}", {"db"}),
        ("{{ secrets['token'] }}", {"token"}),
        ("{% if vars.replicas > 3 %}{{ secrets.db }}{% endif %}", {"db"}),
        ("{{ vars.url }}", {"db"}),
        ("{{ vars[stage] }}", {"db"}),
        ("{% for name in secrets %}{{ secrets[name] }}{% endfor %}", {"db", "token"}),
        ("{{ secrets.nope }}", set()),
    ],
)
def test_which_secrets_a_template_may_look_at(tmp_path: Path, text: str, names: set[str]) -> None:
    """Known without rendering, so that no other secret has to be there; where it is not spelt out, all are."""
    assert secrets_used(text, site(tmp_path, "")) == names
