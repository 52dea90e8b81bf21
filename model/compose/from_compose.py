"""The site that says what a compose project says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.compose.draft import Draft
from model.compose.keys import TOP, why_not
from model.compose.local_files import LocalFiles
from model.compose.project import FLATTENED, Project
from model.compose.scalars import text
from model.compose.scope import FIRST_HOST, Scope
from model.compose.service_keys import add_service, with_tag
from model.compose.service_networks import further_names, wanted_networks
from model.compose.top_tables import add_configs_of, add_networks_of, add_secrets_of, add_volumes_of
from model.site import Volume
from model.site.networks import HOST_NETWORK
from model.swarm.constraints import ENGINE_LABEL, parse_constraint
from model.templates import FIXED

_COMPLETED = "service_completed_successfully"
_ONLY_THE_FILES = {"name", "services", "networks", "volumes", "secrets", "configs", "include"}


def site_draft(project: Project, site: str, directory: Path, *, has_ip_vs: bool = True) -> Draft:
    """Return the site of a compose project. Nothing is written yet.

    Args:
        project: The project.
        site: The site's name.
        directory: Where it is to be.
        has_ip_vs: Whether the hosts' kernel has what virtual addresses and the routing mesh need.

    """
    draft = Draft(site, project.variables)
    files = LocalFiles(project.directory, directory)
    services = project.table("services")
    names: dict[str, str] = {}
    # A name that can stay goes before one that is changed to the same: others know its service by it.
    for wanted in sorted(services, key=lambda name: draft.name("services", name, dashes=True) != name):
        names[wanted] = draft.name("services", wanted, dashes=True)
        draft.table("services")[names[wanted]] = {}
    draft.tables["services"] = {names[wanted]: {} for wanted in services}
    used = [network for service in services.values() for network in wanted_networks(service)]
    networks = add_networks_of(draft, project.table("networks"), used)
    volumes = add_volumes_of(draft, files, project.table("volumes"))
    secrets = add_secrets_of(draft, files, project.table("secrets"))
    configs = add_configs_of(draft, files, project.table("configs"))
    for wanted, source in services.items():
        scope = Scope(draft, files, wanted, names[wanted], source, names, networks, volumes, secrets, configs)
        further = further_names(wanted, names[wanted], services)
        if further:
            scope.table["aliases"] = further
        add_service(scope)
        scope.table.pop("aliases", None)
        draft.table("services")[names[wanted]] = scope.table
    _use_built_images(draft, services, names)
    _make_jobs(draft, services, names)
    _place_volumes(draft)
    _drop_the_only_network(draft)
    if not has_ip_vs:
        _without_ip_vs(draft)
    _fill_templates(draft)
    draft.tables = _without_nothing(draft.tables)
    _say_the_rest(draft, project)
    return draft


def _use_built_images(
    draft: Draft, services: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> None:
    """Have services whose `image` is built for another one take the image of that table."""
    built: dict[str, str] = {}
    for wanted, source in services.items():
        if source.get("image") and names[wanted] in draft.table("images"):
            built.setdefault(with_tag(text(source["image"])), names[wanted])
    for wanted, source in services.items():
        if source.get("build"):
            continue
        image = built.get(draft.table("services")[names[wanted]].get("image", ""))
        if image:
            draft.table("services")[names[wanted]]["image"] = image
            draft.lost(("services", names[wanted]), "image", source["image"], f"it is built here, as {image}")


def _make_jobs(draft: Draft, services: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """Make jobs of services that others wait for until they have ended."""
    for source in services.values():
        for wanted, how in (source.get("depends_on") or {}).items():
            table = draft.table("services").get(names.get(wanted, ""))
            if table is None or (how or {}).get("condition") != _COMPLETED or "mode" in table:
                continue
            table["mode"] = "replicated-job"
            for key in ("update_config", "rollback_config"):
                table.pop(key, None)
            if (table.get("restart_config") or {}).get("condition", "any") == "any":
                table.pop("restart_config", None)
            draft.note(("services", names[wanted]), "another service waits for its end, so it is a job")


def _place_volumes(draft: Draft) -> None:
    """Name a host for each local volume: what a service writes there stays on that host."""
    for name, table in draft.table("volumes").items():
        options = {key: str(value) for key, value in (table.get("driver_opts") or {}).items()}
        volume = Volume(
            driver=table.get("driver", "local"), driver_opts=options, external=bool(table.get("external"))
        )
        users = [
            service
            for service in draft.table("services").values()
            if any(
                mount.get("type", "volume") == "volume" and mount.get("source") == name
                for mount in service.get("volumes", [])
            )
        ]
        if not users or not volume.stays_behind:
            continue
        is_each = any(str(user.get("mode", "")).startswith("global") for user in users)
        table["hosts"] = "each" if is_each else [FIRST_HOST]
        draft.note(
            ("volumes",),
            "hosts: where a local volume's data is, and its services run: the first host, until you say otherwise",
        )


def _drop_the_only_network(draft: Draft) -> None:
    """Leave out the network of services that name none, where there is no other: skep makes one by itself."""
    networks = draft.table("networks")
    if list(networks.values()) == [{}] and not any(
        "networks" in each for each in draft.table("services").values()
    ):
        networks.clear()


def given_labels(draft: Draft) -> dict[str, str]:
    """Return the labels that the first host needs so that it meets the constraints of services."""
    labels: dict[str, str] = {}
    for name, service in draft.table("services").items():
        for written in (service.get("placement") or {}).get("constraints", []):
            try:
                constraint = parse_constraint(written)
            except ValueError:
                continue
            if constraint.key.lower().startswith(ENGINE_LABEL) and constraint.operator == "==":
                draft.note(
                    ("services", name),
                    f"{written}: no host has this label yet: labels of engines stand in setup_hosts.daemon",
                )
            if not constraint.label or constraint.operator != "==":
                continue
            if labels.setdefault(constraint.label, constraint.value) != constraint.value:
                draft.note(
                    ("services", name),
                    f"{written}: no host has this label yet: give it to one in node_labels of the stage",
                )
    return labels


def _without_ip_vs(draft: Draft) -> None:
    """Have services that need nothing of ip_vs: no virtual addresses, and ports of the hosts."""
    for name, service in draft.table("services").items():
        if service.get("networks") == [HOST_NETWORK]:
            continue
        service["endpoint_mode"] = "dnsrr"
        ports = service.get("ports")
        if not ports:
            continue
        service["ports"] = [_host_port(port) for port in ports]
        if isinstance(service.get("replicas"), int) and service["replicas"] > 1:
            draft.note(
                ("services", name),
                f"replicas: {service['replicas']} -- two tasks on one host can't both have its port: take more hosts",
            )
            service["replicas"] = 1
        if (service.get("update_config") or {}).get("order") == "start-first":
            draft.note(
                ("services", name),
                "deploy.update_config.order: start-first -- two tasks on one host can't both have its port",
            )
            del service["update_config"]["order"]
    draft.note(
        (),
        'the kernel of this machine has no ip_vs: hence endpoint_mode = "dnsrr" and mode = "host" everywhere',
    )


def _host_port(port: Any) -> Any:
    """Return a published port of the host."""
    if isinstance(port, dict):
        return {**port, "mode": "host"}
    published, _, rest = port.rpartition(":")
    target, _, protocol = rest.partition("/")
    made: dict[str, Any] = {"target_port": int(target)} if target.isdecimal() else {"target_port": target}
    if published:
        made["published_port"] = int(published) if published.isdecimal() else published
    return made | ({"protocol": protocol} if protocol else {}) | {"mode": "host"}


def _fill_templates(draft: Draft) -> None:
    """Make templates of the variables, where site.toml takes them."""
    for service in draft.table("services").values():
        for key in service:
            if key in FIXED:
                service[key] = _plain(draft, service[key])
            else:
                service[key] = draft.templated(service[key], secrets=key == "environment")
    for volume in draft.table("volumes").values():
        if "driver_opts" in volume:
            volume["driver_opts"] = draft.templated(volume["driver_opts"], secrets=False)
    for kind, tables in draft.tables.items():
        for table in tables.values() if kind != "services" else ():
            for key in table:
                table[key] = _plain(draft, table[key])


def _plain(draft: Draft, value: Any) -> Any:
    """Return a value with those of its variables."""
    if isinstance(value, Mapping):
        return {key: _plain(draft, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(draft, part) for part in value]
    return draft.variables.plain(value) if isinstance(value, str) else value


def _without_nothing(value: Any) -> Any:
    """Return a value without keys and items that are nothing, which TOML does not have."""
    if isinstance(value, Mapping):
        return {key: _without_nothing(part) for key, part in value.items() if part is not None}
    return (
        [_without_nothing(part) for part in value if part is not None] if isinstance(value, list) else value
    )


def _say_the_rest(draft: Draft, project: Project) -> None:
    """Keep what is said of no table."""
    for remark in project.remarks:
        draft.note((), remark)
    for written in project.variables.chosen:
        draft.note((), f"{written}: site.toml has no such form: it is what it was when this was made")
    extensions = [str(key) for key in project.data if str(key).startswith("x-") and key != FLATTENED]
    if extensions:
        draft.note((), f"{', '.join(extensions)}: extensions, of which only the anchors count")
    for key, value in project.data.items():
        if key not in _ONLY_THE_FILES and not str(key).startswith("x-"):
            draft.lost((), str(key), value, why_not(TOP, str(key)) or "skep has no such thing yet")
