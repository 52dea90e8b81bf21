"""The list of a host's set-up steps, and the short ones among them.

The firewall is in `firewall.py`; the engine, the registry and the trust in its CA are in `engine.py`. Joining the swarm
is no step: it is done through the engines' API.
"""

from dataclasses import replace

import msgspec

from model import site as types
from model.errors import ConfigError
from model.hosts.firewall import published
from model.keys.digest import Inputs, flatten
from model.keys.record import ADMIN
from model.secrets.stage_secrets import StageSecrets
from model.stage import Host, Stage
from remote.hostsetup.backup import NOTHING_READ, BackupSources, backup_steps
from remote.hostsetup.engine import docker_step, registry_data_step, registry_step, trust_step
from remote.hostsetup.file_step import file_step
from remote.hostsetup.firewall import DNS_PORT, firewall_step
from remote.hostsetup.host_agent import agent_step
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.logs import logs_steps
from remote.hostsetup.monitoring import monitoring_steps
from remote.hostsetup.observe import observe_step
from remote.hostsetup.packages import script

_LONGEST_HOSTNAME = 64
"""Linux's limit."""

_BOOT_UNIT = HostFile(
    "/etc/systemd/system/skep-boot.service",
    """\
# Made by skep: what a container's engine, or cloud-init, writes anew at each start is put right again.
[Unit]
Description=skep's host name and hosts file
After=local-fs.target cloud-init.service
Before=docker.service ssh.service sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for part in /etc/skep/boot.d/*; do "$$part" || exit; done'

[Install]
WantedBy=multi-user.target
""",
)

_CLOUD_CFG = """\
# Made by skep, which sees to both.
preserve_hostname: true
manage_etc_hosts: false
"""

_SSHD_CONF = """\
# Made by skep.
PasswordAuthentication no
# The older name of KbdInteractiveAuthentication, which every sshd knows.
ChallengeResponseAuthentication no
PermitRootLogin prohibit-password
PubkeyAuthentication yes
UseDNS no
# skep reaches the engine's socket this way.
AllowStreamLocalForwarding yes
# It runs many commands at a time over one connection.
MaxSessions 50
"""

_CHRONY_OVERRIDE = """\
# Made by skep: in a container chronyd only watches the clock, for which it needs no capability.
[Unit]
ConditionCapability=
"""


def steps(
    stage: Stage, host: Host, secrets: StageSecrets, sources: BackupSources = NOTHING_READ
) -> list[HostStep]:
    """Return the steps of a host, in order. Pure, and quick: certificates are made when a step is applied.

    Args:
        stage: The stage.
        host: One of its hosts.
        secrets: The stage's secrets.
        sources: What the steps of backups read on this machine.

    Raises:
        ConfigError: site.toml asks for something that skep can't set up.

    """
    found = [
        _hostname(stage, host),
        _hosts_file(stage),
        _timezone(stage),
        _sysctls(stage, host),
        _chrony(stage),
        _sshd(),
        firewall_step(stage, host),
        _dns_stub(stage, host),
        docker_step(stage, host, ADMIN),
        _users(stage, ADMIN),
        trust_step(stage, secrets),
        registry_data_step(stage) if host.is_repository else None,
        registry_step(stage, host, secrets) if host.is_repository else None,
        file_step("build_tools", {}) if host.is_repository else None,
        agent_step(stage),
        *backup_steps(stage, host, secrets, sources),
        *monitoring_steps(stage, host, secrets, sources.secret),
        observe_step(stage, host),
        *logs_steps(stage, host, secrets),
    ]
    return [step for step in found if step is not None]


def _hostname(stage: Stage, host: Host) -> HostStep:
    """Return the step that gives a host its full name, which is also the name of its node in the swarm.

    On Google's hosts its script ends with `keep_name`, so that it is part of their key: hosts that were set up without
    it get it, too, and no other provider's step is done again for it.
    """
    if len(host.name) > _LONGEST_HOSTNAME:
        raise ConfigError(
            [f"site: {host.name} is longer than the {_LONGEST_HOSTNAME} characters of a host name"]
        )
    files = [
        HostFile("/etc/skep/hostname", f"{host.name}\n"),
        HostFile("/etc/skep/cloud.cfg", _CLOUD_CFG),
        HostFile("/etc/skep/boot.d/hostname", _host_script("boot-hostname"), 0o755),
        _BOOT_UNIT,
    ]
    step = file_step("hostname", {"name": host.name}, files, units=("boot",))
    if isinstance(stage.config, types.GcpStage):
        return replace(step, script=f"{step.script}\nkeep_name\n")
    return step


