"""Find and replace the templates in a site, with their paths. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from model import site as types
from model.stage import Stage

FIXED = frozenset(
    (
        "alerts",
        "available_on",
        "backup_scripts",
        "configs",
        "ignore_error",
        "image",
        "initialize_roles",
        "metrics",
        "monitor_error",
        "networks",
        "ports",
        "secrets",
        "try",
        "volumes",
    )
)
"""Keys of a service that hold no templates: they name other resources, or are no part of the service itself."""
ENVIRONMENT = "environment"
NFS = "nfs"
"""The name, in templates, of the file system that the cloud makes for the stage."""
_MARKS = ("{{", "{%")


def is_template(value: object) -> bool:
    """Return whether a value is a template."""
    return isinstance(value, str) and any(mark in value for mark in _MARKS)


def templates_in(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield every template in a part of a site, each with its path."""
    if isinstance(value, Struct):
        for name, key in _fields(value):
            yield from templates_in(f"{path}.{key}", getattr(value, name))
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from templates_in(f"{path}.{key}", part)
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from templates_in(f"{path}[{i}]", part)
    elif isinstance(value, str) and is_template(value):
        yield path, value


def map_templates(path: str, value: object, change: Callable[[str, str], object]) -> Any:
    """Return a part of a site with its templates replaced, each given to `change` with its path."""
    if isinstance(value, Struct):
        parts = {
            name: map_templates(f"{path}.{key}", getattr(value, name), change) for name, key in _fields(value)
        }
        return structs.replace(value, **parts)
    if isinstance(value, Mapping):
        return {key: map_templates(f"{path}.{key}", part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [map_templates(f"{path}[{i}]", part, change) for i, part in enumerate(value)]
    return change(path, value) if isinstance(value, str) and is_template(value) else value


def variables(stage: Stage) -> dict[str, Any]:
    """Return the variables of a stage: the site's, overridden by its own."""
    return {**stage.site.vars, **stage.config.vars}


def templatable(service: types.Service) -> dict[str, Any]:
    """Return the attributes of a service that may hold templates."""
    return {name: getattr(service, name) for name, key in _fields(service) if key not in FIXED}


def _fields(value: Struct) -> Iterator[tuple[str, str]]:
    """Yield a type's attributes with their keys in site.toml."""
    return zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)


def role_variables(name: str, service: types.Service) -> Iterator[tuple[str, Mapping[str, types.Value]]]:
    """Yield the variables of a service's initialization roles, with their paths."""
    for i, use in enumerate(service.initialize_roles):
        yield f"services.{name}.initialize_roles[{i}].vars", use.vars
