"""Answers for Debian's installer: a preseed, and the script that it runs last. Both are in its initrd.

Only from there they are read before the network is asked for, so that its addresses can be answers as well.
The installer itself knows neither VLANs nor bonds, but its kernel does: a script makes them before it looks for
interfaces. In the installed system systemd-networkd makes them.
"""

import shlex
from urllib.parse import urlsplit

from model.install import networkd
from model.install.install_plan import BOND, ESP_MIB, Answers, InstallPlan, Net, primary_interface
from model.install.script import access_script
from model.secrets.secret import Secret

FILE = "preseed.cfg"
SCRIPT = "skep-late.sh"
EARLY = "skep-early.sh"
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_SUITES = {"12": "bookworm", "13": "trixie"}
_REST = 1000000000


def answers(host: InstallPlan) -> Answers:
    """Return a host's preseed and late script, for the initrd."""
    script = early_script(primary_interface(host.nets))
    more = {EARLY: Secret(script)} if script else {}
    return Answers(
        {FILE: Secret(_text(host)), SCRIPT: late_script(host), **more},
        # The installer reads `/preseed.cfg` of its initrd by itself. Named with `preseed/file` it would be read again
        # later, and the script that makes bonds run twice; `auto=true` would wait for that.
        ("priority=critical", "DEBIAN_FRONTEND=text", *_console(host)),
        in_initrd=True,
    )


def _console(host: InstallPlan) -> tuple[str, ...]:
    """Return the arguments for both kernels: those after `---` go into the installed system's boot loader."""
    return ("---", *host.kernel_arguments) if host.kernel_arguments else ()


def _text(host: InstallPlan) -> str:
    """Return the preseed."""
    net, (short, _, domain) = primary_interface(host.nets), host.name.partition(".")
    mirror = urlsplit(host.mirror or _DEFAULT_MIRROR)
    answers = {
        "debian-installer/language string": "C" if host.locale.startswith("C") else host.locale[:2],
        "debian-installer/locale string": host.locale,
        "debian-installer/country string": host.locale[3:5] if host.locale[2:3] == "_" else "US",
        "keyboard-configuration/xkb-keymap select": host.keyboard,
        **({"preseed/early_command string": f"sh /{EARLY}"} if early_script(net) else {}),
        "netcfg/choose_interface select": net.device,
        "netcfg/disable_autoconfig boolean": "true",
        "netcfg/get_ipaddress string": net.ip,
        "netcfg/get_netmask string": net.netmask,
        "netcfg/get_gateway string": net.gateway,
        "netcfg/get_nameservers string": " ".join(net.nameservers),
        "netcfg/confirm_static boolean": "true",
        "netcfg/target_network_config select": "loopback",
        "netcfg/get_hostname string": short,
        "netcfg/hostname string": short,
        "netcfg/get_domain string": domain,
        "hw-detect/load_firmware boolean": "false",
        "mirror/country string": "manual",
        "mirror/protocol string": mirror.scheme,
        f"mirror/{mirror.scheme}/hostname string": mirror.netloc,
        f"mirror/{mirror.scheme}/directory string": mirror.path or "/",
        f"mirror/{mirror.scheme}/proxy string": host.proxy,
        "mirror/suite string": _SUITES[host.version],
        "passwd/root-login boolean": "true",
        # No password matches it. The late script sets `!`, which the installers of 12 and 13 do not accept: they ask.
        "passwd/root-password-crypted password": "*",
        "passwd/make-user boolean": "false",
        "clock-setup/utc boolean": "true",
        "clock-setup/ntp boolean": "false",
        "time/zone string": host.timezone,
        "partman-auto/disk string": host.target,
        "partman-auto/method string": "regular",
        "partman-partitioning/default_label string": "gpt",
        "partman-auto/expert_recipe string": _recipe(host),
        "partman-basicfilesystems/no_swap boolean": "false",
        "partman-basicmethods/method_only boolean": "false",
        "partman-efi/non_efi_system boolean": "true",
        "partman-partitioning/confirm_write_new_label boolean": "true",
        "partman/choose_partition select": "finish",
        "partman/confirm boolean": "true",
        "partman/confirm_nooverwrite boolean": "true",
        "partman/mount_style select": "uuid",
        "partman-lvm/device_remove_lvm boolean": "true",
        "partman-md/device_remove_md boolean": "true",
        "base-installer/install-recommends boolean": "true",
        "apt-setup/enable-source-repositories boolean": "false",
        "apt-setup/cdrom/set-first boolean": "false",
        "apt-setup/use_mirror boolean": "true",
        "tasksel/first multiselect": "",
        "pkgsel/run_tasksel boolean": "false",
        "pkgsel/include string": " ".join(("openssh-server", "sudo", *host.packages)),
        "pkgsel/upgrade select": "none",
        "pkgsel/update-policy select": "none",
        "popularity-contest/participate boolean": "false",
        "grub-installer/only_debian boolean": "true",
        "grub-installer/with_other_os boolean": "false",
        "grub-installer/bootdev string": host.target,
        "grub-installer/force-efi-extra-removable boolean": "true",
        "finish-install/reboot_in_progress note": "",
        "cdrom-detect/eject boolean": "true",
        "preseed/late_command string": f"cp /{SCRIPT} /target/root/ && in-target sh /root/{SCRIPT}; "
        f"status=$?; rm -f /target/root/{SCRIPT}; exit $status",
    }
    return f"# {host.name}: made by skep, which erases {host.target}.\n" + "".join(
        f"d-i {key} {value}".rstrip() + "\n" for key, value in answers.items()
    )


