"""Phase 2: each host set up by small steps, then the swarm."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from model.errors import HostError, StateError
from model.keys.digest import Inputs, flatten, sha256
from model.keys.record import FactRecord, HostRecord, SwarmRecord
from model.labels import NAME_LABEL, VOLUME_LABEL
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets, generate
from model.stage import Host
from model.swarm.address_pools import DATA_PATH_PORT, differs, stays, swarm_wants
from remote.hostsetup.apply import apply_script, step_key, time_limit
from remote.hostsetup.step import HostFile, HostStep
from remote.hostsetup.steps import steps as host_steps
from tasks import build_volumes
from tasks.hosts.rolling_replace import stopped_one_at_a_time
from tasks.hosts.setup_steps import HostSteps
from tasks.names import SWARM, host_task, swarm_task, vault_task
from tasks.run.context import Run
from tasks.run.vault import Vault
from tasks.services.rendering import secrets_of
from tasks.step import Step, Work

if TYPE_CHECKING:
    from docker import DockerClient

PHASE = "setup_hosts"
DOC = "set up each host by small steps, and join the hives into a swarm"
VAULT = "/var/lib/skep/vault.json"
MADE_WITH = frozenset({"internal_cidr", "data_path_port"})
"""The inputs of a place in the swarm that no swarm takes over."""
_BLANK = StageSecrets(ca_key=Secret(""), ca_certificate="", registry_password=Secret(""), pepper=Secret(""))


def steps(run: Run) -> Iterator[Step]:
    """Yield every step of every host."""
    yield _vault(run)
    vault = vault_task(run.stage)
    definitions = HostSteps(run.stage, run.secrets)
    for host in run.stage.hosts:
        # The steps' definitions need the vault's secrets only when they are looked at, not to be listed.
        for name, needs in step_names(run, host):
            yield _host_step(
                run, definitions, host, name, (vault, *(f"{PHASE}:{host.short}.{need}" for need in needs))
            )
    for host in run.stage.hives:
        yield _swarm_step(run, host)
        yield _labels_step(run, host)


def step_names(run: Run, host: Host) -> list[tuple[str, tuple[str, ...]]]:
    """Return the names of a host's set-up steps with what each needs; they don't depend on any secret."""
    return [(step.name, step.needs) for step in host_steps(run.stage, host, _BLANK)]


# -- the vault -------------------------------------------------------------------------------------------------------


def _vault(run: Run) -> Step:
    """Return the step that makes the stage's own secrets, and keeps a copy on the repository host.

    It is what makes state/ dispensable: a fresh clone reads the copy back.
    """
    host = run.stage.repository
    names = {*run.stage.secrets, *run.stage.build_secrets, *secrets_of(run, run.stage.services)}
    wanted = {name: source for name, source in run.stage.site.secrets.items() if name in names}

    def step() -> HostStep:
        return HostStep(
            "vault",
            {"content": run.secrets.fingerprint()},
            files=lambda: [HostFile(VAULT, _text(run), 0o600)],
        )

    def inputs() -> Inputs:
        generated = sorted(n for n, source in wanted.items() if source.generate is not None)
        return {
            "host": run.state.record(host_task(host.short), HostRecord).id,
            "content": run.secrets.fingerprint(),
            **flatten("generated", generated),
        }

    def ensure(work: Work) -> FactRecord:
        try:
            vault = run.secrets.vault
        except KeyError:
            kept = _vault_on(run, host, work)
            if kept is None:
                work.log("no vault here nor on the repository host: making a new one")
            vault = kept or Vault(generate(run.stage.site_name, run.stage.name), {})
        generated = {name for name, source in wanted.items() if source.generate is not None}
        if generated - vault.generated.keys():
            # Another checkout may have made them already; then the repository host keeps them.
            vault = vault.with_those_of(_vault_on(run, host, work))
        run.secrets.keep(vault.with_all(wanted))
        work.inputs["content"] = run.secrets.fingerprint()
        made = step()
        _, key = step_key(made)
        connection = run.connections.to(host)
        connection.script(
            apply_script(made, made.files(), key), timeout=time_limit(made), log=work.log, label="step vault"
        )
        work.log(f"a copy of the stage's secrets is kept on {host.name}, readable by root only")
        return FactRecord(id=run.secrets.fingerprint())

    return Step(
        PHASE,
        f"{host.short}.vault",
        ensure,
        inputs,
        real=lambda _key: run.live_state.step(host, "vault", step_key(step())[1]),
        after=(host_task(host.short),),
        host=host.short,
        doc="the stage's own secrets: site CA, passwords",
    )


def _text(run: Run) -> Secret:
    """Return the vault as a file's text."""
    return Secret(run.secrets.vault.to_bytes().decode())


