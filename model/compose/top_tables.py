"""The networks, volumes, secrets and configs of a compose project."""

from collections.abc import Mapping
from typing import Any

from model.compose.draft import SECRETS_DIRECTORY, Draft
from model.compose.keys import CONFIG, NETWORK, SECRET, VOLUME, ComposeKey, why_not
from model.compose.local_files import LocalFiles, is_no_template
from model.compose.scalars import boolean, text
from model.compose.service_networks import DEFAULT
from model.compose.short_forms import as_list, as_mapping
from model.compose.variables import MARK
from model.site.networks import HOST_NETWORK
from model.user_paths import content_of, is_file, is_there

_SITE = "site"
"""skep's name for the network of services that name none."""


def add_networks_of(
    draft: Draft, networks: Mapping[str, Mapping[str, Any]], used: list[str]
) -> dict[str, str]:
    """Add the networks that services join, and return compose's names to the site's.

    Args:
        draft: The site.
        networks: Those of the compose file.
        used: Those that services join.

    """
    names: dict[str, str] = {}
    for wanted in dict.fromkeys([*networks, *used]):
        if wanted not in networks and wanted != DEFAULT:
            continue
        source = networks.get(wanted, {})
        external = _external(source)
        if external and (text(external.get("name")) or wanted) == HOST_NETWORK:
            names[wanted] = HOST_NETWORK
            continue
        name = draft.name("networks", _SITE if wanted == DEFAULT else wanted)
        names[wanted] = name
        draft.table("networks")[name] = _network(draft, wanted, name, source)
    return names


