"""The steps around Docker: the engine, the trust in the site's CA, the registry."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from model.errors import ConfigError
from model.keys.digest import flatten, sha256
from model.secrets.certificate import FORM, issue
from model.secrets.secret import Secret
from model.secrets.stage_secrets import REGISTRY_USER, StageSecrets
from model.site import DockerStage
from model.site.monitoring import ENGINE_METRICS_PORT
from model.stage import REGISTRY_PORT, Host, Stage
from model.swarm.address_pools import address_pools
from remote.hostsetup.file_step import file_digests, file_step
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script
from remote.hostsetup.passwords import bcrypted

DAEMON: Mapping[str, Any] = {
    # `local` rotates by itself and costs least; `docker service logs` reads it.
    "log-driver": "local",
    "log-opts": {"max-size": "10m", "max-file": "5"},
    # Swarm and live restore exclude each other.
    "live-restore": False,
}
"""skep's keys of `daemon.json`; those of `setup_hosts.daemon` take precedence."""

_DATA = "/var/lib/docker"
"""Where an engine keeps its data, unless its `data-root` says otherwise."""

_REFUSED = {
    "live-restore": (True, "Swarm and live restore exclude each other"),
    "hosts": (None, "the engine's unit says it already, and the engine does not start with both"),
}

_CONFIG = f"""\
# Made by skep.
version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: /var/lib/docker-registry
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
http:
  addr: :{REGISTRY_PORT}
  tls:
    certificate: /etc/skep/registry/tls.crt
    key: /etc/skep/registry/tls.key
auth:
  htpasswd:
    realm: skep
    path: /etc/skep/registry/htpasswd
"""


def daemon_config(
    extra: Mapping[str, Any], internal_cidr: str | None = None, *, metrics_at: str | None = None
) -> dict[str, Any]:
    """Return the content of `daemon.json`: skep's keys, and on top of them the site's.

    Args:
        extra: The site's keys.
        internal_cidr: The network that the address of `docker0` comes from, if the stage names one.
        metrics_at: The host's address if the engine tells its metrics. It does so at all addresses of that one's
            kind, one of which may not be there yet when it starts; the host's firewall lets the repository host alone
            in.

    Raises:
        ConfigError: A key of the site contradicts one that skep needs.

    """
    problems = [
        f"setup_hosts.daemon.{key}: {why}"
        for key, (value, why) in _REFUSED.items()
        if key in extra and value in (None, extra[key])
    ]
    if problems:
        raise ConfigError(problems)
    merged = dict(DAEMON)
    if internal_cidr is not None:
        merged["bip"] = address_pools(internal_cidr).bip
    if metrics_at is not None:
        # All addresses of IPv6 are those of IPv4, too; but an engine does not start with them where IPv6 is off.
        everywhere = "[::]" if ":" in metrics_at else "0.0.0.0"  # noqa: S104 - behind the firewall
        merged["metrics-addr"] = f"{everywhere}:{ENGINE_METRICS_PORT}"
    if "log-driver" in extra:
        # Another driver takes other options.
        del merged["log-opts"]
    for key, value in extra.items():
        ours = merged.get(key)
        merged[key] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, dict) else value
    return merged


def containers_of(stage: Stage) -> str:
    """Return the directory in which an engine has its containers, with their logs."""
    return f"{stage.site.setup_hosts.daemon.get('data-root', _DATA)}/containers"


def docker_step(stage: Stage, host: Host, admin: str) -> HostStep:
    """Return the step that installs and configures Docker Engine."""
    config = daemon_config(
        stage.site.setup_hosts.daemon,
        stage.config.internal_cidr,
        metrics_at=None if stage.site.monitoring is None else host.address,
    )
    return file_step(
        "docker",
        {"admin": admin, **flatten("daemon", config)},
        [
            HostFile("/etc/skep/daemon.json", json.dumps(config, indent=2, sort_keys=True) + "\n"),
            HostFile("/etc/skep/docker.admin", f"{admin}\n"),
        ],
        units=("docker",),
        # It settles which iptables there is, for the engine too.
        needs=("firewall",),
        timeout=1200,
    )


def trust_step(stage: Stage, secrets: StageSecrets) -> HostStep:
    """Return the step that makes a host, and its engine, trust the site's CA."""
    name = f"skep-{stage.site_name}-{stage.name}"
    return file_step(
        "trust",
        {"ca": f"sha256:{sha256(secrets.ca_certificate)}", "registry": stage.registry},
        [
            HostFile("/etc/skep/ca.crt", secrets.ca_certificate),
            HostFile("/etc/skep/ca.name", f"{name}\n"),
            HostFile(f"/etc/docker/certs.d/{stage.registry}/ca.crt", secrets.ca_certificate),
        ],
    )


_DATA_UNIT = """\
# Made by skep: the registry's data is on the volume of the engine's, which outlives this container.
[Unit]
Description=skep's registry's data
Before=docker-registry.service docker-distribution.service
RequiresMountsFor=/var/lib/docker

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cd /var/lib; mountpoint -q docker-registry || mount --bind docker/skep-registry docker-registry'

[Install]
WantedBy=multi-user.target
RequiredBy=docker-registry.service docker-distribution.service
"""


_OWNER_CONF = """\
# Made by skep: in another container the registry's user may have another number.
[Service]
ExecStartPre=+/bin/sh -c 'cd /var/lib; exec chown -R --reference=docker-registry docker-registry'
"""


def registry_data_step(stage: Stage) -> HostStep | None:
    """Return the step that puts the registry's data where it outlives a host that is a container; else None."""
    if not isinstance(stage.config, DockerStage):
        return None
    files = [
        HostFile("/etc/skep/registry-data.unit", _DATA_UNIT),
        HostFile("/etc/skep/registry-owner.conf", _OWNER_CONF),
    ]
    return file_step("registry_data", {}, files, units=("registry_data",))


def registry_step(stage: Stage, host: Host, secrets: StageSecrets) -> HostStep:
    """Return the step that runs the site's registry: TLS from the site's CA, one user with a password."""
    names, addresses = [host.name, host.short], [host.address]
    public = [
        HostFile("/etc/skep/registry/config.yml", _CONFIG, 0o640),
        HostFile("/etc/skep/registry/ca.crt", secrets.ca_certificate),
        HostFile("/etc/skep/registry.name", f"{stage.registry}\n"),
    ]

    def files() -> Sequence[HostFile]:
        key, certificate = issue(secrets.ca_key, secrets.ca_certificate, names, addresses)
        return [
            *public,
            HostFile("/etc/skep/registry/tls.crt", certificate, 0o640),
            HostFile("/etc/skep/registry/tls.key", key, 0o640),
            HostFile("/etc/skep/registry/htpasswd", htpasswd(secrets), 0o640),
        ]

    return HostStep(
        name="registry",
        inputs={
            "ca": f"sha256:{sha256(secrets.ca_certificate)}",
            "certificate": FORM,
            "password": secrets.fingerprint(secrets.registry_password),
            **flatten("names", names),
            **flatten("addresses", addresses),
            **file_digests(public),
        },
        script=script("registry"),
        files=files,
        units=("registry",),
        # It is asked by its name when it has been started.
        needs=("hosts_file", "registry_data") if isinstance(stage.config, DockerStage) else ("hosts_file",),
    )


def htpasswd(secrets: StageSecrets) -> Secret:
    """Return the registry's password file, the same for the same secrets."""
    hashed = bcrypted(secrets.registry_password, secrets.pepper, "registry")
    return Secret(f"{REGISTRY_USER}:{hashed}\n")
