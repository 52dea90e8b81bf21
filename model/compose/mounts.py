"""A service's mounts. Those of files beside the compose file, which no host has, become configs or volumes."""

import contextlib
import posixpath
import re
import stat
from pathlib import Path
from typing import Any

from model.checks.local_data import is_data
from model.compose.local_files import is_no_template, is_small, small_files
from model.compose.scalars import boolean, permissions, size, text
from model.compose.scope import FIRST_HOST, Scope
from model.compose.short_forms import OPTIONS, as_list, long_tmpfs
from model.site import Mount
from model.user_paths import is_directory, is_there

_KNOWN = ("type", "source", "target", "read_only", "bind", "volume", "tmpfs", "consistency")
_NOTHING = {"bind": ("create_host_path",), "volume": (), "tmpfs": ()}
"""Keys whose loss changes nothing in a swarm."""


def add_mounts(scope: Scope) -> None:
    """Add the mounts of a service, and the configs that stand for some of them."""
    mounts: list[dict[str, Any]] = []
    wanted = [*(scope.source.get("volumes") or []), *map(long_tmpfs, as_list(scope.source.get("tmpfs")))]
    for mount in wanted:
        kind = text(mount.get("type")) or "volume"
        if kind not in {"volume", "bind", "tmpfs"}:
            scope.lost("volumes", mount, f"a mount of type {kind} is nothing that skep makes")
            continue
        source = text(mount.get("source"))
        if kind == "bind" and re.match(r"[A-Za-z]:[\\/]|\\", source):
            scope.lost("volumes", mount, "is a path of Windows")
        elif kind == "bind" and scope.files.is_own(source):
            _add_own(scope, mount, mounts)
        else:
            mounts.append(_mount(scope, mount, kind, source))
    if mounts:
        scope.table["volumes"] = mounts


def _mount(scope: Scope, mount: dict[str, Any], kind: str, source: str) -> dict[str, Any]:
    """Return a mount as the site has it."""
    target = text(mount.get("target"))
    made: dict[str, Any] = {} if kind == "volume" else {"type": kind}
    if kind == "volume":
        made["source"] = _volume(scope, source, target)
    elif kind == "bind":
        made["source"] = source
    made["target"] = target
    if boolean(mount.get("read_only") or False) is True:
        made["readonly"] = True
    inner = mount.get(kind) or {}
    if kind == "bind":
        if inner.get("propagation"):
            made["propagation"] = text(inner["propagation"])
        if is_data(Mount(target=target, source=source, type="bind", readonly="readonly" in made)):
            made["hosts"] = "each" if scope.is_global else [FIRST_HOST]
            scope.note(
                f"{source} must be there on the host before the service starts; `hosts` says which host has it"
            )
    if kind == "volume" and boolean(inner.get("nocopy") or False) is True:
        made["no_copy"] = True
    if kind == "tmpfs":
        if inner.get("size") is not None:
            made["tmpfs_size"] = size(inner["size"])
        if inner.get("mode") is not None:
            made["tmpfs_mode"] = permissions(inner["mode"])
    _say_lost(scope, mount, kind, target)
    return made


def _say_lost(scope: Scope, mount: dict[str, Any], kind: str, target: str) -> None:
    """Keep what of a mount goes nowhere as remarks."""
    known = {"bind": ("propagation",), "volume": ("nocopy",), "tmpfs": ("size", "mode")}[kind]
    for key, value in mount.items():
        if key == OPTIONS:
            scope.lost(f"volumes ({target})", ",".join(value), "the swarm's mounts have no such option")
        elif key not in _KNOWN:
            scope.lost(f"volumes ({target}).{key}", value, "skep has no such thing yet")
    for key, value in (mount.get(kind) or {}).items():
        if key not in known and key not in _NOTHING[kind]:
            scope.lost(f"volumes ({target}).{kind}.{key}", value, "skep has no such thing yet")


def _volume(scope: Scope, source: str, target: str) -> str:
    """Return the site's name of a volume; one that compose does not name, or does not list, is made."""
    draft = scope.draft
    if source in scope.volumes:
        return scope.volumes[source]
    name = draft.name("volumes", source or f"{scope.name}-{target.strip('/').replace('/', '-')}")
    draft.table("volumes")[name] = {}
    if source:
        scope.volumes[source] = name
        draft.note(("volumes", name), f"{source} was not in the compose file's `volumes`")
    else:
        draft.note(("volumes", name), f"{scope.wanted} had a volume without a name at {target}")
    return name


def _add_own(scope: Scope, mount: dict[str, Any], mounts: list[dict[str, Any]]) -> None:
    """Add what stands for the mount of a file or directory of this machine."""
    source, target = text(mount.get("source")) or ".", text(mount.get("target"))
    path = scope.files.path(source)
    build = scope.build_directory
    if build is not None and is_directory(path) and scope.files.is_within(path, build):
        scope.lost("volumes", f"{source}:{target}", "in the image already, which is built of this directory")
        return
    if is_small(path):
        _add_config(scope, path, target)
        scope.note(f"{source} is a file of this machine: it is delivered as a config, which can only be read")
        return
    inside = small_files(path) if is_directory(path) else None
    if inside:
        for name, file in inside.items():
            _add_config(scope, file, posixpath.join(target, name))
        scope.note(
            f"{source} is a directory of this machine: its files are delivered as configs, which can only be read"
        )
        return
    if build is not None and scope.files.is_within(path, build):
        scope.lost("volumes", f"{source}:{target}", "in the image already, which is built of this directory")
    elif path.suffix and not is_directory(path):
        reason = "is empty, too large, or can't be read" if is_there(path) else "there was no such file"
        scope.lost("volumes", f"{source}:{target}", f"a file of this machine as a config, but {reason}")
    else:
        # `./data` and `./data/` are one directory; no volume of compose's has such a name.
        name = scope.volumes.setdefault(
            f"./{scope.files.relative(path)}", scope.draft.name("volumes", path.name or scope.name)
        )
        scope.draft.table("volumes").setdefault(name, {})
        made: dict[str, Any] = {"source": name, "target": target}
        if boolean(mount.get("read_only") or False) is True:
            made["readonly"] = True
        mounts.append(made)
        scope.draft.note(
            ("volumes", name),
            f"{source} is a directory of this machine, and hosts do not have it: this volume takes its place, empty at "
            "first; copy the data into it",
        )


def _add_config(scope: Scope, path: Path, target: str) -> None:
    """Add a file as a config of the service."""
    draft = scope.draft
    relative = scope.files.relative(path)
    known = (name for name, table in draft.table("configs").items() if table.get("file") == relative)
    name = next(known, None) or draft.name("configs", f"{scope.name}-{path.name}")
    table: dict[str, Any] = {"file": relative}
    is_program = False
    with contextlib.suppress(OSError):  # the checks of site.toml say it
        is_program = bool(path.stat().st_mode & stat.S_IXUSR)
        if is_no_template(data := path.read_bytes()):
            table["template"] = False
        if b" PRIVATE KEY-----" in data:
            draft.note(
                ("configs", name), "a private key: [secrets] keeps it from those who may look at configs"
            )
    draft.table("configs").setdefault(name, table)
    use: dict[str, Any] = {"source": name, "target": target}
    if is_program:
        use["mode"] = "0555"
    scope.table.setdefault("configs", []).append(use)
