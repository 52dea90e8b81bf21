"""A compose service as a service of the site."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.compose.deploy_keys import add_deploy
from model.compose.image_builds import add_image
from model.compose.keys import HEALTHCHECK, SERVICE, why_not
from model.compose.mounts import add_mounts
from model.compose.project import FLATTENED
from model.compose.scalars import boolean, duration, number, permissions, size, text, texts, words
from model.compose.scope import Scope
from model.compose.service_networks import add_networks, add_ports
from model.compose.short_forms import as_list, as_mapping
from model.compose.variables import BEGIN, END, Variable, Variables, looks_secret
from model.errors import ConfigError
from model.site_file.env_files import env_file, env_variables
from model.user_paths import content_of, is_there
from model.utf8 import utf8_text

_COMMANDS = ("entrypoint", "command")
_TEXTS = ("user", "working_dir", "stop_signal")
_LISTS = {
    "dns": "dns",
    "dns_search": "dns_search",
    "dns_opt": "dns_options",
    "cap_add": "cap_add",
    "cap_drop": "cap_drop",
}
_SWITCHES = ("init", "read_only", "tty")
_HEALTH_TIMES = ("interval", "timeout", "start_period", "start_interval")


def add_service(scope: Scope) -> None:
    """Add a service: every key of it goes somewhere, or becomes a remark."""
    table, source = scope.table, scope.source
    for key, value in (source.get(FLATTENED) or {}).items():
        scope.lost(
            key,
            value,
            "site.toml takes no templates there: the values that its variables have now stand there",
        )
        written = scope.draft.shown(value)
        for variable in scope.draft.variables.used.values():
            if variable.is_secret and variable.written in written:
                scope.note(
                    f"{variable.name}: a secret in plain text here, in {key}: [secrets] keeps it out of this file"
                )
    _add_image(scope)
    for key in _COMMANDS:
        if source.get(key) is None:
            continue
        try:
            table[key] = words(source[key])
        except ValueError:
            scope.lost(key, source[key], "a quote in it is not closed, or nothing is behind its last `\\`")
    for key in _TEXTS:
        if source.get(key) is not None:
            table[key] = text(source[key])
    _add_names(scope)
    _add_environment(scope)
    for key, name in _LISTS.items():
        if source.get(key):
            table[name] = list(dict.fromkeys(texts(source[key])))
    for key in _SWITCHES:
        if boolean(source.get(key) or False) is not False:
            table[key] = boolean(source[key])
    _add_labels(scope)
    _add_settings(scope)
    _add_health(scope)
    add_deploy(scope)
    add_networks(scope)
    add_ports(scope)
    add_mounts(scope)
    _add_uses(scope)
    _add_dependencies(scope)
    for key, value in source.items():
        if key != FLATTENED and (reason := why_not(SERVICE, key)) and value not in (None, [], {}, False):
            scope.lost(key, value, reason)


def _add_image(scope: Scope) -> None:
    """Add the image: one that is built, or one that is pulled."""
    source = scope.source
    wanted = text(source.get("image"))
    if isinstance(source.get("build"), Mapping):
        name = add_image(scope.draft, scope.files, scope.name, dict(source["build"]), scope.secrets)
        if name is not None:
            scope.table["image"] = name
            if wanted:
                scope.lost("image", wanted, "what is built here is called as its table in [images]")
            return
        wanted = wanted or scope.name
    if not wanted:
        return
    if wanted.endswith(":"):
        scope.note(f"image: {wanted} has no tag, since its variable has no value: it is latest")
        wanted = wanted[:-1]
    scope.table["image"] = with_tag(wanted)


def with_tag(image: str) -> str:
    """Return an image's reference with its tag, which is `latest` if none is given."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _add_names(scope: Scope) -> None:
    """Add the containers' name, and the lines of their `/etc/hosts`."""
    host, domain = scope.source.get("hostname"), scope.source.get("domainname")
    if host or domain:
        scope.table["hostname"] = ".".join(text(part) for part in (host or scope.wanted, domain) if part)
    hosts: dict[str, str] = {}
    for name, address in (scope.source.get("extra_hosts") or {}).items():
        first, *more = texts(as_list(address)) or [""]
        if first == "host-gateway":
            scope.lost("extra_hosts", f"{name}={first}", SERVICE["extra_hosts"].remark)
        else:
            hosts[name] = first
        for other in more:
            scope.lost("extra_hosts", f"{name}={other}", "a name has one address in site.toml")
    if hosts:
        scope.table["hosts"] = hosts


