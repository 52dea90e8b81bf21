"""Azure's API, before it is asked."""

from pathlib import Path

import pytest

from model.errors import ProviderError
from model.site import AzureStage
from providers.azure.api import AzureApi, AzureEndpoint, assert_ours
from providers.azure.provider import AzureProvider
from providers.cloud.provider import config_of
from remote.ssh.ssh_files import SshFiles
from tests.doubles.azure.cloud import stage_of


def test_without_a_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says the subscription, the key that says it is named; the environment may say it, too."""
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    stage = stage_of(subscription_id=None)
    here = Path("nowhere")
    [said] = AzureProvider(stage, SshFiles(here, here, here, here)).check()
    assert said.startswith("stages.production.subscription_id: is not set")

    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "other")
    assert AzureApi(stage, config_of(stage, AzureStage)).subscription == "other"


def test_credentials_go_nowhere_else() -> None:
    """An operation whose state is to be asked for at another server is not asked for."""
    connected = AzureEndpoint(object(), object)
    assert_ours("https://management.azure.com/operations/1", connected)
    with pytest.raises(ProviderError, match="which is not Azure's"):
        assert_ours("https://example.test/1", connected)