def _vault_on(run: Run, host: Host, work: Work) -> Vault | None:
    """Return the copy of the vault that a host keeps, as when state/ was deleted."""
    text = run.connections.to(host).script(f"cat {VAULT} 2>/dev/null || true", label="looking for the vault")
    if not text.strip():
        return None
    work.log(f"reading the copy of the vault on {host.name}")
    try:
        return Vault.from_bytes(text.encode())
    except StateError as error:
        raise HostError(
            f"{host.short}: {VAULT}, the host's copy of the stage's secrets, can't be read; put a good copy there as "
            "root, as from state/ of another checkout or from a backup; if there is none, remove it there: what this "
            "checkout has, or else new secrets, take its place"
        ) from error


# -- steps as data ---------------------------------------------------------------------------------------------------


def _host_step(run: Run, definitions: HostSteps, host: Host, name: str, after: tuple[str, ...]) -> Step:
    """Return one set-up step of one host."""

    def step() -> HostStep:
        # Evaluated late: secrets are known only once the vault is there.
        return next(s for s in definitions.of(host) if s.name == name)

    def inputs() -> Inputs:
        record = run.state.record(host_task(host.short), HostRecord)
        return {"host": record.id, **step_key(step())[0]}

    def ensure(work: Work) -> FactRecord:
        made = step()
        _, key = step_key(made)
        if name == "docker" and (refused := _made_otherwise(run, host)):
            # The engine's own part of it is not begun, for which it would be started anew.
            raise HostError(refused)
        swarm_state = (run.live_state.host(host).info.get("Swarm") or {}).get("LocalNodeState")
        # It may start the engine anew, and with it whatever runs there: one hive at a time.
        alone = name == "docker" and swarm_state == "active"
        with stopped_one_at_a_time(run, host, work.log) if alone else contextlib.nullcontext():
            run.connections.to(host).script(
                apply_script(made, made.files(), key),
                timeout=time_limit(made),
                log=work.log,
                label=f"step {name}",
            )
        connection = run.connections.to(host)
        if name == "docker" and "docker" not in connection.run("id -nG").split():
            # The admin user just got into the group, and so may use the engine's socket: in new connections only.
            run.connections.renew(host)
        return FactRecord(id=key)

    return Step(
        PHASE,
        f"{host.short}.{name}",
        ensure,
        inputs,
        real=lambda _key: run.live_state.step(host, name, step_key(step())[1]),
        after=(host_task(host.short), *after),
        host=host.short,
        doc=f"{name.replace('_', ' ')} on {host.name}",
    )


def _made_otherwise(run: Run, host: Host) -> str:
    """Return why a hive's swarm can't be as it is wanted, unless it may be made anew; empty if it can."""
    cluster = (run.live_state.host(host).info.get("Swarm") or {}).get("Cluster")
    different = differs(swarm_wants(run.stage.config), cluster) if cluster else ""
    return stays(host.short, different) if different and SWARM not in run.may_replace else ""


# -- the swarm -------------------------------------------------------------------------------------------------------


