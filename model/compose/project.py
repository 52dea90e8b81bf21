"""A compose project: its files with all that they include and extend, as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.compose import scalars
from model.compose.merging import merged, without_tags
from model.compose.shapes import wrong_shapes
from model.compose.short_forms import as_list, long_service
from model.compose.variables import Variables
from model.compose.yaml_file import Overriding, read_yaml
from model.errors import ConfigError
from model.site_file.env_files import env_variables
from model.user_paths import expanded
from model.utf8 import utf8_text

FLATTENED = "x-skep-flattened"
"""The key of a service under which its keys are kept whose variables gave way to their values, with what they were."""
_FREE = frozenset(
    (
        *(
            "annotations",
            "command",
            "dns",
            "dns_opt",
            "dns_search",
            "domainname",
            "entrypoint",
            "environment",
        ),
        *("extra_hosts", "hostname", "labels", "sysctls", "user", "working_dir"),
    )
)
"""Keys of a service whose values may be templates in site.toml."""
_PARTLY_FREE = {"deploy": ("labels", "placement"), "healthcheck": ("test",), "logging": ("options",)}
"""The same for keys of which only some parts may be."""
_NAMED = ("services", "networks", "volumes", "secrets", "configs")
_SELF = "include"


@dataclass(frozen=True)
class Project:
    """A compose project.

    Args:
        directory: What its relative paths begin at.
        data: Its content: services in their long forms, with marks for variables.
        variables: The variables.
        remarks: What is to be said about it as a whole.

    """

    directory: Path
    data: Mapping[str, Any]
    variables: Variables
    remarks: list[str] = field(default_factory=list)

    def table(self, name: str) -> dict[str, Any]:
        """Return one of its tables, as `services`: names to what is said of them."""
        return {str(key): value or {} for key, value in (self.data.get(name) or {}).items()}


def read_project(files: Sequence[Path], environment: Mapping[str, str]) -> Project:
    """Return the project of compose files, of which later ones are merged into earlier ones.

    Args:
        files: The files; relative paths begin at the directory of the first.
        environment: The variables of the process.

    Raises:
        ConfigError: A file can't be read or is none of compose's.

    """
    directory = files[0].parent
    variables = Variables(environment)
    variables.dotenv = read_dotenv(directory / ".env", variables)
    reader = _Reader(directory, [])
    data = reader.files(files, directory, variables)
    project = Project(directory, without_tags(data), variables, reader.remarks)
    services = project.data.get("services")
    if not isinstance(services, Mapping) or not services:
        raise ConfigError([f"{files[0]}: has no services, so it is not a compose file"])
    return project


def read_dotenv(path: Path, variables: Variables) -> dict[str, str]:
    """Return the variables of a `.env`; none where there is no such file. Their values may have variables.

    Raises:
        ConfigError: It can't be read.

    """
    try:
        text = utf8_text(str(path), path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    found = Variables(variables.environment)

    def expand(name: str, value: str) -> str:
        # An earlier line of the file is a variable for a later one.
        done = found.plain(found.marked(value))
        found.dotenv = {**found.dotenv, name: done}
        found.used.clear()
        return done

    return env_variables(str(path), text, expand)


class _Reader:
    """Reads files with all that they include and extend.

    Args:
        project: The project's directory: paths of files elsewhere become absolute.
        remarks: Takes what is to be said.

    """

    def __init__(self, project: Path, remarks: list[str]) -> None:
        self._project = project
        self.remarks = remarks
        self._at_work: list[tuple[Path, str]] = []

    def files(self, paths: Sequence[Path], directory: Path, variables: Variables) -> dict[str, Any]:
        """Return the content of files that are merged, with what they include."""
        data: dict[str, Any] = {}
        for path in paths:
            content = self._file(path, directory, variables)
            content["services"] = {
                name: self._extended(path, name, content["services"], directory, variables)
                for name in content["services"]
            }
            data = merged(data, content)
        for included in as_list(data.pop("include", None)):
            data = self._with_included(paths[0], data, included, directory, variables)
        return data

    def _file(self, path: Path, directory: Path, variables: Variables) -> dict[str, Any]:
        """Return the content of one file, by itself."""
        try:
            text = utf8_text(str(path), path.read_bytes())
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror}"]) from error
        content = read_yaml(str(path), text)
        if not isinstance(content, dict):
            raise ConfigError([f"{path}: has no services, so it is not a compose file"])
        if "services" not in content and all(
            isinstance(part, dict) and "image" in part for part in content.values()
        ):
            content = {"services": content}  # the first version of compose files
        made: dict[str, Any] = variables.interpolated(path.name, content)
        if wrong := wrong_shapes(made):
            raise ConfigError([f"{path}: {line}" for line in wrong])
        made["services"] = {
            str(name): part if isinstance(part, Overriding) else self._service(part or {}, variables)
            for name, part in (made.get("services") or {}).items()
        }
        if directory != self._project:
            _make_absolute(made, directory)
        return made

    @staticmethod
    def _service(service: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
        """Return a service in its long forms; variables give way to values where site.toml takes no templates."""
        flattened: dict[str, Any] = {}
        flat: dict[str, Any] = {}
        for key, value in service.items():
            flat[str(key)] = _flat(str(key), value, variables, flattened)
        made = long_service(flat)
        return {**made, FLATTENED: flattened} if flattened else made

    def _extended(
        self, path: Path, name: str, services: Mapping[str, Any], directory: Path, variables: Variables
    ) -> Any:
        """Return a service with the keys of the one that it extends."""
        service = services[name]
        if isinstance(service, Overriding) or not service.get("extends"):
            return service
        extends = service["extends"]
        base, file = (
            (extends.get("service"), extends.get("file")) if isinstance(extends, dict) else (extends, None)
        )
        here = (path, name)
        if here in self._at_work:
            raise ConfigError([f"{path}: services.{name}: extends itself, by way of others"])
        self._at_work.append(here)
        try:
            where = expanded(directory, scalars.text(file)) if file else path
            inner = self._file(where, where.parent, variables)["services"] if file else services
            base = scalars.text(base)
            if base not in inner:
                problem = (
                    f"extends {base}, which {where} does not have" if base else "extends no service: name one"
                )
                raise ConfigError([f"{path}: services.{name}: {problem}"])
            found = self._extended(where, base, inner, where.parent if file else directory, variables)
        finally:
            self._at_work.pop()
        own = {key: value for key, value in service.items() if key != "extends"}
        return merged(without_tags(found), own)

    def _with_included(
        self, path: Path, data: dict[str, Any], included: Any, directory: Path, variables: Variables
    ) -> dict[str, Any]:
        """Return the content with what another project has; what is there already stays."""
        how = included if isinstance(included, dict) else {"path": included}
        texts = scalars.texts(_plain(how.get("path"), variables))
        if not texts or any("://" in text or text.startswith("oci:") for text in texts):
            raise ConfigError(
                [f"{path}: include: {', '.join(texts) or 'nothing'}: only files of this machine are read"]
            )
        files = [expanded(directory, text) for text in texts]
        named = scalars.text(_plain(how.get("project_directory"), variables))
        below = expanded(directory, named) if named else files[0].parent
        here = (files[0].resolve(), _SELF)
        if here in self._at_work:
            raise ConfigError([f"{path}: include: {files[0]} includes itself, by way of others"])
        self._at_work.append(here)
        try:
            dotenv: dict[str, str] = {}
            for text in scalars.texts(_plain(how.get("env_file"), variables)) or [str(below / ".env")]:
                dotenv |= read_dotenv(expanded(directory, text), variables)
            inner = self.files(files, below, variables.beside(dotenv))
        finally:
            self._at_work.pop()
        for name in _NAMED:
            for key, value in (inner.get(name) or {}).items():
                table = data.setdefault(name, {}) or {}
                data[name] = table
                if key in table and table[key] != value:
                    self.remarks.append(
                        f"include: {name}.{key} of {files[0].name} is there already, and left out"
                    )
                table.setdefault(key, value)
        return data


def _flat(key: str, value: Any, variables: Variables, flattened: dict[str, Any]) -> Any:
    """Return a key of a service with values in the place of variables, where site.toml takes no templates.

    Args:
        key: The key.
        value: Its value.
        variables: The variables.
        flattened: Takes what gave way.

    """
    if key in _FREE or key.startswith("x-"):
        return value
    if key in _PARTLY_FREE and isinstance(value, Mapping):
        free = _PARTLY_FREE[key]
        return {
            str(part): inner if part in free else _flat(f"{key}.{part}", inner, variables, flattened)
            for part, inner in value.items()
        }
    plain = _plain(value, variables)
    if plain != value:
        flattened[key] = _mapped(value, variables.unmarked)
    return plain


def _plain(value: Any, variables: Variables) -> Any:
    """Return a part of a file with the values of its variables."""
    return _mapped(value, variables.plain)


def _mapped(value: Any, change: Any) -> Any:
    """Return a part of a file with its texts changed."""
    if isinstance(value, Mapping):
        return {key: _mapped(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [_mapped(part, change) for part in value]
    if isinstance(value, Overriding):
        return Overriding(_mapped(value.value, change))
    return change(value) if isinstance(value, str) else value


def _make_absolute(data: dict[str, Any], directory: Path) -> None:
    """Make the relative paths of a file elsewhere absolute, in place."""

    def absolute(text: Any) -> Any:
        is_path = isinstance(text, str) and text and "://" not in text and not text.startswith("~")
        return str(directory / text) if is_path else text

    for service in data["services"].values():
        if isinstance(service, Overriding):
            continue
        build = service.get("build")
        if isinstance(build, dict) and "context" in build:
            build["context"] = absolute(build["context"])
        for key in ("env_file", "label_file"):
            if isinstance(service.get(key), list):
                service[key] = [
                    {**item, "path": absolute(item.get("path"))} if isinstance(item, dict) else absolute(item)
                    for item in service[key]
                ]
        for mount in service["volumes"] if isinstance(service.get("volumes"), list) else ():
            if mount.get("type") == "bind":
                mount["source"] = absolute(mount.get("source"))
    for table in ("secrets", "configs"):
        for part in (data.get(table) or {}).values():
            if isinstance(part, dict) and "file" in part:
                part["file"] = absolute(part["file"])
