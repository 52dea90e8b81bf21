"""The live state: one listing of the provider, one ssh command and one read of the engine per host, one of the swarm.

Taken once a run, from all hosts at the same time, in the background while doit loads. Each question below is then
answered from memory: None when the real thing is as recorded, else why it is not.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from model.errors import KeyRefusedError, SkepError
from model.json_types import Json
from model.labels import (
    INCARNATION_LABEL,
    KEY_LABEL,
    NAME_LABEL,
    SERVICE_LABEL,
    SPEC_LABEL,
    is_skeps,
    label_filter,
    labels_of,
)
from model.stage import Host, Stage
from model.swarm.backup_stop import LEFT_STOPPED, is_left_stopped
from model.swarm.docker_subnets import is_allocated
from model.swarm.fenced import fenced_by
from model.swarm.scaled import is_scale_over, scale_words
from model.swarm.spread import spread_words
from remote.images.registry_storage import LOCAL_BASES
from remote.mother.process import local_machine
from remote.swarm.jobs import is_job
from remote.swarm.spec import spec_digest
from tasks.observe.drift import Missing, Unknown
from tasks.observe.externals import external_volumes, externals_of_swarm
from tasks.observe.host_script import host_script, parse_host
from tasks.observe.states import HostState, SwarmState
from tasks.observe.tag_moves import TagMoves
from tasks.run.connections import Connections
from tasks.run.place import Place
from tasks.run.state import State

if TYPE_CHECKING:
    from providers.base import Found, Provider

READ_TIMEOUT = 30


class LiveState:
    """The live state of a stage.

    Args:
        stage: The stage.
        state: Its state directory: a host that has no record there is not asked.
        connections: To its hosts and their engines.
        provider: Makes its hosts and its other resources.
        place: Lists them.
        tag_moves: Tells whether upstream moved a tag.

    """

    def __init__(
        self,
        stage: Stage,
        state: State,
        connections: Connections,
        provider: "Provider",
        place: Place,
        tag_moves: TagMoves,
    ) -> None:
        """Begin to observe all that has a record; nothing waits yet."""
        self._stage, self._state, self._connections = stage, state, connections
        self.tag_moves = tag_moves
        local_machine()
        self._guard = threading.RLock()
        self._renewed: set[str] = set()  # hosts that the run changed
        self._known = {host.short for host in stage.hosts if self._is_made(host)}
        self._pool = ThreadPoolExecutor(max_workers=2 * len(stage.hosts) + 3, thread_name_prefix="live_state")
        self._provider: Future[Mapping[str, Found]] | None = (
            self._pool.submit(place.listing) if provider.owns else None
        )
        self._hosts = {
            host.short: self._begin_host(host) for host in stage.hosts if host.short in self._known
        }
        self._swarm: Future[SwarmState] | None = self._begin_swarm()

    # -- questions -----------------------------------------------------------------------------------------------

    def resource(self, name: str, key: str) -> str | None:
        """Compare a resource of the provider."""
        if self._provider is None:
            return None
        found = self._provider.result().get(name)
        if found is None:
            return Missing(f"{name} is gone")
        if not found.running:
            return _why_down(found)
        if found.key != key:
            return f"{name} is not the one that was made (its label says another key)"
        return found.drift or None

    @property
    def things(self) -> "Mapping[str, Found]":
        """All that the provider lists of the stage, wanted or not; nothing where it owns nothing."""
        return {} if self._provider is None else self._provider.result()

    def step(self, host: Host, name: str, key: str) -> str | None:
        """Compare a set-up step of a host."""
        state = self.host(host)
        if state.error:
            return Unknown(state.error)
        applied = state.steps.get(name)
        if applied is None:
            return Missing(f"{host.short} has no marker of it")
        if applied.key != key:
            return f"{host.short} was set up with another key"
        return f"changed on {host.short}: {', '.join(applied.drift)}" if applied.drift else None

    def swarm_member(self, host: Host, cluster: str, node: str) -> str | None:
        """Compare the node that a hive is in the swarm; any will do where none is given."""
        state = self.host(host)
        if state.error:
            return Unknown(state.error)
        swarm = state.info.get("Swarm", {})
        if swarm.get("LocalNodeState") != "active":
            if not state.info:
                return _silent(host, state)
            message = f"{host.short} is in no swarm ({swarm.get('LocalNodeState')})"
            return Missing(message) if swarm.get("LocalNodeState") == "inactive" else message
        if not node:
            return None
        # While managers elect a leader, they don't know either: that is no other swarm.
        found = swarm.get("NodeID") or node, (swarm.get("Cluster") or {}).get("ID") or cluster
        if found != (node, cluster):
            return f"{host.short} is another node, or in another swarm"
        if self.swarm.error:
            return Unknown(self.swarm.error)
        status = self.swarm.nodes.get(node, {}).get("Status", {}).get("State", "no node of its own")
        # A leader that was just elected has not heard of the nodes yet.
        return None if status in {"ready", "unknown"} else f"the swarm sees {host.short} as {status}"

    def node_labels(self, node: str, wanted: Mapping[str, str], stays: Callable[[str], bool]) -> str | None:
        """Compare skep's labels of a node, without those that may stay."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        labels = labels_of(self.swarm.nodes.get(node, {}))
        ours = {name: value for name, value in labels.items() if is_skeps(name, labels) or name in wanted}
        found = {name: value for name, value in ours.items() if not stays(name)}
        return None if found == dict(wanted) else "the node's labels differ"

    def image(self, repository: str, key: str) -> str | None:
        """Look for an image in the registry."""
        state = self.host(self._stage.repository)
        if state.error:
            return Unknown(state.error)
        return None if f"{repository}:{key}" in state.tags else Missing("the registry does not have it")

    def network(self, name: str, key: str) -> str | None:
        """Compare an overlay network; one without addresses can't be used."""
        found = self.swarm.networks.get(name)
        if problem := self.compare_label("network", found, key):
            return problem
        return None if found is None or is_allocated(found) else "the swarm has given it no addresses"

    def secret(self, name: str) -> str | None:
        """Look for a Docker secret; its name holds its content's digest."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        return None if name in self.swarm.secrets else Missing("the secret is gone")

    def config(self, name: str) -> str | None:
        """Look for a Docker config; its name holds its content's digest."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        return None if name in self.swarm.configs else Missing("the config is gone")

    def volume(self, host: Host, name: str, incarnation: str) -> str | None:
        """Compare a volume on a host with the incarnation that was recorded."""
        state = self.host(host)
        if state.error:
            return Unknown(state.error)
        volume = state.volumes.get(name)
        if volume is None:
            return Missing(f"the volume is gone from {host.short}") if state.info else _silent(host, state)
        found = labels_of(volume).get(INCARNATION_LABEL, "")
        return None if found == incarnation else f"the volume on {host.short} was replaced"

    def service(self, name: str, key: str) -> str | None:
        """Compare a service: made with this key, not changed since by somebody else, and running."""
        found = self.swarm.services.get(name)
        problem = self.compare_label("service", found, key)
        if problem or found is None:
            return problem
        if is_job(found):
            return None  # it has run, and carries no label of it: to write one would run it again
        if is_scale_over(labels_of(found), time.time()):
            return f"it was {scale_words(labels_of(found))}"
        if words := spread_words(found["Spec"]):
            return f"it {words}"
        if is_left_stopped(found, time.time()):
            return LEFT_STOPPED
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
        """Compare the label of an initialization on its service."""
        found = self.swarm.services.get(service)
        if self.swarm.error or found is None:
            return Unknown(self.swarm.error) if self.swarm.error else Missing("the service is gone")
        return None if labels_of(found).get(label) == key else "the service has no marker of it"

    def compare_label(self, kind: str, found: Json | None, key: str) -> str | None:
        """Compare the key on a swarm object's label."""
        if self.swarm.error:
            return Unknown(self.swarm.error)
        if found is None:
            return Missing(f"the {kind} is gone")
        labels = labels_of(found)
        return None if labels.get(KEY_LABEL) == key else f"the {kind} carries another key"

    # -- states --------------------------------------------------------------------------------------------------

    def host(self, host: Host) -> HostState:
        """Return the state of a host; one that its provider knows not to run is not waited for."""
        return self._seen(host, self._host(host))

    @property
    def swarm(self) -> SwarmState:
        """The state of the swarm."""
        with self._guard:
            if self._swarm is None:
                self._swarm = self._begin_swarm()
            future = self._swarm
        return future.result()

    def renew(self, host: Host) -> None:
        """Have the next question about a host, and about the swarm, answered by a new look at them.

        For a run that changed the host: it mended it, made it anew, or started its engine. Of a host that was not known
        at first there is nothing to compare.
        """
        if host.short not in self._known:
            return
        with self._guard:
            self._hosts.pop(host.short, None)
            self._renewed.add(host.short)
            self._swarm = None

    def unreachable(self) -> list[Host]:
        """Return the hosts that are made and did not answer."""
        return [host for host in self._stage.hosts if self._is_made(host) and self.host(host).error]

    def swarm_now(self) -> SwarmState:
        """Read the state of the swarm once more, as after services were deployed. `swarm` stays as it was.

        Raises:
            SkepError: No manager answers.

        """
        host, _ = self._connections.manager()
        return self._swarm_of(host)

    def close(self) -> None:
        """Wait for no answer any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_made(self, host: Host) -> bool:
        """Return whether a host has a record, and so can be asked."""
        return self._state.host_record(host) is not None

    def _seen(self, host: Host, look: "Future[HostState] | None") -> HostState:
        """Return what a look at a host, if one was begun, found."""
        if look is None:
            return HostState(error=f"{host.short} is not made yet")
        down = self._why_not_asked(host)
        return HostState(error=down) if down else look.result()

    def is_down(self, host: Host) -> bool:
        """Return whether the provider knows that a host could not be used when the run began."""
        return bool(self._why_not_asked(host))

    def _why_not_asked(self, host: Host) -> str:
        """Return why a host could not be used when the provider listed it; empty if it could, or was mended since.

        One that was paused answers neither ssh nor the swarm: while a run waits for it, the swarm moves its tasks.
        """
        if host.short in self._renewed:
            return ""
        try:
            found = self.things.get(host.short)
        except SkepError:
            return ""
        return "" if found is None or found.running else _why_down(found)

    def _host(self, host: Host) -> "Future[HostState] | None":
        """Return the look at a host that is taken or under way, having begun one where it was renewed."""
        with self._guard:
            if host.short in self._renewed and host.short not in self._hosts and self._is_made(host):
                self._hosts[host.short] = self._begin_host(host)
            return self._hosts.get(host.short)

    def _begin_host(self, host: Host) -> "Future[HostState]":
        """Begin to read a host's state."""
        return self._pool.submit(self._read_host, host, self._pool.submit(self._read_engine, host))

    def _begin_swarm(self) -> "Future[SwarmState]":
        """Begin to read the swarm's state.

        What it waits for was begun before it: in a pool that is full it would wait for ever for what comes behind it.
        """
        looks = {host: look for host in self._stage.hives if (look := self._host(host)) is not None}
        return self._pool.submit(self._read_swarm, looks)

    def _read_host(self, host: Host, reading: "Future[tuple[Any, Any, Any, Any, Any] | None]") -> HostState:
        """Read a host's state by one ssh command; the engine's part comes from `_read_engine`."""
        try:
            script = host_script(is_repository=host.is_repository)
            output = self._connections.to(host).script(
                script, timeout=READ_TIMEOUT, label="reading the set-up markers"
            )
        except KeyRefusedError as error:
            return HostState(error=str(error), refusal=error.reason)
        except SkepError as error:
            return HostState(error=str(error))
        state = parse_host(output)
        engine = reading.result()
        if engine is None:
            return state
        info, volumes, running, images, external = engine
        counts: dict[str, int] = {}
        for container in running:
            name = container["Labels"][SERVICE_LABEL]
            counts[name] = counts.get(name, 0) + 1
        return replace(
            state,
            info=info,
            volumes={volume["Name"]: volume for volume in volumes},
            services=counts,
            external_volumes=external,
            local_bases=_local_bases(images),
        )

    def _read_engine(self, host: Host) -> tuple[Any, Any, Any, Any, Any] | None:
        """Return an engine's description, volumes and services' containers; None if it does not answer.

        Of the repository it returns the images as well that builds give a name.
        """
        try:
            with closing(self._connections.reader(host)) as engine:
                return (
                    engine.info(),
                    engine.volumes(filters={"label": NAME_LABEL}).get("Volumes") or [],
                    engine.containers(filters={"label": SERVICE_LABEL}),
                    engine.images(filters={"reference": list(LOCAL_BASES)}) if host.is_repository else [],
                    external_volumes(engine, self._stage),
                )
        except SkepError:
            return None

    def _read_swarm(self, looks: "Mapping[Host, Future[HostState]]") -> SwarmState:
        """Read the swarm's state from the first manager that answers."""
        problems, fences = [], self._state.fences()
        for host in self._stage.hives:
            if host.short in fences:
                # It may have a leader that its old swarm has elected.
                problems.append(f"{host.short} is fenced: it has to leave its old swarm first")
                continue
            state = self._seen(host, looks.get(host))
            if state.error or not state.info.get("Swarm", {}).get("ControlAvailable"):
                problems.append(state.refusal or state.error or f"{host.short} is not a manager of a swarm")
                continue
            try:
                return replace(
                    self._swarm_of(host), fenced=fenced_by(state.info["Swarm"].get("Cluster") or {})
                )
            except SkepError as error:
                problems.append(str(error))
        return SwarmState(error="; ".join(dict.fromkeys(problems)) or "there is no swarm yet")

    def _swarm_of(self, host: Host) -> SwarmState:
        """Read the swarm's state from one manager.

        Raises:
            HostError: It does not answer.

        """
        mine = label_filter(self._stage.labels)
        with closing(self._connections.reader(host)) as api:
            networks, configs = externals_of_swarm(api, self._stage)
            return SwarmState(
                nodes=_by(api.nodes(), lambda node: node["ID"]),
                networks=_by(api.networks(filters=mine), lambda network: network["Name"]),
                services=_by(
                    api.services(filters=mine, status=True), lambda service: service["Spec"]["Name"]
                ),
                secrets=_by(api.secrets(filters=mine), lambda secret: secret["Spec"]["Name"]),
                configs=_by(api.configs(filters=mine), lambda config: config["Spec"]["Name"]),
                external_networks=networks,
                external_configs=configs,
            )


def _silent(host: Host, state: HostState) -> str:
    """Return the answer where a host's engine is silent: where none was ever set up, nothing is on the host."""
    message = f"{host.short}: its engine does not answer"
    return Unknown(message) if "docker" in state.steps else Missing(message)


def _why_down(found: "Found") -> str:
    """Return why a thing that the provider lists can't be used as it is."""
    return f"{found.name} {'is in no network of the stage' if found.is_displaced else 'does not run'}"


def _by(items: Any, name: Callable[[Any], str]) -> dict[str, Any]:
    """Return items by name."""
    return {name(item): item for item in items}


def _local_bases(images: Any) -> tuple[str, ...]:
    """Return the local names of bases and of Dockerfiles' images."""
    names = (name for image in images for name in image.get("RepoTags") or ())
    return tuple(sorted(name for name in names if name.partition(":")[0] in LOCAL_BASES))
