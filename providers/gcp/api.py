"""Google's API: its clients, its calls, its operations, and the labels by which skep's things are known.

Bodies and answers are the API's own JSON: the SDK's types check them on the way. google.cloud.compute_v1 takes seconds
to import, so that is done when Google is asked something, never before.

The SDK's own retries are off, and so is its wait for operations, which asks a second client at the public endpoint
whatever the first one was given. A change carries a request id: asked again with it, Google does nothing twice.
"""

import json
import re
import threading
import uuid
from typing import Any, ClassVar

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.stage import Stage
from providers.cloud.retry import RetryPolicy, poll, retry
from providers.gcp.errors import CLEAR, GONE, GcpError, is_busy, translate_errors

RETRY_TIMEOUT = 120.0
"""Seconds for which a transient error is waited out."""
OPERATION_TIMEOUT = 900.0
WHILE_BUSY = RetryPolicy(is_busy, RETRY_TIMEOUT)
"""Of calls that are harmless to repeat."""


OWNER = "skep"
"""The label whose value is this stage's alone; the others are for people."""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class GcpApi:
    """The API of one project, in one region. Thread-safe.

    Args:
        project: The project; None for the one of the credentials.
        region: The region.

    """

    endpoints: ClassVar[Json] = {
        "file": "https://file.googleapis.com",
        "projects": "https://cloudresourcemanager.googleapis.com",
    }
    options: ClassVar[Any] = None
    """Of the SDK's clients, for another endpoint than the public one."""

    def __init__(self, project: str | None, region: str) -> None:
        self._project, self.region = project, region
        self._lock = threading.RLock()
        self._credentials: Any = None
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    @property
    def known_project(self) -> str:
        """The project's id; empty as long as only the credentials know it."""
        return self._project or ""

    @property
    def project(self) -> str:
        """The project's id.

        Raises:
            ProviderError: Neither the stage nor the credentials name one.

        """
        self._sign_in()
        if not self._project:
            raise ProviderError("project: the credentials name none: set it in site.toml")
        return self._project

    def _sign_in(self) -> None:
        """Find credentials as the SDK does, and keep them."""
        with self._lock:
            if self._credentials is None:
                import google.auth

                with translate_errors("sign in", ""):
                    found, project = google.auth.default(scopes=[_SCOPE])
                self._credentials, self._project = found, self._project or project

    def client(self, kind: str) -> Any:
        """Return the client of a kind of thing, as `Instances`."""
        self._sign_in()
        with self._lock:
            if kind not in self._clients:
                from google.cloud import compute_v1

                self._clients[kind] = getattr(compute_v1, f"{kind}Client")(
                    credentials=self._credentials, transport="rest", client_options=self.options
                )
            return self._clients[kind]

    # -- one call ------------------------------------------------------------------------------------------------------

    def call(self, what: str, body: Json | None = None, **fields: str) -> Json:
        """Call once, and return the answer; that of a change is its operation.

        Args:
            what: Kind and method, as `Instances.insert`, or `file.POST` for a path of Filestore's.
            body: The body of the request.
            fields: The request's: `zone`, `instance` and so on.

        Raises:
            GcpError: Google refused, or did not answer.

        """
        kind, _, method = what.partition(".")
        if kind in self.endpoints:
            return self._rest(kind, method, body, **fields)
        client = self.client(kind)
        from google.cloud import compute_v1

        request = getattr(compute_v1, _request_name(kind, method))
        sent: Json = {"project": self.project, **fields}
        if body is not None:
            name = next(name for name in request.meta.fields if name.endswith("_resource"))
            sent[name] = request.meta.fields[name].message.from_json(json.dumps(body))
        function = getattr(client, f"{method}_unary", None) or getattr(client, method)
        with translate_errors(what, fields.get("request_id", "")):
            answer = function(request=request(**sent), retry=None, timeout=60)
        return _as_json(answer)

    def _rest(self, service: str, method: str, body: Json | None, path: str, **query: str) -> Json:
        """Call a service that the SDK's package does not have."""
        self._sign_in()
        with self._lock:
            if self._session is None:
                from google.auth.transport.requests import AuthorizedSession

                self._session = AuthorizedSession(self._credentials, max_refresh_attempts=1)
        url = f"{self.endpoints[service]}/v1/{path}"
        with translate_errors(f"{service} {method} {path}", ""):
            answer = self._session.request(method, url, json=body, params=query or None, timeout=60)
        told = answer.json() if answer.content else {}
        if answer.status_code >= 400:  # noqa: PLR2004 - HTTP's line
            error = told.get("error") or {}
            reasons = [one["reason"] for one in error.get("details") or () if "reason" in one]
            # Some statuses are codes themselves, whatever reason a service gives beside them.
            code = reasons[0] if reasons and answer.status_code not in CLEAR else str(answer.status_code)
            text = str(error.get("message") or answer.text)
            off = next(
                (
                    one["metadata"].get("service", "")
                    for one in error.get("details") or ()
                    if "metadata" in one
                ),
                "",
            )
            said = f"{text} ({off})" if off and off not in text else text
            raise GcpError(f"{service} {method} {path}", code, said)
        return told

    # -- questions -----------------------------------------------------------------------------------------------------

    def get(self, what: str, **fields: str) -> Json | None:
        """Return a thing, asked for again while Google is busy; None if there is none."""
        try:
            return retry(lambda: self.call(what, None, **fields), WHILE_BUSY)
        except GcpError as error:
            if error.code not in GONE:
                raise
            return None

    def listing(self, what: str, **fields: str) -> list[Json]:
        """Return all items of a list method, from all its pages."""
        kind, _, method = what.partition(".")

        def ask() -> list[Json]:
            client = self.client(kind)
            from google.cloud import compute_v1

            request = getattr(compute_v1, _request_name(kind, method))(project=self.project, **fields)
            found: list[Json] = []
            with translate_errors(what, ""):
                for page in getattr(client, method)(request=request, retry=None, timeout=60).pages:
                    items = _as_json(page).get("items") or []
                    if isinstance(items, list):
                        found += items
                    else:
                        found += [one for scope in items.values() for one in _of_scope(scope)]
            return found

        return retry(ask, WHILE_BUSY)

    def mine(self, what: str, stage: Stage, **fields: str) -> list[Json]:
        """Return the things that carry a stage's tag as their description."""
        return self.listing(what, filter=f'description eq "{cloud_name(stage)} .*"', **fields)

    # -- changes -------------------------------------------------------------------------------------------------------

    def change(self, what: str, body: Json | None = None, **fields: str) -> None:
        """Change something, and come back when it is changed; a request that was lost is sent again, and done once.

        Raises:
            GcpError: Google refused.

        """
        token = str(uuid.uuid4())
        done = retry(lambda: self.call(what, body, request_id=token, **fields), WHILE_BUSY)
        self._wait(what, done)

    def drop(self, what: str, **fields: str) -> bool:
        """Delete something; return whether it was there."""
        try:
            self.change(what, None, **fields)
        except GcpError as error:
            if error.code not in GONE:
                raise
            return False
        return True

    def _wait(self, what: str, operation: Any) -> None:
        """Wait until an operation is done."""
        name = operation["name"]
        place: dict[str, str] = {"operation": name}
        kind = "GlobalOperations"
        for scope in ("zone", "region"):
            if scope in operation:
                kind, place[scope] = f"{scope.title()}Operations", operation[scope].rpartition("/")[2]
        now = operation

        def done() -> Json | None:
            nonlocal now
            if now["status"] != "DONE":
                now = self.get(f"{kind}.get", **place) or {"status": "DONE"}
            return now if now["status"] == "DONE" else None

        poll(done, f"{what} ({name})", OPERATION_TIMEOUT, lambda: f"it is {now['status']}")
        for error in (now.get("error") or {}).get("errors") or ():
            raise GcpError(what, error.get("code", "UNKNOWN"), error.get("message", "no reason given"), name)


