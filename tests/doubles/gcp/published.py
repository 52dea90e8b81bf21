"""The form of requests as Google publishes it: the discovery documents of google-api-python-client.

Held against: those documents alone.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import unquote

from model.json_types import Json


class RefusedError(Exception):
    """A request that the published schema, or the cloud, does not take.

    Args:
        status: HTTP's.
        reason: In the API's words.
        said: What is wrong.
        service: The service that is off, if that is the reason.

    """

    def __init__(self, status: int, reason: str, said: str, service: str = "") -> None:
        self.status, self.reason, self.said, self.service = status, reason, said, service
        super().__init__(said)


@dataclass(frozen=True)
class Call:
    """A request that the schema takes.

    Args:
        method: The method's id, as `compute.instances.insert`.
        words: What its path and query say.
        body: What was sent.

    """

    method: str
    words: dict[str, str]
    body: Any


@cache
def document(name: str) -> Json:
    """Return a discovery document, as `compute.v1`."""
    file = resources.files("googleapiclient") / "discovery_cache" / "documents" / f"{name}.json"
    found: Json = json.loads(file.read_text())
    return found


@cache
def _methods(name: str) -> list[tuple[str, re.Pattern[str], Json]]:
    """Return each method of a document, with its verb and a pattern of its path."""
    found = []

    def walk(table: Json) -> None:
        for method in (table.get("methods") or {}).values():
            path = method.get("flatPath") or method["path"]
            pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
            pattern = re.sub(r"\{\\?\+?(\w+)\}", r"(?P<\1>[^/:]+)", pattern)
            found.append((method["httpMethod"], re.compile(pattern), method))
        for below in (table.get("resources") or {}).values():
            walk(below)

    walk(document(name))
    return found


def understood(name: str, verb: str, path: str, query: dict[str, str], body: Json | None) -> Call:
    """Return the call that a request makes.

    Raises:
        RefusedError: It is not one that the document has.

    """
    for wanted, pattern, method in _methods(name):
        match = pattern.fullmatch(path)
        if wanted != verb or match is None:
            continue
        words = {**{key: unquote(value) for key, value in match.groupdict().items()}, **query}
        known = {**method["parameters"], **document(name)["parameters"]}
        for key, value in words.items():
            if key in known:
                _check_value(known[key], value, key)
            elif key not in match.groupdict():  # the parts of a flat path have names of their own
                raise RefusedError(400, "badRequest", f"{method['id']} has no parameter {key}")
        for key in method.get("parameterOrder") or ():
            if key not in words and known[key].get("location") == "query":
                raise RefusedError(400, "required", f"{method['id']} needs {key}")
        if "request" in method:
            if body is None:
                raise RefusedError(400, "required", f"{method['id']} needs a body")
            _check_body(
                name, document(name)["schemas"][method["request"]["$ref"]], body, method["id"], "body"
            )
        elif body is not None:
            raise RefusedError(400, "badRequest", f"{method['id']} takes no body")
        return Call(method["id"], words, body)
    raise RefusedError(404, "notFound", f"{verb} {path} is no method of {name}")


def _check_body(name: str, table: Json, body: Json, method: str, where: str) -> None:
    """Refuse a value that a schema does not take."""
    known = table.get("properties") or {}
    if not isinstance(body, dict):
        raise RefusedError(400, "invalid", f"{where}: must be an object")
    for key, rule in known.items():
        if method in (rule.get("annotations") or {}).get("required", ()) and key not in body:
            raise RefusedError(400, "required", f"{where}.{key} is required by {method}")
    for key, value in body.items():
        if key not in known:
            raise RefusedError(400, "invalid", f"{where}.{key}: {table.get('id', where)} has no such field")
        _check(name, known[key], value, method, f"{where}.{key}")


def _check(name: str, rule: Json, value: Any, method: str, where: str) -> None:
    """Refuse a value that a rule does not take."""
    if "$ref" in rule:
        _check_body(name, document(name)["schemas"][rule["$ref"]], value, method, where)
    elif "properties" in rule:
        _check_body(name, rule, value, method, where)
    elif rule["type"] == "array":
        if not isinstance(value, list):
            raise RefusedError(400, "invalid", f"{where}: must be a list")
        for i, one in enumerate(value):
            _check(name, rule["items"], one, method, f"{where}[{i}]")
    elif rule["type"] == "object":
        if not isinstance(value, dict):
            raise RefusedError(400, "invalid", f"{where}: must be an object")
        for key, one in value.items():
            _check(name, rule["additionalProperties"], one, method, f"{where}.{key}")
    else:
        _check_value(rule, value, where)


def _check_value(rule: Json, value: Any, where: str) -> None:
    """Refuse a single value that a rule does not take."""
    kinds = {"string": str, "boolean": (bool, str), "integer": (int, str), "number": (int, float, str)}
    if not isinstance(value, kinds.get(rule.get("type", "string"), object)):  # type: ignore[arg-type]
        raise RefusedError(400, "invalid", f"{where}: {value!r} is no {rule['type']}")
    if rule.get("format") in {"int64", "uint64", "int32", "uint32"} and not re.fullmatch(
        r"-?\d+", str(value)
    ):
        raise RefusedError(400, "invalid", f"{where}: {value!r} is no {rule['format']}")
    if "enum" in rule and value not in rule["enum"]:
        raise RefusedError(400, "invalid", f"{where}: {value!r} is none of {', '.join(rule['enum'])}")
    if "pattern" in rule and not re.fullmatch(rule["pattern"], str(value)):
        raise RefusedError(400, "invalid", f"{where}: {value!r} does not match {rule['pattern']}")
