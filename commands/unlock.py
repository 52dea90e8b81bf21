"""`doit unlock`: say whose run holds the stage; with `confirm=<site>` take the lock away from it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.lock_owner import holder
from commands.shared.read_back import NO_HOSTS
from model.errors import SkepError
from model.stage import Host
from remote.ssh.connection import Connection
from remote.ssh.lock_session import Owner, break_on, holder_on
from remote.ssh.lock_words import lock_name, owner_of, places, words_of
from tasks.run.context import Run

FREE, TROUBLE, HELD = 0, 1, 2
"""The exit status. Without confirm= it says whether somebody holds the stage."""


class UnlockCommand(DoitCmdBase):
    """Say whose run holds the stage, or take the lock away from it."""

    name = "unlock"
    doc_purpose = "say whose run holds the stage; with confirm=SITE, take the lock away from it"
    doc_usage = "[confirm=SITE]"
    doc_description = """\
A run holds its stage on the repository host and on a hive, where every machine sees it. A lock needs no breaking \
because its run was killed (it is free at once) or lost its network (it is free within a minute): this is for a run \
that goes on, and must not.

With confirm=SITE the run loses the lock: it begins no further step, and ends within seconds, as by Ctrl-C. What it \
was at is done again by the next run.

Exit status: 0 nobody holds the stage, or no longer; 2 somebody does; 1 no host could be asked."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Say who holds the stage, and end that if confirmed. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        given = get_var("confirm")
        if args or given not in {None, run.stage.site_name}:
            wrong = f"takes no {args[0]}" if args else f"confirm={given} is not this site"
            raise InvalidCommand(f"unlock: {wrong}; type: {confirming(run, self.bin_name, self.name, ())}")
        try:
            with closing(run.connections):
                return self._unlock(run, confirmed=given is not None)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            return INTERRUPTED

    def _unlock(self, run: Run, *, confirmed: bool) -> int:
        """Ask the hosts, say what they answer, and return the exit status."""
        log = ConsoleLog(self.outstream)
        by = owner_of(run.stage_lock.who, run.directory, "doit unlock", run.stage_lock.job)

        def act(connection: Connection, name: str) -> Owner | None:
            return break_on(connection, name, by) if confirmed else holder_on(connection, name)

        found, silent = on_places(run, act)
        stage = f"stage {run.stage.name} of {run.stage.site_name}"
        for problem in silent.values():
            log(f"not asked: {problem.splitlines()[0]}")
        owners = {words_of(owner): owner for owner in found.values() if owner is not None}
        if not owners:
            here = holder(run.state)
            if here:
                log(f"{stage} is held on this machine alone: {here}; end that process to free it")
                return HELD
            if not found:
                why = "no host answers" if silent else f"state/ knows no host; {NO_HOSTS}"
                log(f"nobody knows who holds {stage}: {why}")
                return TROUBLE
            log(f"nobody holds {stage}")
            return FREE
        for words, owner in owners.items():
            where = ", ".join(host.short for host, each in found.items() if each == owner)
            log(f"{'taken away from' if confirmed else f'{stage} is held by'} {words}, on {where}")
        if confirmed:
            log(
                "it begins no further step, and ends within seconds; what it was at is done again by the next run"
            )
            return TROUBLE if silent else FREE
        log(f"wait for it; or, to end it, type: {confirming(run, self.bin_name, self.name, ())}")
        return HELD


def on_places(
    run: Run, ask: Callable[[Connection, str], Owner | None]
) -> tuple[dict[Host, Owner | None], dict[Host, str]]:
    """Ask all hosts that may have the stage's lock, at a time; return their answers, and the problems of the others."""
    hosts = [host for host in places(run.stage) if run.state.host_record(host) is not None]
    found: dict[Host, Owner | None] = {}
    silent: dict[Host, str] = {}
    if not hosts:
        return found, silent
    run.connections.write_ssh_files()

    def one(host: Host) -> None:
        try:
            found[host] = ask(run.connections.to(host), lock_name(run.stage))
        except SkepError as error:
            silent[host] = str(error)

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(one, hosts))
    return {host: found[host] for host in hosts if host in found}, silent