def _add_environment(scope: Scope) -> None:
    """Add the environment, and the files that it is in."""
    environment: dict[str, Any] = {}
    files: list[str] = []
    for item in as_list(scope.source.get("env_file")):
        how = item if isinstance(item, Mapping) else {"path": item}
        path = scope.files.path(text(how.get("path")))
        relative = scope.files.relative(path)
        problem = "" if how.get("format") == "raw" else _problem_of(path)
        if problem is None:
            files.append(relative)
        else:
            environment |= _variables_of(scope, how, path, problem)
        for key, value in how.items():
            if key not in {"path", "required"} and (key, value) != ("format", "raw"):
                scope.lost(f"env_file ({text(how.get('path'))}).{key}", value, "skep has no such thing yet")
    if files:
        scope.table["env_file"] = files
    for key, value in (scope.source.get("environment") or {}).items():
        name = scope.plain(key)
        if value is not None:
            environment[name] = value if isinstance(value, str | int | float) else text(value)
        elif scope.draft.variables.value(name) is not None:
            environment[name] = scope.draft.variables.mark_of(name)
        else:
            scope.lost("environment", name, "had no value in the shell or .env when this was made")
    if environment:
        scope.table["environment"] = environment
        plain = [name for name, value in environment.items() if looks_secret(name) and _is_plain(value)]
        if plain:
            names = ", ".join(plain)
            scope.note(
                f"{names}: in plain text; {{{{ secrets.<name> }}}} and [secrets] keep it out of this file"
            )


def _is_plain(value: Any) -> bool:
    """Return whether a value is written out."""
    return bool(value) and "\ue000" not in str(value) and not str(value).startswith("/")


def _problem_of(path: Path) -> str | None:
    """Return why site.toml can't name a file of variables; None if it can."""
    try:
        env_file("", path.parent, path.name)
    except ConfigError as error:
        return error.problems[0].rpartition(": ")[2]
    return None


def _variables_of(scope: Scope, how: Mapping[str, Any], path: Path, problem: str) -> dict[str, str]:
    """Return the variables of a file that site.toml can't name: it is raw, has variables itself, or is not there."""
    shown = text(how.get("path"))
    variables: Variables = scope.draft.variables
    try:
        content = utf8_text(shown, content_of(path))
        if how.get("format") == "raw":
            found = _raw_variables(content)
        else:
            found = env_variables(shown, content, lambda _, value: variables.marked(value))
    except (OSError, UnicodeEncodeError):
        reason = "it can't be read" if is_there(path) else "there was no such file"
        is_optional = how.get("required") in {False, "false"}
        scope.lost("env_file", shown, f"{reason}{', and it need not be there' if is_optional else ''}")
        return {}
    except (ConfigError, ValueError):
        scope.lost("env_file", shown, problem)
        return {}
    why = "is raw" if how.get("format") == "raw" else "has variables in its values"
    scope.note(f"env_file: {shown} {why}: what it says is in `environment`")
    return {name: _kept_secret(variables, name, value) for name, value in found.items()}