def _hosts_file(stage: Stage) -> HostStep:
    """Return the step that makes the stage's hosts, and those of `setup_hosts.hosts`, known by name."""
    known = {
        other.name: [other.address, *dict.fromkeys([other.name, other.name.partition(".")[0], other.short])]
        for other in stage.hosts
    }
    known |= {name: [address, name] for name, address in stage.site.setup_hosts.hosts.items()}
    files = [
        HostFile("/etc/skep/hosts", "".join(f"{' '.join(words)}\n" for words in known.values())),
        HostFile("/etc/skep/boot.d/hosts", _host_script("boot-hosts"), 0o755),
        _BOOT_UNIT,
    ]
    inputs = {f"hosts.{name}": " ".join(words) for name, words in known.items()}
    return file_step("hosts_file", inputs, files, units=("boot",))


def _timezone(stage: Stage) -> HostStep:
    """Return the step that sets the time zone."""
    zone = stage.site.setup_hosts.timezone
    return file_step("timezone", {"timezone": zone}, [HostFile("/etc/skep/timezone", f"{zone}\n")])


def _sysctls(stage: Stage, host: Host) -> HostStep | None:
    """Return the step that sets kernel parameters, if there are any."""
    wanted = stage.sysctls(host)
    if not wanted:
        return None
    files = [
        HostFile("/etc/skep/sysctls", "".join(f"{name} {value}\n" for name, value in sorted(wanted.items()))),
        HostFile("/etc/skep/boot.d/sysctls", _host_script("boot-sysctls"), 0o755),
        _BOOT_UNIT,
    ]
    return file_step("sysctls", flatten("sysctls", wanted), files, units=("boot",))


def _chrony(stage: Stage) -> HostStep | None:
    """Return the step that keeps the clock right, if there are servers to ask."""
    servers = stage.site.setup_hosts.ntp_servers
    if not servers:
        return None
    files = [
        HostFile("/etc/skep/chrony.servers", "".join(f"server {server} iburst\n" for server in servers)),
        HostFile("/etc/skep/chrony.override", _CHRONY_OVERRIDE),
    ]
    return file_step("chrony", flatten("ntp_servers", servers), files, units=("chrony",))


def _sshd() -> HostStep:
    """Return the step that lets nobody in by password."""
    return file_step("sshd", {}, [HostFile("/etc/skep/sshd.conf", _SSHD_CONF)], units=("ssh",))


def _users(stage: Stage, admin: str) -> HostStep:
    """Return the step that manages people's accounts. If the list is empty, accounts that it made before are locked."""
    users = stage.site.setup_hosts.users
    if admin in users:
        raise ConfigError([f"setup_hosts.users.{admin}: is the account as which skep itself logs in"])
    lines = []
    inputs: Inputs = {}
    for name, user in sorted(users.items()):
        inputs |= flatten(f"users.{name}", msgspec.to_builtins(user))
        lines.append(
            f"user {name} {'yes' if user.sudo else 'no'} {','.join(sorted(set(user.groups))) or '-'}"
        )
        lines += [f"key {key.strip()}" for key in user.public_keys]
    problems = [
        f"setup_hosts.users.{name}.public_keys[{i}]: is more than one line"
        for name, user in users.items()
        for i, key in enumerate(user.public_keys)
        if "\n" in key.strip()
    ]
    if problems:
        raise ConfigError(problems)
    grouped = any(user.groups for user in users.values())
    return file_step(
        "users",
        inputs,
        [HostFile("/etc/skep/users", "".join(f"{line}\n" for line in lines))],
        # The group `docker` comes with the engine.
        needs=("docker",) if grouped else (),
    )


def _dns_stub(stage: Stage, host: Host) -> HostStep | None:
    """Return the step that frees port 53 of systemd-resolved's stub, where a service publishes it."""
    if not any(port == DNS_PORT for _, port in published(stage, host)):
        return None
    conf = "# Made by skep: a service of the site has port 53.\n[Resolve]\nDNSStubListener=no\n"
    return file_step("dns_stub", {"published 53": "yes"}, [HostFile("/etc/skep/resolved.conf", conf)])


def _host_script(name: str) -> str:
    """Return a script that is put on a host, where its comments may be read."""
    return script(name, comments=True)
