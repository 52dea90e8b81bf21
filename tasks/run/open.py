"""Open the run of the site and stage that doit was started for."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import doit
from doit import doit_cmd
from doit.exceptions import InvalidDodoFile

from model.errors import SkepError
from model.images.lockfile import read_lockfile
from model.keys.record import FactRecord
from model.site_file.load import load, select
from model.stage import Host, Stage
from providers import create
from providers.base import Provider
from remote.ssh.connection import Connection
from tasks.images.resolve import Upstream
from tasks.names import ALERTMANAGER, setup_task
from tasks.observe.live_state import LiveState
from tasks.observe.observer import Observer
from tasks.observe.tag_moves import TagMoves
from tasks.run import log_in_key
from tasks.run.ci_job import ci_job
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.run.coordination import Coordination
from tasks.run.place import LEAVE, Place
from tasks.run.progress import Progress
from tasks.run.run_history import RunHistory
from tasks.run.secret_sources import take
from tasks.run.secrets import Secrets
from tasks.run.silences import RunSilences
from tasks.run.stage_lock import StageLock
from tasks.run.state import State, homes

DASHES = "--"
"""Behind it come the words of a command that runs elsewhere."""
THREADS = 64
"""Of these, few work at a time (`tasks.run.coordination.AT_A_TIME`); the others wait for services to run."""
WORDS = {
    "stage": "the stage to work on",
    "confirm": "destroy, prune, rebalance, recover_swarm, restore, unlock, upgrade_hosts: the site's name",
    "key": "prune: the ssh keys to take out",
    "volumes": "destroy, prune, replace_host: the volumes that may be lost as well",
    "upgrade": "lock: the images to upgrade",
    "to": "rollback: the revision to go back to; move_volume: the hive that gets the data",
    "from": "move_volume: the hive whose copy is meant, where there are several; or backup; restore: a place off site",
    "task": "exec, shell, cp, logs, forward: the task's number, its host, or `all`",
    "user": "exec, shell: the user to run as",
    "dir": "exec, shell: the directory to run in",
    "since": "logs: how far back, as 90s, 15m, 2h, 1d, or a time",
    "lines": "logs: how many lines of each task at most",
    "until": "scale: until when runs leave it alone, as 2h or 18:00",
    "keep": "recover_swarm: the manager that is left",
    "off": "recover_swarm: the hosts that you have switched off",
    "at": 'move_volume, restore, verify_backups: the backup, by its id, a time as "2026-11-27 01:00", or latest',
    "script": "restore: the one part that is meant, by its name in backup_scripts",
    "into": "restore: an empty directory here that gets the files",
    "unsaved": "restore: yes, to go back although what is there now can't be saved",
    "reason": "silence: why, for others to see",
    "grep": "logs: a regular expression that lines have to match",
    "central": "logs: `yes` to read only what the repository host keeps",
    LEAVE: "run: the region, project, subscription or provider whose things are left behind as they are",
    "replace": "run: the hosts, networks and volumes that may be replaced although something is lost; or `swarm`",
}
"""The words that the command line takes as `name=value`."""


def open_run() -> Run:
    """Return the run for the site in the directory where doit was started.

    The stage is that of the command line (`stage=`), else that of SKEP_STAGE.

    Raises:
        InvalidDodoFile: The site can't be used as it is, or a word `name=value` of the command line is unknown. doit
            prints the message alone.

    """
    _forget_words_of_commands()
    _refuse_unknown_words()
    # doit changes to dodo.py's own directory; a site may live elsewhere.
    directory = Path(doit.get_initial_workdir())
    try:
        # The repository stays where it is, though the number of hosts is another one.
        known = homes(directory)
        site = load(directory / "site.toml", known)
        stage = select(site, doit.get_var("stage") or os.environ.get("SKEP_STAGE") or None, known)
        taken = take(stage, os.environ)
        may_replace = frozenset(filter(None, (doit.get_var("replace") or "").split(",")))
        state = State(directory / "state" / stage.name)
        left = frozenset(filter(None, (doit.get_var(LEAVE) or "").split(",")))
        run = new_run(directory, stage, state, captured_env=taken, may_replace=may_replace, left=left)
        log_in_key.settle(run, taken)
        run.place.check()
    except SkepError as error:
        raise InvalidDodoFile(str(error)) from None
    return run


def new_run(
    directory: Path,
    stage: Stage,
    state: State,
    *,
    captured_env: Mapping[str, str] | None = None,
    may_replace: frozenset[str] = frozenset(),
    left: frozenset[str] = frozenset(),
    provider: Provider | None = None,
) -> Run:
    """Return a run with all its parts.

    Args:
        directory: The site's directory.
        stage: The stage.
        state: Its state directory.
        captured_env: The environment variables that `[secrets]` names, and `SKEP_KEYS`.
        may_replace: What may be replaced although something is lost by it.
        left: The places whose things are left behind.
        provider: The stage's provider, unless it is the one that site.toml says.

    Raises:
        ConfigError: site.lock or the ssh key can't be used as it is, or there is no such provider.

    """
    lockfile = read_lockfile(directory)
    coordination = Coordination()
    secrets = Secrets(directory, stage, state, captured_env)
    connections = Connections(
        stage,
        state,
        coordination,
        log_in_key.identity(stage, state, captured_env or {}, os.environ, directory),
    )
    maker = provider or create(stage, connections.files, state.root, secrets.read)
    place = Place(stage, state, maker, left)
    upstream = Upstream(stage, state, lockfile, secrets, connections)

    def connect(host: Host) -> Connection:
        return connections.to(host)

    def is_made(host: Host) -> bool:
        return state.host_record(host) is not None

    job, progress = ci_job(os.environ), Progress()
    stage_lock = StageLock(stage, is_made, connect, directory, job.who or connections.files.who, job.address)

    def has_alarms() -> bool:
        if stage.site.monitoring is None:
            return False
        return state.read(setup_task(stage.repository.short, ALERTMANAGER), FactRecord) is not None

    def observe() -> LiveState:
        connections.write_ssh_files()
        moves = TagMoves(stage, state, secrets, upstream)
        return LiveState(stage, state, connections, maker, place, moves)

    return Run(
        directory,
        stage,
        state,
        secrets,
        connections,
        coordination,
        maker,
        upstream,
        Observer(observe),
        place,
        stage_lock,
        RunHistory(stage_lock, directory, progress.facts, secrets.redact),
        RunSilences(has_alarms, lambda: connections.to(stage.repository), stage_lock.who),
        may_replace,
        progress,
    )


def _forget_words_of_commands() -> None:
    """Forget `NAME=value` behind `--`: those are words of a command elsewhere, as in `doit exec web -- env A=b`."""
    if DASHES not in sys.argv:
        return
    at = sys.argv.index(DASHES)
    own = [word for word in sys.argv[1:at] if "=" in word and not word.startswith("-")]
    doit_cmd.reset_vars()
    for word in own:
        name, _, value = word.partition("=")
        doit_cmd.set_var(name, value)


def words_typed() -> dict[str, str]:
    """Return the words `name=value` of the command line."""
    return dict(doit_cmd._CMDLINE_VARS or {})  # noqa: SLF001 - no other way to ask


def command_typed() -> str:
    """Return the first word of the command line that is no `name=value`: doit takes those anywhere."""
    return next((word for word in sys.argv[1:] if "=" not in word or word.startswith("-")), "")


def _refuse_unknown_words() -> None:
    """Refuse `stag=production`: doit would take it, say nothing, and work on another stage.

    Raises:
        InvalidDodoFile: There is such a word.

    """
    # Its words are names of services, and it refuses others itself.
    if command_typed() == "scale":
        return
    unknown = [word for word in words_typed() if word not in WORDS]
    if unknown:
        known = ", ".join(f"{word}=" for word in WORDS)
        raise InvalidDodoFile(f"{unknown[0]}=… is not known on the command line; there are: {known}")


def doit_config(state: State) -> dict[str, object]:
    """Return doit's settings: run in parallel, with skep's database and reporter."""
    return {
        "backend": "skep",
        "dep_file": str(state.traces),
        "reporter": "skep",
        "par_type": "thread",
        "num_process": THREADS,
        "verbosity": 0,
    }
