"""`{{ … }}` in values: Jinja2, in its sandbox, where what is undefined is a mistake. Pure.

jinja2 is imported when the first value is a template, never before.
A text into which a secret went is a secret as a whole, whatever a filter has made of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from model import site as types
from model.definition import definition
from model.errors import ConfigError, SkepError
from model.secret import Secret, UnaskedSecret
from model.stage import Host, Stage
from model.units import Port

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

FIXED = frozenset(
    ("available_on", "configs", "image", "initialize_roles", "networks", "ports", "secrets", "try", "volumes")
)
"""Keys of a service that are taken as they are: they say which other things it is made from, or are no part of it."""
ENVIRONMENT = "environment"
NFS = "nfs"
"""The name of the stage's file system, which the cloud makes."""
_MARKS = ("{{", "{%")
_DOCKERS = "; a placeholder of Docker's own is written {{ '{{.Node.Hostname}}' }}"

Values = Mapping[str, object]


def is_template(value: object) -> bool:
    """Return whether a value is a text to be rendered."""
    return isinstance(value, str) and any(mark in value for mark in _MARKS)


def texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield every template in a value of tables and lists, each with its path."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts(f"{path}.{key}", part)
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from texts(f"{path}[{i}]", part)
    elif isinstance(value, str) and is_template(value):
        yield path, value


def has_nfs(stage: Stage) -> bool:
    """Return whether a stage has a file system of its cloud's."""
    return isinstance(stage.config, types.CloudStage) and stage.config.nfs


def variables(stage: Stage) -> dict[str, Any]:
    """Return the variables of a stage: the site's, with those that it says itself in their place."""
    return {**stage.site.vars, **stage.config.vars}


# -- what a template may name ------------------------------------------------------------------------------------------


class Names:
    """A table as templates see it: `vars.X`, `hosts["hive0"]`, `for name in hosts`.

    No mapping, whose methods (`items`, `get`) would hide what is called so.

    Args:
        what: What it holds, in words.
        known: The names.
        find: Returns what is under one of them.

    """

    __slots__ = ("_find", "_known", "_what")

    def __init__(self, what: str, known: Sequence[str], find: Callable[[str], object]) -> None:
        self._what, self._known, self._find = what, known, find

    def __getitem__(self, name: object) -> object:
        """Return what is under a name; KeyError, which jinja2 takes for undefined, if there is nothing."""
        if not isinstance(name, str) or name not in self._known:
            raise KeyError(name)
        return self._find(name)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"the {self._what}s {', '.join(self._known)}"

    def lacking(self, name: object) -> str:
        """Return what is said where a name is asked for that is not there."""
        known = ", ".join(sorted(self._known))
        return f"there is no {self._what} {name!r} ({f'there are: {known}' if known else 'there are none'})"


class Ports:
    """A service's published ports as templates see them: by the container's port, `80` or `53/udp`."""

    __slots__ = ("_ports", "_service")

    def __init__(self, service: str, ports: Sequence[Port]) -> None:
        self._service, self._ports = service, ports

    def __getitem__(self, target: object) -> int:
        """Return the host's port; where no protocol is named, tcp's comes first."""
        number, _, protocol = str(target).partition("/")
        found = [port for port in self._ports if str(port.target) == number]
        for port in sorted(found, key=lambda port: port.protocol != "tcp"):
            if protocol in {"", port.protocol}:
                return port.published
        raise KeyError(target)

    def __repr__(self) -> str:
        return f"the ports of {self._service}"

    def lacking(self, target: object) -> str:
        """Return what is said where a port is asked for that is not published."""
        known = ", ".join(f"{port.target}/{port.protocol}" for port in self._ports)
        return f"service {self._service} publishes no port {target} ({f'it has: {known}' if known else 'it has none'})"


class _NotYetError(Exception):
    """Something is not made yet. No KeyError, since jinja2 takes that for undefined."""


class _UnaskedError(Exception):
    """A secret was looked at that its command was not asked for."""


