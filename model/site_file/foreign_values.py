"""Values in the forms of compose files and of hive-builder, and what to write here instead. Pure."""

import re
from collections.abc import Sequence

from model.site.volumes import EACH
from model.toml_text import key_text, short_text, toml_text

_CONDITIONS = {
    "always": "any",
    "unless-stopped": "any",
    "no": "none",
    "false": "none",
    "on-failure": "on-failure",
}
"""compose's `restart` to the swarm's condition."""
_NETWORK_MODES = {
    "host": "write networks = ['host']",
    "bridge": "leave it out: services have the networks of [networks]",
    "default": "leave it out: services have the networks of [networks]",
    "none": "the swarm's services are in a network; one with internal = true is cut off from the outside",
}
_FLAVOURS = {
    "npipe": "it is for Windows",
    "image": "skep has no such thing yet",
    "cluster": "skep has no such thing yet",
}
"""Types of mounts that there are elsewhere."""
_LAST_MODE = 0o1777
_EACH = {"all", "any", "each", "every", "global", "*"}
"""How people write that every hive has a volume."""
_BOOLEANS = {"true", "false", "yes", "no"}


def value_of_key(table: str, key: str, value: object) -> str:
    """Return what to write instead of a key of elsewhere with this value; empty if the value makes no difference.

    Args:
        table: The name of its table's type.
        key: The key.
        value: The value.

    """
    match table, key:
        case "ServiceTable", "restart" | "restart_policy":
            return _restart(value)
        case "ServiceTable", "network_mode" if isinstance(value, str):
            return _NETWORK_MODES.get(
                value,
                "a container of the swarm has its own network: put both into one service, or use a network",
            )
        case "HealthcheckTable", "disable" if value is False:
            return "leave it out"
        case "MountTable", "volume" if isinstance(value, dict) and "subpath" in value:
            return "skep has no such thing yet: mount the whole volume"
        case "MountTable", "bind" if isinstance(value, dict) and "propagation" not in value:
            return "leave it out: the directory has to be there"
    return ""


def _restart(value: object) -> str:
    """Return compose's `restart` or `restart_policy` as a table."""
    word, _, attempts = toml_text(value).strip("'").partition(":")
    if word not in _CONDITIONS:
        return ""
    more = f", max_attempts = {attempts}" if attempts.isdecimal() else ""
    return f"write restart_config = {{ condition = {toml_text(_CONDITIONS[word])}{more} }}"


def value_instead(place: Sequence[str | int], value: object) -> str:
    """Return what to write instead of a value in a form of elsewhere, as the end of a message; else nothing.

    Args:
        place: The keys and indices that lead to it.
        value: The value.

    """
    match place:
        case ["services", str(name), *rest]:
            said = _of_service(name, rest, value)
        case ["networks" | "volumes" | "configs", _, "external"] if (
            isinstance(value, dict) and "name" in value
        ):
            said = f"write external = true and name = {toml_text(value['name'])}"
        case ["networks" | "volumes" | "configs", _, "external"] if (
            isinstance(value, str) and value.lower() not in _BOOLEANS
        ):
            said = f"write external = true and name = {toml_text(value)}"
        case ["networks", _, "ipam", "config"] if isinstance(value, dict):
            said = f"write {short_text([value])}"
        case ["networks", _, "ipam"] if isinstance(value, list):
            said = f"write {{ config = {short_text(value)} }}"
        case ["volumes", _, "hosts"] if isinstance(value, str) and value != EACH:
            said = f"write {toml_text(EACH if value.lower() in _EACH else value.replace(',', ' ').split())}"
        case ["stages", _, "image_name"] if isinstance(value, dict):
            said = "write the name or id of an image of the cloud, or a family, as 'debian-12'"
        case ["secrets", _]:
            said = "a secret is in no site.toml: write { file = '…' }, { env = '…' } or { generate = 32 }"
        case ["images", _, "healthcheck"] if isinstance(value, str | list | bool):
            said = _of_healthcheck(value)
        case [("networks" | "volumes" | "secrets" | "configs" | "images" | "services") as table] if (
            isinstance(value, list)
        ):
            is_name = value and isinstance(value[0], str) and table != "secrets"
            name = value[0] if is_name else "<name>"
            said = f"write a table for each, as [{table}.{name}]"
        case _:
            said = ""
    return f": {said}" if said else ""


def _of_healthcheck(value: object) -> str:
    """Return what to write instead of a health check that is no table."""
    if value is False or (isinstance(value, str) and value.lower() in {"none", "disable", "false"}):
        return "write { test = ['NONE'] } to switch the image's own check off"
    return "" if value is True else f"write {{ test = {short_text(value)} }}"


def _of_service(name: str, place: Sequence[str | int], value: object) -> str:  # noqa: PLR0911 - a table of forms
    """Return what to write instead of a value in a service; empty if its form is not known."""
    match place, value:
        case ["image"], dict():
            return f"write these keys in [images.{name}], and image = {toml_text(name)} here"
        case ["volumes", int()], str(text):
            return _mount(text)
        case ["volumes", int(), "type"], str(text):
            return _FLAVOURS.get(text, "")
        case ["depends_on"], dict() | str():
            return f"write {short_text([value] if isinstance(value, str) else list(value))}"
        case ["networks"], dict():
            return f"write {short_text(list(value))}; its further names there: {{ name = '…', aliases = [] }}"
        case ["healthcheck"], str() | list() | bool():
            return _of_healthcheck(value)
        case ["logging"], str(text):
            return f"write {{ driver = {toml_text(text)} }}"
        case ["env_file", *_], {"path": str(file)}:
            return f"write {toml_text(file)}"
        case ["environment"], [str(variable), *_] if "=" not in variable:
            return f"write {{ {key_text(variable)} = '…' }}; what the shell's environment has can be a secret, with env"
        case ["hosts"], [str(line), *_] if found := re.fullmatch(r"([^\s:=]+)[:=](\S+)", line):
            return f"write {{ {key_text(found[1])} = {toml_text(found[2])} }}"
        case ["ulimits", _], str(text) if found := re.fullmatch(r"(-?\d+):(-?\d+)", text):
            return f"write {{ soft = {found[1]}, hard = {found[2]} }}"
        case ["placement", "preferences", int()], {"spread": str(label)}:
            return f"write {toml_text(label)}"
        case ["restart_config", "condition"], str(text) if (word := text.partition(":")[0]) in _CONDITIONS:
            return f"write {toml_text(_CONDITIONS[word])}"
        case [("secrets" | "configs"), int(), "mode"], int(mode) if (
            not isinstance(mode, bool) and 0 <= mode <= _LAST_MODE
        ):
            return f"write {toml_text(f'{mode:04o}')}"
    return ""


def _mount(text: str) -> str:
    """Return what to write for a mount in compose's short form: a table."""
    source, target, *options = [*text.split(":"), ""][:3] if ":" in text else ["", text]
    is_path = source.startswith(("/", ".", "~"))
    made: dict[str, object] = {"source": source or "<name>", "target": target}
    if is_path:
        made = {"type": "bind", **made, "source": source if source.startswith("/") else "/…"}
    if "ro" in ",".join(options).split(","):
        made["readonly"] = True
    if is_path and not source.startswith("/"):
        return (
            f"write a config for a file ([configs.<name>] with file = {toml_text(source)}), an image for several, or "
            f"{toml_text(made)} for a directory that every hive has"
        )
    volume = "" if is_path else f", and [volumes.{source or '<name>'}]"
    return f"write {toml_text(made)}{volume}"
