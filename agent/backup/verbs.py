"""`agent backup`: the verbs of backups. Each prints JSON lines, the last with its result or why there is none."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from typing import Any

from agent.backup import config as configuration
from agent.backup.hive import journal
from agent.backup.hive.backup_schedule import note_schedule
from agent.backup.hive.dump_loading import load_generation
from agent.backup.hive.nightly import begin_again, killed_night, noted_night
from agent.backup.hive.noted_trial import noted_trial, try_due
from agent.backup.hive.release import release
from agent.backup.hive.restored import Restoration
from agent.backup.hive.run import HiveBackup
from agent.backup.hive.service_restore import Restore, where
from agent.backup.hive.standby import Standbys
from agent.backup.hive.suspended import resume, suspend
from agent.backup.hive.verify import Verification
from agent.backup.repository import repositories
from agent.backup.repository.generations import listing
from agent.backup.repository.keeping import Upkeep
from agent.backup.repository.off_site import copied_since
from agent.backup.repository.repositories import ensure
from agent.backup.repository.transport import fetch, share
from agent.backup.repository.upkeep_notes import read_status
from agent.backup.restic import Restic
from agent.errors import AgentError, BusyError, reason_of, words_of
from agent.host.durable_files import alone, read_json
from agent.host.engine_socket import EngineSocket
from agent.output import Output

Words = argparse.Namespace
NIGHT = 6 * 3600.0
"""Seconds for which the timer's run waits for another job of the hive's."""


def main(arguments: Sequence[str]) -> int:
    """Do what the words ask for, and return the exit status: 0, or 1 if something failed."""
    words = _parser().parse_args(arguments)
    output = Output()
    os.umask(0o077)
    try:
        result = words.verb(words, output)
    except BusyError as error:
        output.fail(str(error), "busy")
        return 1
    except (AgentError, OSError) as error:
        output.fail(reason_of(error), "host")
        return 1
    output.end(result)
    return 1 if isinstance(result, dict) and result.get("failed") else 0


def _parser() -> argparse.ArgumentParser:
    """Return what reads the words."""
    parser = argparse.ArgumentParser(prog="agent backup")
    backup = parser.add_subparsers(required=True, dest="name")

    def verb(name: str, do: Callable[[Words, Output], Any], *words: str) -> argparse.ArgumentParser:
        added = backup.add_parser(name)
        added.set_defaults(verb=do)
        for word in words:
            added.add_argument(word)
        return added

    run = verb("run", _run)
    run.add_argument("--service", action="append", default=[])
    run.add_argument("--kind", default="scheduled", choices=["scheduled", "asked"])
    verb("release", _release).add_argument("--night", action="store_true")
    verb("boot", _boot)
    verb("status", _status)
    verb("schedule", _schedule)
    verb("standby", _standby)
    for name, do in (("read", _read), ("swap", _swap), ("load", _load), ("verify", _verify)):
        added = verb(name, do, "id")
        added.add_argument("--service", required=True)
        if name in {"read", "load"}:
            added.add_argument("--script", action="append", default=[])
    added = verb("restore", _restore, "id")
    added.add_argument("--service", required=True)
    added.add_argument("--script", action="append", default=[])
    # Of what is there now. An older agent, which does not save it, refuses the word.
    added.add_argument("--save", default="must", choices=["must", "may"])
    for name, do in (("unswap", _unswap), ("settle", _settle), ("where", _where)):
        verb(name, do).add_argument("--service", required=True)
    verb("accounts", _accounts)
    verb("generations", _generations)
    verb("keep", _keep)
    verb("share", _share, "id", "hive")
    verb("tar", _tar, "id").add_argument("--entry", default="")
    added = verb("fetch", _fetch, "copy")
    added.add_argument("--service", default="")
    added.add_argument("--generation", action="append", default=[])
    for name, do in (("suspend", _suspend), ("resume", _resume)):
        verb(name, do).add_argument("--service", action="append", default=[])
    return parser


# -- a hive's verbs ----------------------------------------------------------------------------------------------------


def _restic(config: configuration.HiveConfig) -> Any:
    """Return a hive's own repository."""
    names = {"RESTIC_REPOSITORY_FILE": config.repository_file, "RESTIC_PASSWORD_FILE": config.password_file}
    return Restic({name: str(path) for name, path in names.items()}, ca=config.ca)


def _run(words: Words, output: Output) -> Any:
    config, engine = configuration.hive_config(), EngineSocket()
    backup = HiveBackup(config, engine, _restic(config), output)
    is_scheduled = words.kind == "scheduled"
    with ExitStack() as lock:
        with noted_night(backup.state) if is_scheduled else nullcontext():
            try:
                lock.enter_context(alone(journal.LOCK, "run", NIGHT if is_scheduled else 0.0))
                release(engine, output, config)
            except Exception as error:
                if is_scheduled:
                    backup.give_up(words_of(error))
                raise
            result = backup.run(words.service, words.kind)
        if is_scheduled:
            made = [_restoration(each["service"], output) for each in result["generations"]]
            failed, said = try_due([Verification(each) for each in made], config.verify)
            result["failed"] |= failed
            for line in said:
                output.say(line)
        return result


