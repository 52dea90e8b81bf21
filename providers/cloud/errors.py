"""Messages of the errors that all clouds have."""

import re

from model.errors import ProviderError

_DISK_TOO_SMALL = re.compile(r"\b(disk|volume)\b.* (smaller than|too small)", re.IGNORECASE | re.DOTALL)
"""A disk that is smaller than its image: no cloud has a code of its own for it.

https://github.com/Azure/azure-sdk-for-python/issues/23051, https://github.com/scylladb/scylladb/issues/6999,
https://github.com/BasedHardware/omi/pull/7155, and `FlavorDiskTooSmall` in nova/exception.py.
"""
_LARGER_DISK = "the image needs a larger disk: set disk_size (or repository_disk_size), or leave it out"


def refusal(cloud: str, request: str, code: str, reason: str, request_id: str, advice: str) -> str:
    """Return the message of a call that a cloud refused. Pure.

    Args:
        cloud: The cloud's name.
        request: The call, in the API's words.
        code: The error's code; empty where there is none.
        reason: The cloud's own message.
        request_id: The id by which the cloud's support finds the call; empty where there was no answer.
        advice: The way out; empty where there is none to tell.

    """
    reason = " ".join(reason.split())
    words = [f"{cloud} {request}:", f"{code}:" if code else "", reason.rstrip(".")]
    advice = _LARGER_DISK if _DISK_TOO_SMALL.search(reason) else advice
    found = f" (request {request_id})" if request_id else ""
    return " ".join(word for word in words if word) + found + (f": {advice}" if advice else "")


def gone(name: str, what: str, resource: str) -> ProviderError:
    """Return the error for a resource that was made earlier and that somebody removed. Pure.

    Args:
        name: The resource that needs it.
        what: The resource that is gone, for a reader.
        resource: Its name.

    """
    return ProviderError(f"{name}: {what} is gone: run `doit build_infra:{resource}` first")
