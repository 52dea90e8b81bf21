"""What `doit restore site` would do, and what keeps it from that, before anything is changed."""

from collections.abc import Iterator
from datetime import tzinfo

from commands.operate.status_lines import size_words
from model.errors import ConfigError
from model.stage import Stage
from tasks.backup.lost_site import LostSite
from tasks.backup.restored_services import files_host, files_hosts, lost_pins, no_such_copy
from tasks.backup.site_restore_journal import ChosenGeneration
from tasks.names import own_image_task, secret_task, service_task
from tasks.run.context import Run
from tasks.services.missing_secrets import missing_secrets


def plan_lines(lost: LostSite, stage: Stage, zone: tzinfo) -> Iterator[str]:
    """Yield what would be done.

    Args:
        lost: The site, as the copy has it.
        stage: Its stage.
        zone: The site's time zone.

    """
    hosts = ", ".join(host.short for host in stage.hosts)
    then = lost.files.time.astimezone(zone)
    yield (
        f"{stage.site_name}, stage {stage.name}: its directory and secrets of {then:%Y-%m-%d %H:%M} come here, its "
        f"hosts are made (provider {stage.provider}: {hosts})"
    )
    chosen = {name: ChosenGeneration.of(each) for name, each in lost.services.items()}
    for name, service in stage.services.items():
        if name in chosen:
            yield from _service(stage, name, chosen[name], zone)
        elif service.backup_scripts:
            yield f"{name}: the copy has no generation of it: it starts empty, as on a first run"
    yield from lost_pins({name: each for name, each in chosen.items() if name in stage.services})
    for name in chosen:
        if name not in stage.services:
            yield f"{name}: site.toml no longer has it: its generations come, and nothing else"


def _service(stage: Stage, name: str, generation: ChosenGeneration, zone: tzinfo) -> Iterator[str]:
    """Yield what is done for a service."""
    yield (
        f"{name}: {generation.id[:8]} of {generation.time.astimezone(zone):%Y-%m-%d %H:%M} "
        f"({size_words(generation.size)}, made on {generation.host})"
    )
    if not generation.is_good:
        yield "  a test of it failed; there is no better one"
    scripts = {each.name: each for each in stage.services[name].backup_scripts}
    for part in generation.parts:
        script = scripts.get(part)
        if script is None:
            yield f"  {part}: is no longer in site.toml, so that nothing says how it is restored: it is left out"
        elif not script.volume:
            how = script.restore_command or f"unpacking to {script.directory}"
            yield f"  {part}: loaded into the running service by: {how}"
        else:
            host = files_host(stage, name, generation)
            yield f"  {part}: the files of volume {script.volume}, on {host.short}"
            others = [each.short for each in files_hosts(stage, name) if each != host]
            if others:
                yield f"  volume {script.volume} starts empty on {', '.join(others)}: a generation is of one hive"


def lacking(run: Run, copy: str) -> list[str]:
    """Return what is to be put right in the site's directory or the environment, one line each, with the way out.

    Args:
        run: The run.
        copy: The copy, in restic's words.

    """
    stage = run.stage
    found = []
    copies = stage.site.backup.named_copies if stage.site.backup is not None else {}
    if not any(each.repository == copy for each in copies.values()):
        found.append(no_such_copy(copy))
    tasks = {
        *map(service_task, stage.services),
        *map(secret_task, stage.secrets),
        *map(own_image_task, stage.images),
    }
    try:
        found += missing_secrets(run, tasks)
        for name in stage.backup_secrets:
            if stage.site.secrets[name].generate is None:
                run.secrets.read(name)
    except ConfigError as error:
        found += error.problems
    return list(dict.fromkeys(found))


def living(run: Run) -> str:
    """Return that a stage has hosts; empty if it has none, or nobody can tell without logging in to them.

    Raises:
        SkepError: Its provider can't be asked.

    """
    there = sorted(name for name, thing in run.provider.found().items() if thing.is_host)
    if not there:
        return ""
    return (
        f"stage {run.stage.name} has {', '.join(there)}: a site that lives is not made again, and nothing was changed. "
        "For its data: doit restore SERVICE, in a clone of the site. If these are the remains of a lost one: doit "
        "destroy there"
    )
