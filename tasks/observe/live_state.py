"""The live look: one listing of the provider, one ssh command and one look at the engine per host, one of the swarm.

Taken once a run, all hosts at the same time, in the background while doit loads. Each question below is then answered
from memory: None when the real thing is as recorded, else why it is not.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from model.errors import SkepError
from model.json_types import Json
from model.labels import (
    INCARNATION_LABEL,
    KEY_LABEL,
    NAME_LABEL,
    SPEC_LABEL,
    label_filter,
    labels_of,
    own_labels,
)
from model.stage import Host, Stage
from remote.hostsetup.apply import Applied, parse_probe, probe_script
from remote.hostsetup.removal import CARE
from remote.swarm.jobs import is_job
from remote.swarm.spec import spec_digest
from tasks.observe.drift import Missing, Unknown
from tasks.observe.tag_moves import TagMoves
from tasks.run.connections import Connections
from tasks.run.state import State

if TYPE_CHECKING:
    from providers.base import Found, Provider

REGISTRY_TAGS = "/var/lib/docker-registry/docker/registry/v2/repositories"
_ACCOUNTS, _TAGS = "== accounts", "== registry tags"
_LIST_ACCOUNTS = f"""
echo '{_ACCOUNTS}'
sed -n 's/^made //p' {CARE} 2>/dev/null || :
"""
# The registry's own storage is one listing; its API would take one call per image.
_LIST_TAGS = f"""
echo '{_TAGS}'
cd {REGISTRY_TAGS} 2>/dev/null && find . -path '*/_manifests/tags/*/current/link' || true
"""
PROBE_TIMEOUT = 30


@dataclass(frozen=True)
class HostState:
    """What one host looks like.

    Args:
        steps: Set-up step to how it was applied.
        accounts: The accounts that skep made for people.
        tags: What the registry holds, as `repository:tag`.
        info: The engine's own description; empty where none answers.
        volumes: Volume to its labels and time.
        services: Service to the containers of it that run here.
        error: Why there is nothing to see, if so.

    """

    steps: Mapping[str, Applied] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    info: Json = field(default_factory=dict)
    volumes: Mapping[str, Json] = field(default_factory=dict)
    services: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class SwarmState:
    """What the swarm looks like, seen by one manager."""

    nodes: Mapping[str, Json] = field(default_factory=dict)
    networks: Mapping[str, Json] = field(default_factory=dict)
    services: Mapping[str, Json] = field(default_factory=dict)
    secrets: Mapping[str, Json] = field(default_factory=dict)
    configs: Mapping[str, Json] = field(default_factory=dict)
    error: str = ""


class LiveState:
    """The live look at a stage.

    Args:
        stage: The stage.
        state: Its state directory: a host that has no record there is not asked.
        connections: Which it uses.
        provider: Lists its things.
        tag_moves: Tells whether tags were moved upstream.

    """

    def __init__(
        self,
        stage: Stage,
        state: State,
        connections: Connections,
        provider: "Provider",
        tag_moves: TagMoves,
    ) -> None:
        """Start looking at all that has a record; nothing waits yet."""
        self._stage, self._connections = stage, connections
        self.tag_moves = tag_moves
        self._pool = ThreadPoolExecutor(max_workers=2 * len(stage.hosts) + 3, thread_name_prefix="live_state")
        known = [host for host in stage.hosts if state.host_record(host) is not None]
        self._provider: Future[Mapping[str, Found]] | None = (
            self._pool.submit(provider.found) if provider.owns else None
        )
        self._engines = {host.short: self._pool.submit(self._look_at_engine, host) for host in known}
        self._hosts = {host.short: self._pool.submit(self._look_at_host, host) for host in known}
        self._swarm = self._pool.submit(self._look_at_swarm)

    # -- questions -----------------------------------------------------------------------------------------------

    def resource(self, name: str, key: str) -> str | None:
        """Ask for a resource of the provider."""
        if self._provider is None:
            return None
        found = self._provider.result().get(name)
        if found is None:
            return Missing(f"{name} is gone")
        if not found.running:
            return f"{name} does not run"
        if found.key != key:
            return f"{name} is not the one that was made (its label says another key)"
        return found.drift or None

    @property
    def things(self) -> "Mapping[str, Found]":
        """All that the provider lists of the stage, wanted or not; nothing where it owns nothing."""
        return {} if self._provider is None else self._provider.result()

    def step(self, host: Host, name: str, key: str) -> str | None:
        """Ask for a set-up step of a host."""
        look = self.host(host)
        if look.error:
            return Unknown(look.error)
        applied = look.steps.get(name)
        if applied is None:
            return Missing(f"{host.short} has no mark of it")
        if applied.key != key:
            return f"{host.short} was set up with another key"
        return f"changed on {host.short}: {', '.join(applied.drift)}" if applied.drift else None

    def swarm_member(self, host: Host, cluster: str, node: str) -> str | None:
        """Ask whether a hive is the node of the swarm that it was; any will do where none is given."""
        look = self.host(host)
        if look.error:
            return Unknown(look.error)
        swarm = look.info.get("Swarm", {})
        if swarm.get("LocalNodeState") != "active":
            if not look.info:
                return _silent(host, look)
            said = f"{host.short} is in no swarm ({swarm.get('LocalNodeState')})"
            return Missing(said) if swarm.get("LocalNodeState") == "inactive" else said
        if not node:
            return None
        # While managers elect a leader, they don't know either: that is no other swarm.
        found = swarm.get("NodeID") or node, (swarm.get("Cluster") or {}).get("ID") or cluster
        if found != (node, cluster):
            return f"{host.short} is another node, or in another swarm"
        if self.swarm.error:
            return Unknown(self.swarm.error)
        state = self.swarm.nodes.get(node, {}).get("Status", {}).get("State", "no node of its own")
        # A leader that was just elected has not heard of the nodes yet.
        return None if state in {"ready", "unknown"} else f"the swarm sees {host.short} as {state}"

    def node_labels(self, node: str, wanted: Mapping[str, str], stays: Callable[[str], bool]) -> str | None:
        """Ask whether a node has these labels and no other of skep's, but for those that may stay."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        labels = labels_of(self.swarm.nodes.get(node, {}))
        found = {name: value for name, value in own_labels(labels).items() if not stays(name)}
        return None if found == dict(wanted) else "the node's labels are others"

    def image(self, repository: str, key: str) -> str | None:
        """Ask for an image in the registry."""
        look = self.host(self._stage.repository)
        if look.error:
            return Unknown(look.error)
        return None if f"{repository}:{key}" in look.tags else Missing("the registry does not have it")

    def network(self, name: str, key: str) -> str | None:
        """Ask for a network."""
        return self._labelled("network", self.swarm.networks.get(name), key)

    def secret(self, name: str) -> str | None:
        """Ask for a Docker secret; its name holds its content's digest."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        return None if name in self.swarm.secrets else Missing("the secret is gone")

    def config(self, name: str) -> str | None:
        """Ask for a Docker config; its name holds its content's digest."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        return None if name in self.swarm.configs else Missing("the config is gone")

    def volume(self, host: Host, name: str, incarnation: str) -> str | None:
        """Ask for a volume on a host, in the incarnation that was recorded."""
        look = self.host(host)
        if look.error:
            return Unknown(look.error)
        volume = look.volumes.get(name)
        if volume is None:
            return Missing(f"the volume is gone from {host.short}") if look.info else _silent(host, look)
        found = labels_of(volume).get(INCARNATION_LABEL, "")
        return None if found == incarnation else f"the volume on {host.short} is another one"

    def service(self, name: str, key: str) -> str | None:
        """Ask for a service: made with this key, and not changed since by somebody else."""
        found = self.swarm.services.get(name)
        problem = self._labelled("service", found, key)
        if problem or found is None:
            return problem
        if is_job(found):
            return None  # it has run, and carries no mark: to write one would run it again
        if labels_of(found).get(SPEC_LABEL) != spec_digest(found["Spec"]):
            return "the service was changed by somebody else"
        # The swarm mends that by itself; but a run that says that all is well must have seen it so.
        status = found.get("ServiceStatus") or {}
        running, desired = status.get("RunningTasks", 0), status.get("DesiredTasks", 0)
        if running:
            # Of a host that was just lost or restarted the swarm still believes the best; its engine knows.
            running = min(running, sum(self.host(hive).services.get(name, 0) for hive in self._stage.hives))
        return f"{running} of {desired} tasks run" if running < desired else None

    def initialized(self, service: str, label: str, key: str) -> str | None:
        """Ask whether a service carries the mark of an initialization."""
        found = self.swarm.services.get(service)
        if self.swarm.error or found is None:
            return Unknown(self.swarm.error) if self.swarm.error else Missing("the service is gone")
        return None if labels_of(found).get(label) == key else "the service has no mark of it"

    def _labelled(self, kind: str, found: Json | None, key: str) -> str | None:
        """Compare the key on a swarm object's label."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        if found is None:
            return Missing(f"the {kind} is gone")
        labels = labels_of(found)
        return None if labels.get(KEY_LABEL) == key else f"the {kind} carries another key"

    # -- looks ---------------------------------------------------------------------------------------------------

    def host(self, host: Host) -> HostState:
        """Return the look at a host."""
        future = self._hosts.get(host.short)
        return future.result() if future is not None else HostState(error=f"{host.short} is not made yet")

    @property
    def swarm(self) -> SwarmState:
        """The look at the swarm."""
        return self._swarm.result()

    def swarm_now(self) -> SwarmState:
        """Look at the swarm once more, as after services were deployed; what was seen before stays what it was.

        Raises:
            SkepError: No manager answers.

        """
        host, _ = self._connections.manager()
        return self._swarm_of(host)

    def close(self) -> None:
        """Wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_at_host(self, host: Host) -> HostState:
        """Take one ssh command; what the engine says comes from `_look_at_engine`."""
        try:
            # The first script may end early, where nothing is set up yet.
            script = f"( {probe_script()}){_LIST_ACCOUNTS}"
            if host.is_repository:
                script += _LIST_TAGS
            said = self._connections.to(host).script(
                script, timeout=PROBE_TIMEOUT, label="looking at what is set up"
            )
        except SkepError as error:
            return HostState(error=str(error))
        said, _, tags = said.partition(_TAGS)
        steps, _, accounts = said.partition(_ACCOUNTS)
        look = HostState(steps=parse_probe(steps), accounts=tuple(accounts.split()), tags=_tags(tags))
        seen = self._engines[host.short].result()
        if seen is None:
            return look
        info, volumes, running = seen
        counts: dict[str, int] = {}
        for container in running:
            name = container["Labels"]["com.docker.swarm.service.name"]
            counts[name] = counts.get(name, 0) + 1
        return replace(
            look, info=info, volumes={volume["Name"]: volume for volume in volumes}, services=counts
        )

    def _look_at_engine(self, host: Host) -> tuple[Any, Any, Any] | None:
        """Return what a host's engine says of itself, its volumes and its services' containers; None if nothing."""
        try:
            with closing(self._connections.reader(host)) as engine:
                return (
                    engine.info(),
                    engine.volumes(filters={"label": NAME_LABEL}).get("Volumes") or [],
                    engine.containers(filters={"label": "com.docker.swarm.service.name"}),
                )
        except SkepError:
            return None

    def _look_at_swarm(self) -> SwarmState:
        """Ask the first manager that answers for all of the swarm."""
        said = []
        for host in self._stage.hives:
            look = self.host(host)
            if look.error or not look.info.get("Swarm", {}).get("ControlAvailable"):
                said.append(look.error or f"{host.short} is no manager of a swarm")
                continue
            try:
                return self._swarm_of(host)
            except SkepError as error:
                said.append(str(error))
        return SwarmState(error="; ".join(dict.fromkeys(said)) or "there is no swarm yet")

    def _swarm_of(self, host: Host) -> SwarmState:
        """List what one manager knows.

        Raises:
            HostError: It does not answer.

        """
        mine = label_filter(self._stage.labels)
        with closing(self._connections.reader(host)) as api:
            return SwarmState(
                nodes=_by(api.nodes(), lambda node: node["ID"]),
                networks=_by(api.networks(filters=mine), lambda network: network["Name"]),
                services=_by(
                    api.services(filters=mine, status=True), lambda service: service["Spec"]["Name"]
                ),
                secrets=_by(api.secrets(filters=mine), lambda secret: secret["Spec"]["Name"]),
                configs=_by(api.configs(filters=mine), lambda config: config["Spec"]["Name"]),
            )


def _silent(host: Host, look: HostState) -> str:
    """Return what it means that a host's engine does not answer: where it was never set up, there is nothing on it."""
    said = f"{host.short}: its engine does not answer"
    return Unknown(said) if "docker" in look.steps else Missing(said)


def _by(items: Any, name: Callable[[Any], str]) -> dict[str, Any]:
    """Return items by name."""
    return {name(item): item for item in items}


def _tags(text: str) -> frozenset[str]:
    """Return `repository:tag` for each link file of the registry's storage."""
    found = set()
    for line in text.split():
        repository, _, rest = line.removeprefix("./").partition("/_manifests/tags/")
        if rest:
            found.add(f"{repository}:{rest.removesuffix('/current/link')}")
    return frozenset(found)
