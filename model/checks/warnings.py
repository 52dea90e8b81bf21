"""What is no mistake and hardly meant: labels that nothing reads, constraints that no hive of skep's meets.

Compose's variables and doubled dollars, an open metadata service, and a `start_interval` that never counts, are told
as well.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.checks.backup import unsaved_volumes
from model.checks.host_constraints import only_workers
from model.checks.unread_labels import unread_labels
from model.site import AwsStage, CloudStage, Healthcheck
from model.site.logs import GIVEN_DRIVER, READ_DRIVERS
from model.site.monitoring import ENGINE_METRICS_PORT, NODE_METRICS_PORT
from model.site.services import Logging
from model.stage import Stage
from model.toml_text import key_path, key_text

_DOUBLED = re.compile(r"(?<!\$)\$\$([A-Za-z]\w*|\{[A-Za-z_][^}\n]{0,80}\}|\()")
_PAIR = re.compile(r"\$\$(?![\w{($])")
"""A shell's process id, or the end of what `$$` quotes in PostgreSQL."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::?[-?+][^}]*)?\}|\$([A-Za-z_]\w*)")


def warnings(stage: Stage, directory: Path) -> Iterator[str]:
    """Yield a line for each part of a stage that does not do what it seems to be for.

    Args:
        stage: The stage.
        directory: The site's directory.

    """
    yield from unread_labels(stage, directory)
    yield from only_workers(stage)
    yield from _unreplaced(stage)
    yield from _doubled(stage)
    yield from _open_metadata(stage)
    yield from _never_tested_so(stage)
    yield from _unsaved(stage)
    yield from _unkept_logs(stage)
    yield from _kept_for_fewer_days(stage)
    yield from _open_metrics(stage)


def _unsaved(stage: Stage) -> Iterator[str]:
    """Yield a line with the volumes that no backup has."""
    if names := unsaved_volumes(stage.site, stage.services):
        scripts = "backup_scripts in their services"
        if any(
            part.backup_command and {*names} & {*service.named_volumes}
            for service in stage.services.values()
            for part in service.backup_scripts
        ):
            scripts += " (covers of a backup_command names the volumes whose data it has)"
        missing = scripts if stage.site.backup is not None else f"[backup], and {scripts}"
        yield (
            f"no backup of volumes: {', '.join(names)}: write {missing}, or backup = false in "
            f"[volumes.{key_text(names[0])}] (docs/backup.md)"
        )


def _unkept_logs(stage: Stage) -> Iterator[str]:
    """Yield the services whose log has no files that could be read, or none that are there for long enough.

    And where services had gone to a log server of the site's own so far, by the engines' driver.
    """
    if stage.site.logs is None:
        return
    driver = stage.site.setup_hosts.daemon.get("log-driver", GIVEN_DRIVER)
    if driver not in READ_DRIVERS:
        yield (
            f"setup_hosts.daemon.log-driver: with [logs] services that have no logging of their own get {GIVEN_DRIVER} "
            f"and not {driver}: take one of both out, or write logging into the services that {driver} is for"
        )
    for name, service in stage.services.items():
        path, logging = f"services.{key_text(name)}.logging", service.logging
        if logging is not None and logging.driver not in READ_DRIVERS:
            yield (
                f"{path}: [logs] reads the drivers json-file and local alone, so what this service says is not kept: "
                "leave logging out"
            )
        elif logging is not None and (option := _hasty_option(logging)):
            yield (
                f"{path}.options: with {option} lines are gone that were not sent when a file is full: leave it out, "
                'or write max-file = "10"'
            )


def _hasty_option(logging: Logging) -> str:
    """Return the option by which a service's log has no former file; empty if there is none.

    https://docs.docker.com/engine/logging/drivers/json-file/#options and local/#options
    """
    options, is_local = logging.options, logging.driver == "local"
    files = options.get("max-file", "5" if is_local else "1")
    if str(files) != "1" or not (is_local or "max-size" in options):
        return ""
    return 'max-file = "1"' if "max-file" in options else "max-size and no max-file"


def _open_metrics(stage: Stage) -> Iterator[str]:
    """Yield that hosts tell their metrics to everybody, which skep's firewall alone keeps from them."""
    if stage.site.monitoring is not None and not stage.site.setup_hosts.firewall:
        yield (
            f"setup_hosts.firewall: with false, and [monitoring], ports {NODE_METRICS_PORT} and "
            f"{ENGINE_METRICS_PORT} of all hosts are open to whoever reaches them: close them in the hosts' own "
            "firewall to all but the repository host"
        )


