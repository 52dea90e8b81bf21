"""YAML as Docker reads it: YAML 1.2's core schema, with anchors, `<<`, and compose's tags `!reset` and `!override`.

PyYAML alone follows YAML 1.1, where `on` is true and the port `22:22` is the number 1342. Octal numbers such as the
mode `0440` are those of YAML 1.1 here as well, as in go-yaml, which Docker uses.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from model.errors import ConfigError

_INTEGER = r"[-+]?(?:0|[1-9][0-9]*)|0o?[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
_TAGS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", _INTEGER, "-+0123456789"),
    ("tag:yaml.org,2002:float", _FLOAT, "-+.0123456789"),
    ("tag:yaml.org,2002:merge", r"<<", "<"),
)
_MOST_NODES = 200_000
"""Values of a file, those behind aliases counted each time: a small file can be made to unfold to billions."""


@dataclass(frozen=True)
class Overriding:
    """A value that takes the place of another file's instead of being merged with it: `!override`, `!reset`.

    Args:
        value: The value; None where the other one goes and nothing comes.

    """

    value: Any


def read_yaml(name: str, text: str) -> Any:
    """Return the content of a YAML file.

    Args:
        name: The file's, for messages.
        text: What is in it.

    Raises:
        ConfigError: It is no YAML, or says something twice.

    """
    import yaml

    try:
        content = yaml.load(text, Loader=_loader())  # noqa: S506 - it is derived from the safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        problem = error.problem or error.context or ""
        if problem.startswith("but ") and error.context:  # the second half of a sentence
            problem = f"{error.context}, {problem}"
        raise ConfigError([f"{name}: {line}{problem}"]) from error
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            [f"{name}: line {number}: has U+{error.character:04X}, which YAML does not allow"]
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{name}: is no YAML that can be read"]) from error
    try:
        is_too_large = _count(content, 0) > _MOST_NODES
    except RecursionError:
        raise ConfigError([f"{name}: an anchor has itself in it, or values are nested too deeply"]) from None
    if is_too_large:
        raise ConfigError([f"{name}: unfolds to more than {_MOST_NODES} values"])
    return content


def _count(value: Any, before: int) -> int:
    """Return how many values there are, and stop counting at the most that there may be."""
    total = before + 1
    inner = value.value if isinstance(value, Overriding) else value
    parts = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
    for part in parts:
        if total > _MOST_NODES:
            break
        total = _count(part, total)
    return total


@cache
def _loader() -> Any:
    """Return PyYAML's safe loader with Docker's rules."""
    import yaml

    class ComposeLoader(yaml.SafeLoader):
        """The loader."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML copies it

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's
            """Refuse keys that are there twice, before `<<` adds others. All keys are texts, as they are written."""
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    problem = "a key is a list or a mapping, and must be a single value"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value} is there twice", key.start_mark
                    )
                seen.add(key.value)
            self.flatten_mapping(node)
            for key, _ in node.value:
                key.tag = "tag:yaml.org,2002:str"
            return super().construct_mapping(node, deep=deep)

    def integer(loader: Any, node: Any) -> int:
        text = str(loader.construct_scalar(node))
        digits = text.lstrip("+-")
        base = 16 if digits[:2] == "0x" else 8 if digits[0] == "0" and len(digits) > 1 else 10
        return int(text.replace("0o", "0"), base)

    def plain(loader: Any, node: Any) -> Any:
        kinds = {yaml.MappingNode: loader.construct_mapping, yaml.SequenceNode: loader.construct_sequence}
        made = kinds.get(type(node))
        if made is not None:
            return made(node, deep=True)
        return loader.construct_object(
            yaml.ScalarNode(
                loader.resolve(yaml.ScalarNode, node.value, (True, False)), node.value, node.start_mark
            )
        )

    for tag, pattern, first in _TAGS:
        ComposeLoader.add_implicit_resolver(tag, re.compile(rf"^(?:{pattern})$"), list(first))
    ComposeLoader.add_constructor("tag:yaml.org,2002:int", integer)
    ComposeLoader.add_constructor("!override", lambda loader, node: Overriding(plain(loader, node)))
    ComposeLoader.add_constructor("!reset", lambda _loader, _node: Overriding(None))
    return ComposeLoader