def _recipe(host: InstallPlan) -> str:
    """Return the partitions as a partman recipe, whose sizes are minimum, priority and maximum in MB."""
    parts = [
        "1 1 1 free $bios_boot{ } method{ biosgrub }",
        f"{ESP_MIB} {ESP_MIB} {ESP_MIB} free $iflabel{{ gpt }} $reusemethod{{ }} method{{ efi }} format{{ }}",
    ]
    for part in host.partitions:
        size = (1024, 10240, _REST) if part.size is None else (part.size,) * 3
        numbers = " ".join(map(str, size))
        if part.mount == "swap":
            parts.append(f"{numbers} linux-swap method{{ swap }} format{{ }}")
        else:
            parts.append(
                f"{numbers} {part.fstype} method{{ format }} format{{ }} use_filesystem{{ }} "
                f"filesystem{{ {part.fstype} }} mountpoint{{ {part.mount} }}"
            )
    return "skep :: " + " . ".join(parts) + " ."


def early_script(net: Net) -> str:
    """Return the script that makes a bond or a VLAN for the installer; empty if there is neither."""
    lines = []
    if net.ports:
        options = " ".join(f"{name}={value}" for name, value in BOND.items())
        lines += [
            f"modprobe bonding max_bonds=0 {options}",
            f"echo +{net.interface} >/sys/class/net/bonding_masters",
        ]
        for port in net.ports:
            lines += [
                f"seconds=0; until [ -e /sys/class/net/{port} ] || [ $seconds -ge 60 ]; do",
                "    sleep 1; seconds=$((seconds + 1))",
                "done",
                f"ip link set {port} down",
                f"echo +{port} >/sys/class/net/{net.interface}/bonding/slaves",
            ]
        lines.append(f"ip link set {net.interface} up")
    if net.vlan is not None:
        lines += [
            "modprobe 8021q",
            f"ip link set {net.interface} up",
            f"ip link add link {net.interface} name {net.device} type vlan id {net.vlan}",
            f"ip link set {net.device} up",
        ]
    return "\n".join(["set -e", *lines]) + "\n" if lines else ""


def late_script(host: InstallPlan) -> Secret:
    """Return the script for the installed system: its network, then the admin user and the host key."""
    lines = ["set -eu", f"mkdir -p {networkd.DIRECTORY}"]
    lines += [
        f"printf %s {shlex.quote(text)} >{networkd.DIRECTORY}/{name}"
        for name, text in networkd.files(host.nets).items()
    ]
    servers = "".join(f"nameserver {server}\n" for net in host.nets for server in net.nameservers)
    lines += [
        # The installer leaves a second configuration of the same interfaces to ifupdown.
        "printf 'auto lo\\niface lo inet loopback\\n' >/etc/network/interfaces",
        f"printf %s {shlex.quote(servers)} >/etc/resolv.conf",
        "systemctl enable systemd-networkd.service",
    ]
    return Secret("\n".join(lines) + "\n" + access_script(host).reveal())
