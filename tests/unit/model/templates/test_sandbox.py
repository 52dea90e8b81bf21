"""The sandbox of templates."""

import subprocess
import sys
from pathlib import Path

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