def _boot(words: Words, output: Output) -> Any:
    """Put right what this host was at when it went down."""
    del words
    config, engine = configuration.hive_config(), EngineSocket()

    def alone_at_boot() -> AbstractContextManager[None]:
        return alone(journal.LOCK, "boot", NIGHT)

    with alone_at_boot():
        release(engine, output, config)
    return {"again": begin_again(engine, config, alone_at_boot)}


def _release(words: Words, output: Output) -> Any:
    """Put right what a job left; behind the timer's run, note it where that was killed."""
    config, engine = configuration.hive_config(), EngineSocket()
    backup = HiveBackup(config, engine, _restic(config), output)
    if words.night and (began := killed_night(backup.state)) is not None:
        # Another job may have the lock, for which that run has waited.
        look = f"doit ssh {config.host} journalctl -u skep-backup"
        backup.give_up(f"the night's backup was killed before it had saved this service ({look})", began)
        journal.begun(backup.state).clear()
    with alone(journal.LOCK, "release"):
        release(engine, output, config)
    return {}


def _status(words: Words, output: Output) -> Any:
    """Return how the last jobs of this host ended, a hive's and the repository host's."""
    del words, output
    directory = journal.STATE / "status"
    services = [read_json(path) for path in sorted(directory.glob("*.json"))] if directory.is_dir() else []
    return {
        "services": [each for each in services if each and "service" in each],
        "standby": [each for each in services if each and "standby" in each],
        "repository": read_status(),
    }


def _standby(words: Words, output: Output) -> Any:
    del words
    config = configuration.hive_config()
    return Standbys(config, _restic(config), output).refresh()


def _schedule(words: Words, output: Output) -> Any:
    del words, output
    return note_schedule(configuration.hive_config())


def _restoration(service: str, output: Output) -> Any:
    config = configuration.hive_config()
    config.service(service)
    return Restoration(config, EngineSocket(), _restic(config), output, service)


def _read(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "read"):
        return _restoration(words.service, output).read(words.id, tuple(words.script))


def _swap(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "swap"):
        return _restoration(words.service, output).swap(words.id)


def _unswap(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "unswap"):
        return _restoration(words.service, output).unswap()


def _settle(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "settle"):
        return _restoration(words.service, output).settle()


def _where(words: Words, output: Output) -> Any:
    return where(_restoration(words.service, output))


def _restore(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "restore"):
        release(EngineSocket(), output, configuration.hive_config())
        restore = Restore(_restoration(words.service, output))
        return restore.carry_out(words.id, tuple(words.script), must_save=words.save == "must")


def _suspend(words: Words, output: Output) -> Any:
    del output
    with alone(journal.LOCK, "suspend"):
        return suspend(configuration.hive_config(), words.service)


def _resume(words: Words, output: Output) -> Any:
    del output
    with alone(journal.LOCK, "resume"):
        return resume(words.service)


def _load(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "load"):
        return load_generation(_restoration(words.service, output), words.id, tuple(words.script))


def _verify(words: Words, output: Output) -> Any:
    with alone(journal.LOCK, "verify"):
        return noted_trial(Verification(_restoration(words.service, output)), words.id)


# -- the repository host's verbs ---------------------------------------------------------------------------------------


def _accounts(words: Words, output: Output) -> Any:
    del words, output
    return {"made": ensure(configuration.repository_config())}


def _generations(words: Words, output: Output) -> Any:
    del words
    config = configuration.repository_config()
    found = listing(config)
    for hive, why in found.unread.items():
        output.say(f"the repository of {hive} can't be read, and its generations are not told: {why}")
    now = datetime.now(UTC)
    return [
        each.told() | {"is_ahead": each.is_ahead(now), "copies": copied_since(config, each.id)}
        for each in found.generations
    ]


def _keep(words: Words, output: Output) -> Any:
    del words
    with alone(journal.RUNTIME / "backup-repository.lock", "keep"):
        return Upkeep(configuration.repository_config(), output).keep()


def _share(words: Words, output: Output) -> Any:
    return share(configuration.repository_config(), words.id, words.hive, output)


def _fetch(words: Words, output: Output) -> Any:
    with alone(journal.RUNTIME / "backup-repository.lock", "fetch"):
        config = configuration.repository_config()
        return fetch(config, words.copy, output, words.service, words.generation)


def _tar(words: Words, output: Output) -> Any:
    """Write a generation, or an entry of it, as a tar archive behind the first line; the result goes to nobody."""
    config = configuration.repository_config()
    generation = listing(config).one(words.id)
    hive, snapshot = generation.home, generation.places[generation.home]
    output.say("archive")
    restic = repositories.of_hive(config, hive)
    restic.dump(snapshot, f"/{words.entry}", sys.stdout.buffer, archive="tar")
    sys.stdout.buffer.flush()
    sys.exit(0)
