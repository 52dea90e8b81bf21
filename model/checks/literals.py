"""Refuse templates where none is rendered: they would be taken as they are, without a word."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from model import site as types
from model import templates
from model.images import ansible, roles

Place = tuple[str | int, ...]
"""The keys and indices that lead to a value."""


def check_literals(site: types.Site, directory: Path) -> Iterator[str]:
    """Yield a line for each template in a place of site.toml where templates are not rendered.

    Braces that are no Jinja2, as Docker's `{{.Name}}` in `daemon.json`, stay: they are the text of another program.
    """
    for place, text in _texts((), site):
        if templates.is_jinja(text) and not _is_rendered(place, site, directory):
            yield f"{_path(place)}: templates are not rendered here; {_way_out(place)}"
    for place, key in _keys((), site):
        if templates.is_jinja(key):
            yield f"{_path(place)}: templates in keys are not rendered, only those in values; write the key itself"


def _texts(place: Place, value: object) -> Iterator[tuple[Place, str]]:
    """Yield every text in a part of a site."""
    if isinstance(value, str):
        yield place, value
    for key, part in _parts(value):
        yield from _texts((*place, key), part)


def _keys(place: Place, value: object) -> Iterator[tuple[Place, str]]:
    """Yield every key that site.toml chooses, with the place of its table."""
    for key, part in _parts(value):
        if isinstance(value, Mapping):
            yield place, str(key)
        yield from _keys((*place, key), part)


def _parts(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield the parts of a table or list."""
    if isinstance(value, Struct):
        for name, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield key, getattr(value, name)
    elif isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _is_rendered(place: Place, site: types.Site, directory: Path) -> bool:
    """Return whether the templates of a place are rendered, by skep or by Ansible, or said to be none."""
    match place:
        case ("vars", *_) | ("stages", _, "vars", *_) | ("volumes", _, "driver_opts", *_):
            return True
        case ("configs", _, "text"):
            return True  # else it says `template = false`
        case ("services", _, "initialize_roles", _, "vars", *_):
            return True
        case ("services", _, str(key), *_):
            return key not in templates.FIXED
        case ("images", str(name), "vars", *_):
            return any(_is_of_ansible(use, directory) for use in site.images[name].roles)
        case ("images", str(name), "roles", int(i), "vars", *_):
            return _is_of_ansible(site.images[name].roles[i], directory)
    return False


def _is_of_ansible(use: types.RoleUse, directory: Path) -> bool:
    """Return whether Ansible renders a role's variables."""
    role = roles.find(directory, use.role)
    return role is not None and ansible.is_role(role)


def _way_out(place: Place) -> str:
    """Return what to write instead."""
    match place:
        case ("images", _, "vars", *_) | ("images", _, "roles", _, "vars", *_):
            return "write the value itself (only roles of Ansible have templates in their variables rendered)"
        case ("images", *_):
            return "write the value itself, or set it in a service (environment, command, …), where they are"
        case ("services", _, "try", *_):
            return "write the value itself; {address} is all that is replaced"
    return "write the value itself"


def _path(place: Place) -> str:
    """Return a place as messages name it: `services.web.try[0]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
