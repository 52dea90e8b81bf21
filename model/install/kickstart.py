"""The answers for Anaconda, the installer of Red Hat's family: a kickstart file."""

import shlex

from model.install.install_plan import BOND, Answers, InstallPlan, Net, primary_interface
from model.install.script import access_script
from model.keys.record import ADMIN
from model.secrets.secret import Secret

FILE = "ks.cfg"
_NO_REPOSITORY = "cdrom"


def answers(host: InstallPlan) -> Answers:
    """Return a host's kickstart file, and the kernel argument with its location."""
    return Answers(
        {FILE: Secret(_text(host))}, ("inst.text", "inst.ks={url}/" + FILE, *host.kernel_arguments)
    )


def _text(host: InstallPlan) -> str:
    """Return the kickstart file."""
    disk = host.target.removeprefix("/dev/")
    # Kickstart takes one line for an interface, so further VLANs on it are NetworkManager connections.
    chosen = {net.interface: net for net in (*reversed(host.nets), primary_interface(host.nets))}
    first = [net for net in host.nets if chosen[net.interface] is net]
    lines = [
        f"# {host.name}: made by skep, which erases {host.target}.",
        "text",
        *_source(host),
        f"lang {host.locale}",
        f"keyboard --xlayouts={host.keyboard}",
        f"timezone {host.timezone} --utc",
        *(_network(net, is_primary=net is primary_interface(host.nets)) for net in first),
        f"network --hostname={host.name}",
        "rootpw --lock",
        # The script below makes the user as well, but without a user Anaconda asks when root is locked.
        f"user --name={ADMIN} --groups=wheel --shell=/bin/bash --lock",
        f'sshkey --username={ADMIN} "{host.authorized_key}"',
        "selinux --enforcing",
        "firewall --enabled --ssh",
        "services --enabled=sshd",
        "firstboot --disable",
        f"ignoredisk --only-use={disk}",
        "zerombr",
        f"clearpart --all --initlabel --disklabel=gpt --drives={disk}",
        _bootloader(host, disk),
        # An EFI system partition or one for GRUB, whichever this machine needs.
        "reqpart",
        *(_partition(part.mount, part.fstype, part.size, disk) for part in host.partitions),
        "reboot --eject",
        "",
        "%packages",
        "@core",
        "openssh-server",
        "sudo",
        *host.packages,
        "%end",
        "",
        "%post --erroronfail --interpreter=/bin/sh",
        *(line for net in host.nets if net not in first for line in _keyfile(net)),
        access_script(host).reveal().rstrip("\n"),
        # The installer keeps the kickstart file, with the host key in it.
        "rm -f /root/anaconda-ks.cfg /root/original-ks.cfg",
        "%end",
    ]
    return "\n".join(lines) + "\n"


def _source(host: InstallPlan) -> list[str]:
    """Return the lines of the package source."""
    if not host.mirror:
        return [_NO_REPOSITORY]
    proxy = f" --proxy={host.proxy}" if host.proxy else ""
    return [
        f"url --url={host.mirror}/BaseOS/x86_64/os{proxy}",
        f"repo --name=AppStream --baseurl={host.mirror}/AppStream/x86_64/os{proxy}",
    ]


def _keyfile(net: Net) -> list[str]:
    """Return the commands that write a further VLAN's connection."""
    lines = ["[connection]", f"id={net.device}", "type=vlan", f"interface-name={net.device}", ""]
    lines += ["[vlan]", f"id={net.vlan}", f"parent={net.interface}", "", "[ipv4]"]
    lines += ["method=manual", f"address1={net.address}"] if net.address else ["method=disabled"]
    lines += [f"dns={';'.join(net.nameservers)};"] if net.nameservers else []
    lines += ["never-default=true", "", "[ipv6]", "method=disabled"]
    path = f"/etc/NetworkManager/system-connections/{net.device}.nmconnection"
    text = "".join(f"{line}\n" for line in lines)
    return [f"printf %s {shlex.quote(text)} >{path}", f"chmod 0600 {path}"]


def _network(net: Net, *, is_primary: bool) -> str:
    """Return the line of an interface."""
    words = [
        "network",
        "--bootproto=static" if net.address else "--bootproto=dhcp",
        f"--device={net.interface}",
    ]
    if not net.address:
        words[1:2] = ["--noipv4"]
    elif net.is_ipv6:
        words[1:2] = ["--noipv4", f"--ipv6={net.address}"]
    else:
        words += [f"--ip={net.ip}", f"--netmask={net.netmask}"]
    if net.gateway:
        words.append(f"--{'ipv6' if net.is_ipv6 else ''}gateway={net.gateway}")
    elif net.address:
        words.append("--nodefroute")
    if net.nameservers:
        words.append(f"--nameserver={','.join(net.nameservers)}")
    if not net.is_ipv6:
        words.append("--noipv6")
    if net.ports:
        options = ",".join(f"{name}={value}" for name, value in BOND.items())
        words += [f"--bondslaves={','.join(net.ports)}", f"--bondopts={options}"]
    if net.vlan is not None:
        words += [f"--vlanid={net.vlan}"]
    if is_primary:
        words.append("--activate")
    words.append("--onboot=yes")
    return " ".join(words)


def _bootloader(host: InstallPlan, disk: str) -> str:
    """Return the boot loader's line."""
    append = f" --append={shlex.quote(' '.join(host.kernel_arguments))}" if host.kernel_arguments else ""
    return f"bootloader --boot-drive={disk}{append}"


def _partition(mount: str, fstype: str, size: int | None, disk: str) -> str:
    """Return the line of a partition."""
    kind = "swap" if mount == "swap" else fstype
    extent = "--size=1024 --grow" if size is None else f"--size={size}"
    return f"part {mount} --fstype={kind} --ondisk={disk} {extent}"