def _kept_for_fewer_days(stage: Stage) -> Iterator[str]:
    """Yield hive-builder's `cleanup_days_before` where `backup.keep` has fewer days."""
    if stage.site.backup is None:
        return
    keep = stage.site.backup.keep
    for name, service in stage.services.items():
        for i, script in enumerate(service.backup_scripts):
            days = script.cleanup_days_before or 0
            if days > keep.daily:
                yield (
                    f"services.{name}.backup_scripts[{i}].cleanup_days_before: backup.keep has the generations of "
                    f"{keep.daily} days, for all services: write keep = {{ daily = {days} }} in [backup]"
                )


def _never_tested_so(stage: Stage) -> Iterator[str]:
    """Yield the health checks with a `start_interval` that counts never: it does within `start_period` alone.

    As in `monitor` of https://github.com/moby/moby/blob/v28.0.0/daemon/health.go, since Engine 25. A service has the
    `start_period` of its image's check if it says none.
    """
    images = {name: image.healthcheck for name, image in stage.site.images.items()}
    used = {service.image for service in stage.services.values()}
    parts: dict[str, tuple[Healthcheck | None, Healthcheck | None]] = {
        f"images.{name}": (check, None) for name, check in images.items() if name in used
    }
    parts |= {
        f"services.{name}": (service.healthcheck, images.get(service.image))
        for name, service in stage.services.items()
    }
    for path, (check, inherited) in parts.items():
        if check is None or not check.start_interval or check.start_period:
            continue
        if inherited is None or not inherited.start_period:
            yield (
                f"{path}.healthcheck.start_interval: counts within start_period alone, which is 0s unless the image "
                "has one: say how long the start may take, as in start_period = '60s', or leave start_interval out"
            )


def _open_metadata(stage: Stage) -> Iterator[str]:
    """Yield that containers reach the cloud's metadata service, which skep's firewall alone keeps from them.

    Amazon's answers no container in a network of its own: hosts are made with a limit of one hop.
    """
    is_open = isinstance(stage.config, CloudStage) and not isinstance(stage.config, AwsStage)
    if is_open and not stage.site.setup_hosts.firewall:
        yield (
            "setup_hosts.firewall: with false all containers reach the cloud's metadata service (169.254.169.254), "
            "which gives out start-up data and a role's credentials: drop that in the hosts' own firewall, or take the "
            "line out"
        )


def _unreplaced(stage: Stage) -> Iterator[str]:
    """Yield the environment variables that are a variable of compose and nothing else.

    Programs have such placeholders, too, and read them; compose would have replaced this one.
    """
    for name, service in stage.services.items():
        for variable, value in service.environment.items():
            if isinstance(value, str) and (found := _VARIABLE.fullmatch(value)):
                where = key_path(["services", name, "environment", variable])
                yield (
                    f"{where}: {found[1] or found[2]} is a variable of compose's, and handed on as it is: write the "
                    "value, or a template, as {{ vars.<name> }} or {{ secrets.<name> }}"
                )


def _doubled(stage: Stage) -> Iterator[str]:
    """Yield the commands with `$$NAME`, in which compose would have left one `$`.

    A shell takes `$$` for its own process id, Perl for what a name refers to, PostgreSQL for a quote.
    """
    made: dict[str, Any] = {}
    used = {service.image for service in stage.services.values()}
    made |= {f"images.{name}": image for name, image in stage.site.images.items() if name in used}
    made |= {f"services.{name}": service for name, service in stage.services.items()}
    for path, part in made.items():
        test = part.healthcheck.test if part.healthcheck is not None else None
        for key, command in (
            ("command", part.command),
            ("entrypoint", part.entrypoint),
            ("healthcheck.test", test),
        ):
            words = [command] if isinstance(command, str) else command or []
            found = next((match for word in words if (match := _doubled_in(word))), None)
            if found is not None:
                yield (
                    f"{path}.{key}: {found[0]} is handed on as it is: if it is compose's spelling, write {found[0][1:]}"
                )


def _doubled_in(text: str) -> re.Match[str] | None:
    """Return the first `$$NAME` of a text; none where `$$` has a meaning of its own in it."""
    return None if _PAIR.search(text) else _DOUBLED.search(text)