def _raw_variables(content: str) -> dict[str, str]:
    """Return the variables of a file of `format: raw`, whose values have neither quotes nor variables."""
    lines = [line.strip() for line in content.splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {name.strip(): value for name, _, value in pairs}


def _kept_secret(variables: Variables, name: str, value: str) -> str:
    """Return the value of a variable out of a file; a mark, where it is a secret, which the file alone has."""
    plain = variables.plain(value)
    variable = Variable(name, plain, ".env", written=f"${{{name}}}")
    if not variable.is_secret or variables.used.setdefault(name, variable).value != plain:
        return value
    return f"{BEGIN}{name}{END}"


def _add_labels(scope: Scope) -> None:
    """Add the labels of the containers."""
    labels: dict[str, Any] = {}
    for item in as_list(scope.source.get("label_file")):
        try:
            path = scope.files.path(text(item))
            labels |= env_file("", path.parent, path.name)
        except ConfigError as error:
            scope.lost("label_file", item, error.problems[0].rpartition(": ")[2])
    labels |= as_mapping(scope.source.get("labels"))
    if labels:
        scope.table["container_labels"] = {scope.plain(key): text(value) for key, value in labels.items()}
        scope.draft.note(
            (),
            "labels became container_labels, as in compose; programs in a swarm mostly read those of deploy.labels",
        )


def _add_settings(scope: Scope) -> None:
    """Add what has a form of its own."""
    source, table = scope.source, scope.table
    if source.get("sysctls"):
        table["sysctls"] = {
            key: value if isinstance(value, int | float) else text(value)
            for key, value in source["sysctls"].items()
        }
    if source.get("stop_grace_period") is not None:
        table["stop_grace_period"] = duration(source["stop_grace_period"])
    if source.get("shm_size") is not None:
        table["shm_size"] = size(source["shm_size"])
    if isinstance(source.get("ulimits"), Mapping):
        table["ulimits"] = {
            key: {name: number(part) for name, part in limit.items()}
            if isinstance(limit, Mapping)
            else number(limit)
            for key, limit in source["ulimits"].items()
        }
    logging = source.get("logging")
    if isinstance(logging, Mapping):
        options = {
            key: text(value) for key, value in (logging.get("options") or {}).items() if value is not None
        }
        table["logging"] = {"driver": text(logging.get("driver")) or "json-file"} | (
            {"options": options} if options else {}
        )


def _add_health(scope: Scope) -> None:
    """Add the health check."""
    health = scope.source.get("healthcheck")
    if not isinstance(health, Mapping) or not health:
        return
    scope.lost_of(HEALTHCHECK, "healthcheck.", health)
    if boolean(health.get("disable") or False) is True:
        scope.table["healthcheck"] = {"test": ["NONE"]}
        return
    if not health.get("test"):
        scope.lost(
            "healthcheck",
            health,
            "without a test it is the image's check with other times, which skep can't say",
        )
        return
    test = health["test"]
    made: dict[str, Any] = {"test": test if isinstance(test, str) else texts(test)}
    for key in _HEALTH_TIMES:
        if health.get(key) is not None:
            made[key] = duration(scope.plain(health[key]))
    if health.get("retries") is not None:
        made["retries"] = number(scope.plain(health["retries"]))
    scope.table["healthcheck"] = made


def _add_uses(scope: Scope) -> None:
    """Add the secrets and configs that the containers get."""
    for kind, names, mode in (("secrets", scope.secrets, "0444"), ("configs", scope.configs, "")):
        for use in scope.source.get(kind) or []:
            wanted = text(use.get("source"))
            if wanted not in names:
                scope.lost(kind, use, f"the compose file has no such one in its `{kind}`")
                continue
            made: dict[str, Any] = {"source": names[wanted]}
            if use.get("target") or names[wanted] != wanted:
                target = text(use.get("target")) or wanted
                made["target"] = target if kind == "secrets" or target.startswith("/") else f"/{target}"
            for key in ("uid", "gid"):
                if use.get(key) is not None:
                    made[key] = number(use[key])
            if use.get("mode") is not None or mode:
                made["mode"] = permissions(use["mode"]) if use.get("mode") is not None else mode
            scope.table.setdefault(kind, []).append(made if len(made) > 1 else names[wanted])


def _add_dependencies(scope: Scope) -> None:
    """Add the services that come first."""
    found: list[str] = []
    for wanted, how in (scope.source.get("depends_on") or {}).items():
        if wanted not in scope.services:
            scope.lost("depends_on", wanted, "the compose file has no such service")
            continue
        found.append(scope.services[wanted])
        if boolean(how.get("restart") or False) is True:
            scope.lost(f"depends_on.{wanted}.restart", "true", "a change of it does not start this one again")
        if boolean(how.get("required", True)) is False:
            scope.lost(f"depends_on.{wanted}.required", "false", "it is always waited for")
    if found:
        scope.table["depends_on"] = list(dict.fromkeys(found))