@dataclass
class _Look:
    """What one rendering sees, and which secrets it has looked at.

    Args:
        stage: The stage.
        secret: Returns a secret of `[secrets]`.
        ports: Returns a service's published ports.
        nfs: Returns where the stage's file system is mounted from, as `server:/path`.
        used: The texts of the secrets that were looked at.

    """

    stage: Stage
    secret: Callable[[str], Secret]
    ports: Callable[[str], Sequence[Port]]
    nfs: Callable[[], str]
    used: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        """Return all that can be named."""
        stage, known = self.stage, variables(self.stage)
        hosts = {host.short: _host(host) for host in stage.hosts}
        return {
            "site": stage.site_name,
            "stage": stage.name,
            "hosts": Names("host", list(hosts), hosts.__getitem__),
            "hives": [hosts[host.short] for host in stage.hives],
            "repository": hosts[stage.repository.short],
            "services": Names("service", list(stage.services), self._service),
            "vars": Names("variable", list(known), lambda name: self._variable(name, known[name])),
            "secrets": Names("secret", list(stage.site.secrets), self._secret),
            NFS: Names(
                "part of the stage's file system",
                ["path", "server"] if has_nfs(stage) else [],
                self._part_of_nfs,
            ),
        }

    def _part_of_nfs(self, name: str) -> str:
        """Return the server of the stage's file system, or the path on it."""
        try:
            server, _, path = self.nfs().partition(":")
        except KeyError as missing:
            raise _NotYetError(missing.args[0]) from None
        return server if name == "server" else path

    def _service(self, name: str) -> object:
        """Return what others may know of a service."""
        try:
            return {"name": name, "ports": Ports(name, self.ports(name))}
        except KeyError as missing:
            raise _NotYetError(missing.args[0]) from None

    def _secret(self, name: str) -> str:
        """Return a secret's text, and note that it was looked at."""
        try:
            found = self.secret(name)
        except KeyError as missing:
            raise _NotYetError(missing.args[0]) from None
        if isinstance(found, UnaskedSecret):
            raise _UnaskedError
        text = found.reveal()
        self.used.append(text)
        return text

    def _variable(self, name: str, value: object) -> object:
        """Return a variable; the texts in it may be templates, too."""
        if name in self._open:
            raise ConfigError(["it is made from itself"])
        self._open.append(name)
        try:
            return mapped(f"vars.{name}", value, self.render)
        finally:
            self._open.pop()

    def render(self, path: str, text: str) -> str:
        """Return what a template makes.

        Raises:
            ConfigError: It can't be rendered; each line begins with `path`.
            KeyError: It needs something that is not made yet.

        """
        from jinja2 import TemplateSyntaxError

        try:
            return _compiled(text).render(self.values())
        except (_NotYetError, _UnaskedError):
            raise
        except TemplateSyntaxError as error:
            hint = _DOCKERS if "{{." in text.replace(" ", "") else ""
            line = f"line {error.lineno}: " if "\n" in text else ""
            raise ConfigError([f"{path}: {line}{error.message}{hint}"]) from None
        except ConfigError as error:
            raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None
        except SkepError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a template does is its writer's mistake
            # `from None`: what was raised may hold a secret that the template had in its hands.
            raise ConfigError([f"{path}: {_line(error, text)}{self._redacted(str(error))}"]) from None

    def _redacted(self, text: str) -> str:
        """Return a message without the secrets that were looked at."""
        for secret in sorted(self.used, key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return text


def _line(error: Exception, text: str) -> str:
    """Return at which line of a template something went wrong, if it has several."""
    found, at = 0, error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == "<template>":
            found = at.tb_lineno
        at = at.tb_next
    return f"line {found}: " if found and "\n" in text.rstrip("\n") else ""


def _host(host: Host) -> dict[str, object]:
    """Return a host as templates see it."""
    return {
        "short": host.short,
        "name": host.name,
        "address": host.address,
        "is_hive": host.is_hive,
        "is_repository": host.is_repository,
    }


# -- rendering ---------------------------------------------------------------------------------------------------------


class Renderer:
    """Renders the templates of one stage.

    Args:
        stage: The stage.
        secret: Returns a secret of `[secrets]`; KeyError says that it is not made yet.
        ports: Returns the published ports of a service; KeyError says that they are not known yet.
        nfs: Returns where the stage's file system is mounted from, as `server:/path`; KeyError says that it is not
            made yet.

    """

    def __init__(
        self,
        stage: Stage,
        secret: Callable[[str], Secret],
        ports: Callable[[str], Sequence[Port]],
        nfs: Callable[[], str],
    ) -> None:
        self._stage, self._secret, self._ports, self._nfs = stage, secret, ports, nfs

    def text(self, path: str, text: str) -> str | Secret:
        """Return what a text becomes; a secret, if one was looked at on the way.

        Raises:
            ConfigError: It can't be rendered; each line begins with `path`.
            KeyError: It needs something that is not made yet.

        """
        if not is_template(text):
            return text
        look = _Look(self._stage, self._secret, self._ports, self._nfs)
        try:
            made = look.render(path, text)
        except _NotYetError as missing:
            raise KeyError(missing.args[0]) from None
        except _UnaskedError:
            return UnaskedSecret()
        return Secret(made) if look.used else made

    def table(self, path: str, table: Mapping[str, types.Value]) -> dict[str, types.Value | Secret]:
        """Return a table with its templates rendered; those in lists and tables of it may hold no secret.

        Raises:
            ConfigError: All that can't be rendered.
            KeyError: Something is needed that is not made yet.

        """
        made: dict[str, types.Value | Secret] = {}
        problems: list[str] = []

        def change(where: str, text: str) -> str:
            inner = self.text(where, text)
            if isinstance(inner, Secret):
                raise ConfigError([f"{where}: {_NESTED}"])
            return inner

        for name, value in table.items():
            try:
                made[name] = (
                    self.text(f"{path}.{name}", value)
                    if isinstance(value, str)
                    else mapped(f"{path}.{name}", value, change)
                )
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return made

    def volume(self, name: str, volume: types.Volume) -> types.Volume:
        """Return a volume with its driver's options rendered; a secret may not be among them.

        Raises:
            ConfigError: All that can't be rendered.
            KeyError: Something is needed that is not made yet.

        """
        path = f"volumes.{name}.driver_opts"
        made = self.table(path, volume.driver_opts)
        if seen := [key for key, value in made.items() if isinstance(value, Secret)]:
            raise ConfigError([f"{path}.{key}: {_IN_VOLUME}" for key in seen])
        return msgspec.structs.replace(volume, driver_opts={key: str(value) for key, value in made.items()})

    def service(self, name: str, service: types.Service) -> "Rendered":
        """Return a service with its templates rendered.

        Raises:
            ConfigError: All that can't be rendered, or has a secret where others would see it.
            KeyError: Something is needed that is not made yet.

        """
        path = f"services.{name}"
        if not any(True for _ in texts(path, templated(service))):
            return Rendered(service, {})
        whole = definition(service)
        free = {key: value for key, value in templated(service).items() if key != ENVIRONMENT}
        problems: list[str] = []
        environment: dict[str, types.Value | Secret] = {}
        try:
            environment = self.table(f"{path}.{ENVIRONMENT}", service.environment)
        except ConfigError as error:
            problems += error.problems

        def change(where: str, text: str) -> str:
            try:
                made = self.text(where, text)
            except ConfigError as error:
                problems.extend(error.problems)
                return ""
            if isinstance(made, Secret):
                problems.append(f"{where}: {_SEEN}")
                return ""
            return made

        made = {key: mapped(f"{path}.{key}", value, change) for key, value in free.items()}
        if problems:
            raise ConfigError(problems)
        secret = {key: value for key, value in environment.items() if isinstance(value, Secret)}
        made[ENVIRONMENT] = {key: value for key, value in environment.items() if key not in secret}
        try:
            return Rendered(msgspec.convert({**whole, **made}, types.Service), secret)
        except msgspec.ValidationError as error:
            raise ConfigError([f"{path}: {error}"]) from None


_SEEN = (
    "there is a secret in it, which would be seen by whoever looks at the service or its processes; "
    "use it in environment, or give it as a file (secrets = [...])"
)

_IN_VOLUME = "there is a secret in it, which would be seen by whoever looks at the volume"

_NESTED = "there is a secret in it; give it as a text of its own, not in a list or table"


@dataclass(frozen=True)
class Rendered:
    """A service without templates.

    Args:
        service: Its definition; of its environment what no secret is in.
        environment: The variables that a secret is in.

    """

    service: types.Service
    environment: Mapping[str, Secret]


def mapped(path: str, value: object, change: Callable[[str, str], object]) -> Any:
    """Return a value of tables and lists with its templates replaced, each given to `change` with its path."""
    if isinstance(value, Mapping):
        return {key: mapped(f"{path}.{key}", part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [mapped(f"{path}[{i}]", part, change) for i, part in enumerate(value)]
    return change(path, value) if isinstance(value, str) and is_template(value) else value


@cache
def _environment() -> "SandboxedEnvironment":
    """Return jinja2's environment."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Undefined(StrictUndefined):
        """What is not there, and says so in our words."""

        __slots__ = ()

        @property
        def _undefined_message(self) -> str:
            """Return the message."""
            looked_at = self._undefined_obj
            if isinstance(looked_at, Names | Ports):
                return looked_at.lacking(self._undefined_name)
            return super()._undefined_message

    class Environment(ImmutableSandboxedEnvironment):
        """jinja2's sandbox, to which our tables have nothing but what is in them."""

        def getattr(self, obj: object, attribute: str) -> Any:
            """Return what `obj.attribute` means."""
            return (
                self.getitem(obj, attribute)
                if isinstance(obj, Names | Ports)
                else super().getattr(obj, attribute)
            )

        def getitem(self, obj: object, argument: Any) -> Any:
            """Return what `obj[argument]` means."""
            if not isinstance(obj, Names | Ports):
                return super().getitem(obj, argument)
            try:
                return obj[argument]
            except LookupError:
                return self.undefined(obj=obj, name=argument)

    # What is rendered is no HTML; and what a file ends with, it shall end with.
    return Environment(undefined=Undefined, autoescape=False, keep_trailing_newline=True)


@cache
def _compiled(text: str) -> "Template":
    """Return a template, compiled once."""
    return _environment().from_string(text)


# -- what a template looks at, told without rendering ------------------------------------------------------------------


def secrets_in(text: str, stage: Stage) -> frozenset[str]:
    """Return the secrets that a text may look at, if only in a branch or through a variable."""
    known, tables = stage.site.secrets, variables(stage)
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        one = waiting.pop()
        found |= _names_in(one, "secrets", known)
        for name in _names_in(one, "vars", tables) - seen:
            seen.add(name)
            waiting += [part for _, part in texts(name, tables[name])]
    return frozenset(found)


def looks_at(text: str, root: str) -> bool:
    """Return whether a text may look at what is under one of the first names, as `services`."""
    return root in text and bool(_keys(text, root))


def _names_in(text: str, root: str, known: Collection[str]) -> set[str]:
    """Return the names under `root` that a template spells out; all that there are if it does anything else with it."""
    found = _keys(text, root) if root in text else []
    return set(known) if None in found else {name for name in found if name is not None and name in known}


def _keys(text: str, root: str) -> list[str | None]:
    """Return each use of the name `root` in a template: the key that is taken from it, None where that is not spelt."""
    from jinja2 import TemplateSyntaxError, nodes

    if not is_template(text):
        return []
    try:
        tree = _environment().parse(text)
    except TemplateSyntaxError:
        return []  # said by who renders it
    keys: list[str | None] = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        of = node.node if isinstance(node, nodes.Getattr | nodes.Getitem) else None
        if isinstance(of, nodes.Name) and of.name == root:
            if isinstance(node, nodes.Getattr):
                keys.append(node.attr)
            elif isinstance(node, nodes.Getitem):
                keys.append(str(node.arg.value) if isinstance(node.arg, nodes.Const) else None)
    alone = sum(node.name == root for node in tree.find_all(nodes.Name)) - len(keys)
    return [*keys, *[None] * alone]


# -- mistakes ----------------------------------------------------------------------------------------------------------


def guessing(stage: Stage, ports: Callable[[str], Sequence[Port]], guessed: list[str]) -> Renderer:
    """Return a renderer for before a run: with secrets that are only of the form of the real ones.

    Args:
        stage: The stage.
        ports: Returns the published ports of a service.
        guessed: Takes the name of each secret that was looked at and of whose form nothing is known.

    """

    def secret(name: str) -> Secret:
        source = stage.site.secrets[name]
        if source.generate is None:
            guessed.append(name)
        return Secret("x" * (source.generate or 1))

    return Renderer(stage, secret, ports, lambda: "server:/path")


def problems(
    stage: Stage, ports: Callable[[str], Sequence[Port]], configs: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each template of a stage that can't be rendered, as far as that can be told before a run.

    What goes wrong after a look at a secret that is not known yet is left to the run, which looks before it begins.

    Args:
        stage: The stage.
        ports: Returns the published ports of a service.
        configs: The templates of its configs, by where they are.

    """
    guessed: list[str] = []
    renderer = guessing(stage, ports, guessed)
    of_configs = ((path, text, "") for path, text in configs.items())
    for path, text, where_secrets_are_seen in (*_all(stage), *of_configs):
        guessed.clear()
        try:
            made = renderer.text(path, text)
        except ConfigError as error:
            yield from [] if guessed else error.problems
            continue
        if isinstance(made, Secret) and where_secrets_are_seen:
            yield f"{path}: {where_secrets_are_seen}"


def _all(stage: Stage) -> Iterator[tuple[str, str, str]]:
    """Yield every template of a stage with its path, and why no secret may go into it; empty where one may."""
    yield from ((path, text, "") for path, text in texts("vars", variables(stage)))
    for name, volume in stage.volumes.items():
        for path, text in texts(f"volumes.{name}.driver_opts", volume.driver_opts):
            yield path, text, _IN_VOLUME
    for name, service in stage.services.items():
        for path, text in texts(f"services.{name}", templated(service)):
            yield path, text, "" if path.startswith(f"services.{name}.{ENVIRONMENT}.") else _SEEN
        for where, table in role_variables(name, service):
            yield from ((path, text, "") for path, text in texts(where, table))


def templated(service: types.Service) -> dict[str, Any]:
    """Return those keys of a service in which there may be templates."""
    return {key: value for key, value in definition(service).items() if key not in FIXED}


def role_variables(name: str, service: types.Service) -> Iterator[tuple[str, Mapping[str, types.Value]]]:
    """Yield the variables of the roles that a service is initialized by, each with their path."""
    for i, use in enumerate(service.initialize_roles):
        if not isinstance(use, str):
            yield f"services.{name}.initialize_roles[{i}].vars", use.vars
