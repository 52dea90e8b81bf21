"""The differences between families of distributions, as tables; and the shell functions that every step may use.

Families are called by their package manager: `apt` (Debian, Ubuntu) and `dnf` (Enterprise Linux and its kin).
**The dnf column is data that has never been run**: no mirror of such packages is reachable where skep is developed.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

FAMILIES = ("apt", "dnf")

PACKAGES: Mapping[str, Mapping[str, str]] = {
    "tzdata": {"apt": "tzdata", "dnf": "tzdata"},
    "chrony": {"apt": "chrony", "dnf": "chrony"},
    "sudo": {"apt": "sudo", "dnf": "sudo"},
    "iptables": {"apt": "iptables", "dnf": "iptables-nft"},
    "docker": {"apt": "docker.io", "dnf": "docker-ce docker-ce-cli containerd.io"},
    # From Debian 13 on, docker.io is the engine alone.
    "docker_cli": {"apt": "docker-cli", "dnf": "docker-ce-cli"},
    "buildx": {"apt": "docker-buildx", "dnf": "docker-buildx-plugin"},
    # Asked for only where the kernel has AppArmor, which those of the dnf family don't.
    "apparmor": {"apt": "apparmor", "dnf": "apparmor"},
    "ca": {"apt": "ca-certificates openssl", "dnf": "ca-certificates openssl"},
    "registry": {"apt": "docker-registry openssl", "dnf": "docker-distribution openssl"},
    "python": {"apt": "python3", "dnf": "python3"},
    "restic": {"apt": "restic", "dnf": "restic"},
    "rclone": {"apt": "rclone", "dnf": "rclone"},
    # Their scripts refuse the dnf family.
    "node_metrics": {"apt": "prometheus-node-exporter", "dnf": "node-exporter"},
    "alertmanager": {"apt": "prometheus-alertmanager", "dnf": "alertmanager"},
    "prometheus": {"apt": "prometheus", "dnf": "prometheus"},
    "rsyslog": {"apt": "rsyslog rsyslog-relp", "dnf": "rsyslog rsyslog-relp"},
    "logrotate": {"apt": "logrotate", "dnf": "logrotate"},
    # debootstrap checks a Debian archive's signature with the keyring, which is no dependency of it.
    "build": {"apt": "debootstrap debian-archive-keyring", "dnf": "debootstrap debian-keyring"},
}
"""Package, as steps call it, to the names of each family. A step lists here what its script runs."""

UNITS: Mapping[str, Mapping[str, str]] = {
    "boot": {"apt": "skep-boot.service", "dnf": "skep-boot.service"},
    "chrony": {"apt": "chrony.service", "dnf": "chronyd.service"},
    "ssh": {"apt": "ssh.service", "dnf": "sshd.service"},
    "firewall": {"apt": "skep-firewall.service", "dnf": "skep-firewall.service"},
    "docker": {"apt": "docker.service", "dnf": "docker.service"},
    "registry_data": {"apt": "skep-registry-data.service", "dnf": "skep-registry-data.service"},
    "registry": {"apt": "docker-registry.service", "dnf": "docker-distribution.service"},
    "backup_data": {"apt": "skep-backup-data.service", "dnf": "skep-backup-data.service"},
    "backup_server": {"apt": "skep-backup-server.service", "dnf": "skep-backup-server.service"},
    "backup_keep": {"apt": "skep-backup-keep.timer", "dnf": "skep-backup-keep.timer"},
    "backup_boot": {"apt": "skep-backup-boot.service", "dnf": "skep-backup-boot.service"},
    "backup_standby": {"apt": "skep-backup-standby.timer", "dnf": "skep-backup-standby.timer"},
    "logs_data": {"apt": "skep-logs-data.service", "dnf": "skep-logs-data.service"},
    "logs_collector": {"apt": "skep-logs-collector.service", "dnf": "skep-logs-collector.service"},
    "logs_shipper": {"apt": "skep-logs-shipper.service", "dnf": "skep-logs-shipper.service"},
    "backup_hive": {"apt": "skep-backup.timer", "dnf": "skep-backup.timer"},
    "observe": {"apt": "skep-observe.service", "dnf": "skep-observe.service"},
    "node_metrics": {"apt": "prometheus-node-exporter.service", "dnf": "node_exporter.service"},
    "alertmanager": {"apt": "prometheus-alertmanager.service", "dnf": "alertmanager.service"},
    "prometheus": {"apt": "prometheus.service", "dnf": "prometheus.service"},
}
"""systemd unit, as steps call it, to its name in each family."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "chrony_conf": {"apt": "/etc/chrony/chrony.conf", "dnf": "/etc/chrony.conf"},
    "chrony_options_file": {"apt": "/etc/default/chrony", "dnf": "/etc/sysconfig/chronyd"},
    "chrony_options": {"apt": "DAEMON_OPTS", "dnf": "OPTIONS"},
    "ca_directory": {"apt": "/usr/local/share/ca-certificates", "dnf": "/etc/pki/ca-trust/source/anchors"},
    "ca_bundle": {"apt": "/etc/ssl/certs/ca-certificates.crt", "dnf": "/etc/pki/tls/certs/ca-bundle.crt"},
    "ca_update": {"apt": "update-ca-certificates", "dnf": "update-ca-trust"},
    "registry_conf": {
        "apt": "/etc/docker/registry/config.yml",
        "dnf": "/etc/docker-distribution/registry/config.yml",
    },
    "registry_user": {"apt": "docker-registry", "dnf": "root"},
}
"""Paths, commands and variables whose names differ."""

REPOSITORIES: Mapping[str, Mapping[str, str]] = {
    "docker": {"apt": "", "dnf": "https://download.docker.com/linux/centos/docker-ce.repo"},
    "build": {"apt": "", "dnf": "epel-release"},
    "registry": {"apt": "", "dnf": "epel-release"},
    "restic": {"apt": "", "dnf": "epel-release"},
    "rclone": {"apt": "", "dnf": "epel-release"},
}
"""Package to what must be added first: the address of a .repo file, or a package that brings one."""

_SCRIPTS = Path(__file__).parent / "scripts"


@cache
def script(name: str, *, comments: bool = False) -> str:
    """Return a script of `scripts/`.

    Without its comments, unless asked for them: a comment is no change of the step that runs it.
    """
    text = (_SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")
    if comments:
        return text
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return "".join(f"{line}\n" for line in lines)


def _lookup(function: str, kind: str, table: Mapping[str, Mapping[str, str]], *, default: str = "") -> str:
    """Return a shell function that prints the entry of a table for this host's family."""
    cases = [
        f"    {family}:{name}) echo '{row[family]}' ;;" for name, row in table.items() for family in FAMILIES
    ]
    otherwise = default or f'fail "{kind} $1 is not known for $FAMILY"'
    return "\n".join(
        [f"{function}() {{", '    case "$FAMILY:$1" in', *cases, f"    *) {otherwise} ;;", "    esac", "}\n"]
    )


PRELUDE = "".join(
    [
        script("prelude"),
        _lookup("packages_of", "the package", PACKAGES),
        _lookup("unit", "the unit", UNITS),
        _lookup("word", "the word", WORDS),
        _lookup("repository_of", "the repository", REPOSITORIES, default=":"),
    ]
)
"""The functions that the script of a step may use; `scripts/prelude.sh` says what each does."""


def whole_script(*lines: str) -> str:
    """Return lines as a script of its own, with the functions, that reads nothing behind it on the standard input."""
    return "\n".join(["set -eu", "{", PRELUDE, *lines, "exit 0", "} </dev/null", ""])
