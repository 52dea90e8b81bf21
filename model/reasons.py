"""The reason in an exception of a library, as words for a message: no tuple, no class, no address of an object. Pure.

urllib3, requests and the SDKs on top of them wrap one error into another, and print what is inside as Python does.
"""

import re

from model.errors import SkepError

_WRAPPERS = {"urllib3", "requests", "keystoneauth1", "azure", "botocore", "google"}
"""The packages whose exceptions say by `__cause__` what they wrap."""
_WORDS = {
    "RemoteDisconnected": "the connection was closed without an answer",
    "ConnectionResetError": "the connection was reset",
    "ConnectionAbortedError": "the connection was closed",
    "BrokenPipeError": "the connection was closed",
    "IncompleteRead": "the connection was closed in the middle of an answer",
    "BadStatusLine": "the answer is not HTTP",
    "InvalidChunkLength": "the connection was closed in the middle of an answer",
}
"""An exception's class, to words where its own are none."""
_QUOTED = r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\""""
_NOISE = (
    # HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /v1 (Caused by Some('…'))
    (re.compile(r"\w*ConnectionPool\([^)]*\): (?:Max retries exceeded with url: \S+ )?"), ""),
    (re.compile(r"<[\w.]+(?: object)?(?:\([^)]*\))?(?: at 0x[0-9a-f]+)?>(?:, |: )?"), ""),
    (re.compile(r"\(?Caused by (\w+\(.*\))\)"), r"\1"),
    (re.compile(r"\[Errno -?\d+\] "), ""),
)
_TUPLE = re.compile(r"\((?:'([^'()]*?)\.?'|\"([^\"()]*?)\.?\"), (\w+\(.*\)|\w+Error)\)")
_CALL = re.compile(r"\b([A-Z]\w*)\((?:-?\d+, )?(?:" + _QUOTED + r"|[^()]*)\)")


def reason_of(error: BaseException) -> str:
    """Return why an error happened, in words; never empty."""
    if isinstance(error, SkepError):
        return str(error)
    if explanation := getattr(error, "explanation", None):  # of Docker's SDK: the engine's own words
        return str(explanation)
    inner = _inner(error)
    if inner is not None:
        return reason_of(inner)
    name = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in name:
        seconds = re.search(r"timeout=([\d.]+)", str(error))
        return f"no answer within {seconds[1]} s" if seconds else "no answer in time"
    if name in _WORDS:
        return _WORDS[name]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    if isinstance(error, KeyError):
        return f"{' '.join(map(str, error.args))} is missing"
    return plain(str(error)) or name


def _inner(error: BaseException) -> BaseException | None:
    """Return the error that another one wraps.

    Not its context: that may be one that was being handled long before.
    """
    kwargs = getattr(error, "kwargs", None)
    candidates = [*error.args, getattr(error, "reason", None), getattr(error, "inner_exception", None)]
    candidates += [kwargs.get("error")] if isinstance(kwargs, dict) else []
    if type(error).__module__.partition(".")[0] in _WRAPPERS:
        candidates.append(error.__cause__)
    return next((one for one in candidates if isinstance(one, BaseException) and one is not error), None)


def plain(text: str) -> str:
    """Return a library's message without the representations of Python's objects in it."""
    for pattern, replacement in _NOISE:
        text = pattern.sub(replacement, text)
    text = _TUPLE.sub(lambda found: f"{found[1] or found[2]}: {found[3]}", text)
    return _CALL.sub(_call, text).strip()


def _call(found: re.Match[str]) -> str:
    """Return the words of an exception that is printed as Python does, `OSError(104, 'reset')`."""
    name, words = found[1], found[2] or found[3] or ""
    if not name.endswith(
        ("Error", "Exception", "Disconnected", "Read", "Line", "Timeout", "Warning", "Length")
    ):
        return found[0]
    return _WORDS.get(name) or words or name
