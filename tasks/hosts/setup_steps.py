"""The steps by which hosts are set up, as data, and each as a resource."""

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import HostError
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import FactRecord, HostRecord
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets
from model.stage import Host, Stage
from model.swarm.address_pools import differing_options, options_are_fixed, swarm_options
from remote.hostsetup.apply import apply_script, step_key, time_limit
from remote.hostsetup.backup import BackupSources
from remote.hostsetup.host_step import HostStep
from remote.hostsetup.steps import steps as host_steps
from tasks.alarms.silenced import silence_what_is_new
from tasks.backup.site_archive import SiteArchive
from tasks.hosts.rolling_replace import is_member, stopped_one_at_a_time
from tasks.names import REGISTRY, SWARM, host_task, setup_task, vault_task
from tasks.run.context import Run
from tasks.run.secrets import Secrets
from tasks.step import Step, Work

if TYPE_CHECKING:
    from tasks.run.vault import Vault

_DOCS = {
    "hostname": "host name",
    "hosts_file": "hosts file",
    "timezone": "time zone",
    "sysctls": "kernel parameters",
    "chrony": "time synchronization (chrony)",
    "sshd": "ssh server",
    "dns_stub": "no DNS stub on port 53",
    "docker": "Docker Engine",
    "users": "user accounts",
    "trust": "trust in the site's CA",
    "registry_data": "the image registry's data on the engine's volume",
    "registry": "image registry",
    "build_tools": "build tools",
    "agent": "skep's agent",
    "backup_data": "the backups on the engine's volume",
    "backup_server": "backup server",
    "backup_site": "the site's own files, for backups",
    "backup_keep": "upkeep of the backups",
    "backup_hive": "backups of the services' data",
    "backup_boot": "backups that a power cut ended",
    "backup_standby": "standbys of services' data",
    "node_metrics": "metrics of the host",
    "logs_data": "the kept logs on the engine's volume",
    "logs_collector": "collector of logs",
    "logs_shipper": "shipper of logs",
    "observe": "figures of the host's services",
    "alertmanager": "those who are told of alarms (Alertmanager)",
    "prometheus": "metrics and alarms (Prometheus)",
}
"""Set-up step to its description; a step that is not here is described by its name."""
_BLANK = StageSecrets(ca_key=Secret(""), ca_certificate="", registry_password=Secret(""), pepper=Secret(""))


def step_names(stage: Stage, host: Host) -> list[tuple[str, tuple[str, ...]]]:
    """Return the names of a host's set-up steps with the names of those that each needs; no secret decides on them."""
    return [(step.name, step.needs) for step in host_steps(stage, host, _BLANK)]


class HostSteps:
    """Makes each host's set-up steps once, and anew when the vault is another one. Thread-safe.

    Args:
        stage: The stage.
        secrets: Its secrets.
        directory: The site's directory.

    """

    def __init__(self, stage: Stage, secrets: Secrets, directory: Path) -> None:
        self._stage, self._secrets = stage, secrets
        archive = SiteArchive(directory)
        self._sources = BackupSources(secrets.read, archive.read, archive.digest)
        self._guard = threading.Lock()
        self._made: dict[str, tuple[Vault, list[HostStep]]] = {}

    def of(self, host: Host) -> list[HostStep]:
        """Return a host's set-up steps.

        Raises:
            KeyError: There is no vault yet, on which some of them depend.

        """
        vault = self._secrets.vault
        with self._guard:
            known = self._made.get(host.short)
            if known is None or known[0] is not vault:
                known = self._made[host.short] = (
                    vault,
                    host_steps(self._stage, host, vault.stage, self._sources),
                )
            return known[1]


