"""Azure's refusals: their codes, which of them pass, and how the SDK's exceptions become errors of ours."""

import json
from collections.abc import Callable
from typing import Any

from model.errors import ProviderError
from model.reasons import reason_of
from providers.cloud.errors import refusal

LOST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, PRECONDITION, TOO_MANY, SERVER_FAULT = (
    0, 401, 403, 404, 409, 412, 429, 500,
)  # fmt: skip

_CREDENTIALS = (
    "log in (`az login`), or set the AZURE_* variables: skep uses what azure-identity finds; then run doit again, it "
    "continues where it stopped"
)
_NOT_YET_VISIBLE = frozenset(
    {"ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound", "NotFound"}
)
"""Codes for things that were just made and are not known everywhere yet, and for those that are gone."""
_FINAL = frozenset(
    {
        "AllocationFailed",
        "MissingSubscriptionRegistration",
        "OperationNotAllowed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
        "PropertyChangeNotAllowed",
        "QuotaExceeded",
        "SkuNotAvailable",
        "StorageAccountAlreadyTaken",
        "ZonalAllocationFailed",
    }
)
"""Conflicts that stay: there is no room, a quota is used up, or it can't be changed.

https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""
_IN_USE = ("InUse", "CannotBeDeleted")
"""Parts of the codes for a thing whose user was removed a moment ago, and for one that is really used."""
_PASSING = frozenset(
    {"AnotherOperationInProgress", "NicReservedForAnotherVm", "OperationPreempted", "RetryableError"}
)
"""Codes that pass although Azure calls them the caller's mistake."""
_ROOM = "Azure has no capacity for it there now: run doit again later, or set another instance_type or available_zones"
_TERMS = "accept the image's terms (`az vm image terms accept`), or set another image_name"
_ADVICE = {
    "AllocationFailed": _ROOM,
    "MarketplacePurchaseEligibilityFailed": _TERMS,
    "ResourcePurchaseValidationFailed": _TERMS,
    "AuthorizationFailed": "assign the role Contributor in the subscription to the account that runs skep",
    "ExpiredAuthenticationToken": f"the credentials have expired: {_CREDENTIALS}",
    "InvalidAuthenticationTokenTenant": f"the subscription belongs to another tenant: {_CREDENTIALS}",
    "MissingSubscriptionRegistration": "`az provider register --namespace` that, then run doit again",
    "OperationNotAllowed": "ask for more under Quotas in the portal, or set another instance_type",
    "OverconstrainedAllocationRequest": _ROOM,
    "OverconstrainedZonalAllocationRequest": _ROOM,
    "PublicIPCountLimitReached": "ask for more under Quotas in the portal, or set public_addresses",
    "QuotaExceeded": "ask for more under Quotas in the portal, or set another instance_type",
    "RequestDisallowedByPolicy": "a policy of the subscription forbids that: set what it allows, or ask who made it",
    "SkuNotAvailable": "set another instance_type, available_zones or region",
    "StorageAccountAlreadyTaken": "that name is in use: give the site or the stage another one",
    "SubscriptionNotFound": "check subscription_id, or AZURE_SUBSCRIPTION_ID",
    "InvalidSubscriptionId": "check subscription_id, or AZURE_SUBSCRIPTION_ID",
    "ZonalAllocationFailed": _ROOM,
}
_ADVICE_OF_STATUS = {
    LOST: "this machine can't reach Azure: check its network connection, then run doit again",
    UNAUTHORIZED: _CREDENTIALS,
    FORBIDDEN: "grant that permission: docs/providers.md says what skep needs",
    TOO_MANY: "Azure is busy: run doit again later",
}


class AzureError(ProviderError):
    """Azure refused a call.

    Args:
        what: The call, as `virtual_machines.begin_start hive0`.
        status: HTTP's status; 0 where there was no answer.
        code: The error's code.
        reason: Its message.
        request: The request's id, by which Azure's support finds it; empty where there was no answer.

    """

    def __init__(self, what: str, status: int, code: str, reason: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.status, self.code, self.request = status, code, request
        advice = _ADVICE.get(code) or _ADVICE_OF_STATUS.get(status, "")
        super().__init__(refusal("Azure", what, code, reason, request, advice))


def is_transient(error: Exception) -> bool:
    """Return whether the error is transient. Pure."""
    if not isinstance(error, AzureError) or error.code in _FINAL:
        return False
    if error.status == NOT_FOUND:
        return error.code in _NOT_YET_VISIBLE
    return (
        error.status in {LOST, CONFLICT, PRECONDITION, TOO_MANY}
        or error.status >= SERVER_FAULT
        or error.code in _PASSING
    )


def is_transient_on_delete(error: Exception) -> bool:
    """Return whether the error passes when the users of a thing are gone. Pure."""
    return is_transient(error) or (
        isinstance(error, AzureError) and any(part in error.code for part in _IN_USE)
    )


def translate_errors(what: str, ask: Callable[[], Any]) -> Any:
    """Return the answer of a call; raise the SDK's exceptions as `AzureError`."""
    from azure.core.exceptions import AzureError as SdkError
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

    try:
        return ask()
    except HttpResponseError as error:
        answer: Any = error.response
        if answer is None:
            if isinstance(error, ClientAuthenticationError):
                raise AzureError(what, UNAUTHORIZED, "", _first_line(error)) from error
            raise AzureError(what, LOST, "", _first_line(error)) from error
        code, reason = _fault(answer, error)
        request = answer.headers.get("x-ms-request-id", "")
        # What refuses credentials for their age says 400.
        is_login = isinstance(error, ClientAuthenticationError)
        status = UNAUTHORIZED if is_login else int(answer.status_code or 0)
        raise AzureError(what, status, code, reason, request) from error
    except (ServiceRequestError, SdkError) as error:
        raise AzureError(what, LOST, "", _first_line(error)) from error


def _fault(answer: Any, error: Exception) -> tuple[str, str]:
    """Return code and message of a refusal."""
    try:
        refused = json.loads(answer.text())
    except (ValueError, TypeError):
        return "", _first_line(error)
    fault = refused.get("error", refused) if isinstance(refused, dict) else {}
    if isinstance(fault, str):  # of the service that gives out tokens
        return fault, str(refused.get("error_description") or _first_line(error)).partition("\n")[0].strip()
    return str(fault.get("code") or ""), str(fault.get("message") or _first_line(error))


def _first_line(error: Exception) -> str:
    """Return the first line of an error."""
    return reason_of(error).splitlines()[0]
