"""The steps of logs: a shipper on each host, and on the repository host the collector that writes what they send.

Who writes there has a certificate for clients, of the stage's CA and in the name of one of its hosts; the certificates
of services are for servers.
"""

import json
from collections.abc import Iterator, Sequence

from model.keys.digest import flatten, sha256
from model.secrets.certificate import FORM, issue
from model.secrets.stage_secrets import StageSecrets
from model.site import DockerStage
from model.site.logs import LOGS_PORT, Logs
from model.stage import Host, Stage
from model.units import size
from remote.hostsetup.engine import containers_of
from remote.hostsetup.file_step import file_digests, file_step
from remote.hostsetup.host_agent import AGENT, AGENT_STEP, agent_digest
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script

_CA = "/etc/skep/ca.crt"
_SHIPPER, _COLLECTOR = "/etc/skep/logs", "/etc/skep/logs-collector"
_LARGEST = "600k"
"""What a message may have: a line of `LARGEST_TEXT` characters (agent/logs/lines.py) of four bytes, and its head."""
_SHARES = 20
"""A file that is written to is begun anew when it has more than one of so many shares of `max_size`."""
LEAST_ROOM = 2 << 30
"""Bytes that the disk of the collector's files keeps free: twice what the registry, which may be on it, wants."""

_CONF = """\
# Made by skep: writes what the stage's hosts send. A line is confirmed when it is written, and not before.
global(abortOnUncleanConfig="on" workDirectory="/var/lib/skep-logs" umask="0027" maxMessageSize="{largest}"
    parser.escapeControlCharactersOnReceive="off")
module(load="imrelp" tls.tlslib="openssl")
template(name="service" type="list") {{
    constant(value="/var/log/services/") property(name="app-name" securepath="replace") constant(value=".log")
}}
template(name="host" type="list") {{
    constant(value="/var/log/hosts/") property(name="hostname" securepath="replace") constant(value=".log")
}}
template(name="line" type="list") {{ property(name="msg") constant(value="\\n") }}
ruleset(name="write" queue.type="Direct") {{
    if $msgid == "service" then {{
        action(type="omfile" dynaFile="service" template="line" fileCreateMode="0640" createDirs="off"
            dynaFileCacheSize="200" action.resumeRetryCount="-1" action.resumeInterval="5")
    }} else if $msgid == "host" then {{
        action(type="omfile" dynaFile="host" template="line" fileCreateMode="0640" createDirs="off"
            dynaFileCacheSize="200" action.resumeRetryCount="-1" action.resumeInterval="5")
    }}
}}
input(type="imrelp" port="{port}" ruleset="write" maxDataSize="{largest}" keepAlive="on" tls="on"
    tls.caCert="{ca}" tls.myCert="{files}/tls.crt" tls.myPrivKey="{files}/tls.key"
    tls.authMode="name" tls.permittedPeer=[{peers}])
"""

