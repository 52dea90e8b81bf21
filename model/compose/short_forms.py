"""Compose's short forms, made into its long ones: ports, mounts, lists of `NAME=value`. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from model.compose.scalars import text
from model.compose.yaml_file import Overriding

_PORT = re.compile(
    r"(?:(?P<ip>\[[0-9A-Fa-f:]*\]|\d+\.\d+\.\d+\.\d+|localhost|[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,7}):)?"
    r"(?:(?P<published>\d+(?:-\d+)?)?:)?(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)
_PATH = re.compile(r"[./~\\]|[A-Za-z]:[\\/]")
_MOST_PORTS = 1000
OPTIONS = "x-skep-options"
"""The key of a mount's long form for those options of its short one that have no key there."""
RANGE = "x-skep-range"
"""The key of a port's long form for the range that it is the first of."""


def as_mapping(value: Any) -> dict[str, Any]:
    """Return a mapping, or a list of `NAME=value`, as a mapping; a name alone has None."""
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    found: dict[str, Any] = {}
    for item in as_list(value):
        name, sign, given = text(item).partition("=")
        found[name] = given if sign else None
    return found


def as_list(value: Any) -> list[Any]:
    """Return a list, or the list of a single value."""
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def host_lines(value: Any) -> dict[str, Any]:
    """Return `extra_hosts` as name to address, or to a list of them; items are `name=address` or `name:address`."""
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    found: dict[str, Any] = {}
    for item in as_list(value):
        name, _, address = re.sub(r"[=:]", "\0", text(item), count=1).partition("\0")
        address = address.strip().strip("[]")
        found[name.strip()] = [*as_list(found[name.strip()]), address] if name.strip() in found else address
    return found


def long_ports(value: Any) -> Iterator[dict[str, Any] | str]:
    """Yield ports in their long form, one for each port of a range. What can't be read stays as it is."""
    for item in as_list(value):
        if isinstance(item, Mapping):
            yield from _ranges(dict(item), text(item.get("target")), text(item.get("published") or ""))
            continue
        found = _PORT.fullmatch(text(item))
        if found is None:
            yield text(item)
            continue
        made = {
            "host_ip": (found["ip"] or "").strip("[]"),
            "protocol": (found["protocol"] or "").lower(),
        }
        yield from _ranges(
            {key: part for key, part in made.items() if part}, found["target"], found["published"] or ""
        )


def _ranges(port: dict[str, Any], target: str, published: str) -> Iterator[dict[str, Any] | str]:
    """Yield a port for each of its range."""
    try:
        targets, hosts = list(_range(target)), list(_range(published))
    except ValueError:
        yield f"{published}:{target}" if published else target
        return
    if len(targets) == 1 and len(hosts) > 1:
        yield {**port, "target": targets[0], "published": hosts[0], RANGE: published}
    elif hosts and len(targets) != len(hosts):
        yield f"{published}:{target}"
    else:
        for i, number in enumerate(targets):
            yield {**port, "target": number, "published": hosts[i] if hosts else None}


def _range(ports: str) -> Iterator[int]:
    """Yield the ports of `8000` or `8000-8010`; none for an empty text.

    Raises:
        ValueError: It is neither, or too many.

    """
    first, sign, last = ports.partition("-")
    if not first:
        return
    found = range(int(first), int(last if sign else first) + 1)
    if not 0 < len(found) <= _MOST_PORTS:
        raise ValueError
    yield from found


def long_mount(item: Any) -> dict[str, Any]:
    """Return a mount in its long form, with the options of its short one that have no key there."""
    if isinstance(item, Mapping):
        return dict(item)
    parts = _mount_parts(text(item))
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0]}
    source, target, *rest = parts
    made: dict[str, Any] = {"type": "bind" if _PATH.match(source) else "volume"}
    made |= {"source": source, "target": target}
    for option in ",".join(rest).split(","):
        if option == "ro":
            made["read_only"] = True
        elif option == "nocopy":
            made["volume"] = {"nocopy": True}
        elif re.fullmatch(r"r?(private|shared|slave)", option):
            made["bind"] = {"propagation": option}
        elif option not in {"", "rw", "cached", "delegated", "consistent"}:  # these mean nothing on Linux
            made[OPTIONS] = [*made.get(OPTIONS, []), option]
    return made


def _mount_parts(mount: str) -> list[str]:
    """Return the parts between colons; that behind the letter of a Windows drive is none."""
    drive = mount[:2] if re.match(r"[A-Za-z]:[\\/]", mount) else ""
    parts = mount[len(drive) :].split(":")
    return [drive + parts[0], *parts[1:]]


def long_use(item: Any) -> dict[str, Any]:
    """Return a service's use of a secret or config in its long form."""
    return dict(item) if isinstance(item, Mapping) else {"source": text(item)}


def long_tmpfs(item: Any) -> dict[str, Any]:
    """Return an item of `tmpfs` as a mount."""
    target, _, options = text(item).partition(":")
    made: dict[str, Any] = {"type": "tmpfs", "target": target}
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name in {"size", "mode"} and value:
            made["tmpfs"] = {**made.get("tmpfs", {}), name: value}
        else:
            made[OPTIONS] = [*made.get(OPTIONS, []), option]
    return made


def _dependencies(value: Any) -> dict[str, Any]:
    """Return `depends_on` in its long form."""
    if isinstance(value, Mapping):
        return {text(name): dict(how or {}) for name, how in value.items()}
    return {text(name): {} for name in as_list(value)}


def _networks(value: Any) -> dict[str, Any]:
    """Return a service's networks in their long form."""
    if isinstance(value, Mapping):
        return {text(name): dict(how or {}) for name, how in value.items()}
    return {text(name): {} for name in as_list(value)}


def _build(value: Any) -> dict[str, Any]:
    """Return `build` in its long form."""
    made = dict(value) if isinstance(value, Mapping) else {"context": text(value)}
    for key in ("args", "labels"):
        if key in made:
            made[key] = as_mapping(made[key])
    return made


def _deploy(value: Any) -> dict[str, Any]:
    """Return `deploy` with its labels as a mapping."""
    made = dict(value or {})
    if "labels" in made and not isinstance(made["labels"], Overriding):
        made["labels"] = as_mapping(made["labels"])
    return made


def _health(value: Any) -> dict[str, Any]:
    """Return `healthcheck`."""
    return dict(value or {})


_LONG: Mapping[str, Any] = {
    **dict.fromkeys(("environment", "labels", "sysctls", "annotations"), as_mapping),
    **dict.fromkeys(
        ("cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "env_file", "label_file", "tmpfs"), as_list
    ),
    "build": _build,
    "configs": lambda value: [long_use(item) for item in as_list(value)],
    "depends_on": _dependencies,
    "deploy": _deploy,
    "extra_hosts": host_lines,
    "healthcheck": _health,
    "networks": _networks,
    "ports": lambda value: list(long_ports(value)),
    "secrets": lambda value: [long_use(item) for item in as_list(value)],
    "volumes": lambda value: [long_mount(item) for item in as_list(value)],
}


def long_service(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service with its keys in their long forms, so that two files' can be merged."""
    made: dict[str, Any] = {}
    for key, value in service.items():
        to_long = _LONG.get(key)
        if to_long is None or value is None:
            made[key] = value
        elif isinstance(value, Overriding):
            made[key] = Overriding(None if value.value is None else to_long(value.value))
        else:
            made[key] = to_long(value)
    return made
