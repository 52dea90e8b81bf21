"""Azure's API: its clients, its calls, its long operations, and the tags by which skep's things are known.

All of a stage is in a resource group of its own, where each thing has one name: to make it twice is to make it once.
The SDK's own retries and its own waiting are off: after a transient error the whole resource is ensured again
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
from model.extras import AZURE
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.reasons import reason_of
from model.site import AzureStage
from model.stage import Stage
from providers.azure.errors import (
    CONFLICT,
    NOT_FOUND,
    TOO_MANY,
    UNAUTHORIZED,
    AzureError,
    is_transient,
    translate_errors,
)
from providers.cloud.retry import RetryPolicy, poll, retry
from remote.mother import extras

RETRY_TIMEOUT = 240.0
"""Seconds for which a transient error is waited out: a network interface stays reserved for a virtual
machine that could not be made for three minutes."""
OPERATION_TIMEOUT = 1200.0


CLIENTS = {
    "compute": ("azure.mgmt.compute", "ComputeManagementClient"),
    "network": ("azure.mgmt.network", "NetworkManagementClient"),
    "storage": ("azure.mgmt.storage", "StorageManagementClient"),
    "resource": ("azure.mgmt.resource.resources", "ResourceManagementClient"),
}


@dataclass(frozen=True)
class AzureEndpoint:
    """The API's address, and the credentials for it.

    Args:
        credential: One of azure-identity's.
        policy: Makes the SDK's policy that signs requests with it: each client's pipeline needs one of its own.
        url: The API's address.

    """

    credential: Any
    policy: Callable[[], Any]
    url: str = "https://management.azure.com"


def endpoint() -> AzureEndpoint:
    """Return the API's address, with credentials from wherever azure-identity finds them.

    Raises:
        ProviderError: The SDK is not installed, and can't be.

    """

    def load() -> tuple[Any, Any]:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        return DefaultAzureCredential, ARMChallengeAuthenticationPolicy

    default_credential, policy = extras.loaded(AZURE, load)
    try:
        credential = default_credential()
    except ValueError as error:
        raise AzureError("sign in", UNAUTHORIZED, "", reason_of(error)) from error
    scope = f"{AzureEndpoint.url}/.default"
    return AzureEndpoint(credential, lambda: policy(credential, scope))


class AzureApi:
    """Azure as one stage sees it: its subscription, region and resource group. Thread-safe.

    Args:
        stage: The stage.
        config: The stage's table.

    """

    def __init__(self, stage: Stage, config: AzureStage) -> None:
        self.region, self.group = config.region, cloud_name(stage)
        self._given = config.subscription_id
        self._path = f"stages.{stage.name}.subscription_id"
        self._lock = threading.Lock()
        self._endpoint: AzureEndpoint | None = None
        self._clients: dict[str, Any] = {}

    @property
    def known_subscription(self) -> str:
        """The subscription's id; empty if neither the stage nor the environment has one."""
        return self._given or os.environ.get("AZURE_SUBSCRIPTION_ID", "")

    @property
    def subscription(self) -> str:
        """The subscription's id.

        Raises:
            ProviderError: Neither the stage nor the environment has one.

        """
        found = self.known_subscription
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
            if self._endpoint is None:
                self._endpoint = endpoint()
            if service not in self._clients:
                self._clients[service] = make_client(service, self._endpoint, subscription)
            return self._clients[service]

    # -- asking --------------------------------------------------------------------------------------------------------

    def call(self, what: str, *names: str, body: Json | None = None, **arguments: Any) -> Json:
        """Call an operation, once; wait for the end of a long one.

        Args:
            what: Service, kind of thing, and operation, in the SDK's words: `network.virtual_networks.get`.
            names: The names of the thing, as its parent's and its own.
            body: The body of the request, in the API's words.
            arguments: The operation's further ones.

        Raises:
            AzureError: Azure refused, or did not answer.

        """
        service, kind, operation = what.split(".")
        label = f"{kind}.{operation} {' '.join(names)}".strip()
        operate = getattr(getattr(self.client(service), kind), operation)
        sent = () if body is None else (json.dumps(body).encode(),)
        if not operation.startswith("begin_"):
            found: Json = _asked(label, lambda: _plain(operate(*names, *sent, **arguments)))
            return found

        def begin() -> tuple[Mapping[str, str], Json]:
            """Return the answer's headers, and the answer: the SDK's own would be that of the operation's end."""
            kept: list[Any] = []
            operate(*names, *sent, polling=False, raw_response_hook=kept.append, **arguments)
            begun = kept[-1].http_response
            return dict(begun.headers), (begun.json() if begun.content else {})

        answer: Json
        headers, answer = _asked(label, begin)
        self._finish(label, {name.lower(): value for name, value in headers.items()})
        return answer

    def find(self, what: str, *names: str, **arguments: Any) -> Json | None:
        """Return the thing that an operation gets, or None if it is not there."""
        try:
            return self.call(what, *names, **arguments)
        except AzureError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def listing(self, what: str, *names: str, **arguments: Any) -> list[Json]:
        """Return all items of a list operation, from all its pages; none where there is no resource group."""
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
        """Return all items of a list at a path for which the SDK's packages have no operation."""
        self.connect()
        label = f"GET {path.rpartition('/providers/')[2]}"
        url: str | None = f"{self._base()}{path}?api-version={version}"
        found: list[Json] = []
        while url:
            assert_ours(url, self._endpoint)
            answer = _asked(label, partial(self._get, label, url))[1]
            found += answer["value"]
            url = answer.get("nextLink")
        return found

    def look(self, path: str, version: str) -> Json | None:
        """Return the thing at a path, with all that the SDK's models leave out; None if it is not there."""
        self.connect()
        url = f"{self._base()}{path}?api-version={version}"
        label = f"GET {path.rpartition('/providers/')[2]}"
        try:
            answer: Json = _asked(label, partial(self._get, label, url))[1]
        except AzureError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return answer

    def _base(self) -> str:
        """Return the API's address."""
        return self._endpoint.url if self._endpoint is not None else AzureEndpoint.url

    # -- long operations -----------------------------------------------------------------------------------------------

    def _finish(self, label: str, headers: Mapping[str, str]) -> None:
        """Wait until an operation has ended.

        https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations

        Raises:
            AzureError: It failed.

        """
        url = headers.get("azure-asyncoperation") or headers.get("location")
        if not url:
            return
        assert_ours(url, self._endpoint)
        state = "not known"

        def is_done() -> bool | None:
            nonlocal state
            try:
                status, answer = self._get(label, url)
            except AzureError as error:
                if not is_transient(error):
                    raise
                return None
            state = str(answer.get("status") or ("InProgress" if status == 202 else "Succeeded"))  # noqa: PLR2004
            if state in {"Failed", "Canceled"}:
                fault = answer.get("error") or {}
                raise AzureError(
                    label,
                    CONFLICT,
                    str(fault.get("code") or state),
                    str(fault.get("message") or f"it has {state.lower()}"),
                    headers.get("x-ms-request-id", ""),
                )
            return True if state == "Succeeded" else None

        request = headers.get("x-ms-request-id", "")
        poll(is_done, label, OPERATION_TIMEOUT, lambda: f"it is {state} (request {request})")

    def _get(self, label: str, url: str) -> tuple[int, Json]:
        """Return status and answer of a GET."""
        from azure.core.rest import HttpRequest

        def ask() -> tuple[int, Json]:
            with self._lock:
                if "plain" not in self._clients:
                    self._clients["plain"] = _plain_client(self._endpoint)
            answer = self._clients["plain"].send_request(HttpRequest("GET", url))
            answer.raise_for_status()
            return answer.status_code, (answer.json() or {}) if answer.content else {}

        found: tuple[int, Json] = translate_errors(label, ask)
        return found


