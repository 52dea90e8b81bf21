"""Fixtures for the model's tests."""

from pathlib import Path

import pytest


@pytest.fixture
def site_dir(tmp_path: Path) -> Path:
    """Return a site's directory with one role."""
    role = tmp_path / "roles" / "nginx"
    role.mkdir(parents=True)
    (role / "setup.sh").write_text("true\n")
    return tmp_path