def _request_name(kind: str, method: str) -> str:
    """Return the type of a request: `InsertInstanceRequest` for `insert` of `Instances`, `ListInstancesRequest`."""
    verb = "".join(word.capitalize() for word in method.split("_"))
    if method in {"list", "aggregated_list"}:
        return f"{verb}{kind}Request"
    one = f"{kind[:-2]}" if kind == "Addresses" else kind.removesuffix("s")
    return f"{verb}{one}Request"


def _of_scope(scope: Any) -> list[Json]:
    """Return the items of one zone in a listing of all; a zone without any has a warning instead."""
    return [one for many in scope.values() if isinstance(many, list) for one in many]


def _as_json(message: Any) -> Json:
    """Return an answer as the API's own JSON."""
    from google.protobuf.json_format import MessageToDict

    found: Json = MessageToDict(type(message).pb(message))
    return found


# -- labels ------------------------------------------------------------------------------------------------------------


def labels_for(stage: Stage, name: str, key: str) -> dict[str, str]:
    """Return the labels of a thing, which are for people and bills; its description is exact. Pure."""

    def fit(text: str) -> str:
        return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:63]

    return {
        OWNER: cloud_name(stage),
        "skep-site": fit(stage.site_name),
        "skep-stage": fit(stage.name),
        "skep-name": fit(name),
        "skep-key": key[:63],
    }
