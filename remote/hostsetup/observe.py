"""The step that has a host tell of itself: services' tasks, volumes, backups, certificates, errors in logs.

The agent writes the figures to the directory that node-exporter reads; nothing listens.
"""

import json
from typing import Any

from model import site as types
from model.keys.digest import flatten
from model.stage import Host, Stage
from model.swarm.time_to_run import time_to_run
from remote.hostsetup.engine import containers_of
from remote.hostsetup.file_step import file_step
from remote.hostsetup.host_agent import AGENT, AGENT_STEP, agent_digest
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.monitoring import TEXTFILES

REGISTRY_DATA = "/var/lib/docker-registry"

_UNIT = f"""\
# Made by skep.
[Unit]
Description=skep: figures of this host and its services
After=docker.service

[Service]
ExecStart=/usr/bin/python3 -I {AGENT} observe
Restart=always
RestartSec=15
Nice=10
# It takes a sixth of this; a walk through a big volume takes more, and ends alone if that is too much.
MemoryMax=64M
OOMPolicy=continue
# It has the log of each container open whose lines count.
LimitNOFILE=16384
StateDirectory=skep/observe
StateDirectoryMode=0700
UMask=0077
# Root for the engine's socket, its log files, and what is in volumes: to read, and to write in two directories.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={TEXTFILES}
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def observe_step(stage: Stage, host: Host) -> HostStep | None:
    """Return the step that has a host tell of itself; None if site.toml has no `[monitoring]`."""
    if stage.site.monitoring is None:
        return None
    config = _config(stage, host)
    files = [
        HostFile("/etc/skep/observe.json", json.dumps(config, indent=1, sort_keys=True) + "\n", 0o600),
        HostFile("/etc/skep/observe.unit", _UNIT),
    ]
    inputs = {"agent": agent_digest()}
    for name, service in stage.services.items():
        for key in ("monitor_error", "ignore_error"):
            inputs |= flatten(f"services.{name}.{key}", getattr(service, key))
    return file_step(
        "observe",
        inputs,
        files,
        units=("observe",),
        needs=(AGENT_STEP, "node_metrics", "trust"),
    )


def _config(stage: Stage, host: Host) -> dict[str, Any]:
    """Return what the agent is to know (agent/observe/observe_config.py)."""
    backup = stage.site.backup
    return {
        "is_hive": host.is_hive,
        "owner": dict(stage.labels),
        "hosts": {hive.name: hive.short for hive in stage.hives},
        "managers": len(stage.hives),
        "schedule": backup.schedule if backup is not None else "",
        "containers": containers_of(stage),
        "registry": REGISTRY_DATA if host.is_repository else "",
        "services": {name: _service(stage, service) for name, service in stage.services.items()},
    }


def _service(stage: Stage, service: types.Service) -> dict[str, Any]:
    """Return what the agent is to know of a service."""
    wanted = len(stage.hives) if service.is_global else service.replicas
    return {
        "wanted": None if service.is_job else wanted,
        "may_end": service.is_job or service.restart_config.condition != "any",
        "is_saved": bool(service.backup_scripts),
        "monitor_error": service.monitor_error,
        "ignore_error": service.ignore_error,
        "grace": service.stop_grace_period,
        "start": time_to_run(service, len(stage.hives), stage.site.images),
    }
