"""The stage of a new site for each provider: as few lines as it can have, each with what it is. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from model.new_site.toml_writer import written

DOCKER = "docker"
_ALONE = [
    "number_of_hosts = 1              # more: they form a swarm",
    "separate_repository = false      # true: one more host, which builds the images and has the registry",
]
_CLOUD = [
    *_ALONE,
    '# ssh_source_ips = ["…/32"]      # the networks that may log in: this machine\'s among them',
]
_STAGES: Mapping[str, tuple[str, str, list[str]]] = {
    DOCKER: (
        "private",
        "hosts that are containers on this machine",
        ['cidr = "{cidr}"', *_ALONE],
    ),
    "vagrant": (
        "private",
        "virtual machines on this machine",
        ['cidr = "192.168.56.0/24"         # this machine has .1', *_ALONE],
    ),
    "prepared": (
        "production",
        "machines that are there already",
        [
            'ip_address_list = ["192.0.2.11"] # FILL IN: their addresses; the number of hosts follows',
            "separate_repository = false      # true: the last one builds the images and has the registry",
            'user = "root"                    # who logs in the first time: root, or a user with sudo',
        ],
    ),
    "kickstart": (
        "production",
        "machines without an operating system",
        [
            'release = "debian-12"',
            'cidr = "192.0.2.0/24"            # FILL IN: their network',
            'ip_address_list = ["192.0.2.11"] # FILL IN: their addresses',
            'target = "/dev/sda"              # FILL IN: the disk to install to; all that is on it goes',
            'iso_src = "debian-12.iso"        # FILL IN: the distribution\'s installation image',
            'iso_dest = "install.iso"         # the image that skep makes; or a USB stick, as /dev/sdb',
            'networks = [{{ interface = "eno1", gateway = "192.0.2.1", nameservers = ["192.0.2.1"] }}] # FILL IN',
            "separate_repository = false",
        ],
    ),
    "aws": (
        "production",
        "Amazon EC2; the login is that of the aws command",
        [
            'region = "eu-central-1"',
            'cidr = "10.1.0.0/24"',
            'instance_type = "t3.medium"',
            *_CLOUD,
        ],
    ),
    "azure": (
        "production",
        "Microsoft Azure; the login is that of the az command",
        [
            'region = "westeurope"',
            'cidr = "10.1.0.0/24"',
            'instance_type = "Standard_B2s"',
            '# subscription_id = "…"          # without it AZURE_SUBSCRIPTION_ID',
            *_CLOUD,
        ],
    ),
    "gcp": (
        "production",
        "Google Cloud; the login is that of the gcloud command",
        [
            'region = "europe-west3"',
            'cidr = "10.1.0.0/24"',
            'instance_type = "e2-medium"',
            '# project = "…"                  # without it the project of the credentials',
            *_CLOUD,
        ],
    ),
    "openstack": (
        "production",
        "OpenStack; the login is that of clouds.yaml, or of the OS_… variables",
        [
            'cidr = "10.1.0.0/24"',
            'instance_type = "m1.medium"      # FILL IN: a flavor of your cloud',
            '# cloud = "…"                    # the entry of clouds.yaml; without it OS_CLOUD',
            *_CLOUD,
        ],
    ),
}
PROVIDERS = tuple(_STAGES)


def stage_name(provider: str) -> str:
    """Return the name of a new site's stage."""
    return _STAGES[provider][0]


def stage_lines(provider: str, cidr: str, labels: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return the table of a new site's stage.

    Args:
        provider: One of `PROVIDERS`.
        cidr: A network that is free on this machine.
        labels: Those of the first host, by which services are kept on it.

    """
    name, words, lines = _STAGES[provider]
    return [
        f"[stages.{name}]",
        f'provider = "{provider}"{" " * max(1, 20 - len(provider))}# {words}',
        *(line.format(cidr=cidr) if "{" in line else line for line in lines),
        *(
            [f"node_labels = {written({'hive0': labels})} # by these, services find the host"]
            if labels
            else []
        ),
    ]
