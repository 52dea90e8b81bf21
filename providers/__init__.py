"""Where hosts come from: one folder for each value of `provider =`, imported when a stage uses it."""

import importlib
from collections.abc import Callable
from pathlib import Path

from model.errors import ConfigError
from model.secrets.secret import Secret
from model.stage import Stage
from providers.base import Provider
from remote.ssh.ssh_files import SshFiles

PROVIDERS = {
    "aws": "providers.aws.provider:AwsProvider",
    "azure": "providers.azure.provider:AzureProvider",
    "docker": "providers.docker.provider:DockerProvider",
    "gcp": "providers.gcp.provider:GcpProvider",
    "kickstart": "providers.kickstart.provider:KickstartProvider",
    "openstack": "providers.openstack.provider:OpenStackProvider",
    "prepared": "providers.prepared.provider:PreparedProvider",
    "vagrant": "providers.vagrant.provider:VagrantProvider",
}
"""Value of `provider =` to module and class; SDKs are imported with it, or later."""
SDK_VARIABLES = {
    "aws": ("AWS_",),
    "azure": ("AZURE_",),
    "gcp": ("GOOGLE_", "CLOUDSDK_"),
    "openstack": ("OS_",),
}
"""Provider to the prefixes of the environment variables that its SDK reads itself: they stay in doit's environment."""


def create(stage: Stage, files: SshFiles, state: Path, secret: Callable[[str], Secret]) -> Provider:
    """Return the provider of a stage.

    Args:
        stage: The stage.
        files: Where its ssh files are.
        state: The stage's state directory, for what only a provider needs to keep.
        secret: Returns a secret of `[secrets]` by its name.

    Raises:
        ConfigError: There is no provider of that name.

    """
    if stage.provider not in PROVIDERS:
        legal = ", ".join(sorted(PROVIDERS))
        raise ConfigError([f"stages.{stage.name}.provider: {stage.provider!r} is not one of {legal}"])
    module, _, name = PROVIDERS[stage.provider].partition(":")
    provider = getattr(importlib.import_module(module), name)(stage, files, state, secret)
    if not isinstance(provider, Provider):
        raise TypeError(f"{module}:{name} is not a Provider")
    return provider