_COLLECTOR_UNIT = """\
# Made by skep: takes what the stage's hosts say, and writes it to /var/log/services and /var/log/hosts.
[Unit]
Description=skep's collector of logs
After=network.target

[Service]
Type=notify
User=skep-logs
Group=adm
SupplementaryGroups=skep-logs
# On a full disk rsyslog confirms lines that it can't write; the shipper starts this when there is room.
ExecCondition=/bin/sh -c 'free=$$(df --output=avail -B 1 /var/log/services | tail -n 1); [ $$free -ge {least} ] || \
{{ echo "/var/log/services: less than {megabytes} MB are free: the collector takes no lines until there are more"; \
exit 1; }}'
ExecStart=/usr/sbin/rsyslogd -n -iNONE -f {files}/rsyslog.conf
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
UMask=0027
LimitNOFILE=16384
StateDirectory=skep-logs
StateDirectoryMode=0700
ProtectSystem=strict
ReadWritePaths=/var/log/services /var/log/hosts
PrivateTmp=yes
NoNewPrivileges=yes
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""

_ROTATION = """\
# Made by skep: a file a day, or for a share of `max_size`: skep-logs-trim has logrotate look when one has that.
# What logrotate no longer sees, as of a service that is gone, is removed as well.
/var/log/services/*.log /var/log/hosts/*.log {{
    daily
    maxsize {share}
    rotate 100000
    maxage {days}
    dateext
    dateformat -%Y%m%d-%s
    compress
    delaycompress
    missingok
    notifempty
    create 0640 skep-logs adm
    sharedscripts
    postrotate
        find /var/log/services /var/log/hosts -type f -name '*.log-*' -mtime +{days} -delete
        find /var/log/services /var/log/hosts -type f -name '*.log' -size 0 -mtime +{days} -delete
        systemctl try-reload-or-restart skep-logs-collector.service
    endscript
}}
"""

_TRIM_UNIT = """\
# Made by skep: begins large files anew, and removes the oldest where all take more than `max_size` of site.toml.
# The shipper starts it.
[Unit]
Description=skep's limit of the logs that are kept
After=skep-logs-data.service

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {agent} logs trim {most} {share}
Nice=10
# It works in directories of skep-logs', who hears the network: root as far as logrotate must be, and nowhere else.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER
RestrictAddressFamilies=AF_UNIX
ProtectSystem=strict
ReadWritePaths=/var/log/services /var/log/hosts /var/lib/logrotate
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
"""

_DATA_UNIT = """\
# Made by skep: the logs are on the volume of the engine's, which outlives this container.
[Unit]
Description=skep's logs' data
Before=skep-logs-collector.service
RequiresMountsFor=/var/lib/docker

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cd /var/log; for kind in services hosts; do mountpoint -q $$kind || \
mount --bind /var/lib/docker/skep-logs/$$kind $$kind; done'

[Install]
WantedBy=multi-user.target
RequiredBy=skep-logs-collector.service
"""

_SHIPPER_UNIT = f"""\
# Made by skep: sends what services and the journal say to the repository host.
[Unit]
Description=skep's shipper of logs
After=network.target

[Service]
ExecStart=/usr/bin/python3 -I {AGENT} logs ship
Restart=always
RestartSec=2
# It ends within a second, unless it is just connecting; a kill makes doubles and loses nothing.
TimeoutStopSec=15
MemoryMax=128M
# It has the log of each container open.
LimitNOFILE=16384
# Root for the engine's files and the journal: to read, and to write in one directory.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
StateDirectory=skep/logs
StateDirectoryMode=0700
UMask=0077
ProtectSystem=strict
PrivateTmp=yes
NoNewPrivileges=yes
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""


def logs_steps(stage: Stage, host: Host, secrets: StageSecrets) -> Iterator[HostStep]:
    """Yield a host's steps of logs; none if site.toml has no `[logs]`."""
    if stage.site.logs is None:
        return
    if host.is_repository:
        if isinstance(stage.config, DockerStage):
            unit = HostFile("/etc/skep/logs-data.unit", _DATA_UNIT)
            yield file_step("logs_data", {}, [unit], units=("logs_data",), needs=("docker",))
        yield _collector_step(stage, host, secrets, stage.site.logs)
    yield _shipper_step(stage, host, secrets, stage.site.logs)


def collector_conf(peers: Sequence[str], files: str, ca: str, port: int) -> str:
    """Return rsyslog's configuration of the collector.

    Args:
        peers: The names of the hosts that may write.
        files: The directory of `tls.crt` and `tls.key`.
        ca: The path of the CA's certificate.
        port: Its port.

    """
    names = ", ".join(f'"{peer}"' for peer in peers)
    return _CONF.format(largest=_LARGEST, port=port, ca=ca, files=files, peers=names)


def _collector_step(stage: Stage, host: Host, secrets: StageSecrets, logs: Logs) -> HostStep:
    """Return the step that has the repository host take and keep what hosts send."""
    names, addresses = [host.name, host.short], [host.address]
    peers = [each.name for each in stage.hosts]
    share = logs.max_size // _SHARES
    public = [
        HostFile(f"{_COLLECTOR}/rsyslog.conf", collector_conf(peers, _COLLECTOR, _CA, LOGS_PORT), 0o640),
        HostFile(
            "/etc/skep/logs-collector.unit",
            _COLLECTOR_UNIT.format(files=_COLLECTOR, least=LEAST_ROOM, megabytes=LEAST_ROOM >> 20),
        ),
        HostFile("/etc/skep/logs-collector.rotation", _ROTATION.format(days=logs.days, share=share)),
        HostFile("/etc/skep/logs-trim.unit", _TRIM_UNIT.format(agent=AGENT, most=logs.max_size, share=share)),
        HostFile("/etc/skep/logs-collector.name", f"{host.name}:{LOGS_PORT}\n"),
    ]

    def files() -> Sequence[HostFile]:
        key, certificate = issue(secrets.ca_key, secrets.ca_certificate, names, addresses)
        return [
            *public,
            HostFile(f"{_COLLECTOR}/tls.crt", certificate, 0o640),
            HostFile(f"{_COLLECTOR}/tls.key", key, 0o640),
        ]

    return HostStep(
        name="logs_collector",
        inputs={
            "ca": f"sha256:{sha256(secrets.ca_certificate)}",
            "certificate": FORM,
            "keep": f"{logs.days}d",
            "max_size": size(logs.max_size),
            **flatten("hosts", peers),
            **flatten("names", names),
            **flatten("addresses", addresses),
            **file_digests(public),
        },
        script=script("logs_collector"),
        files=files,
        units=("logs_collector",),
        needs=(
            "trust",
            "hosts_file",
            AGENT_STEP,
            *(["logs_data"] if isinstance(stage.config, DockerStage) else []),
        ),
    )


def _shipper_step(stage: Stage, host: Host, secrets: StageSecrets, logs: Logs) -> HostStep:
    """Return the step that has a host send what its services and its journal say."""
    config: dict[str, str | int] = {
        "host": host.short,
        "collector": stage.repository.name,
        "port": LOGS_PORT,
        "containers": containers_of(stage),
        "ca": _CA,
        "certificate": f"{_SHIPPER}/tls.crt",
        "key": f"{_SHIPPER}/tls.key",
    }
    if host.is_repository:
        config |= {"writes": "/var/log/services", "unit": "skep-logs-collector.service", "least": LEAST_ROOM}
        config |= {"most": logs.max_size, "share": logs.max_size // _SHARES}
        config["trimming"] = "skep-logs-trim.service"
    public = [
        HostFile(f"{_SHIPPER}/ship.json", json.dumps(config, indent=1) + "\n"),
        HostFile("/etc/skep/logs-shipper.unit", _SHIPPER_UNIT),
    ]

    def files() -> Sequence[HostFile]:
        key, certificate = issue(secrets.ca_key, secrets.ca_certificate, [host.name], is_client=True)
        return [
            *public,
            HostFile(f"{_SHIPPER}/tls.crt", certificate),
            HostFile(f"{_SHIPPER}/tls.key", key, 0o600),
        ]

    return HostStep(
        name="logs_shipper",
        inputs={
            "agent": agent_digest(),
            "ca": f"sha256:{sha256(secrets.ca_certificate)}",
            "certificate": FORM,
            "name": host.name,
            "collector": stage.repository.name,
            **file_digests(public),
        },
        script=script("logs_shipper"),
        files=files,
        units=("logs_shipper",),
        needs=("trust", "hosts_file", AGENT_STEP, *(["logs_collector"] if host.is_repository else [])),
    )
