"""The data that went with a host that is made anew, on its way back from backups.

Its volumes get the journals of `doit move_volume`, once the host is gone: from then on no run makes them empty, and
that command brings them, after a kill as well.
"""

from collections.abc import Mapping

from model.log import Log
from model.stage import Host
from model.swarm.volume_move import VolumeMove
from tasks.hosts.setup_steps import step_names
from tasks.hosts.volume_data import moves
from tasks.names import setup_task, swarm_task, volume_task
from tasks.operate.volume_candidates import users_of
from tasks.run.context import Run


def begin_to_come_back(run: Run, host: Host, backups: Mapping[str, Mapping[str, str]], log: Log) -> None:
    """Write down in the swarm what comes back to a host, and stop the services that wait for it.

    To be repeated after a kill.

    Args:
        run: The run; it holds the stage, and observes.
        host: The host, which is gone.
        backups: Volume to the services and generations that it comes back with.
        log: Takes lines.

    Raises:
        SkepError: The swarm refuses, or a job of it is at work on a volume.

    """
    from remote.swarm.volume_moves import begin_move, stop_service

    known = moves(run)
    _, client = run.connections.manager()
    for volume, generations in backups.items():
        move = known.get(volume)
        if move is None:
            move = VolumeMove(
                volume, "", host.short, users_of(run, volume, may_be_saved=False), backups=generations
            )
            begin_move(client, run.stage.labels, move)
        for service in move.stopped:
            log(f"{service}: is stopped until volume {volume} is back")
            stop_service(client, service, move)


def tasks_before(run: Run, host: Host, coming_back: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the tasks of a host that have to be done before volumes come back to it: its set-up, its other volumes.

    Its node's labels are not among them: no run gives them to a hive whose data is on its way.
    """
    return [
        *(setup_task(host.short, name) for name, _ in step_names(run.stage, host)),
        swarm_task(host.short),
        *(
            volume_task(name, host.short)
            for name in run.stage.volumes
            if host in run.stage.volume_hosts(name) and name not in coming_back
        ),
    ]
