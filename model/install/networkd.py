"""Configuration of systemd-networkd for a host's interfaces: bonds and VLANs need no further package."""

from collections.abc import Iterator

from model.install.install_plan import Net, links

DIRECTORY = "/etc/systemd/network"


def files(nets: tuple[Net, ...]) -> dict[str, str]:
    """Return the configuration files, name to text."""
    return dict(_files(nets))


def _files(nets: tuple[Net, ...]) -> Iterator[tuple[str, str]]:
    """Yield each file's name and text."""
    for link in links(nets):
        own = [net for net in nets if net.interface == link.interface]
        tagged = [net for net in own if net.vlan is not None]
        if link.ports:
            bond = (
                f"[NetDev]\nName={link.interface}\nKind=bond\n\n[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\n"
                "LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n"
            )
            yield f"10-{link.interface}.netdev", bond
            for port in link.ports:
                yield (
                    f"10-{link.interface}-{port}.network",
                    f"[Match]\nName={port}\n\n[Network]\nBond={link.interface}\n",
                )
        text = f"[Match]\nName={link.interface}\n\n[Network]\nLinkLocalAddressing=no\n"
        text += "".join(f"VLAN={net.device}\n" for net in tagged)
        text += "".join(_addressing(net) for net in own if net.vlan is None)
        yield f"20-{link.interface}.network", text
        for net in tagged:
            yield (
                f"10-{net.device}.netdev",
                f"[NetDev]\nName={net.device}\nKind=vlan\n\n[VLAN]\nId={net.vlan}\n",
            )
            yield (
                f"20-{net.device}.network",
                f"[Match]\nName={net.device}\n\n[Network]\nLinkLocalAddressing=no\n{_addressing(net)}",
            )


def _addressing(net: Net) -> str:
    """Return the lines of an interface's address and route."""
    lines = [f"Address={net.address}"] if net.address else []
    lines += [f"Gateway={net.gateway}"] if net.gateway else []
    lines += [f"DNS={server}" for server in net.nameservers]
    return "".join(f"{line}\n" for line in lines)
