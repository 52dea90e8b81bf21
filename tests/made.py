"""A stage that is wholly made, on disk and in memory: records and traces as a run leaves them, and what a look finds.

No host exists. The provider is the fake one; the live state is the real `LiveState` over made-up listings, so that
changes to those (a service removed, a host that does not answer) are judged by the code that judges the real thing.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from doit.dependency import Dependency
from doit.task import Task, dict_to_task

from commands.shared.statedb import StateDb
from model.keys.digest import key_of
from model.keys.record import FactRecord, ImageRecord, Record, ServiceRecord, SwarmRecord, VolumeRecord
from model.labels import INCARNATION_LABEL
from model.secrets.stage_secrets import generate
from model.site_file.load import load, select
from model.stage import Host
from providers.fake.provider import FakeCloud, FakeProvider
from remote.hostsetup.apply import step_key
from remote.hostsetup.markers import AppliedStep
from remote.mother.files import write_whole
from remote.swarm.spec import MODES, spec_digest
from tasks import build_images, build_networks, build_volumes, initialize_services, phases
from tasks.explain.status import StatusTable
from tasks.hosts.node_labels import NodeLabels, node_labels
from tasks.hosts.setup_steps import HostSteps, SetupStep
from tasks.hosts.stage_vault import StageVault
from tasks.hosts.swarm_member import SwarmMember
from tasks.images.bases import BaseImage
from tasks.images.dockerfile_image import DockerfileImage
from tasks.names import CONFIG, swarm_task
from tasks.observe.live_state import LiveState
from tasks.observe.states import HostState, SwarmState
from tasks.observe.tag_moves import TagMoves
from tasks.run.context import Run
from tasks.run.log import TaskLog
from tasks.run.open import new_run
from tasks.run.state import State, homes
from tasks.run.vault import Vault
from tasks.services.deployed_service import DeployedService
from tasks.services.docker_names import docker_names_of
from tasks.services.joined_networks import joined_networks
from tasks.services.rendering import renderer_of
from tasks.services.secrets_configs import DockerConfig, DockerSecret
from tasks.step import Step

SITE = """\
site = "example"

