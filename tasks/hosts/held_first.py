"""Hold the stage's lock on hosts that this checkout does not know, before a run changes anything.

A run asks the hosts of its records for the lock. A fresh clone has none, and a checkout may know a third host alone:
then the hosts that have the lock are found first, each only if it is as wanted, so that nothing but a log-in's key
changes there.
"""

from concurrent.futures import ThreadPoolExecutor

from model.errors import ProviderError, SkepError
from model.keys.record import HostRecord, Record
from model.log import Log
from model.stage import Host
from providers.base import Resource
from tasks.names import infra_task
from tasks.run.context import Run
from tasks.run.stage_lock import PLACES


def hold_first(run: Run, log: Log) -> None:
    """Hold the lock on the hosts that should have it and are there, also where this checkout does not know them.

    Raises:
        ProviderError: Hosts run, and none can be asked whether another run holds the stage.
        StateError: Another run does.

    """
    lock = run.stage_lock
    if not lock.token:
        return  # not by a command that holds the stage
    lock.check()
    run.coordination.once("hold the stage's lock first", lambda: _hold(run, log))


def _hold(run: Run, log: Log) -> None:
    """Ask unknown hosts in their order for the lock, until so many hold it as should."""
    lock = run.stage_lock
    unknown = [host for host in lock.places if run.state.host_record(host) is None]
    if not {*unknown} & {*lock.places[:PLACES]}:
        return
    wanted = {resource.name: resource for resource in run.provider.resources() if resource.is_host}
    there = [host for host in unknown if _is_as_wanted(run, wanted[host.short])]
    asked = there[:PLACES]
    with ThreadPoolExecutor(max_workers=PLACES) as pool:
        answers = dict(
            zip(asked, pool.map(lambda host: _found(run, wanted[host.short], log), asked), strict=True)
        )
    for host in asked:
        if not answers[host]:
            lock.join(host)
    problems = [problem for problem in answers.values() if problem]
    for host in there[PLACES:]:
        if lock.held_on or not run.provider.owns:
            break
        problem = _found(run, wanted[host.short], log)
        if not problem:
            lock.join(host)
        problems += [problem] if problem else []
    if not lock.held_on and len(unknown) == len(lock.places):
        _refuse_blind(run, unknown, problems)


def _is_as_wanted(run: Run, wanted: Resource) -> bool:
    """Return whether a host is there as wanted, or its provider lists none."""
    try:
        return run.live_state.resource(wanted.name, wanted.key) is None
    except SkepError:
        return False  # its own task says why


def _found(run: Run, wanted: Resource, log: Log) -> str:
    """Note how to log in to a host that is as wanted; return why that is not possible, if it is not.

    One that does not let this checkout's key in is asked to by its provider, if that made it.
    """
    try:
        record: Record | None = run.provider.recall(wanted)
        if record is None and run.provider.owns:
            record = run.provider.ensure(wanted, log)
    except SkepError as error:
        return str(error)
    if not isinstance(record, HostRecord):
        return f"{wanted.name} does not let this checkout's key in"
    run.state.write(infra_task(wanted.name), record)
    run.connections.write_ssh_files()
    return ""


def _refuse_blind(run: Run, unknown: list[Host], problems: list[str]) -> None:
    """Raise where hosts run that can't be asked: another run may be at work on them.

    Raises:
        ProviderError: There are some, and nobody said that they may be replaced.

    """
    things = run.live_state.things
    blind = [
        host.short
        for host in unknown
        if host.short in things and things[host.short].running and host.short not in run.may_replace
    ]
    if not blind:
        return
    why = "; ".join(problem.partition("\n")[0] for problem in problems) or (
        "each has to be changed first, and this checkout knows none of them"
    )
    names = ", ".join(blind)
    raise ProviderError(
        f"{names}: nobody can tell whether another run holds the stage ({why}): run doit with the site.toml that they "
        f"were made from, then change it; or, if no other run is at work: doit replace={','.join(blind)}"
    )
