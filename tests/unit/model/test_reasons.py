"""The reason in an exception of a library, as words; and no other way for one into a message."""

import ast
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3
from docker.errors import APIError, DockerException

from model.reasons import plain, reason_of
from tests.unit.source_tree import SourceTree

ROOT = Path(__file__).parents[3]
REFUSED = ConnectionRefusedError(111, "Connection refused")
POOL = urllib3.HTTPSConnectionPool("api.test", 443)
ABORTED = urllib3.exceptions.ProtocolError(
    "Connection aborted.", http.client.RemoteDisconnected("Remote end")
)
RETRIED = urllib3.exceptions.MaxRetryError(POOL, "/v1", OSError(101, "Network is unreachable"))
POOL_TEXT = (
    "HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /v3 (Caused by NewConnectionError("
    "'<urllib3.connection.HTTPSConnection object at 0x7f0>: Failed to establish a new connection: "
    "[Errno 111] Connection refused'))"
)


def caused() -> Exception:
    """Return an error of urllib3 that names another as its cause."""
    error = urllib3.exceptions.HTTPError("<urllib3.connection.HTTPConnection object at 0x7f>: Failed")
    error.__cause__ = REFUSED
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectionError(ABORTED), "the connection was closed without an answer"),
        (requests.ConnectionError(RETRIED), "Network is unreachable"),
        (
            requests.ConnectionError(urllib3.exceptions.ProtocolError("x", ConnectionResetError(104, "reset by peer"))),
            "the connection was reset",
        ),
        (
            requests.exceptions.ChunkedEncodingError(
                urllib3.exceptions.ProtocolError("Connection broken", http.client.IncompleteRead(b"x", 9))
            ),
            "the connection was closed in the middle of an answer",
        ),
        (
            requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(POOL, "/", "Read timed out. (read timeout=30)")),
            "no answer within 30 s",
        ),
        (TimeoutError("timed out"), "no answer in time"),
        (http.client.BadStatusLine("xx"), "the answer is not HTTP"),
        (caused(), "Connection refused"),
        (REFUSED, "Connection refused"),
        (FileNotFoundError(2, "No such file or directory", "/run/x"), "/run/x: No such file or directory"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (DockerException("Error while fetching server API version: ('Connection aborted.', OSError(5, 'bad'))"),
         "Error while fetching server API version: Connection aborted: bad"),
        (APIError("500 Server Error", explanation="update out of sequence"), "update out of sequence"),
        (KeyError("Config"), "Config is missing"),
        (ValueError(), "ValueError"),
    ],
)  # fmt: skip
def test_a_librarys_error_is_said_in_words(error: Exception, words: str) -> None:
    """The innermost reason counts, as an engineer says it."""
    assert reason_of(error) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
         "Connection aborted: the connection was closed without an answer"),
        (POOL_TEXT,
         "Failed to establish a new connection: Connection refused"),
        ("no space left (on /dev/sda)", "no space left (on /dev/sda)"),
        ("Retry(total=0) is over (Caused by nothing)", "Retry(total=0) is over (Caused by nothing)"),
    ],
)  # fmt: skip
def test_a_message_that_has_python_in_it(text: str, words: str) -> None:
    """SDKs put the representation of an error into their own text; other brackets stay."""
    assert plain(text) == words


OWN_WORDS = {
    "ValueError", "tomli.TOMLDecodeError", "UnknownSyntaxError", "InvalidVersion", "UnicodeDecodeError",
    "msgspec.ValidationError", "TemplateSyntaxError", "yaml.YAMLError", "json.JSONDecodeError", "re.error",
}  # fmt: skip
"""Exceptions beside skep's own whose text is a sentence about a person's file or pattern."""


@pytest.mark.slow
def test_no_other_way_for_an_error_into_a_message() -> None:
    """Of an exception that is not skep's own no text is taken but by `reason_of`, `strerror` or `explanation`."""
    tree = SourceTree(ROOT)
    own = _own_errors(tree) | OWN_WORDS
    found = [
        f"{tree.paths[name]}:{line}: {caught}"
        for name, module in tree.trees.items()
        for line, caught in _texts_of_foreign_errors(module, own)
    ]

    assert found == []


def _own_errors(tree: SourceTree) -> set[str]:
    """Return the names of skep's own exceptions."""
    bases = {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for module in tree.trees.values()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    }
    own = {"SkepError", "AgentError"}
    while more := {name for name, of in bases.items() if of & own} - own:
        own |= more
    return own


def _texts_of_foreign_errors(module: ast.Module, own: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that put a caught exception into a text, with the exceptions that are not skep's own."""
    for handler in ast.walk(module):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        foreign = [
            kind for kind in map(ast.unparse, kinds) if kind not in own and kind.rpartition(".")[2] not in own
        ]
        for node in ast.walk(handler) if foreign else ():
            value: ast.expr | None = None
            if isinstance(node, ast.FormattedValue):
                value = node.value
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"str", "repr"}:
                value = node.args[0]
            if isinstance(value, ast.Name) and value.id == handler.name:
                yield value.lineno, ", ".join(foreign)
