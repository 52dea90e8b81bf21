"""`build` of a compose service, as an image of the site."""

from collections.abc import Mapping
from typing import Any

from model.compose.draft import Draft
from model.compose.keys import BUILD, why_not
from model.compose.local_files import LocalFiles
from model.compose.scalars import text
from model.compose.short_forms import as_list, long_use
from model.user_paths import is_file


def add_image(
    draft: Draft, files: LocalFiles, service: str, build: dict[str, Any], secrets: Mapping[str, str]
) -> str | None:
    """Add the image that a service is built as, and return its name; None where it can't be built here.

    Args:
        draft: The site.
        files: The compose project's files.
        service: The service's name in the site.
        build: `build` in its long form.
        secrets: The names of secrets in compose, to those in the site.

    """
    place = ("images", service)
    context = text(build.get("context")) or "."
    if "://" in context or context.startswith("git@"):
        draft.lost(
            ("services", service), "build.context", context, "only a directory of this machine is built"
        )
        return None
    directory = files.path(context)
    table: dict[str, Any] = {"context": files.relative(directory)}
    dockerfile = text(build.get("dockerfile")) or "Dockerfile"
    if inline := build.get("dockerfile_inline"):
        path = f"{service}.Dockerfile"
        draft.files[path] = text(inline).encode()
        table["dockerfile"] = files.from_directory(directory, path)
    else:
        if not is_file(directory / dockerfile):
            draft.lost(("services", service), "build", build, f"there was no {directory / dockerfile}")
            return None
        if dockerfile != "Dockerfile":
            table["dockerfile"] = dockerfile
    if target := build.get("target"):
        table["target"] = text(target)
    if args := build.get("args"):
        given = {key: _argument(draft, key, value) for key, value in args.items()}
        table["args"] = {key: value for key, value in given.items() if value is not None}
        for key in given.keys() - table["args"].keys():
            draft.lost(place, "build.args", key, "had no value in the shell or .env when this was made")
    image: dict[str, Any] = {"build": table["context"] if len(table) == 1 else table}
    if labels := build.get("labels"):
        image["labels"] = {key: text(value) for key, value in labels.items()}
    for use in map(long_use, as_list(build.get("secrets"))):
        wanted = text(use.get("source"))
        if wanted not in secrets:
            draft.lost(place, "build.secrets", wanted, "the compose file has no such one in its `secrets`")
            continue
        image.setdefault("secrets", []).append(secrets[wanted])
        if (known_as := text(use.get("target")) or wanted) != secrets[wanted]:
            draft.lost(
                place,
                "build.secrets",
                known_as,
                f"the Dockerfile is to name it as here: id={secrets[wanted]}",
            )
        for key in use.keys() - {"source", "target"}:
            draft.lost(place, f"build.secrets.{key}", use[key], "skep has no such thing yet")
    for key, value in build.items():
        if reason := why_not(BUILD, key):
            draft.lost(place, f"build.{key}", value, reason)
    draft.table("images")[service] = image
    return service


def _argument(draft: Draft, name: str, value: Any) -> str | None:
    """Return the value of a build's argument; one without a value has that of the variable of its name."""
    return draft.variables.plain(text(value)) if value is not None else draft.variables.value(name)