def _swarm_step(run: Run, host: Host) -> Step:
    """Return the step that makes a hive a manager of the stage's swarm."""
    task = swarm_task(host.short)

    def inputs() -> Inputs:
        config = run.stage.config
        found = {"host": run.state.record(host_task(host.short), HostRecord).id, "address": host.address}
        if config.internal_cidr is not None:
            found["internal_cidr"] = config.internal_cidr
        if config.data_path_port != DATA_PATH_PORT:
            found["data_path_port"] = str(config.data_path_port)
        return found

    def ensure(work: Work) -> SwarmRecord:
        from remote.swarm import membership
        from remote.swarm import nodes as swarm_nodes

        # Who is first makes the swarm, all others join it: found by looking, one at a time.
        wants = swarm_wants(run.stage.config)
        with run.coordination.lock("swarm"):
            if SWARM in run.may_replace:
                run.coordination.once(
                    "the old swarm",
                    lambda: membership.take_down(_hives(run), run.stage.labels, wants, work.log),
                )
            record = membership.ensure_member(
                host,
                _others(run, host),
                run.connections.engine(host),
                run.connections.engine,
                work.log,
                wants,
            )
        _, client = run.connections.manager(except_=host)

        def restart() -> None:
            run.connections.forget_engine(host)
            run.connections.to(host).script(
                "systemctl restart docker", timeout=150, label="restarting Docker Engine"
            )

        swarm_nodes.wait_until_ready(host.short, client, record.node, restart, work.log)
        return record

    def real(_key: str) -> str | None:
        record = run.state.read(task, SwarmRecord)
        cluster, node = (record.cluster, record.node) if record is not None else ("", "")
        return run.live_state.swarm_member(host, cluster, node)

    names = [name for name, _ in step_names(run, host)]
    after = tuple(
        f"{PHASE}:{host.short}.{name}" for name in ("docker", "firewall", "hosts_file") if name in names
    )
    return Step(
        PHASE, f"{host.short}.swarm", ensure, inputs, real, (), (host_task(host.short), *after), host.short,
        f"{host.name} as a manager of the swarm",
    )  # fmt: skip


def _hives(run: Run) -> "dict[str, tuple[Host, DockerClient]]":
    """Return the hives that exist, each with its engine."""
    return {
        hive.short: (hive, run.connections.engine(hive))
        for hive in run.stage.hives
        if run.state.host_record(hive) is not None
    }


def _others(run: Run, host: Host) -> dict[str, tuple[Host, bool]]:
    """Return the other hives that exist, each with whether it was in the swarm when it was last looked at."""
    return {
        other.short: (other, run.state.read(swarm_task(other.short), SwarmRecord) is not None)
        for other in run.stage.hives
        if other != host and run.state.host_record(other) is not None
    }


def node_labels(run: Run, host: Host) -> dict[str, str]:
    """Return skep's labels of a node: what it is, and the volumes that it holds."""
    labels = {**run.stage.labels, NAME_LABEL: host.short}
    for name in run.stage.volumes:
        if host in run.stage.volume_hosts(name):
            labels[f"{VOLUME_LABEL}{name}"] = "true"
    return labels


def is_left_over(run: Run, label: str) -> bool:
    """Return whether a node's label is of a volume that the stage no longer has.

    It stays until `doit prune`: without it the swarm would end a service that is left over as well.
    """
    return label.startswith(VOLUME_LABEL) and label.removeprefix(VOLUME_LABEL) not in run.stage.volumes


def _labels_step(run: Run, host: Host) -> Step:
    """Return the step that labels a hive's node."""
    member = swarm_task(host.short)

    def inputs() -> Inputs:
        record = run.state.record(member, SwarmRecord)
        return {"node": record.node, **flatten("labels", node_labels(run, host))}

    def ensure(work: Work) -> FactRecord:
        from remote.swarm import nodes as swarm_nodes

        # The swarm moves a service with the label that holds it: not to where its data is missing.
        if refused := build_volumes.refused(run):
            raise HostError(f"{host.short} keeps its labels: {', '.join(refused)} says why")
        node = run.state.record(member, SwarmRecord).node
        manager, client = run.connections.manager()
        swarm_nodes.ensure_node_labels(
            manager.short, client, node, node_labels(run, host), work.log, partial(is_left_over, run)
        )
        return FactRecord(id=sha256(str(sorted(node_labels(run, host).items()))))

    def real(_key: str) -> str | None:
        node = run.state.record(member, SwarmRecord).node
        return run.live_state.node_labels(node, node_labels(run, host), partial(is_left_over, run))

    return Step(
        PHASE, f"{host.short}.node_labels", ensure, inputs, real, (member,), (), host.short,
        f"labels of {host.name} in the swarm",
    )  # fmt: skip
