"""The plan of a host's installation, independent of the installer's format."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from model.secrets.secret import Secret
from model.site import InstallHost, InstallNetwork, KickstartStage, Partition
from model.stage import Host, Stage

DEFAULT_PARTITIONS = (Partition(mount="swap", size=1024), Partition(mount="/"))
FAMILIES = {"debian": "debian", "ubuntu": "ubuntu", "rhel": "rhel", "almalinux": "rhel", "rocky": "rhel"}
"""Distribution to its family; a family shares an installer."""
BOND = {"mode": "802.3ad", "miimon": "100", "lacp_rate": "fast", "xmit_hash_policy": "layer3+4"}
"""The options of bonds, by the kernel's names."""
ESP_MIB = 512
"""The size of the EFI system partition."""


@dataclass(frozen=True)
class Net:
    """A network interface of a host.

    Args:
        interface: The interface, or the bond.
        ports: The bond's ports; none if it is none.
        vlan: The VLAN that the address is on, if it is on one.
        address: Its address with its prefix, as in `192.0.2.11/24`; empty if it has none.
        gateway: The default route's next hop, or empty.
        nameservers: Addresses of name servers.

    """

    interface: str
    ports: tuple[str, ...] = ()
    vlan: int | None = None
    address: str = ""
    gateway: str = ""
    nameservers: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The device that has the address: the interface, or the VLAN on it."""
        return self.interface if self.vlan is None else f"{self.interface}.{self.vlan}"

    @property
    def ip(self) -> str:
        """The address alone."""
        return self.address.partition("/")[0]

    @property
    def netmask(self) -> str:
        """The netmask in dotted form."""
        return str(ipaddress.ip_interface(self.address).netmask)

    @property
    def is_ipv6(self) -> bool:
        """Whether its address is of IPv6."""
        return ":" in self.address


@dataclass(frozen=True)
class InstallPlan:
    """The installation of one host.

    Args:
        short: As tasks call it.
        name: Its full name.
        release: The distribution and its release, as in `debian-12`.
        nets: Its network interfaces.
        target: The disk.
        firmware: `uefi` or `bios`.
        partitions: The partitions, without what the firmware needs.
        authorized_key: The stage's public key.
        host_key: The private ssh host key of the installation, in OpenSSH's format. It is replaced as soon as the host
            has answered, since it is readable on the medium.
        host_key_public: Its public half.
        mirror: Where packages come from, or empty.
        proxy: The proxy for them, or empty.
        packages: Further packages.
        kernel_arguments: For the installer's kernel and the installed one.
        timezone: The time zone.
        locale: The locale.
        keyboard: The keyboard's layout.

    """

    short: str
    name: str
    release: str
    nets: tuple[Net, ...]
    target: str
    firmware: str
    partitions: tuple[Partition, ...]
    authorized_key: str
    host_key: Secret
    host_key_public: str
    mirror: str
    proxy: str
    packages: tuple[str, ...]
    kernel_arguments: tuple[str, ...]
    timezone: str
    locale: str
    keyboard: str

    @property
    def family(self) -> str:
        """The installer's family: `debian`, `ubuntu` or `rhel`."""
        return family_of(self.release)

    @property
    def version(self) -> str:
        """The release's number, as in `12` or `24.04`."""
        return self.release.partition("-")[2]


@dataclass(frozen=True)
class Answers:
    """A host's answer files.

    Args:
        files: Name to text, as in `preseed.cfg`. They hold the installation's host key, so they are secrets.
        arguments: What the installer's kernel is told so that it asks nothing; `{url}` stands for the place of the
            files, without a `/` at its end.
        in_initrd: Whether the files go into the installer's initrd, and not beside it.

    """

    files: Mapping[str, Secret]
    arguments: tuple[str, ...]
    in_initrd: bool = False


def family_of(release: str) -> str:
    """Return the family of a release's installer."""
    return FAMILIES[release.partition("-")[0]]


def plan(
    stage: Stage, host: Host, authorized_key: str, host_key: Secret, host_key_public: str
) -> InstallPlan:
    """Return the installation plan of a kickstart stage's host.

    Raises:
        TypeError: The stage is of another provider.

    """
    config = stage.config
    if not isinstance(config, KickstartStage):
        raise TypeError(f"stage {stage.name} is not one of the kickstart provider")
    own = config.hosts.get(host.short, InstallHost())
    index = stage.hosts.index(host)
    return InstallPlan(
        short=host.short,
        name=host.name,
        release=config.release,
        nets=tuple(
            _net(network, index, (host.address, config.cidr) if n == 0 else None)
            for n, network in enumerate(config.networks)
        ),
        target=own.target or config.target,
        firmware=own.firmware or config.firmware,
        partitions=tuple(config.partitions) or DEFAULT_PARTITIONS,
        authorized_key=authorized_key.strip(),
        host_key=host_key,
        host_key_public=host_key_public,
        mirror=(config.mirror or "").rstrip("/"),
        proxy=config.install_proxy or "",
        packages=tuple(config.packages),
        kernel_arguments=tuple(config.kernel_arguments),
        timezone=config.timezone,
        locale=config.locale,
        keyboard=config.keyboard,
    )


def _net(network: InstallNetwork, index: int, stages: tuple[str, str | None] | None) -> Net:
    """Return a host's interface; `stages` holds the host's address in the stage and the stage's network."""
    ip, mask = (network.ips[index] if network.ips else ""), network.netmask
    if stages is not None:
        ip = ip or stages[0]
        mask = mask or (str(ipaddress.ip_network(stages[1]).prefixlen) if stages[1] else None)
    address = f"{ip}/{ipaddress.ip_interface(f'{ip}/{mask}').network.prefixlen}" if ip else ""
    return Net(
        interface=network.interface,
        ports=tuple(network.bonding_interfaces),
        vlan=network.vlanid,
        address=address,
        gateway=network.gateway or "",
        nameservers=tuple(network.nameservers),
    )


def primary_interface(nets: tuple[Net, ...]) -> Net:
    """Return the interface that packages are fetched through: the one with the default route, else the first."""
    return next((net for net in nets if net.gateway), nets[0])


def links(nets: tuple[Net, ...]) -> tuple[Net, ...]:
    """Return each bond and each plain interface once, however many VLANs it carries."""
    seen: dict[str, Net] = {}
    for net in nets:
        if net.interface not in seen or net.ports:
            seen[net.interface] = net
    return tuple(seen.values())
