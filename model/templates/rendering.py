"""Render templates. Pure.

A text into which a secret went is a secret as a whole, whatever a filter has made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from model import site as types
from model.errors import ConfigError
from model.secrets.secret import Secret, UnknownSecret
from model.site import PublishedPort
from model.stage import Stage
from model.templates.paths import ENVIRONMENT, is_template, map_templates, templatable, templates_in
from model.templates.render_context import NotYetError, RenderContext, UnknownSecretError

EXPOSED_BY_SERVICE = (
    "there is a secret in it, which would be seen by whoever looks at the service or its processes; "
    "use it in environment, or give it as a file (secrets = [...])"
)
EXPOSED_BY_VOLUME = "there is a secret in it, which would be seen by whoever looks at the volume"
_NESTED = "there is a secret in it; give it as a text of its own, not in a list or table"


@dataclass(frozen=True)
class RenderedService:
    """A service with its templates rendered.

    Args:
        service: Its definition, without the environment variables that hold a secret.
        environment: The environment variables that hold a secret.

    """

    service: types.Service
    environment: Mapping[str, Secret]


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
        ports: Callable[[str], Sequence[PublishedPort]],
        nfs: Callable[[], str],
    ) -> None:
        self._stage, self._secret, self._ports, self._nfs = stage, secret, ports, nfs

    def text(self, path: str, text: str) -> str | Secret:
        """Return the rendered text; a secret, if the template used one.

        Raises:
            ConfigError: It can't be rendered; each line begins with `path`.
            KeyError: It needs something that is not made yet.

        """
        if not is_template(text):
            return text
        look = RenderContext(self._stage, self._secret, self._ports, self._nfs)
        try:
            made = look.render(path, text)
        except NotYetError as missing:
            raise KeyError(missing.args[0]) from None
        except UnknownSecretError:
            return UnknownSecret()
        return Secret(made) if look.used else made

    def table(self, path: str, table: Mapping[str, types.Value]) -> dict[str, types.Value | Secret]:
        """Return a table with its templates rendered; those in nested lists and tables may hold no secret.

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
                    else map_templates(f"{path}.{name}", value, change)
                )
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return made

    def volume(self, name: str, volume: types.Volume) -> types.Volume:
        """Return a volume with its driver's options rendered; they may hold no secret.

        Raises:
            ConfigError: All that can't be rendered.
            KeyError: Something is needed that is not made yet.

        """
        path = f"volumes.{name}.driver_opts"
        made = self.table(path, volume.driver_opts)
        if seen := [key for key, value in made.items() if isinstance(value, Secret)]:
            raise ConfigError([f"{path}.{key}: {EXPOSED_BY_VOLUME}" for key in seen])
        return msgspec.structs.replace(volume, driver_opts={key: str(value) for key, value in made.items()})

    def service(self, name: str, service: types.Service) -> "RenderedService":
        """Return a service with its templates rendered.

        Raises:
            ConfigError: All that can't be rendered, or has a secret where others would see it.
            KeyError: Something is needed that is not made yet.

        """
        path = f"services.{name}"
        if not any(True for _ in templates_in(path, templatable(service))):
            return RenderedService(service, {})
        free = {key: value for key, value in templatable(service).items() if key != ENVIRONMENT}
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
                problems.append(f"{where}: {EXPOSED_BY_SERVICE}")
                return ""
            return made

        made = {key: map_templates(f"{path}.{key}", value, change) for key, value in free.items()}
        if problems:
            raise ConfigError(problems)
        secret = {key: value for key, value in environment.items() if isinstance(value, Secret)}
        made[ENVIRONMENT] = {key: value for key, value in environment.items() if key not in secret}
        return RenderedService(msgspec.structs.replace(service, **made), secret)
