"""Refuse templates where none is rendered: they would be taken as they are, without a word."""

from collections.abc import Iterator
from pathlib import Path

from model import site as types
from model import templates
from model.images import ansible, roles
from model.places import Place, fits, keys, texts
from model.toml_text import key_path


def check_literals(site: types.Site, directory: Path) -> Iterator[str]:
    """Yield a line for each template in a place of site.toml where templates are not rendered.

    Braces that are no Jinja2, as Docker's `{{.Name}}` in `daemon.json`, stay: they are the text of another program.
    """
    for place, text in texts((), site):
        if _is_for_a_script(place) and templates.is_of_another_program(text):
            continue
        if templates.is_jinja(text) and not _is_rendered(place, site, directory):
            yield f"{key_path(place)}: templates are not rendered here; {_way_out(place)}"
    for place, key in keys((), site):
        if templates.is_jinja(key):
            yield f"{key_path(place)}: templates in keys are not rendered, only those in values; write the key itself"


def _is_rendered(place: Place, site: types.Site, directory: Path) -> bool:
    """Return whether the templates of a place are rendered, by skep or by Ansible, or said to be none."""
    match place:
        case ("vars", *_) | ("stages", _, "vars", *_) | ("volumes", _, "driver_opts", *_):
            return True
        case ("monitoring", "receivers", *_):
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


def _is_for_a_script(place: Place) -> bool:
    """Return whether a place is a variable of an image's role, which its script may hand to another program."""
    return fits(place, ("images", "*", "vars", "**")) or fits(
        place, ("images", "*", "roles", "*", "vars", "**")
    )


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
