"""A run's footprint: memory, and imports."""

import pytest

from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

MEMORY = 150 * 1024
"""KiB that doit may use at most."""
SDKS = ("boto3", "botocore", "google.cloud", "vagrant")


def test_memory_and_imports(site: Example) -> None:
    """No run, the one that built the site among them, took more than 150 MB; looking imports no SDK."""
    peaks = [int(line) for line in site.peaks.read_text().split()]
    assert max(peaks) <= MEMORY, peaks
    site.run()
    imported = set(site.modules.read_text().split())
    assert "tasks.observe.live_state" in imported
    assert [name for name in (*SDKS, "docker") if name in imported] == []
