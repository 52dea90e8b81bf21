"""The merging of compose files, and of a service with the one that it extends.

https://github.com/compose-spec/compose-spec/blob/main/13-merge.md. Both sides have their long forms.
"""

from collections.abc import Mapping
from typing import Any

from model.compose.yaml_file import Overriding

_REPLACED = frozenset(("command", "entrypoint", "test"))
_UNIQUE: Mapping[str, tuple[str, ...]] = {
    "ports": ("host_ip", "target", "published", "protocol"),
    "volumes": ("target",),
    "secrets": ("target", "source"),
    "configs": ("target", "source"),
}
"""Lists of a service, to the keys by which two items are the same one; of `target` and `source` the first that is."""


def merged(base: Any, over: Any, key: str = "") -> Any:
    """Return a part of a file, with another file's merged into it.

    Args:
        base: The part.
        over: The other file's, which takes precedence.
        key: The part's key.

    """
    if isinstance(over, Overriding):
        return over.value
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        made = dict(base)
        for name, part in over.items():
            if isinstance(part, Overriding) and part.value is None:
                made.pop(name, None)
            else:
                made[name] = merged(base.get(name), part, str(name))
        return made
    if isinstance(base, list) and isinstance(over, list) and key not in _REPLACED:
        return _lists(base, over, key)
    return base if over is None else without_tags(over)


def _lists(base: list[Any], over: list[Any], key: str) -> list[Any]:
    """Return a list with another one's items added, which take the place of those that they are."""
    made = list(base)
    for item in over:
        same = next(
            (i for i, other in enumerate(made) if _identity(other, key) == _identity(item, key)), None
        )
        if same is None:
            made.append(item)
        elif isinstance(item, Mapping):
            made[same] = {**made[same], **item}
    return made


def _identity(item: Any, key: str) -> Any:
    """Return that by which two items of a list are the same."""
    if not isinstance(item, Mapping) or key not in _UNIQUE:
        return item
    keys = _UNIQUE[key]
    if keys == ("target", "source"):
        return item.get("target") or item.get("source")
    return tuple(item.get(each) or None for each in keys)


def without_tags(value: Any) -> Any:
    """Return a part of a file with nothing below it any more that `!reset` and `!override` could act on."""
    if isinstance(value, Overriding):
        return without_tags(value.value)
    if isinstance(value, Mapping):
        return {
            key: without_tags(part)
            for key, part in value.items()
            if not (isinstance(part, Overriding) and part.value is None)
        }
    return [without_tags(part) for part in value] if isinstance(value, list) else value