[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 3
separate_repository = true

[secrets]
password = { generate = 24 }

[networks.back]

[volumes.data]
hosts = ["hive0"]
backup = false

[images.web]
from = "debian:12"
roles = ["base", "web"]

[services.web]
image = "web"
environment = { GREETING = "hello" }
secrets = ["password"]
volumes = [{ source = "data", target = "/data" }]
initialize_roles = ["first"]
"""
ROLES = {
    "base/setup.sh": "echo base\n",
    "web/setup.sh": "echo web\n",
    "web/files/index.html": "hi\n",
    # An empty directory counts for nothing, as in git: this one stays when the other file is removed.
    "web/files/robots.txt": "User-agent: *\n",
    "first/setup.sh": "echo first\n",
}


def done(value: Any) -> "Future[Any]":
    """Return a look that is taken already."""
    future: Future[Any] = Future()
    future.set_result(value)
    return future


class _MadeState(LiveState):
    """A live state whose hosts and swarm are made up, also when they are looked at anew."""

    _made: "Made"

    def _begin_host(self, host: Host) -> "Future[HostState]":
        """Look at what a host is made up to be by now."""
        return done(self._made.hosts.get(host.short, HostState()))

    def _begin_swarm(self) -> "Future[SwarmState]":
        """Look at what the swarm is made up to be by now."""
        return done(self._made.swarm)

    def close(self) -> None:
        """Wait for nothing: it is all there."""


@dataclass
class Made:
    """A site's directory, and what a look finds of it.

    Args:
        directory: Where site.toml is.
        cloud: The fake provider's things.
        hosts: Host to what it looks like.
        swarm: What the swarm looks like.
        upstream: Base to the digest that its tag has upstream; one that is not here did not answer.
        may_replace: What may be replaced although something is lost by it.

    """

    directory: Path
    cloud: FakeCloud = field(default_factory=FakeCloud)
    hosts: dict[str, HostState] = field(default_factory=dict)
    swarm: SwarmState = field(default_factory=SwarmState)
    upstream: dict[str, str] = field(default_factory=dict)
    may_replace: frozenset[str] = frozenset()

    # -- what a fresh process sees -------------------------------------------------------------------------------------

    def run(self) -> Run:
        """Return the run of a fresh process."""
        known = homes(self.directory)
        stage = select(load(self.directory / "site.toml", known), None, known)
        run = new_run(
            self.directory,
            stage,
            State(self.directory / "state" / "private"),
            may_replace=self.may_replace,
            provider=FakeProvider(stage, cloud=self.cloud),
        )
        run.observer._current = self._live_state(run)
        run.stage_lock._is_made = lambda _host: False  # no host exists: none would answer
        return run

    def _live_state(self, run: Run) -> LiveState:
        """Return the live state, taken."""
        live_state = _MadeState.__new__(_MadeState)
        live_state._made = self
        live_state._stage, live_state._state, live_state._connections = run.stage, run.state, run.connections
        live_state._guard, live_state._renewed = threading.RLock(), set()
        live_state._known = {host.short for host in run.stage.hosts if run.state.host_record(host)}
        live_state._provider = done(run.provider.found())
        known = [host for host in run.stage.hosts if run.state.host_record(host) is not None]
        live_state._hosts = {host.short: done(self.hosts.get(host.short, HostState())) for host in known}
        live_state._swarm = done(self.swarm if known else SwarmState(error="there is no swarm yet"))
        live_state.tag_moves = moves = TagMoves.__new__(TagMoves)
        moves._stage, moves._state, moves._upstream = run.stage, run.state, run.upstream
        moves._deadline = 0.0
        moves._digests = self.upstream
        moves._answered = {name: threading.Event() for name in self.upstream}
        for answered in moves._answered.values():
            answered.set()
        return live_state

    def tasks(self, run: Run) -> dict[str, Task]:
        """Return all tasks, as doit makes them of dodo.py."""
        made: dict[str, Task] = {}
        for phase in phases.PHASES:
            for described in phases.tasks(run, phase):
                basename, name = described.pop("basename"), described.pop("name")
                if name is None:
                    made[basename] = Task(basename, None, has_subtask=True, doc=described["doc"])
                    continue
                made[f"{basename}:{name}"] = dict_to_task({"name": f"{basename}:{name}", **described})
        return made

    def table(self) -> StatusTable:
        """Return how all resources stand, for a fresh process."""
        return self.table_of(self.run())

    def table_of(self, run: Run) -> StatusTable:
        """Return how all resources stand for a run."""
        return StatusTable(run, self.tasks(run), Dependency(StateDb, str(run.state.traces)))

    # -- what a person does --------------------------------------------------------------------------------------------

    def edit(self, old: str, new: str) -> None:
        """Change site.toml."""
        path = self.directory / "site.toml"
        text = path.read_text()
        if old not in text:
            raise AssertionError(old)
        path.write_text(text.replace(old, new))

    def edit_role(self, path: str, text: str) -> None:
        """Change a role's file."""
        target = self.directory / "roles" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    # -- what a run does -----------------------------------------------------------------------------------------------

    def make(self, *only: str, version: str = "1") -> None:
        """Make what was named (all, if nothing is) as a run would: records, traces, and what is then there.

        Args:
            only: Tasks.
            version: Part of what comes back, as another image for another build.

        """
        run = self.run()
        run.secrets.may_run_commands = True
        _ssh_key(run)
        try:
            vault = run.secrets.vault
        except KeyError:
            vault = Vault(generate("example", "private"), {})
        run.secrets.keep(vault.with_all(run.stage.secrets))
        tasks = self.tasks(run)
        for name in _ordered(tasks):
            if tasks[name].actions and (not only or name in only):
                self._make(run, tasks[name], version)

    def _make(self, run: Run, task: Task, version: str) -> None:
        """Make one resource."""
        step: Step = task.meta["step"]
        inputs = step.inputs_now()
        record = self._record(run, step, inputs, version)
        run.state.write(step.task, record)
        self._appear(run, step, key_of(inputs), record)
        log = TaskLog(run.state.log_path(step.task), run.secrets.redact)
        log.write("because: " + "; ".join(task.meta["check"].reasons(_last(run, task.name))[0]))
        log.close()
        task.values = {"inputs": inputs}
        Dependency(StateDb, str(run.state.traces)).save_success(task)

    def fail(self, name: str, *lines: str) -> None:
        """Have a task run and fail."""
        run = self.run()
        task = self.tasks(run)[name]
        log = TaskLog(run.state.log_path(name), run.secrets.redact)
        for line in lines:
            log.write(line)
        log.close()
        database = Dependency(StateDb, str(run.state.traces))
        database.backend.running = True
        database.remove_success(task)

    def _record(self, run: Run, step: Step, inputs: dict[str, str], version: str) -> Record:
        """Return what comes back for a resource."""
        key = key_of(inputs)
        if step.phase == "build_infra" and step.name != "ssh_key":
            resource = next(r for r in run.provider.resources() if r.name == step.name)
            return run.provider.ensure(resource, lambda _line: None)
        if step.phase == "build_infra":
            return FactRecord(id=inputs["public"])
        if step.name.endswith(".swarm"):
            return SwarmRecord(cluster="cluster-1", node=f"node-of-{step.host}")
        if step.phase == "build_images":
            return ImageRecord(
                reference=f"registry:5000/{step.name}@sha256:{key_of({'built': key + version})}"
            )
        if step.phase == "build_volumes":
            return VolumeRecord(incarnation=f"incarnation-{version}-of-{step.name}")
        if step.phase == "deploy_services" and "." not in step.name:
            return ServiceRecord(id=f"id-of-service-{step.name}")
        return FactRecord(id=f"id-of-{step.phase}-{step.name}")

    def _appear(self, run: Run, step: Step, key: str, record: Record) -> None:
        """Have a look find a resource."""
        appear = _APPEAR.get(type(step))
        if appear is not None:
            appear(self, run, step, key, record)

    def look(self, host: str, **changed: Any) -> None:
        """Have a host look otherwise."""
        self.hosts[host] = replace(self.hosts.get(host, HostState()), **changed)


def _setup_appears(made: Made, run: Run, step: Step, _key: str, record: Record) -> None:
    """Have a look find a set-up step's mark, a node, its labels."""
    host, name = run.stage.host(step.host), step.name.partition(".")[2]
    look = made.hosts.get(host.short, HostState())
    if isinstance(record, SwarmRecord):
        swarm = {"LocalNodeState": "active", "NodeID": record.node, "Cluster": {"ID": record.cluster}}
        made.look(host.short, info={"Swarm": swarm})
        nodes = {**made.swarm.nodes, record.node: {"Status": {"State": "ready"}, "Spec": {"Labels": {}}}}
        made.swarm = replace(made.swarm, nodes=nodes)
    elif name == "node_labels":
        node = run.state.record(swarm_task(host.short), SwarmRecord).node
        labels = {"Labels": node_labels(run.stage, host)}
        nodes = {**made.swarm.nodes, node: {"Status": {"State": "ready"}, "Spec": labels}}
        made.swarm = replace(made.swarm, nodes=nodes)
    elif name == "vault":
        from remote.hostsetup.host_step import HostStep

        mark = step_key(HostStep("vault", {"content": run.secrets.fingerprint()}))[1]
        made.look(host.short, steps={**look.steps, name: AppliedStep(mark)})
    else:
        mark = step_key(
            next(s for s in HostSteps(run.stage, run.secrets, run.directory).of(host) if s.name == name)
        )[1]
        made.look(host.short, steps={**look.steps, name: AppliedStep(mark)})


def _image_appears(made: Made, run: Run, step: Step, key: str, _record: Record) -> None:
    """Have a look find an image in the registry."""
    repository = step.name.replace("base.", "base/", 1)
    short = run.stage.repository.short
    made.look(short, tags=made.hosts[short].tags | {f"{repository}:{key}"}, info={"Swarm": {}})


def _network_appears(made: Made, run: Run, step: Step, key: str, record: Record) -> None:
    """Have a look find a network."""
    labels = {**run.stage.labels, "skep.key": key}
    assert isinstance(record, FactRecord)
    allocated = {"Driver": "overlay", "IPAM": {"Config": [{"Subnet": "10.99.0.0/24"}]}}
    network = {"Id": record.id, "Labels": labels, **allocated}
    made.swarm = replace(made.swarm, networks={**made.swarm.networks, step.name: network})


def _volume_appears(made: Made, run: Run, step: Step, _key: str, record: Record) -> None:
    """Have a look find a volume."""
    name = step.name.partition("@")[0]
    assert isinstance(record, VolumeRecord)
    labels = {
        **build_volumes.volume_labels(run.stage, renderer_of(run).volume(name), name),
        INCARNATION_LABEL: record.incarnation,
    }
    made.look(step.host, volumes={**made.hosts[step.host].volumes, name: {"Name": name, "Labels": labels}})


def _service_appears(made: Made, run: Run, step: Step, key: str, record: Record) -> None:
    """Have a look find a service, a secret or a config."""
    name = step.name.rpartition(".")[2]
    if name != step.name:
        is_config = step.name.startswith(CONFIG)
        docker_name, is_secret = (
            docker_names_of(run).config(name) if is_config else (docker_names_of(run).secret(name), True)
        )
        labels = {**run.stage.labels, "skep.name": step.name if is_config else name}
        assert isinstance(record, FactRecord)
        thing = {docker_name: {"ID": record.id, "Spec": {"Name": docker_name, "Labels": labels}}}
        if is_secret:
            made.swarm = replace(made.swarm, secrets={**made.swarm.secrets, **thing})
        else:
            made.swarm = replace(made.swarm, configs={**made.swarm.configs, **thing})
        return
    mode = MODES[run.stage.services[name].mode]
    joined = joined_networks(run, name, run.stage.services[name])
    networks = [
        {"Target": n if n == "host" else run.state.record(f"build_networks:{n}", FactRecord).id}
        for n in joined
    ]
    spec: dict[str, Any] = {"Name": name, "Mode": {mode: {}}, "TaskTemplate": {"Networks": networks}}
    marks = made.swarm.services.get(name, {}).get("Spec", {}).get("Labels", {})
    spec["Labels"] = {**marks, **run.stage.labels, "skep.key": key, "skep.spec": spec_digest(spec)}
    assert isinstance(record, ServiceRecord)
    service = {"ID": record.id, "Spec": spec}
    made.swarm = replace(made.swarm, services={**made.swarm.services, name: service})


def _initialization_appears(made: Made, _run: Run, step: Step, key: str, _record: Record) -> None:
    """Have a look find a service's mark."""
    service, _, role = step.name.partition(".")
    made.swarm.services[service]["Spec"]["Labels"][f"skep.initialized.{role}"] = key


_APPEAR: dict[type[Step], Callable[[Made, Run, Any, str, Any], None]] = {
    SetupStep: _setup_appears,
    StageVault: _setup_appears,
    SwarmMember: _setup_appears,
    NodeLabels: _setup_appears,
    BaseImage: _image_appears,
    build_images.BuiltImage: _image_appears,
    DockerfileImage: _image_appears,
    build_images.PulledImage: _image_appears,
    build_networks.OverlayNetwork: _network_appears,
    build_volumes.NamedVolume: _volume_appears,
    DockerSecret: _service_appears,
    DockerConfig: _service_appears,
    DeployedService: _service_appears,
    initialize_services.Initialization: _initialization_appears,
}
"""A kind of step to how its resource gets into the live state. Those of the provider are in the fake cloud."""


def _last(run: Run, task: str) -> dict[str, Any]:
    """Return the values that doit kept of a task."""
    values: dict[str, Any] = Dependency(StateDb, str(run.state.traces)).get_values(task)
    return values


def _ordered(tasks: dict[str, Task]) -> Iterator[str]:
    """Yield tasks, each after those that must be done before it."""
    seen: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in seen:
            seen.add(name)
            for dep in tasks[name].task_dep:
                yield from visit(dep)
            yield name

    for name in tasks:
        yield from visit(name)


def _ssh_key(run: Run) -> None:
    """Make something that looks like the stage's ssh key."""
    if not run.connections.files.key.exists():
        write_whole(run.connections.files.key, b"private", mode=0o600)
        write_whole(run.connections.files.key.with_suffix(".pub"), b"ssh-ed25519 public")


def new(directory: Path) -> Made:
    """Return a site of which nothing is made yet."""
    (directory / "site.toml").write_text(SITE)
    made = Made(directory)
    for path, text in ROLES.items():
        made.edit_role(path, text)
    return made