def make_client(service: str, connected: AzureEndpoint, subscription: str) -> Any:
    """Return the SDK's client of a service.

    Raises:
        ProviderError: It is not installed, and can't be.

    """
    module, name = CLIENTS[service]
    return extras.loaded(AZURE, lambda: getattr(importlib.import_module(module), name))(
        connected.credential,
        subscription,
        base_url=connected.url,
        authentication_policy=connected.policy(),
        retry_total=0,
    )


def _plain_client(connected: AzureEndpoint | None) -> Any:
    """Return a client for any address of the API."""
    from azure.mgmt.core import ARMPipelineClient

    if connected is None:
        raise TypeError("nothing was asked yet")
    return ARMPipelineClient(connected.url, policies=[connected.policy()])


def assert_ours(url: str, connected: AzureEndpoint | None) -> None:
    """Refuse to send credentials anywhere but to Azure.

    Raises:
        ProviderError: The address is another's.

    """
    if connected is None or not url.startswith(f"{connected.url}/"):
        raise ProviderError(
            f"Azure names {url} for the state of an operation, which is not Azure's: run doit again"
        )


def _plain(thing: Any) -> Any:
    """Return a thing of the SDK's in the API's own words."""
    if isinstance(thing, list):
        return [_plain(one) for one in thing]
    return thing.as_dict() if hasattr(thing, "as_dict") else thing


def _asked(what: str, ask: Callable[[], Any]) -> Any:
    """Return the answer of a call, repeated while it was one too many: then nothing was done."""
    return retry(lambda: translate_errors(what, ask), _WHILE_TOO_MANY)


def _is_too_many(error: Exception) -> bool:
    """Return whether Azure refused a call as one too many. Pure."""
    return isinstance(error, AzureError) and error.status == TOO_MANY


_WHILE_TOO_MANY = RetryPolicy(_is_too_many, RETRY_TIMEOUT)


# -- tags --------------------------------------------------------------------------------------------------------------


def tags_for(stage: Stage, name: str, key: str, **more: str) -> dict[str, str]:
    """Return the tags of a thing of a stage. Pure."""
    return {**stage.labels, NAME_LABEL: name, KEY_LABEL: key, **more}


def tags_of(thing: Json) -> dict[str, str]:
    """Return the tags of a thing. Pure."""
    return dict(thing.get("tags") or {})


def properties(thing: Json) -> Json:
    """Return a thing's properties. Pure."""
    return thing.get("properties") or {}
