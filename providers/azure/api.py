"""Azure's API: clients, what it says when it refuses, and the tags by which skep's things are known.

All of a stage is in a resource group of its own, where each thing has one name: to make it twice is to make it once.
The SDK's own retries and its own waiting are off: what fails with what passes by itself is ensured again as a whole
(`providers/azure/provider.py`), and long operations are polled here, so that every wait ends with a message.
"""

import importlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.site import AzureStage
from model.stage import Stage
from providers.cloud.retry import PACE, poll, retry

PATIENCE = 240.0
"""Seconds for which an error that passes by itself is waited out: a network interface stays reserved for a virtual
machine that could not be made for three minutes."""
OPERATION_TIMEOUT = 1200.0


CLIENTS = {
    "compute": ("azure.mgmt.compute", "ComputeManagementClient"),
    "network": ("azure.mgmt.network", "NetworkManagementClient"),
    "storage": ("azure.mgmt.storage", "StorageManagementClient"),
    "resource": ("azure.mgmt.resource", "ResourceManagementClient"),
}

LOST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, PRECONDITION, TOO_MANY, SERVER_FAULT = (
    0, 401, 403, 404, 409, 412, 429, 500,
)  # fmt: skip

_CREDENTIALS = (
    "log in (`az login`), or set the AZURE_* variables: skep uses what azure-identity finds; then run again, it goes "
    "on where it was"
)
_NOT_YET_VISIBLE = frozenset(
    {"ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound", "NotFound"}
)
"""What is said of things that were just made, and are not known everywhere yet; and of those that are gone."""
_FINAL = frozenset(
    {
        "AllocationFailed",
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
"""Parts of the codes for what was used a moment ago, or is really used."""
_PASSING = frozenset(
    {"AnotherOperationInProgress", "NicReservedForAnotherVm", "OperationPreempted", "RetryableError"}
)
"""What passes by itself although Azure calls it the caller's mistake."""
_ROOM = "Azure has no room for it there now: run again later, or set another instance_type or available_zones"
_ADVICE = {
    "AllocationFailed": _ROOM,
    "AuthorizationFailed": "have the role Contributor in the subscription assigned to who runs skep",
    "ExpiredAuthenticationToken": f"the credentials have expired: {_CREDENTIALS}",
    "InvalidAuthenticationTokenTenant": f"the subscription belongs to another tenant: {_CREDENTIALS}",
    "OperationNotAllowed": "ask for more under Quotas in the portal, or set another instance_type",
    "OverconstrainedAllocationRequest": _ROOM,
    "OverconstrainedZonalAllocationRequest": _ROOM,
    "PublicIPCountLimitReached": "ask for more under Quotas in the portal, or set public_addresses",
    "QuotaExceeded": "ask for more under Quotas in the portal, or set another instance_type",
    "SkuNotAvailable": "set another instance_type, available_zones or region",
    "StorageAccountAlreadyTaken": "somebody else has that name: give the site or the stage another one",
    "SubscriptionNotFound": "see to subscription_id, or AZURE_SUBSCRIPTION_ID",
    "InvalidSubscriptionId": "see to subscription_id, or AZURE_SUBSCRIPTION_ID",
    "ZonalAllocationFailed": _ROOM,
}


class AzureError(ProviderError):
    """Azure refused something.

    Args:
        what: What was asked, as `virtual_machines.begin_start hive0`.
        status: HTTP's status; 0 where there was no answer.
        code: The error's code.
        said: Its message.
        request: The request's id, by which Azure's support finds it; empty where there was no answer.

    """

    def __init__(self, what: str, status: int, code: str, said: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.status, self.code, self.request = status, code, request
        where = f" (request {request})" if request else ""
        shown = f" {code}:" if code else ""
        super().__init__(f"Azure {what}:{shown} {said.strip().rstrip('.')}{where}{self._advice()}")

    def _advice(self) -> str:
        """Return what to do about it."""
        if self.code in _ADVICE:
            return f": {_ADVICE[self.code]}"
        return {
            LOST: ": this machine can't reach Azure: see to its network, then run again",
            UNAUTHORIZED: f": {_CREDENTIALS}",
            FORBIDDEN: ": have it allowed: docs/providers.md says what skep needs",
            TOO_MANY: ": Azure is busy: run again later",
        }.get(self.status, "")


def is_transient(error: Exception) -> bool:
    """Return whether an error is one that a new look, a moment later, may not meet."""
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
    """Return whether an error is one that passes when what used a thing is gone."""
    return is_transient(error) or (
        isinstance(error, AzureError) and any(part in error.code for part in _IN_USE)
    )


@dataclass(frozen=True)
class AzureEndpoint:
    """How Azure is reached.

    Args:
        credential: One of azure-identity's.
        policy: Makes what signs requests with it: each client's pipeline needs one of its own.
        url: Where the API is.

    """

    credential: Any
    policy: Callable[[], Any]
    url: str = "https://management.azure.com"


def connection() -> AzureEndpoint:
    """Return how Azure is reached, with credentials from wherever azure-identity finds them.

    Raises:
        ProviderError: The SDK is not installed.

    """
    try:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
    except ImportError as error:
        raise _missing() from error
    credential = DefaultAzureCredential()
    scope = f"{AzureEndpoint.url}/.default"
    return AzureEndpoint(credential, lambda: ARMChallengeAuthenticationPolicy(credential, scope))


def _missing() -> ProviderError:
    """Return what is said where the SDK is not installed."""
    return ProviderError("provider azure needs Azure's SDK: install it with `SKEP_EXTRAS=azure ./setup true`")


def config_of(stage: Stage) -> AzureStage:
    """Return the stage's table, which is one of `provider = "azure"`."""
    if not isinstance(stage.config, AzureStage):
        raise TypeError(f"stage {stage.name} is not one of the azure provider")
    return stage.config


class AzureApi:
    """Azure as one stage sees it: its subscription, region and resource group. Thread-safe.

    Args:
        stage: The stage.

    """

    def __init__(self, stage: Stage) -> None:
        config = config_of(stage)
        self.region, self.group = config.region, cloud_name(stage)
        self._given = config.subscription_id
        self._path = f"stages.{stage.name}.subscription_id"
        self._lock = threading.Lock()
        self._connection: AzureEndpoint | None = None
        self._clients: dict[str, Any] = {}

    @property
    def subscription(self) -> str:
        """The subscription's id.

        Raises:
            ProviderError: Nobody says it.

        """
        found = self._given or os.environ.get("AZURE_SUBSCRIPTION_ID", "")
        if not found:
            raise ProviderError(
                f"{self._path}: is not set, and neither is AZURE_SUBSCRIPTION_ID: "
                "`az account show --query id` shows it"
            )
        return found

    def id(self, kind: str, *names: str) -> str:
        """Return the id of a thing in the group, as `id("Microsoft.Network/virtualNetworks", "network")`."""
        namespace, *kinds = kind.split("/")
        parts = "/".join(f"{part}/{name}" for part, name in zip(kinds, names, strict=True))
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/{namespace}/{parts}"

    def connect(self) -> None:
        """Import the SDK and make its clients: no matter for several threads."""
        for service in CLIENTS:
            self.client(service)

    def client(self, service: str) -> Any:
        """Return the SDK's client of a service; made by one thread at a time."""
        subscription = self.subscription
        with self._lock:
            if self._connection is None:
                self._connection = connection()
            if service not in self._clients:
                self._clients[service] = make_client(service, self._connection, subscription)
            return self._clients[service]

    # -- asking --------------------------------------------------------------------------------------------------------

    def call(self, what: str, *names: str, body: Json | None = None, **arguments: Any) -> Json:
        """Ask for something, once; what takes long is waited for.

        Args:
            what: Service, kind of thing, and operation, in the SDK's words: `network.virtual_networks.get`.
            names: What it is done to.
            body: What is sent, in the API's words.
            arguments: The operation's further ones.

        Raises:
            AzureError: Azure refused, or did not answer.

        """
        service, kind, operation = what.split(".")
        said = f"{kind}.{operation} {' '.join(names)}".strip()
        operate = getattr(getattr(self.client(service), kind), operation)
        sent = () if body is None else (json.dumps(body).encode(),)
        if not operation.startswith("begin_"):
            found: Json = _asked(said, lambda: _plain(operate(*names, *sent, **arguments)))
            return found

        def begin() -> tuple[Mapping[str, str], Json]:
            """Return the answer's headers, and the answer."""
            begun: tuple[Mapping[str, str], Json] = operate(
                *names,
                *sent,
                polling=False,
                cls=lambda raw, thing, _: (dict(raw.http_response.headers), _plain(thing)),
                **arguments,
            ).result()
            return begun

        answer: Json
        headers, answer = _asked(said, begin)
        self._finish(said, {name.lower(): value for name, value in headers.items()})
        return answer

    def find(self, what: str, *names: str, **arguments: Any) -> Json | None:
        """Return what an operation gets, or None if it is not there."""
        try:
            return self.call(what, *names, **arguments)
        except AzureError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def listing(self, what: str, *names: str, **arguments: Any) -> list[Json]:
        """Return all that an operation lists, from as many pages as there are; nothing where there is no group."""
        service, kind, operation = what.split(".")
        operate = getattr(getattr(self.client(service), kind), operation)

        token: str | None = None

        def ask() -> tuple[list[Json], str | None]:
            """Return the next page, and where the one after it begins."""
            answer = operate(*names, **arguments)
            if isinstance(answer, list):
                return _plain(answer), None
            pages = answer.by_page(token)
            return [_plain(one) for one in next(pages, ())], pages.continuation_token

        found: list[Json] = []
        try:
            while True:
                page, token = _asked(f"{kind}.{operation}", ask)
                found += page
                if not token:
                    return found
        except AzureError as error:
            if error.code != "ResourceGroupNotFound":
                raise
            return []

    def drop(self, what: str, *names: str, **arguments: Any) -> bool:
        """Remove something; return whether it was there."""
        try:
            self.call(what, *names, **arguments)
        except AzureError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return True

    def ask(self, path: str, version: str) -> list[Json]:
        """Return all that is listed at an address for which the SDK's packages have no words."""
        self.connect()
        said = f"GET {path.rpartition('/providers/')[2]}"
        url: str | None = f"{self._base()}{path}?api-version={version}"
        found: list[Json] = []
        while url:
            assert_ours(url, self._connection)
            answer = _asked(said, partial(self._look, said, url))[1]
            found += answer["value"]
            url = answer.get("nextLink")
        return found

    def _base(self) -> str:
        """Return where Azure is."""
        return self._connection.url if self._connection is not None else AzureEndpoint.url

    # -- what takes long -----------------------------------------------------------------------------------------------

    def _finish(self, said: str, headers: Mapping[str, str]) -> None:
        """Wait until an operation has ended.

        https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations

        Raises:
            AzureError: It failed.

        """
        url = headers.get("azure-asyncoperation") or headers.get("location")
        if not url:
            return
        assert_ours(url, self._connection)
        state = "not known"

        def look() -> bool | None:
            nonlocal state
            try:
                status, answer = self._look(said, url)
            except AzureError as error:
                if not is_transient(error):
                    raise
                return None
            state = str(answer.get("status") or ("InProgress" if status == 202 else "Succeeded"))  # noqa: PLR2004
            if state in {"Failed", "Canceled"}:
                fault = answer.get("error") or {}
                raise AzureError(
                    said,
                    CONFLICT,
                    str(fault.get("code") or state),
                    str(fault.get("message") or f"it has {state.lower()}"),
                    headers.get("x-ms-request-id", ""),
                )
            return True if state == "Succeeded" else None

        request = headers.get("x-ms-request-id", "")
        poll(look, said, OPERATION_TIMEOUT, lambda: f"it is {state} (request {request})", PACE)

    def _look(self, said: str, url: str) -> tuple[int, Json]:
        """Return status and answer of a question after an operation."""
        from azure.core.rest import HttpRequest

        def ask() -> tuple[int, Json]:
            with self._lock:
                if "plain" not in self._clients:
                    self._clients["plain"] = _plain_client(self._connection)
            answer = self._clients["plain"].send_request(HttpRequest("GET", url))
            answer.raise_for_status()
            return answer.status_code, (answer.json() or {}) if answer.content else {}

        found: tuple[int, Json] = _translate_errors(said, ask)
        return found


def make_client(service: str, connected: AzureEndpoint, subscription: str) -> Any:
    """Return the SDK's client of a service.

    Raises:
        ProviderError: It is not installed.

    """
    module, name = CLIENTS[service]
    try:
        maker = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise _missing() from error
    return maker(
        connected.credential,
        subscription,
        base_url=connected.url,
        authentication_policy=connected.policy(),
        retry_total=0,
    )


def _plain_client(connected: AzureEndpoint | None) -> Any:
    """Return what asks for any address of Azure's."""
    from azure.mgmt.core import ARMPipelineClient

    if connected is None:
        raise TypeError("nothing was asked yet")
    return ARMPipelineClient(connected.url, policies=[connected.policy()])


def assert_ours(url: str, connected: AzureEndpoint | None) -> None:
    """See to it that credentials go nowhere but to Azure.

    Raises:
        ProviderError: The address is another's.

    """
    if connected is None or not url.startswith(f"{connected.url}/"):
        raise ProviderError(
            f"Azure names {url} for the state of an operation, which is not Azure's: run again"
        )


def _plain(thing: Any) -> Any:
    """Return a thing of the SDK's in the API's own words."""
    if isinstance(thing, list):
        return [_plain(one) for one in thing]
    return thing.serialize(keep_readonly=True) if hasattr(thing, "serialize") else thing


def _asked(what: str, ask: Callable[[], Any]) -> Any:
    """Return what a question returns, asked again where it was one too many: then nothing was done."""

    def was_too_many(error: Exception) -> bool:
        return isinstance(error, AzureError) and error.status == TOO_MANY

    return retry(lambda: _translate_errors(what, ask), was_too_many, PATIENCE, _nobody, PACE)


def _nobody(_: str) -> None:
    """Be told, and tell nobody."""


def _translate_errors(what: str, ask: Callable[[], Any]) -> Any:
    """Return what a question returns; what the SDK raises is raised as ours."""
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
        code, said = _fault(answer, error)
        request = answer.headers.get("x-ms-request-id", "")
        # What refuses credentials for their age says 400.
        is_login = isinstance(error, ClientAuthenticationError)
        status = UNAUTHORIZED if is_login else int(answer.status_code or 0)
        raise AzureError(what, status, code, said, request) from error
    except (ServiceRequestError, SdkError) as error:
        raise AzureError(what, LOST, "", _first_line(error)) from error


def _fault(answer: Any, error: Exception) -> tuple[str, str]:
    """Return code and message of an answer that refuses."""
    try:
        said = json.loads(answer.text())
    except (ValueError, TypeError):
        return "", _first_line(error)
    fault = said.get("error", said) if isinstance(said, dict) else {}
    if isinstance(fault, str):  # of what gives out tokens
        return fault, str(said.get("error_description") or _first_line(error)).partition("\n")[0].strip()
    return str(fault.get("code") or ""), str(fault.get("message") or _first_line(error))


def _first_line(error: Exception) -> str:
    """Return the first line of an error."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


# -- tags --------------------------------------------------------------------------------------------------------------


def tags_for(stage: Stage, name: str, key: str, **more: str) -> dict[str, str]:
    """Return the tags of a thing of a stage. Pure."""
    return {**stage.labels, NAME_LABEL: name, KEY_LABEL: key, **more}


def tags_of(thing: Json) -> dict[str, str]:
    """Return the tags of a thing. Pure."""
    return dict(thing.get("tags") or {})


def properties(thing: Json) -> Json:
    """Return what a thing is made of. Pure."""
    return thing.get("properties") or {}
