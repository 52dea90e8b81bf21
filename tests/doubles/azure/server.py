"""Azure's Resource Manager, as far as skep uses it: stateful, and as strict as Azure's publications.

Operations that take long go on by one step with every request, so that no clock is in it.

Held against: the models of Azure's own SDK (`published.py`) for the form of requests, and Azure's documentation, whose
page each rule names, for states and references. Not against a subscription: whether Azure does as it publishes is not
shown.
"""

import copy
import itertools
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from model.json_types import Json
from tests.doubles.azure import rules
from tests.doubles.azure.published import mistakes
from tests.doubles.azure.rules import TYPES, RefusedError, kind_of, parent_of, props

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TOKEN, OLD_TOKEN = "good", "old"
REGION = "westeurope"
PAGE = 2


@dataclass
class Settings:
    """How the cloud behaves.

    Attributes:
        lag: For how many requests what was just made is not known.
        slow: For how many requests an operation goes on.
        throttle: Every so manieth request is one too many; 0 is none.
        full: Zones that have no room.
        limits: Name of a usage to how much the subscription may have.
        unlisted: Names of usages that are missing in Azure's lists.
        accepted: Plans of paid images whose terms the subscription has accepted.
        ghosts: For how many requests what was removed stays in a resource group's listing.
        unregistered: Services that the subscription does not use.
        permissions: What the roles of who asks let them do.
        fail_at: The number of the changing call that fails; 0 is none.
        fail_how: `refused` (nothing is done) or `lost` (it is done, and the answer is lost).
        failed: Whether one has failed.

    """

    lag: int = 0
    slow: int = 1
    throttle: int = 0
    full: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)
    unlisted: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    ghosts: int = 0
    unregistered: tuple[str, ...] = ()
    permissions: list[Json] = field(default_factory=lambda: [{"actions": ["*"], "notActions": []}])
    fail_at: int = 0
    fail_how: str = "refused"
    failed: bool = False


@dataclass
class Operation:
    """What takes long.

    Args:
        target: The id of what it is done to.
        left: For how many more requests it goes on.
        end: Does what is done at its end; raises what it fails with.
        fault: What it failed with.

    """

    target: str
    left: int
    end: Callable[[], None]
    is_over: bool = False
    fault: RefusedError | None = None


