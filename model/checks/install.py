"""Check kickstart stages for mistakes that an installer would only find on the machine, or never."""

import ipaddress
import re
from collections.abc import Iterator

from model import site as types
from model.checks.shared import IPV4, IpNetwork, is_address, known_are, no_secret
from model.install.install_plan import family_of
from model.stage import Stage
from model.toml_text import toml_text

_TIMEZONE = re.compile(r"^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$")


def check_kickstart_stage(
    path: str, stage: Stage, config: types.KickstartStage, network: IpNetwork | None
) -> Iterator[str]:
    """Yield the mistakes of a kickstart stage."""
    family, shorts = family_of(config.release), [host.short for host in stage.hosts]
    if network is not None and network.version != IPV4:
        yield f"{path}.cidr: {config.cidr} is IPv6; provider kickstart gives hosts addresses of IPv4"
    for n, net in enumerate(config.networks):
        prefix = f"{path}.networks[{n}]"
        if n == 0 and net.ips:
            ips = toml_text(net.ips)
            yield f"{prefix}.ips: it has the stage's addresses: write ip_address_list = {ips} in [{path}]"
        if net.ips and len(net.ips) != len(shorts):
            yield f"{prefix}.ips: has {len(net.ips)} addresses for {len(shorts)} hosts"
        yield from _network(prefix, net, network if n == 0 else None, has_address=n == 0 or bool(net.ips))
    yield from _interfaces(f"{path}.networks", config.networks)
    yield from _partitions(f"{path}.partitions", config.partitions)
    yield from _medium(path, stage, config)
    for short, own in config.hosts.items():
        if short not in shorts:
            yield f"{path}.hosts.{short}: is not one of its hosts{known_are(shorts)}"
        if own.firmware is not None and family != "ubuntu":
            yield f"{path}.hosts.{short}.firmware: only Ubuntu's installer has to know it; leave it out"
    if config.root_password is not None and config.root_password not in stage.site.secrets:
        yield f"{path}.root_password: {no_secret(stage.site.secrets)}"
    if not _TIMEZONE.match(config.timezone):
        yield f"{path}.timezone: {config.timezone!r} is not a time zone (example: `Europe/Berlin`)"
    if family == "debian" and config.mirror is None and config.iso_src is None and config.netboot_src is None:
        yield f"{path}: needs iso_src, or netboot_src with netboot_url"
    for i, package in enumerate(config.packages):
        if not re.match(r"^[@A-Za-z0-9][A-Za-z0-9.+:_-]*$", package):
            yield f"{path}.packages[{i}]: {package!r} is not a package's name"


def _medium(path: str, stage: Stage, config: types.KickstartStage) -> Iterator[str]:
    """Yield the mistakes of the installation image and of network boot."""
    family = family_of(config.release)
    if config.iso_dest is None and config.netboot_url is None:
        yield f"{path}: needs iso_dest, for an image, or netboot_url, to boot from the network"
    if config.iso_dest is not None and config.iso_src is None:
        yield f"{path}.iso_dest: needs iso_src, the distribution's own image"
    if config.iso_src is not None and config.iso_src == config.iso_dest:
        yield f"{path}.iso_dest: is iso_src itself, which skep leaves as it is"
    if config.netboot_url is not None:
        if config.netboot_src is None and config.iso_src is None:
            yield f"{path}.netboot_url: needs netboot_src or iso_src, where the installer's kernel is"
        if family == "rhel" and config.mirror is None:
            yield f"{path}.mirror: is needed for booting {config.release} from the network"
        if family == "ubuntu" and config.iso_src is None:
            yield f"{path}.iso_src: is needed for booting {config.release} from the network"
        macs: dict[str, str] = {}
        for host in stage.hosts:
            mac = (config.hosts.get(host.short) or types.InstallHost()).mac
            if mac is None:
                yield f"{path}.hosts.{host.short}.mac: is needed for booting from the network"
            elif (other := macs.setdefault(mac.lower(), host.short)) != host.short:
                yield f"{path}.hosts.{host.short}.mac: is that of {other}, too"


