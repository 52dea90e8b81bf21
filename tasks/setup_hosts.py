"""Phase 2: each host set up by small steps, then the swarm."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import SkepError
from model.keys.record import FactRecord
from model.labels import belongs_to, labels_of
from model.log import Log
from model.stage import REGISTRY_PORT, Host, Stage
from remote.hostsetup.host_agent import AGENT_STEP
from remote.hostsetup.host_step import MARKERS
from remote.hostsetup.removal import account_removal_script, has_removal, removal_script
from remote.mother.wait import wait_for
from tasks.cleanup.inventory import Inventory
from tasks.cleanup.removing import each
from tasks.hosts.former_member import former_members
from tasks.hosts.node_labels import NodeLabels
from tasks.hosts.setup_steps import HostSteps, SetupStep, step_names
from tasks.hosts.stage_vault import VAULT_FILE, StageVault
from tasks.hosts.swarm_member import SwarmMember
from tasks.names import ALERTMANAGER, PROMETHEUS, REGISTRY, VAULT, setup_task
from tasks.phase import PRUNES, Orphan, Phase
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.step import Step

if TYPE_CHECKING:
    from docker import DockerClient

REMOVAL_TIMEOUT = 120
FORGET_TIMEOUT = 30
LEAVE_TIMEOUT = 120
"""Seconds that a hive's services get to end before it leaves the swarm."""


def steps(run: Run) -> Iterator[Step]:
    """Yield the step of the stage's own secrets, then every step of every host."""
    yield StageVault(run)
    definitions = HostSteps(run.stage, run.secrets, run.directory)
    names = {host: step_names(run.stage, host) for host in run.stage.hosts}
    for host, wanted in names.items():
        for name, needs in wanted:
            yield SetupStep(run, definitions, host, name, needs)
    for host in run.stage.hives:
        yield SwarmMember(run, host, [name for name, _ in names[host]])
        yield NodeLabels(run, host)
    yield from former_members(run)


# -- what a host no longer has -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrphanStep(Orphan):
    """A set-up step that a host no longer has."""

    kind, order, is_on_host = "set-up step", 60, True

    @property
    def going(self) -> str:
        """The step's words, or its marker where nothing else can be removed."""
        return self.words if has_removal(self.name) else f"the marker of {self.words}; what it set up stays"

    def remove(self, run: Run, log: Log) -> None:
        """Remove the step."""
        del log
        _run_script(run.stage, run.connections, self, removal_script(self.name))


@dataclass(frozen=True)
class OrphanRegistry(OrphanStep):
    """The registry on a host that is no longer the repository. Services that go by its name keep it."""

    order = 61

    @property
    def is_reported(self) -> bool:
        """Whether there is something to do about it: not as long as services keep it."""
        return not self.users

    @property
    def staying(self) -> str:
        """Why it stays."""
        return f"{', '.join(self.users)} go by its name; each takes the new one when it is updated next"


class OrphanUsedStep(OrphanStep):
    """A program that units of other steps run, or a mount that they write to: it goes after them."""

    order = 62


KINDS = {REGISTRY: OrphanRegistry} | dict.fromkeys(
    (AGENT_STEP, "backup_data", "logs_data", "registry_data"), OrphanUsedStep
)
"""Steps that go in a way or at a time of their own."""


@dataclass(frozen=True)
class OrphanAccount(Orphan):
    """An account on a host of a person who is no longer in site.toml. Its task stays: it makes the others'."""

    kind, order, is_on_host = "account", 70, True

    @property
    def going(self) -> str:
        """It, and that its files stay."""
        return f"{self.words}; its files stay"

    def remove(self, run: Run, log: Log) -> None:
        """Remove the account; its files stay."""
        del log
        _run_script(run.stage, run.connections, self, account_removal_script([self.name]))

    def forget(self, run: Run) -> None:
        """Keep the record of the accounts' task."""