@dataclass
class Request:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class Answer:
    """What is answered."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Cloud:
    """One subscription, and the server that answers for it."""

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Have nothing, and behave as by default."""
        with self.lock:
            self.settings = Settings()
            self.things: dict[str, Json] = {}
            self.operations: dict[str, Operation] = {}
            self.calls: list[str] = []
            self.scripts: dict[str, str] = {}
            self._young: dict[str, int] = {}
            self._ghosts: dict[str, tuple[Json, int]] = {}
            self._requests = itertools.count(1)
            self._changes = 0

    def fail(self, at: int, how: str = "refused") -> None:
        """Have a call that changes something fail, counted from now on; 0 for none."""
        with self.lock:
            self.settings.fail_at, self.settings.fail_how, self.settings.failed = at, how, False
            self._changes = 0

    # -- what tests look at --------------------------------------------------------------------------------------------

    def kinds(self) -> list[str]:
        """Return all that there is, as `kind name`; a machine's begins with its name."""
        with self.lock:
            for _ in range(50):
                self._step()
            found = []
            for thing in self.things.values():
                kind = kind_of(thing["id"]).rpartition("/")[2] or "group"
                name = thing["name"]
                identity = props(thing).get("vmId") or props(thing).get("resourceGuid", "")
                found.append(f"{name} {identity}" if kind == "virtualMachines" else f"{kind} {name}")
            return sorted(found)

    def delete(self, name: str) -> None:
        """Remove a machine, as in the portal."""
        with self.lock:
            [target] = [key for key, one in self.things.items()
                        if kind_of(one["id"]).endswith("virtualMachines") and one["name"] == name]  # fmt: skip
            rules.on_deleted(self, self.things.pop(target))

    # -- operations ----------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Let all operations go on, each to its end in time."""
        for operation in self.operations.values():
            if operation.is_over:
                continue
            operation.left -= 1
            if operation.left < 0:
                operation.is_over = True
                try:
                    operation.end()
                except RefusedError as error:
                    operation.fault = error
        self._young = {key: left - 1 for key, left in self._young.items() if left > 1}

    def begin(self, target: str, end: Callable[[], None], status: int, body: Json | None = None) -> Answer:
        """Answer that an operation has begun."""
        identifier = uuid.uuid4().hex
        self.operations[identifier] = Operation(target.lower(), self.settings.slow, end)
        where = f"{self.url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/{REGION}/operations"
        url = f"{where}/{identifier}?api-version=2024-01-01"
        if "/Microsoft.Storage/" in target:
            # The older of the two ways to say where one asks on.
            return Answer(202, None, {"Location": f"{url}&monitor=true", "Retry-After": "0"})
        headers = {"Azure-AsyncOperation": url, "Retry-After": "0"}
        return Answer(status, body, headers)

    def is_busy(self, target: str) -> bool:
        """Return whether something is being done to a thing."""
        return any(not one.is_over and one.target == target.lower() for one in self.operations.values())

    def find(self, identifier: str) -> Json | None:
        """Return a thing by its id."""
        return self.things.get(identifier.lower())

    def of_kind(self, kind: str, below: str = "") -> list[Json]:
        """Return the things of a kind, or those below an id."""
        return [
            one
            for key, one in self.things.items()
            if kind_of(one["id"]).lower() == kind.lower() and key.startswith(below.lower())
        ]

    # -- answering -----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer | None:
        """Answer a request; None is an answer that is lost."""
        with self.lock:
            self._step()
            number = next(self._requests)
            try:
                self._see_to_caller(request, number)
                changes = request.method != "GET"
                if changes:
                    self._changes += 1
                fails = changes and self._changes == self.settings.fail_at
                if fails:
                    self.settings.failed = True
                    self._refuse()
                self.calls.append(
                    f"{request.method} {kind_of(request.path) or request.path.rpartition('/')[2]}"
                )
                found = self._route(request)
            except RefusedError as error:
                found = Answer(error.status, {"error": {"code": error.code, "message": error.said}})
                if error.status == 429:
                    found.headers["Retry-After"] = "1"
                fails = False
            found.headers["x-ms-request-id"] = f"request-{number}"
            return None if fails else found

    def _refuse(self) -> None:
        """Fail, where nothing is to be done."""
        if self.settings.fail_how == "refused":
            raise RefusedError("InternalServerError", "the service is not well", 500)

    def _see_to_caller(self, request: Request, number: int) -> None:
        """See to it that who asks may, and not too often."""
        if request.headers.get("authorization") == f"Bearer {OLD_TOKEN}":
            raise RefusedError("ExpiredAuthenticationToken", "The access token expiry UTC time is past.", 401)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise RefusedError("InvalidAuthenticationToken", "The access token is invalid.", 401)
        if "api-version" not in request.query:
            raise RefusedError("MissingApiVersionParameter", "The api-version query parameter is required.")
        if not request.path.lower().startswith(f"/subscriptions/{SUBSCRIPTION}"):
            raise RefusedError("SubscriptionNotFound", "The subscription could not be found.", 404)
        if self.settings.throttle and number % self.settings.throttle == 0:
            raise RefusedError("TooManyRequests", "The request is being throttled.", 429)
        self._see_to_roles(request)

    def _see_to_roles(self, request: Request) -> None:
        """Refuse a change that no role allows.

        https://learn.microsoft.com/azure/role-based-access-control/role-definitions
        """
        kind = kind_of(request.path) or "Microsoft.Resources/subscriptions/resourceGroups"
        words = {"GET": "read", "DELETE": "delete", "POST": "action"}
        action = f"{kind}/{words.get(request.method, 'write')}"
        for role in self.settings.permissions:
            has, except_ = (
                any(fnmatch(action.lower(), one.lower()) for one in role[name])
                for name in ("actions", "notActions")
            )
            if has and not except_:
                return
        raise RefusedError(
            "AuthorizationFailed", f"The client may not do '{action}' at '{request.path}'.", 403
        )

    def _route(self, request: Request) -> Answer:
        """Answer by the kind of address."""
        words = [unquote(word) for word in request.path.strip("/").split("/")][2:]
        low = [word.lower() for word in words]
        if low[0] == "resourcegroups" and len(words) == 2:
            return self._group(request, words[1])
        if low[0] == "providers":
            return rules.of_subscription(self, request, words[1:], self._paged)
        group = "/".join(request.path.strip("/").split("/")[:4])
        if self.find(f"/{group}") is None or self.is_busy(f"/{group}"):
            raise RefusedError(
                "ResourceGroupNotFound", f"Resource group '{words[1]}' could not be found.", 404
            )
        if low[2:] == ["resources"]:
            # https://learn.microsoft.com/azure/azure-resource-manager/management/delete-resource-group
            self._ghosts = {key: (one, n - 1) for key, (one, n) in self._ghosts.items() if n > 0}
            every = {**{key: one for key, (one, _) in self._ghosts.items()}, **self.things}
            here = [one for key, one in every.items() if key.startswith(f"/{group}/providers".lower())]
            tops = [one for one in here if kind_of(one["id"]).count("/") == 1]
            return self._paged(
                request, [{k: one[k] for k in ("id", "name", "type", "tags") if k in one} for one in tops]
            )
        kind, rest = kind_of(request.path), words[4:]
        if kind == "Microsoft.Authorization/permissions":
            return self._paged(request, self.settings.permissions)
        if kind in TYPES and len(rest) % 2 == 1:
            return self._paged(request, [self._shown(one) for one in self.of_kind(kind, f"/{group}/")])
        if kind in TYPES:
            return self._thing(request, kind)
        action = rest[-1]
        return self._act(request, kind.rpartition("/")[0], action)

    def _paged(self, request: Request, things: list[Json]) -> Answer:
        """Answer with a page of a listing."""
        start = int(request.query.get("$skiptoken", 0))
        found: Json = {"value": things[start : start + PAGE]}
        if start + PAGE < len(things):
            version = request.query["api-version"]
            found["nextLink"] = f"{self.url}{request.path}?api-version={version}&$skiptoken={start + PAGE}"
            for name in ("statusOnly", "$filter"):
                if name in request.query:
                    found["nextLink"] += f"&{name}={request.query[name].replace(' ', '%20')}"
        return Answer(200, found)

    def _shown(self, thing: Json, *, has_view: bool = False) -> Json:
        """Return a thing as Azure shows it: without secrets, with its children."""
        shown = copy.deepcopy({name: value for name, value in thing.items() if name != "hidden"})
        if not has_view:
            props(shown).pop("instanceView", None)
        props(shown).get("osProfile", {}).pop("customData", None)
        if kind_of(thing["id"]) == "Microsoft.Network/virtualNetworks":
            below = self.of_kind("Microsoft.Network/virtualNetworks/subnets", thing["id"] + "/")
            props(shown)["subnets"] = [self._shown(one) for one in below]
        return shown

    # -- resource groups -----------------------------------------------------------------------------------------------

    def _group(self, request: Request, name: str) -> Answer:
        """Answer for a resource group."""
        identifier = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
        there = self.find(identifier)
        if request.method == "PUT":
            self._validate(request.body, rules.GROUP_MODEL)
            if there is not None and self.is_busy(identifier):
                raise RefusedError("ResourceGroupBeingDeleted", f"'{name}' is being deleted.", 409)
            if there is not None and there["location"] != request.body["location"]:
                raise RefusedError("InvalidResourceGroupLocation", f"It is in {there['location']}.", 409)
            made = {
                "id": identifier,
                "name": name,
                **request.body,
                "properties": {"provisioningState": "Succeeded"},
            }
            self.things[identifier.lower()] = made
            return Answer(200 if there else 201, made)
        if there is None:
            raise RefusedError("ResourceGroupNotFound", f"Resource group '{name}' could not be found.", 404)
        if request.method == "GET":
            return Answer(200, there)

        props(there)["provisioningState"] = "Deleting"

        def end() -> None:
            prefix = identifier.lower()
            self.things = {
                key: one
                for key, one in self.things.items()
                if key != prefix and not key.startswith(prefix + "/")
            }

        return self.begin(identifier, end, 202)

    # -- things of a group ---------------------------------------------------------------------------------------------

    def _validate(self, body: Json, model: str) -> None:
        """Refuse a body that is not of the form that is published."""
        said = list(mistakes(body, model))
        if said:
            raise RefusedError("InvalidRequestContent", "; ".join(said))

    def _thing(self, request: Request, kind: str) -> Answer:
        """Answer for a thing."""
        identifier, there = request.path, self.find(request.path)
        if there is not None and self._young.get(identifier.lower()) and request.method == "GET":
            there = None
        if request.method == "GET":
            if there is None:
                raise RefusedError("ResourceNotFound", f"The Resource '{identifier}' was not found.", 404)
            return Answer(200, self._shown(there, has_view=request.query.get("$expand") == "instanceView"))
        parent = parent_of(identifier)
        if parent and self.find(parent) is None:
            raise RefusedError("ParentResourceNotFound", f"'{parent}' was not found.", 404)
        if request.method == "DELETE":
            if there is None:
                return Answer(204)
            return self._delete(identifier, there, kind)
        if self.is_busy(identifier) or (parent and self.is_busy(parent)):
            raise RefusedError("AnotherOperationInProgress", "Another operation is in progress.", 409)
        type_ = TYPES[kind]
        if request.method == "PATCH":
            if there is None:
                raise RefusedError("ResourceNotFound", f"The Resource '{identifier}' was not found.", 404)
            self._validate(request.body, type_.update)
            rules.on_update(self, there, request.body)
            return self.begin(identifier, lambda: None, 200, self._shown(there))
        return self._put(request, there, kind)

    def _put(self, request: Request, there: Json | None, kind: str) -> Answer:
        """Make a thing, or change it."""
        identifier, type_ = request.path, TYPES[kind]
        if request.headers.get("if-none-match") == "*" and there is not None:
            raise RefusedError("PreconditionFailed", "The resource already exists.", 412)
        self._validate(request.body, type_.model)
        made = copy.deepcopy(request.body)
        name = identifier.rpartition("/")[2]
        made |= {"id": identifier, "name": name, "type": kind}
        made.setdefault("properties", {})
        end = rules.on_put(self, made, there)
        props(made)["provisioningState"] = "Updating" if there else "Creating"
        self.things[identifier.lower()] = made
        if there is None and self.settings.lag:
            self._young[identifier.lower()] = self.settings.lag

        def finish() -> None:
            props(made)["provisioningState"] = "Failed"
            end()
            props(made)["provisioningState"] = "Succeeded"

        if type_.is_quick:
            finish()
            return Answer(200 if there else 201, self._shown(made))
        return self.begin(identifier, finish, 200 if there else 201, self._shown(made))

    def _delete(self, identifier: str, there: Json, kind: str) -> Answer:
        """Remove a thing."""
        rules.on_delete(self, there)
        if TYPES[kind].is_quick or kind.startswith("Microsoft.Storage"):
            self._forget(identifier)
            return Answer(200)
        for operation in self.operations.values():
            if not operation.is_over and operation.target == identifier.lower():
                operation.is_over = True
                operation.fault = RefusedError("OperationPreempted", "It was preempted by a later one.", 409)
        props(there)["provisioningState"] = "Deleting"

        def end() -> None:
            self._forget(identifier)
            rules.on_deleted(self, there)

        return self.begin(identifier, end, 202)

    def _forget(self, identifier: str) -> None:
        """Drop a thing with its children."""
        prefix = identifier.lower()
        gone = {key for key in self.things if key == prefix or key.startswith(prefix + "/")}
        if self.settings.ghosts:
            self._ghosts |= {key: (self.things[key], self.settings.ghosts) for key in gone}
        self.things = {key: one for key, one in self.things.items() if key not in gone}

    def _act(self, request: Request, kind: str, action: str) -> Answer:
        """Answer an action on a machine."""
        identifier = request.path.rpartition("/")[0]
        there = self.find(identifier)
        actions = {"start", "deallocate", "runCommand"}
        if kind != "Microsoft.Compute/virtualMachines" or action not in actions:
            raise RefusedError("InvalidResourceType", f"{kind}/{action} could not be found.", 404)
        if there is None:
            raise RefusedError("ResourceNotFound", f"The Resource '{identifier}' was not found.", 404)
        if self.is_busy(identifier):
            raise RefusedError("Conflict", "Another operation is in progress.", 409)
        if action == "runCommand":
            # https://learn.microsoft.com/azure/virtual-machines/linux/run-command: by the agent, so of what runs only.
            self._validate(request.body, rules.RUN_COMMAND_MODEL)
            if "PowerState/running" not in str(props(there)["instanceView"]):
                raise RefusedError("OperationNotAllowed", "The operation requires the VM to be running.", 409)
            script = "\n".join(request.body["script"])
            return self.begin(identifier, lambda: self.scripts.update({there["name"]: script}), 202)
        state = {"start": "running", "deallocate": "deallocated"}[action]
        return self.begin(identifier, lambda: rules.power(there, state), 202)


@contextmanager
def started() -> Iterator[Cloud]:
    """Give a cloud that answers on this machine, and end it."""
    cloud = Cloud()

    class Handler(BaseHTTPRequestHandler):
        """Hands requests on."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # else an answer's second part waits 40 ms for the first to be acknowledged
        )

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            parts = urlsplit(self.path)
            path = re.sub("/resourcegroups/", "/resourceGroups/", parts.path, flags=re.IGNORECASE)
            found = cloud.answer(
                Request(
                    self.command,
                    unquote(path),
                    dict(parse_qsl(parts.query)),
                    json.loads(text) if text else {},
                    {name.lower(): value for name, value in self.headers.items()},
                )
            )
            if found is None:
                self.close_connection = True
                return
            body = b"" if found.body is None else json.dumps(found.body).encode()
            self.send_response(found.status)
            for name, value in {**found.headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = do_HEAD = _do  # noqa: N815 - the library's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
