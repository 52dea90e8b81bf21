"""The images of hosts at Azure."""

import pytest

from model.site import AzureStage
from providers.azure.api import AzureApi
from providers.azure.image import AzureImages
from providers.cloud.provider import config_of
from tests.doubles.azure.cloud import stage_of


def test_the_newest_version_is_by_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of versions the highest is taken, and not the last of the alphabet."""
    stage = stage_of()
    api = AzureApi(stage, config_of(stage, AzureStage))
    monkeypatch.setattr(api, "listing", lambda *_, **__: [{"name": "0.9.1"}, {"name": "0.10.0"}])

    assert AzureImages(api, "debian-12")._newest("Debian", "debian-12", "12-gen2") == "0.10.0"