def _network(
    path: str, net: types.InstallNetwork, network: IpNetwork | None, *, has_address: bool
) -> Iterator[str]:
    """Yield the mistakes of one network; `network` is the stage's own, if it has the stage's addresses."""
    mask = net.netmask
    if mask is None and network is None and has_address:
        yield f"{path}.netmask: is needed"
    if mask is not None:
        try:
            prefix = ipaddress.IPv4Network(f"0.0.0.0/{mask}").prefixlen
        except ValueError:
            yield f"{path}.netmask: {mask!r} is not a netmask (example: 255.255.255.0)"
            return
        if network is not None and prefix != network.prefixlen:
            yield f"{path}.netmask: {mask} is not that of cidr {network}"
    wrong = [text for text in net.ips if not is_address(text) or ":" in text]
    yield from (f"{path}.ips: {text!r} is not an IPv4 address" for text in wrong)
    for key, texts in (("gateway", [net.gateway] if net.gateway else []), ("nameservers", net.nameservers)):
        yield from (f"{path}.{key}: {text!r} is not an address" for text in texts if not is_address(text))
    if not net.gateway or not is_address(net.gateway) or wrong:
        return
    if not has_address:
        yield f"{path}.gateway: has no effect on a network without addresses"
        return
    if net.ips and net.netmask:
        network = ipaddress.ip_interface(f"{net.ips[0]}/{net.netmask}").network
    if network is not None and ipaddress.ip_address(net.gateway) not in network:
        yield f"{path}.gateway: {net.gateway} is outside {network}"


def _interfaces(path: str, nets: list[types.InstallNetwork]) -> Iterator[str]:
    """Yield the conflicts between networks: interfaces used twice, several default routes."""
    gateways = [net.gateway for net in nets if net.gateway]
    if len(gateways) > 1:
        yield f"{path}: have {len(gateways)} gateways ({', '.join(gateways)}); a host has one default route"
    seen: set[tuple[str, int | None]] = set()
    bonds = {net.interface: net.bonding_interfaces for net in nets if net.bonding_interfaces}
    for n, net in enumerate(nets):
        if (net.interface, net.vlanid) in seen:
            vlan = "" if net.vlanid is None else f" with VLAN {net.vlanid}"
            yield f"{path}[{n}].interface: {net.interface}{vlan} occurs twice"
        seen.add((net.interface, net.vlanid))
        if net.bonding_interfaces and net.bonding_interfaces != bonds[net.interface]:
            yield f"{path}[{n}].bonding_interfaces: differ from those of {net.interface} elsewhere"
        owner = next((bond for bond, ports in bonds.items() if net.interface in ports), None)
        if owner is not None:
            yield f"{path}[{n}].interface: {net.interface} is a port of {owner}, and can't be used by itself"
        if net.vlanid is not None and len(f"{net.interface}.{net.vlanid}") > 15:  # noqa: PLR2004 - Linux's IFNAMSIZ
            yield f"{path}[{n}].interface: {net.interface}.{net.vlanid} is longer than Linux's 15 characters"
    ports = [port for names in bonds.values() for port in names]
    yield from (
        f"{path}: {port} is a port of two bonds, or twice of one"
        for port in sorted(set(ports))
        if ports.count(port) > 1
    )


def _partitions(path: str, parts: list[types.Partition]) -> Iterator[str]:
    """Yield the mistakes of the partitions."""
    if not parts:
        return
    mounts = [part.mount for part in parts]
    if "/" not in mounts:
        yield f"{path}: there is no partition for `/`"
    yield from (f"{path}: {mount!r} occurs twice" for mount in sorted(set(mounts)) if mounts.count(mount) > 1)
    if "/boot/efi" in mounts:
        yield f"{path}: /boot/efi is made where the firmware needs it; leave it out"
    without = [part.mount for part in parts if part.size is None]
    if len(without) > 1:
        yield f"{path}: only one may be without size, and these are: {', '.join(without)}"
