"""Check a site as a whole: names that exist, addresses that fit, ports that don't collide."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from msgspec import structs

from model import site as types
from model import templates
from model.checks.backup import check_backup
from model.checks.host_constraints import check_placement
from model.checks.host_settings import check_host_settings, check_sysctls
from model.checks.images import check_ansible, check_base, check_circles, check_image, check_registry
from model.checks.literals import check_literals
from model.checks.local_data import check_local_data
from model.checks.monitoring import check_logs, check_monitoring
from model.checks.networks import check_network, check_volume
from model.checks.operators import check_operators
from model.checks.role_files import check_role_files
from model.checks.secrets import check_config, check_secret
from model.checks.services import check_chosen_ports, check_collisions, check_service
from model.checks.settings import check_settings
from model.checks.shared import check_hosts, check_servers
from model.checks.stages import check_stage, check_stages_apart
from model.checks.subnets import check_subnets
from model.checks.values import check_empty, check_values
from model.errors import ConfigError
from model.site import PublishedPort
from model.stage import Stage
from model.swarm.content_names import template
from model.toml_text import key_text


def check(site: types.Site, directory: Path, homes: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return a line for each mistake, each beginning with its path.

    Args:
        site: The site.
        directory: Its directory, where roles and tarballs are.
        homes: Stage to the host whose registry has its images, as far as that is known.

    """
    values = dict(check_values(site))
    problems: list[str] = []
    stages = {name: Stage(site, name, config, homes.get(name, "")) for name, config in site.stages.items()}
    for name, stage in stages.items():
        problems += check_stage(f"stages.{name}", stage)
        problems += check_host_settings(f"stages.{name}", stage)
    problems += check_stages_apart(site)
    if site.stage is not None and site.stage not in site.stages:
        problems.append(f"stage: {site.stage!r} is not one of the stages ({', '.join(site.stages)})")
    problems += check_operators(site)
    for name, secret in site.secrets.items():
        problems += check_secret(f"secrets.{name}", name, secret)
    for name, config in site.configs.items():
        problems += check_config(f"configs.{name}", name, config, directory)
    for name, base in site.bases.items():
        problems += check_base(f"bases.{key_text(name)}", name, base, directory)
    for name, registry in site.registries.items():
        problems += check_registry(f"registries.{key_text(name)}", name, registry, site)
    for name, image in site.images.items():
        problems += check_image(f"images.{name}", image, site, directory)
    for name, volume in site.volumes.items():
        problems += check_volume(f"volumes.{name}", volume, stages.values())
    for name, network in site.networks.items():
        problems += check_network(f"networks.{name}", network)
    problems += check_hosts("setup_hosts.hosts", site.setup_hosts.hosts)
    problems += check_sysctls("setup_hosts.sysctls", site.setup_hosts.sysctls)
    for name, service in site.services.items():
        problems += check_service(f"services.{name}", service, site, directory)
    problems += check_backup(site)
    problems += check_monitoring(site)
    problems += check_logs(site)
    problems += check_circles(site)
    problems += check_ansible(site, directory)
    problems += check_role_files(site, directory)
    problems += check_literals(site, directory)
    are_sound = not any(problem.startswith("stages.") for problem in problems)
    rendered = {name: _with_constraints(stage, are_sound=are_sound) for name, stage in stages.items()}
    for name, stage in stages.items():
        problems += check_collisions(rendered[name])
        problems += check_chosen_ports(stage)
    if are_sound:
        problems += check_placement(stages.values())
        for name, stage in stages.items():
            problems += check_local_data(rendered[name])
            problems += check_subnets(stage)
            problems += _templates(stage, directory)
    said = tuple(problem.partition(": ")[0] for problem in problems)
    problems += [f"{path}: {empty}" for path, empty in check_empty(site) if path not in said]
    # Whatever else is said of such a value follows from it.
    problems = [
        problem for problem in problems if not problem.startswith(tuple(f"{path}:" for path in values))
    ]
    return list(dict.fromkeys([*(f"{path}: {said}" for path, said in values.items()), *problems]))


def _with_constraints(stage: Stage, *, are_sound: bool) -> Stage:
    """Return a stage with its services' constraints rendered, without the services where they can't be.

    Args:
        stage: The stage.
        are_sound: Whether no stage has a mistake, without which templates know no hosts.

    """
    asking = {
        name: service
        for name, service in stage.services.items()
        if any(map(templates.is_template, service.placement.constraints))
    }
    if not asking:
        return stage
    renderer = templates.trial_renderer(stage, lambda name: stage.services[name].ports, [])
    services = dict(stage.site.services)
    for name, service in asking.items():
        asked = service.placement.constraints
        del services[name]
        with contextlib.suppress(ConfigError, KeyError):  # reported with the templates
            made = [renderer.text("", text) for text in asked] if are_sound else []
            rendered = [text for text in made if isinstance(text, str)]
            if len(rendered) == len(asked):
                placement = structs.replace(service.placement, constraints=rendered)
                services[name] = structs.replace(service, placement=placement)
    return replace(stage, site=structs.replace(stage.site, services=services))


def _templates(stage: Stage, directory: Path) -> Iterator[str]:
    """Yield the mistakes in a stage's templates, and in rendered values whose form is checked."""

    def published(name: str) -> list[PublishedPort]:
        return stage.services[name].ports

    configs: dict[str, str] = {}
    for name, config in stage.configs.items():
        with contextlib.suppress(ConfigError):  # reported above
            found = template(f"configs.{name}", config, directory)
            configs |= dict([found] if found is not None else [])
    wrong = list(templates.problems(stage, published, configs))
    yield from wrong
    if wrong:
        return
    renderer = templates.trial_renderer(stage, published, [])
    for name, service in stage.services.items():
        path = f"services.{name}"
        if next(templates.templates_in(path, templates.templatable(service)), None) is None:
            continue
        with contextlib.suppress(ConfigError):  # of a secret that is only guessed
            made = renderer.service(name, service).service
            yield from check_hosts(f"{path}.hosts", made.hosts)
            yield from check_servers(f"{path}.dns", made.dns)
            yield from check_settings(path, made)