class SetupStep(Step):
    """One set-up step of one host.

    Args:
        run: The run.
        definitions: The steps of all hosts as data.
        host: The host.
        step: The step's name.
        needs: The names of the steps that must be done before it.

    """

    ends_with_container = True

    def __init__(
        self, run: Run, definitions: HostSteps, host: Host, step: str, needs: tuple[str, ...]
    ) -> None:
        self._run, self._definitions, self._host, self._step = run, definitions, host, step
        self.host = host.short
        self.task = setup_task(host.short, step)
        self.containers = (host_task(host.short),)
        before = (setup_task(host.short, need) for need in needs)
        self.after = (*self.containers, vault_task(run.stage), *before)
        self.doc = f"{_DOCS.get(step, step)} on {host.name}"

    @property
    def _definition(self) -> HostStep:
        """The step as data; its secrets are known only once the vault is there."""
        return next(step for step in self._definitions.of(self._host) if step.name == self._step)

    def inputs(self) -> Inputs:
        """Return the host, and the inputs of the step."""
        record = self._run.state.record(host_task(self.host), HostRecord)
        return {"host": record.id, **step_key(self._definition)[0]}

    def ensure(self, work: Work) -> FactRecord:
        """Apply the step on the host."""
        step = self._definition
        key = step_key(step)[1]
        silence_what_is_new(self._run, self._step, work.log)
        if self._step == "docker":
            self._apply_docker(step, key, work)
        else:
            self._apply(step, key, work)
        if self._step == REGISTRY:
            self._see_images()
        return FactRecord(id=key)

    def recall(self, work: Work) -> FactRecord | None:
        """Return the record of a step whose marker and files are on the host as they should be."""
        key = step_key(self._definition)[1]
        return FactRecord(id=key) if self.real(work.key) is None else None

    def _see_images(self) -> None:
        """Have the host looked at anew, if the look before met no registry, as on a host that this run made anew."""
        look = self._run.live_state.host(self._host)
        if look.error or not look.tags:
            self._run.live_state.renew(self._host)

    def _apply(self, step: HostStep, key: str, work: Work) -> None:
        """Run the step's script on the host."""
        # The host itself lets only one script work at a time, and not in the order that the run is soonest done in.
        with self._run.coordination.one_by_one(f"other steps on {self.host}"):
            self._run.connections.to(self._host).script(
                apply_script(step, step.files(), key),
                timeout=time_limit(step),
                log=work.log,
                label=f"step {step.name}",
            )

    def _apply_docker(self, step: HostStep, key: str, work: Work) -> None:
        """Set up the engine; that may start it anew, and with it whatever runs there: one member at a time.

        One that this run took down waits for no turn: others that go down wait for it.
        """
        run, host = self._run, self._host
        swarm = run.live_state.host(host).info.get("Swarm") or {}
        if SWARM not in run.may_replace and (refused := _made_otherwise(run.stage, host, swarm)):
            # The engine's own part of it is not begun, for which it would be started anew.
            raise HostError(refused)
        waits = is_member(run, host) and self.host not in run.progress.replaced
        restarts = waits and self._differs(step, "/etc/skep/daemon.json", "/etc/docker/daemon.json")
        with (
            stopped_one_at_a_time(run, host, work.log, restarts=restarts)
            if waits
            else contextlib.nullcontext()
        ):
            self._apply(step, key, work)
        if "docker" not in run.connections.to(host).run("id -nG").split():
            # The admin user just got into the group, and so may use the engine's socket: in new connections only.
            run.connections.renew(host)

    def _differs(self, step: HostStep, name: str, path: str) -> bool:
        """Return whether the host has another file than the step's; not where it has none."""
        wanted = next(file.content for file in step.files() if file.path == name)
        found = self._run.connections.to(self._host).run(f"cat {path} 2>/dev/null || true")
        return bool(found.strip()) and found.strip() != str(wanted).strip()

    def real(self, key: str) -> str | None:
        """Look for the step's marker on the host."""
        del key
        return self._run.live_state.step(self._host, self._step, step_key(self._definition)[1])


def _made_otherwise(stage: Stage, host: Host, swarm: Json) -> str:
    """Return why a hive's swarm can't be as it is wanted; empty if it can.

    Args:
        stage: The stage.
        host: The hive.
        swarm: The swarm as its engine describes it.

    """
    cluster = swarm.get("Cluster")
    different = differing_options(swarm_options(stage.config), cluster) if cluster else ""
    return options_are_fixed(host.short, different) if different else ""
