"""The agent as one file for hosts: a zip archive that Python runs, of the same bytes for the same sources."""

import io
import zipfile
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "import sys\n\nfrom agent.cli import main\n\nsys.exit(main(sys.argv[1:]))\n"


@cache
def packed() -> bytes:
    """Return the archive. It needs Python 3.11, of which it takes the standard library alone."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for path in sorted(_ROOT.rglob("*.py")):
            name = path.relative_to(_ROOT.parent).as_posix()
            if name not in {"agent/pack.py", "agent/__main__.py"}:
                _add(archive, name, path.read_text())
    return content.getvalue()


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Add a file, without a time of its own."""
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    archive.writestr(member, text)
