"""Render one text, and record the secrets that it uses. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from model.errors import ConfigError, SkepError
from model.reasons import reason_of
from model.secrets.generated import is_key_pair, public_key
from model.secrets.secret import Secret, UnknownSecret
from model.site import PublishedPort
from model.stage import Host, Stage
from model.templates.paths import NFS, map_templates, variables
from model.templates.sandbox import LookupTable, PortTable, compiled

_CONFIGS = "configs."
_DOCKERS = "; a placeholder of Docker's own is written {{ '{{.Node.Hostname}}' }}"
_LITERAL = "; where braces are for another program, write {{ '{{' }} for {{"
_OTHERS = (
    "; where braces are for another program, template = false uses the content as it is, and {{ '{{' }} in a "
    "template stands for {{"
)

_UNDEFINED = re.compile(r"'(\w+)' is undefined")
_HIVE_BUILDERS = {
    "hive_name": "site",
    "hive_stage": "stage",
    "groups": "hives, or hosts",
    "hostvars": "hosts.<name>.address, or services.<name>.ports[<port>]",
    "lookup": "secrets.<name>: [secrets] has file, env and command",
    "inventory_hostname": "the service's name itself",
}
"""Variables of hive-builder's and of Ansible's, and what templates have instead."""


class NotYetError(Exception):
    """A needed resource is not made yet. Not a KeyError, which jinja2 takes for undefined."""


class UnknownSecretError(Exception):
    """The template uses a secret that was not read."""


@dataclass
class RenderContext:
    """The context of one rendering, and the secrets that it has used.

    Args:
        stage: The stage.
        secret: Returns a secret of `[secrets]`.
        ports: Returns a service's published ports.
        nfs: Returns where the stage's file system is mounted from, as `server:/path`.
        used: The texts of the secrets that were used.

    """

    stage: Stage
    secret: Callable[[str], Secret]
    ports: Callable[[str], Sequence[PublishedPort]]
    nfs: Callable[[], str]
    used: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        """Return all names that templates can use, with their values."""
        stage, known = self.stage, variables(self.stage)
        hosts = {host.short: _host(host) for host in stage.hosts}
        return {
            "site": stage.site_name,
            "stage": stage.name,
            "hosts": LookupTable("host", list(hosts), hosts.__getitem__),
            "hives": [hosts[host.short] for host in stage.hives],
            "repository": hosts[stage.repository.short],
            "services": LookupTable("service", list(stage.services), self._service),
            "vars": LookupTable("variable", list(known), lambda name: self._variable(name, known[name])),
            "secrets": LookupTable("secret", list(stage.site.secrets), self._secret),
            "public_keys": LookupTable(
                "key pair in [secrets]",
                [name for name, source in stage.site.secrets.items() if is_key_pair(source.generate)],
                self._public_key,
            ),
            NFS: LookupTable(
                "part of the stage's file system",
                ["path", "server"] if stage.has_nfs else [],
                self._part_of_nfs,
            ),
        }

    def _part_of_nfs(self, name: str) -> str:
        """Return the server of the stage's file system, or the path on it."""
        try:
            server, _, path = self.nfs().partition(":")
        except KeyError as missing:
            raise NotYetError(missing.args[0]) from None
        return server if name == "server" else path

    def _service(self, name: str) -> object:
        """Return a service as templates see it."""
        try:
            return {"name": name, "ports": PortTable(name, self.ports(name))}
        except KeyError as missing:
            raise NotYetError(missing.args[0]) from None

    def _secret(self, name: str) -> str:
        """Return a secret's text, and record its use."""
        try:
            found = self.secret(name)
        except KeyError as missing:
            raise NotYetError(missing.args[0]) from None
        if isinstance(found, UnknownSecret):
            raise UnknownSecretError
        text = found.reveal()
        self.used.append(text)
        return text

    def _public_key(self, name: str) -> str:
        """Return the public key of a generated private key, which is no secret."""
        try:
            found = self.secret(name)
        except KeyError as missing:
            raise NotYetError(missing.args[0]) from None
        # Before a run there is a placeholder.
        return public_key(found) if "PRIVATE KEY" in found.reveal() else f"public key of {name}"

    def _variable(self, name: str, value: object) -> object:
        """Return a variable, with the templates in it rendered."""
        if name in self._open:
            raise ConfigError(["it is made from itself"])
        self._open.append(name)
        try:
            return map_templates(f"vars.{name}", value, self.render)
        finally:
            self._open.pop()

    def render(self, path: str, text: str) -> str:
        """Return a rendered template.

        Raises:
            ConfigError: It can't be rendered; each line begins with `path`.
            NotYetError: It needs something that is not made yet.
            UnknownSecretError: It uses a secret that was not read.

        """
        from jinja2 import TemplateSyntaxError

        try:
            return compiled(text)(self.values())
        except (NotYetError, UnknownSecretError):
            raise
        except TemplateSyntaxError as error:
            line = f"line {error.lineno}: " if "\n" in text else ""
            raise ConfigError([f"{path}: {line}{error.message}{_hint(path, text)}"]) from None
        except ConfigError as error:
            raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None
        except SkepError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a template does is its writer's mistake
            # `from None`: the exception may hold a secret that the template used.
            hint = self._other_name(error)
            if path.startswith(_CONFIGS) and not hint and not _is_ours(error):
                hint = _OTHERS
            raise ConfigError(
                [f"{path}: {_line(error, text)}{self._redacted(reason_of(error))}{hint}"]
            ) from None

    def _other_name(self, error: Exception) -> str:
        """Return what to write for a name that templates don't have; empty if that is not known."""
        found = _UNDEFINED.fullmatch(str(error))
        name = found[1] if found else ""
        if name in variables(self.stage):
            return f": write vars.{name}"
        if name in self.stage.site.secrets:
            return f": write secrets.{name}"
        if name in _HIVE_BUILDERS:
            return f": write {_HIVE_BUILDERS[name]}"
        return ""

    def _redacted(self, text: str) -> str:
        """Return a message without the secrets that were used."""
        for secret in sorted(self.used, key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return text


def _is_ours(error: Exception) -> bool:
    """Return whether a template names something of skep's that there is not: it is meant for skep."""
    from jinja2 import UndefinedError

    return isinstance(error, UndefinedError) and str(error).startswith(("there is no ", "service "))


def _hint(path: str, text: str) -> str:
    """Return how to write braces that are for another program."""
    if path.startswith(_CONFIGS):
        return _OTHERS
    return _DOCKERS if "{{." in text.replace(" ", "") else _LITERAL


def _line(error: Exception, text: str) -> str:
    """Return the line of a template with several lines in which an error occurred."""
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
