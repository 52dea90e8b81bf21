"""The images of hosts at Azure."""

import pytest

from model.site import AzureStage
from providers.azure.api import AzureApi
from providers.azure.errors import AzureError
from providers.azure.image import AzureImages
from providers.cloud.provider import config_of
from tests.doubles.azure.cloud import stage_of


def test_the_newest_version_is_by_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of versions the highest is taken, and not the last of the alphabet."""
    stage = stage_of()
    api = AzureApi(stage, config_of(stage, AzureStage))
    monkeypatch.setattr(api, "listing", lambda *_, **__: [{"name": "0.9.1"}, {"name": "0.10.0"}])

    assert AzureImages(api, "debian-12")._newest("Debian", "debian-12", "12-gen2") == "0.10.0"


def test_an_image_that_may_be_used_and_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of somebody else's gallery has no size and no terms, as far as one may know; it is used as it is."""
    stage = stage_of()
    api = AzureApi(stage, config_of(stage, AzureStage))
    image = "/subscriptions/other/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0"

    def forbidden(*_: object) -> None:
        raise AzureError("GET images/i", 403, "AuthorizationFailed", "no")

    monkeypatch.setattr(api, "look", forbidden)
    monkeypatch.setattr(
        api, "listing", lambda *_, **__: [{"name": "Standard_B2s", "resourceType": "virtualMachines"}]
    )

    assert AzureImages(api, image).disk_size("Standard_B2s") == 0
    assert AzureImages(api, image).description("Standard_B2s") == {}
