"""The shapes of compose's keys, as far as the conversion counts on them: mappings, lists, single values.

Docker refuses other ones as well; what single values may be is a matter of site.toml's checks.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from model.compose.yaml_file import Overriding
from model.toml_text import key_path

_SINGLE, _LIST, _MAPPING, _EITHER = "a single value", "a list", "a mapping", "a list or a mapping"
_PLAIN_LIST = "a value or a list of values"
_VALUE_OR_MAPPING = "a single value or a mapping"
_SERVICE: Mapping[str, tuple[str, ...]] = {
    _SINGLE: (
        *(
            "image",
            "user",
            "working_dir",
            "hostname",
            "domainname",
            "container_name",
            "restart",
            "stop_signal",
        ),
        *(
            "stop_grace_period",
            "shm_size",
            "network_mode",
            "platform",
            "init",
            "read_only",
            "tty",
            "scale",
            "cpus",
        ),
        *("mem_limit", "mem_reservation", "deploy.mode", "deploy.replicas", "deploy.endpoint_mode"),
        *(
            "healthcheck.interval",
            "healthcheck.timeout",
            "healthcheck.retries",
            "healthcheck.start_period",
            "healthcheck.start_interval",
        ),
        *("build.context", "build.dockerfile", "build.dockerfile_inline", "build.target", "logging.driver"),
        *("deploy.resources.limits.*", "deploy.restart_policy.*", "deploy.update_config.*"),
        *(
            "deploy.rollback_config.*",
            "deploy.resources.reservations.cpus",
            "deploy.resources.reservations.memory",
        ),
        *("deploy.placement.max_replicas_per_node", "depends_on.*.condition", "depends_on.*.restart"),
        *("ports.*.target", "ports.*.published", "ports.*.protocol", "ports.*.mode", "ports.*.host_ip"),
        *("volumes.*.type", "volumes.*.source", "volumes.*.target", "volumes.*.read_only"),
        *("volumes.*.tmpfs.*", "volumes.*.bind.propagation", "volumes.*.volume.nocopy"),
        *("secrets.*.source", "secrets.*.target", "secrets.*.uid", "secrets.*.gid", "secrets.*.mode"),
        *("configs.*.source", "configs.*.target", "configs.*.uid", "configs.*.gid", "configs.*.mode"),
        *("environment.*", "labels.*", "sysctls.*", "deploy.labels.*", "logging.options.*", "build.args.*"),
        *("build.labels.*", "deploy.placement.constraints.*", "deploy.placement.preferences.*.spread"),
        *(
            "annotations.*",
            "networks.#",
            "depends_on.#",
            "extends.service",
            "extends.file",
            "env_file.*.path",
            "env_file.*.required",
        ),
    ),
    _LIST: (
        "ports",
        "volumes",
        "secrets",
        "configs",
        "deploy.placement.constraints",
        "deploy.placement.preferences",
    ),
    _MAPPING: (
        *(
            "deploy",
            "deploy.placement",
            "deploy.resources",
            "deploy.resources.limits",
            "deploy.restart_policy",
        ),
        *("deploy.resources.reservations", "deploy.update_config", "deploy.rollback_config", "healthcheck"),
        *("logging", "logging.options", "ulimits", "volumes.*.bind", "volumes.*.volume", "volumes.*.tmpfs"),
        *("depends_on.%", "networks.%"),
    ),
    _EITHER: (
        *("environment", "labels", "sysctls", "annotations", "extra_hosts", "networks", "depends_on"),
        *("deploy.labels", "build.args", "build.labels"),
    ),
    _PLAIN_LIST: (
        *("command", "entrypoint", "healthcheck.test", "dns", "dns_search", "dns_opt", "cap_add", "cap_drop"),
        *("tmpfs", "label_file", "profiles", "links", "extra_hosts.*", "networks.*.aliases"),
    ),
    _VALUE_OR_MAPPING: ("build", "extends", "env_file.#"),
}
_TOP: Mapping[str, tuple[str, ...]] = {
    _SINGLE: (
        *(
            "name",
            "networks.*.name",
            "networks.*.driver",
            "volumes.*.name",
            "volumes.*.driver",
            "secrets.*.file",
        ),
        *("secrets.*.name", "secrets.*.environment", "configs.*.file", "configs.*.name", "configs.*.content"),
        *(
            "configs.*.environment",
            "configs.*.template_driver",
            "networks.*.attachable",
            "networks.*.internal",
        ),
        *("networks.*.driver_opts.*", "volumes.*.driver_opts.*", "networks.*.labels.*", "volumes.*.labels.*"),
        *("networks.*.ipam.driver", "networks.*.ipam.options.*", "networks.*.ipam.config.*.subnet"),
        *(
            "networks.*.ipam.config.*.gateway",
            "networks.*.ipam.config.*.ip_range",
            "include.#.project_directory",
        ),
    ),
    _PLAIN_LIST: ("include.#.path", "include.#.env_file"),
    _VALUE_OR_MAPPING: ("include.#",),
    _LIST: ("networks.*.ipam.config", "include"),
    _MAPPING: (
        *("services", "networks", "volumes", "secrets", "configs", "services.*", "networks.*", "volumes.*"),
        *("secrets.*", "configs.*", "networks.*.ipam", "networks.*.ipam.options", "networks.*.driver_opts"),
        "volumes.*.driver_opts",
    ),
    _EITHER: ("networks.*.labels", "volumes.*.labels"),
}


def wrong_shapes(data: Mapping[str, Any]) -> list[str]:
    """Return a line for each key of a file that has another shape than compose gives it."""
    patterns = {
        **{pattern: shape for shape, names in _TOP.items() for pattern in names},
        **{f"services.*.{name}": shape for shape, names in _SERVICE.items() for name in names},
    }
    return [
        f"{key_path(place)}: must be {shape}"
        for pattern, shape in patterns.items()
        for place, value in _found((), data, pattern.split("."))
        if not _is_of(value, shape)
    ]


def _found(
    place: tuple[str | int, ...], value: Any, steps: list[str]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the values at a pattern of keys, of which `*` is any key or index, `%` any key, `#` any index."""
    if isinstance(value, Overriding):
        value = value.value
    if not steps:
        yield place, value
        return
    step, *rest = steps
    if isinstance(value, Mapping):
        for key, part in value.items():
            if step in {"*", "%", str(key)}:
                yield from _found((*place, str(key)), part, rest)
    elif isinstance(value, list) and step in {"*", "#"}:
        for i, part in enumerate(value):
            yield from _found((*place, i), part, rest)


def _is_of(value: Any, shape: str) -> bool:
    """Return whether a value has a shape; nothing has all."""
    if value is None:
        return True
    is_list, is_mapping = isinstance(value, list), isinstance(value, Mapping)
    if shape == _PLAIN_LIST:
        return not is_mapping and not (is_list and any(isinstance(part, Mapping | list) for part in value))
    if shape == _EITHER:
        return is_mapping or (is_list and not any(isinstance(part, list) for part in value))
    return {
        _SINGLE: not is_list and not is_mapping,
        _VALUE_OR_MAPPING: not is_list,
        _LIST: is_list,
        _MAPPING: is_mapping,
    }[shape]