def _run_script(stage: Stage, connections: Connections, orphan: Orphan, script: str) -> None:
    """Run a script on the host of an orphan."""
    connection = connections.to(stage.host(orphan.host))
    connection.script(script, timeout=REMOVAL_TIMEOUT, label=f"removing {orphan.words}")


def orphans(run: Run) -> Iterator[Orphan]:
    """Yield the set-up steps and the people's accounts that a host should no longer have."""
    users = run.stage.site.setup_hosts.users
    for host in run.stage.hosts:
        seen = run.live_state.host(host)
        wanted = {name for name, _ in step_names(run.stage, host)}
        if host.is_repository:
            wanted.add(VAULT)
        for name in sorted(seen.steps.keys() - wanted):
            kind = KINDS.get(name, OrphanStep)
            pull = _users_of_registry(run, host) if name == REGISTRY else ()
            yield kind(name, setup_task(host.short, name), host=host.short, users=pull)
        for name in sorted(set(seen.accounts) - users.keys()):
            yield OrphanAccount(name, setup_task(host.short, "users"), f"{name} is {PRUNES}", host=host.short)


def _users_of_registry(run: Run, host: Host) -> tuple[str, ...]:
    """Return the services whose images are pulled from the registry on a host."""
    begin = f"{host.name}:{REGISTRY_PORT}/"
    return tuple(
        sorted(
            name
            for name, found in run.live_state.swarm.services.items()
            if name in run.stage.services
            and str(
                ((found["Spec"].get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Image", "")
            ).startswith(begin)
        )
    )


# -- the end of a stage whose hosts stay -------------------------------------------------------------------------------


def destroy(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Remove the markers of set-up steps from hosts that stay, and take them out of the swarm."""
    del volumes
    if there.owned:
        return []
    foreign = _foreign_services(run.stage, run.connections)
    if foreign:
        log(f"the swarm stays: it has services that are not this stage's: {', '.join(foreign)}")

    def clear(name: str) -> None:
        host = run.stage.host(name)
        if host.is_repository:
            _end_alarms(run, host)
        # The markers first: whatever happens next, the following run sets the host up again.
        run.connections.to(host).script(
            f"rm -rf {MARKERS} {VAULT_FILE}\n",
            timeout=FORGET_TIMEOUT,
            label="removing the set-up markers",
        )
        log(f"{name}: removed its set-up markers and the copy of the stage's secrets")
        if host.is_hive and not foreign:
            _leave(run.connections, host, log)

    return each([host.short for host in run.stage.hosts if host.short in there.hosts], clear, log)


def _end_alarms(run: Run, host: Host) -> None:
    """Have nobody told any more, for ever, that services do not run which are removed."""
    for step in (PROMETHEUS, ALERTMANAGER):
        if run.state.read(setup_task(host.short, step), FactRecord) is not None:
            run.connections.to(host).script(
                removal_script(step), timeout=REMOVAL_TIMEOUT, label=f"stopping {step}"
            )


def _foreign_services(stage: Stage, connections: Connections) -> list[str]:
    """Return the swarm's services that are not this stage's."""
    try:
        _, client = connections.manager()
        services = client.api.services()
    except (SkepError, OSError):
        return []
    return sorted(s["Spec"]["Name"] for s in services if not belongs_to(labels_of(s), stage.labels))


def _leave(connections: Connections, host: Host, log: Log) -> None:
    """Take a hive out of the swarm as soon as its services have ended: leaving would kill them."""
    from remote.engine.client import engine_errors
    from remote.swarm import membership

    client: DockerClient = connections.engine(host)
    with engine_errors(host.short, "leaving the swarm"):
        if client.info()["Swarm"].get("LocalNodeState") == "inactive":
            return
        wait_for(
            lambda: not client.api.containers(filters={"label": "com.docker.swarm.service.id"}),
            f"the services on {host.short} to end",
            LEAVE_TIMEOUT,
        )
    membership.leave(host, client)
    log(f"{host.short}: left the swarm")


PHASE = Phase(
    "setup_hosts", "set up each host in small steps, and join the hives into a swarm", steps, orphans, destroy
)
