"""Data in volumes: whether a volume holds any, and whether that is elsewhere, or being moved."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from shlex import quote

from model import site as types
from model.labels import VOLUME_LABEL, belongs_to, labels_of
from model.log import Log
from model.stage import Host
from model.swarm.host_node import node_of
from model.swarm.volume_move import VolumeMove, moves_in
from remote.backup.agent_calls import ask_agent
from remote.swarm.volume_copy import LOOK_TIMEOUT, data_directory, empty_script
from tasks.names import volume_task
from tasks.run.connections import Connections
from tasks.run.context import Run

ASK_TIMEOUT = 60


def has_data(connections: Connections, name: str, host: Host) -> bool:
    """Ask a host whether a volume holds any data."""
    with closing(connections.reader(host)) as engine:
        volumes = engine.volumes(filters={"name": name})["Volumes"] or ()
    directory = next((data_directory(each) for each in volumes if each["Name"] == name), "")
    if not directory:
        return True  # it can't be told
    output = connections.to(host).script(
        f'[ -z "$(ls -A {quote(directory)} 2>/dev/null | head -n 1)" ] || echo data\n',
        timeout=ASK_TIMEOUT,
        label=f"checking volume {name} for data",
    )
    return "data" in output.split()


def moves(run: Run) -> Mapping[str, VolumeMove]:
    """Return the moves of volumes that have begun and not ended, by volume, as the live state has them."""
    return moves_in(run.live_state.swarm.configs.values())


def move_refusal(run: Run, volume: str) -> str:
    """Return why a volume is left alone, with the way out; empty unless it is being moved.

    A person who names it in `replace=` drops its move, as where the data of it is lost.
    """
    move = moves(run).get(volume)
    return move.refusal() if move is not None and volume not in run.may_replace else ""


def kept_for_move(run: Run, host: str, volumes: Iterable[str]) -> str:
    """Return why volumes stay on a host, whoever names them: one is being moved, or nobody can tell; empty if not.

    Until the move has ended, the hive that it is taken from may have the only copy, and no container uses it.
    """
    wanted = [name for name in volumes if name in run.stage.volumes]
    if wanted and run.live_state.swarm.error:
        return f"nobody can tell whether it is being moved: {run.live_state.swarm.error.splitlines()[0]}"
    found = [move for name in wanted if (move := moves(run).get(name)) is not None]
    return next((move.refusal() for move in found if host in (move.source, move.target)), "")


def dropped_move(run: Run, volume: str) -> VolumeMove | None:
    """Return the move of a volume that a person drops (`replace=`); None if there is none."""
    return moves(run).get(volume) if volume in run.may_replace else None


def drop_move(run: Run, move: VolumeMove, host: Host, log: Log) -> None:
    """End a move that a person drops, now that the volume is there on a host; an unfinished copy is emptied first.

    Where the target has the volume, its task does it: no other one may say that the move is over before.

    Raises:
        SkepError: The host or the swarm does not answer, or refuses.

    """
    from remote.swarm.volume_moves import end_move

    is_target = host.short == move.target
    if not is_target and move.target in {each.short for each in run.stage.volume_hosts(move.volume)}:
        return
    if is_target:
        # Else its agent would take them for a restoration that is to go on.
        for service in move.backups or ():
            for verb in ("settle",) if move.is_copied else ("unswap", "settle"):
                ask_agent(run.connections.to(host), verb, "--service", service)
    if is_target and not move.is_copied:
        with closing(run.connections.reader(host)) as engine:
            listed = engine.volumes(filters={"name": move.volume})["Volumes"] or ()
        for each in listed:
            if each["Name"] == move.volume:
                run.connections.to(host).script(
                    empty_script(data_directory(each)),
                    timeout=LOOK_TIMEOUT,
                    label="emptying the unfinished copy",
                )
                log(f"volume {move.volume} on {host.short}: emptied, since it was a copy that was not whole")
    _, client = run.connections.manager()
    end_move(client, move.volume)
    log(f"{move.words}: no longer, as replace={move.volume} says")


def refused_volumes(run: Run) -> list[str]:
    """Return the tasks of volumes that may not be made on hosts that are new to them."""
    return [
        volume_task(name, host.short)
        for name, volume in run.stage.volumes.items()
        for host in run.stage.volume_hosts(name)
        if move_refusal(run, name) or elsewhere(run, name, volume, host)
    ]


def elsewhere(run: Run, name: str, volume: types.Volume, host: Host) -> str:
    """Return why a volume may not be made on a host: another one that is no longer to have it has its data.

    One that does not answer counts if it had the volume, as far as state/ or the swarm knows.
    """
    if not volume.is_on_host or name in run.may_replace or name in run.live_state.host(host).volumes:
        return ""
    for other in run.stage.hosts:
        if other in run.stage.volume_hosts(name):
            continue
        held = labels_of(run.live_state.host(other).volumes.get(name, {}))
        if belongs_to(held, run.stage.labels) and has_data(run.connections, name, other):
            return (
                f"volume {name}: its data is on {other.short}, which is no longer among its hosts, and would not be "
                f"on {host.short}. Either restore volumes.{name}.hosts. Or move the data: type: doit move_volume "
                f"{name} to={host.short}. Or, if it is not needed: doit replace={name}"
            )
        if (error := run.live_state.host(other).error) and may_have(run, name, other):
            return (
                f"volume {name}: its data may be on {other.short}, which is no longer among its hosts and does not "
                f"answer ({error.splitlines()[0]}), and would not be on {host.short}. Either bring {other.short} back, "
                f"and type: doit move_volume {name} to={host.short}. Or, if the data is lost or not needed: doit "
                f"replace={name}"
            )
    return ""


def may_have(run: Run, name: str, host: Host) -> bool:
    """Return whether a host that does not answer had a volume, by its node's label or a record in state/."""
    node = node_of(run.live_state.swarm.nodes.values(), host)
    is_recorded = run.state.record_path(volume_task(name, host.short)).exists()
    return is_recorded or f"{VOLUME_LABEL}{name}" in labels_of(node.get("Spec") or {})