def _network(draft: Draft, wanted: str, name: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network."""
    place = ("networks", name)
    if external := _external(source):
        return _made_elsewhere(draft, place, wanted, source, external)
    made: dict[str, Any] = {}
    options = {key: text(value) for key, value in (source.get("driver_opts") or {}).items()}
    if "encrypted" in options:
        made["encrypted"] = boolean(options.pop("encrypted") or True) is True
    if options:
        made["driver_opts"] = options
    for key in ("attachable", "internal"):
        if source.get(key) is not None:
            made[key] = boolean(source[key])
    if source.get("labels"):
        made["labels"] = {key: text(value) for key, value in as_mapping(source["labels"]).items()}
    ipam = _ipam(draft, place, source["ipam"]) if isinstance(source.get("ipam"), Mapping) else {}
    if ipam:
        made["ipam"] = ipam
    if source.get("name"):
        draft.lost(place, "name", source["name"], "skep names what it makes by its table")
    _say_lost(
        draft,
        place,
        NETWORK,
        {key: value for key, value in source.items() if (key, value) != ("driver", "overlay")},
    )
    return made


def _ipam(draft: Draft, place: tuple[str, str], source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's addresses."""
    made: dict[str, Any] = {}
    pools = []
    for pool in as_list(source.get("config")):
        if not isinstance(pool, Mapping) or not pool.get("subnet"):
            draft.lost(place, "ipam.config", pool, "it has no subnet")
            continue
        pools.append({key: text(pool[key]) for key in ("subnet", "gateway", "ip_range") if pool.get(key)})
        for key, value in pool.items():
            if key not in {"subnet", "gateway", "ip_range"}:
                draft.lost(place, f"ipam.config.{key}", value, "skep has no such thing yet")
    if pools:
        made |= pools[0] if len(pools) == 1 else {"config": pools}
    if (driver := text(source.get("driver")) or "default") != "default":
        made["driver"] = driver
    if source.get("options"):
        made["options"] = {key: text(value) for key, value in source["options"].items()}
    return made


def add_volumes_of(
    draft: Draft, files: LocalFiles, volumes: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Add the volumes, and return compose's names to the site's."""
    names: dict[str, str] = {}
    for wanted, source in volumes.items():
        name = names[wanted] = draft.name("volumes", wanted)
        made: dict[str, Any] = {}
        if external := _external(source):
            draft.table("volumes")[name] = _made_elsewhere(draft, ("volumes", name), wanted, source, external)
            continue
        if source.get("name"):
            draft.lost(("volumes", name), "name", source["name"], "skep names what it makes by its table")
        driver = text(source.get("driver")) or "local"
        if driver != "local":
            made["driver"] = driver
        if source.get("driver_opts"):
            made["driver_opts"] = {key: text(value) for key, value in source["driver_opts"].items()}
            device = draft.variables.plain(made["driver_opts"].get("device", ""))
            if device.startswith((".", "~")) or (device.startswith("/") and files.is_own(device)):
                draft.note(("volumes", name), f"{device} is a directory of this machine, which no host has")
        if source.get("labels"):
            made["labels"] = {key: text(value) for key, value in as_mapping(source["labels"]).items()}
        _say_lost(draft, ("volumes", name), VOLUME, source)
        draft.table("volumes")[name] = made
    return names


def add_secrets_of(
    draft: Draft, files: LocalFiles, secrets: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Add the secrets, and return compose's names to the site's."""
    names: dict[str, str] = {}
    for wanted, source in secrets.items():
        name = names[wanted] = draft.name("secrets", wanted)
        place = ("secrets", name)
        variable = text(source.get("environment"))
        if source.get("file"):
            file = files.path(draft.variables.plain(text(source["file"])))
            draft.table("secrets")[name] = {"file": files.relative(file)}
            if not is_file(file):
                draft.note(place, f"there was no {draft.shown(source['file'])} when this was made")
        elif (
            variable
            and draft.variables.value(variable) is not None
            and variable not in draft.variables.environment
        ):
            path = f"{SECRETS_DIRECTORY}/{name}"
            draft.files[path] = (draft.variables.value(variable) or "").encode()
            draft.table("secrets")[name] = {"file": path}
            draft.note(("secrets",), f"{name} was {variable} in a file of variables, as .env")
        elif variable:
            draft.table("secrets")[name] = {"env": variable}
        else:
            draft.table("secrets")[name] = {"file": f"{SECRETS_DIRECTORY}/{name}"}
            external = _external(source) or {}
            reason = "it has no source" if not external else SECRET["external"].remark
            draft.lost(place, "external", external.get("name") or wanted, reason)
        told = ("external", "name") if _external(source) else ("external",)
        _say_lost(draft, place, SECRET, {key: value for key, value in source.items() if key not in told})
    return names


def add_configs_of(
    draft: Draft, files: LocalFiles, configs: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Add the configs, and return compose's names to the site's."""
    names: dict[str, str] = {}
    for wanted, source in configs.items():
        name = names[wanted] = draft.name("configs", wanted)
        place = ("configs", name)
        if external := _external(source):
            draft.table("configs")[name] = _made_elsewhere(draft, place, wanted, source, external)
            continue
        draft.table("configs")[name] = _config(draft, files, place, source)
        if source.get("name"):
            draft.lost(place, "name", source["name"], "configs are named by their content")
        _say_lost(draft, place, CONFIG, source)
    return names


def _config(
    draft: Draft, files: LocalFiles, place: tuple[str, str], source: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a config."""
    made: dict[str, Any]
    plain = draft.variables.plain
    if source.get("file"):
        path = files.path(plain(text(source["file"])))
        try:
            data = content_of(path)
            made = {"file": files.relative(path)}
        except (OSError, ValueError):
            reason = "it can't be read" if is_there(path) else "there was no such file"
            data = f"{path}: {reason} when this was made\n".encode()
            made = {"text": data.decode()}
            draft.lost(place, "file", source["file"], reason)
    else:
        variable = text(source.get("environment"))
        content = draft.variables.mark_of(variable) if variable else text(source.get("content"))
        if MARK.search(content) and not source.get("template_driver"):
            return {"text": draft.templated(content, secrets=True)}
        data = plain(content).encode()
        made = {"text": data.decode() or "\n"}
    if source.get("template_driver") == "golang":
        made["template_driver"] = "golang"
    elif source.get("template_driver"):
        draft.lost(place, "template_driver", source["template_driver"], "only golang is known")
    elif is_no_template(data):
        made["template"] = False
    return made


def _made_elsewhere(
    draft: Draft, place: tuple[str, str], wanted: str, source: Mapping[str, Any], external: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the site says of something that is there already; what compose says beside it means nothing."""
    for key, value in source.items():
        if key not in {"external", "name"} and value is not None:
            draft.lost(place, key, value, "it is external: who makes it says that")
    docker = text(external.get("name")) or wanted
    return {"external": True} | ({"name": docker} if docker != place[1] else {})


def _external(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return how something that is there already is called; empty for what is made.

    An older form has the name in `external` itself.
    """
    external = source.get("external")
    if isinstance(external, Mapping):
        return {"external": True, "name": external.get("name") or source.get("name")}
    return {"external": True, "name": source.get("name")} if boolean(external or False) is True else {}


def _say_lost(
    draft: Draft, place: tuple[str, str], section: Mapping[str, ComposeKey], source: Mapping[str, Any]
) -> None:
    """Keep the keys that go nowhere as remarks."""
    for key, value in source.items():
        if reason := why_not(section, str(key)):
            draft.lost(place, str(key), value, reason)
