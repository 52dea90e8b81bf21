"""Google's refusals: their codes, which of them pass, and how the SDK's exceptions become errors of ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from model.errors import ProviderError
from model.reasons import reason_of
from providers.cloud.errors import refusal

LOST, NO_CREDENTIALS = "skep.ConnectionLost", "skep.NoCredentials"
"""Codes for errors that the SDK raises without an answer of Google's."""
CLEAR = {404, 409, 429, *range(500, 600)}
"""The HTTP statuses that are codes themselves."""

_BUSY = frozenset(
    {LOST, "429", "500", "502", "503", "504", "rateLimitExceeded", "userRateLimitExceeded", "backendError"}
    | {"INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED"}
)
"""Codes that pass, whatever was asked."""
GONE = frozenset({"404", "notFound", "RESOURCE_NOT_FOUND"})
DENIED = frozenset({"403", "forbidden", "IAM_PERMISSION_DENIED", "PERMISSION_DENIED"})
"""Codes for what the credentials may not do."""
_CONFLICT = frozenset(
    {"409", "alreadyExists", "resourceNotReady", "RESOURCE_NOT_READY", "RESOURCE_ALREADY_EXISTS", "ABORTED"}
)
"""Codes for a thing that another run made first, or is changing: the next attempt finds it."""
IN_USE = frozenset(
    {
        "resourceInUseByAnotherResource",
        "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
        "resourceNotReady",
        "RESOURCE_NOT_READY",
        "IP_IN_USE_BY_ANOTHER_RESOURCE",
    }
)
"""Codes for a thing whose user was removed a moment ago, and for one that is really used."""

_LOG_IN = (
    "log in (`gcloud auth application-default login`), or set GOOGLE_APPLICATION_CREDENTIALS: skep uses what the SDK "
    "finds; then run doit again, it continues where it stopped"
)
_QUOTA = "ask for more at IAM & Admin > Quotas, or remove what the project no longer needs"
_ROOM = (
    "Google has no capacity for it in that zone now: run doit again later, or set another instance_type or "
    "available_zones"
)
_ADVICE = {
    NO_CREDENTIALS: _LOG_IN,
    LOST: "this machine can't reach Google: check its network connection, then run doit again",
    "401": _LOG_IN,
    "authError": _LOG_IN,
    "forbidden": "grant that permission: docs/providers.md has the roles that skep needs",
    "403": "grant that permission: docs/providers.md has the roles that skep needs",
    "IAM_PERMISSION_DENIED": "grant that permission: docs/providers.md has the roles that skep needs",
    "quotaExceeded": _QUOTA,
    "QUOTA_EXCEEDED": _QUOTA,
    "ZONE_RESOURCE_POOL_EXHAUSTED": _ROOM,
    "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS": _ROOM,
    "IP_IN_USE_BY_ANOTHER_RESOURCE": "something that is not skep's has that address: remove it, or set ip_address_list",
    "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE": "something that is not skep's uses it: remove that, then run doit again",
    "resourceInUseByAnotherResource": "something that is not skep's uses it: remove that, then run doit again",
}


_OS_LOGIN = (
    "the organization's policy wants OS Login on every instance, and skep lets its own key in: have it not enforced in "
    "the project (`gcloud resource-manager org-policies disable-enforce compute.requireOsLogin --project PROJECT`), or "
    "set another project"
)
"""https://github.com/terraform-google-modules/terraform-google-project-factory/issues/827 has the message."""
_DISABLED = {"accessNotConfigured", "SERVICE_DISABLED"}


def _advice(code: str, reason: str) -> str:
    """Return the way out of a refusal; empty where there is none to tell. Pure."""
    if "requireOsLogin" in reason:
        return _OS_LOGIN
    if code in _DISABLED:
        # The message has the service in an address: https://github.com/google-gemini/gemini-cli/issues/1343
        named = re.search(r"\b([a-z0-9-]+\.googleapis\.com)\b", reason)
        return f"enable that API (`gcloud services enable {named[1] if named else 'compute.googleapis.com'}`)"
    return _ADVICE.get(code, "")


class GcpError(ProviderError):
    """Google refused a call.

    Args:
        what: The call, as `instances.insert`.
        code: The reason in the API's words, or HTTP's status.
        reason: Its message.
        request: The operation's name, or the request's id, by which Google's support finds it.

    """

    def __init__(self, what: str, code: str, reason: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.what, self.code, self.request = what, code, request
        shown = "" if code.startswith("skep.") else code
        super().__init__(refusal("Google", what, shown, reason, request, _advice(code, reason)))


def is_transient(error: Exception) -> bool:
    """Return whether the error is transient. Pure."""
    return isinstance(error, GcpError) and error.code in _BUSY | _CONFLICT | GONE


def is_transient_on_delete(error: Exception) -> bool:
    """Return whether the error passes when the users of a thing are gone. Pure."""
    return isinstance(error, GcpError) and error.code in _BUSY | IN_USE


def is_busy(error: Exception) -> bool:
    """Return whether the error passes, whatever was asked. Pure."""
    return isinstance(error, GcpError) and error.code in _BUSY


@contextmanager
def translate_errors(what: str, request: str) -> Iterator[None]:
    """Raise the SDK's exceptions as `GcpError`."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except api.GoogleAPICallError as error:
        errors = [one for one in error.errors or () if isinstance(one, dict)]
        status = int(error.code or 0)
        code = str(errors[0].get("reason")) if errors and status not in CLEAR else str(status)
        text = str(
            errors[0].get("message") if errors else re.sub(r"^[A-Z]+ https?://\S+: ", "", error.message or "")
        )
        raise GcpError(what, code, text, request) from error
    except auth.TransportError as error:
        raise GcpError(what, LOST, reason_of(error), request) from error
    except auth.GoogleAuthError as error:
        raise GcpError(what, NO_CREDENTIALS, reason_of(error)) from error
    except (api.RetryError, requests.RequestException) as error:
        raise GcpError(what, LOST, reason_of(error), request) from error
