"""The sandbox of templates."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.templates.sandbox import compiled
from tests.unit.model.templates.templated_site import SITE


def test_jinja_is_imported_only_for_a_template(tmp_path: Path) -> None:
    """A site without `{{` does not pay for it."""
    (tmp_path / "site.toml").write_text(SITE.partition("[vars]")[0])
    code = (
        "import sys; from pathlib import Path; from model.site_file.load import load; "
        f"load(Path({str(tmp_path)!r}, 'site.toml')); sys.exit('jinja2' in sys.modules)"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[4], check=False).returncode
        == 0
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("value", ["x\x1fy", "\x1f\x1e\x1d\x1c\x0b\x0c", "\x1f\x1e", "a\r\nb", "\r"])
def test_line_ends_and_values_stay_as_they_are(end: str, value: str) -> None:
    """Whatever stands for a CR in between is in no value, so that none is changed: a secret may be any text."""
    text = f"a={{{{ v }}}}{end}{{% if v %}}{end}b={{{{\r\n v }}}}{end}{{%- endif %}}{end}"

    assert compiled(text)({"v": value}) == f"a={value}{end}{end}b={value}{end}"
