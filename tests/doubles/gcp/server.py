"""A stateful Google: a thing stays until it is deleted, and one that is used can't be.

Every request is held against the published schema first (`published.py`). Operations take a few questions until they
are done; a request id that is known answers with the operation that it began. The rules of state are ours.

Held against: Google's discovery documents and documentation. Not against a project: whether Google does as it publishes
is not shown.
"""

import ipaddress
import itertools
import json
import re
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from model.json_types import Json
from tests.doubles.gcp.published import Call, RefusedError, understood

PROJECT, REGION = "skep-tests", "europe-west3"
ZONES = tuple(f"{REGION}-{letter}" for letter in "abc")
_NEXT = {"PROVISIONING": "STAGING", "STAGING": "RUNNING", "STOPPING": "TERMINATED"}
_SLOW = 1
"""Questions that an operation is not done for."""


class Google:
    """The state of the cloud."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Be empty, and healthy."""
        with self.lock:
            self.things: dict[str, Json] = {}
            self.operations: dict[str, Json] = {}
            self.tokens: dict[str, tuple[str, Json]] = {}
            self.calls: list[str] = []
            self.denied: set[str] = set()
            self.quotas = {
                "INSTANCES": 24.0,
                "STATIC_ADDRESSES": 8.0,
                "CPUS": 72.0,
                "N2_CPUS": 8.0,
                "SSD_TOTAL_GB": 500.0,
            }
            self.project_quotas = {"CPUS_ALL_REGIONS": 64.0}
            self.disabled: set[str] = set()
            self.forbidden: set[str] = set()
            self.policies: set[str] = set()
            self.full_zones: set[str] = set()
            self.image_size = 10
            self.page = 500
            self.fail(0, "")
            self.throttle = 0
            self.knows_nobody = False
            self._ids = itertools.count(1000)

    def fail(self, at: int, how: str) -> None:
        """Have the nth change from now on fail: `refused` inside the cloud, or `lost` after it was done."""
        with self.lock:
            self._fail_at, self._fail_how, self._changes, self.failed = at, how, 0, ""

    # -- a request -----------------------------------------------------------------------------------------------------

    def answer(self, verb: str, path: str, query: dict[str, str], body: Json | None) -> Json | None:
        """Return the answer to a request; None for one that is lost on the way."""
        document = "compute.v1"
        if path.startswith("/v1/"):
            document = "cloudresourcemanager.v1" if path.endswith(":testIamPermissions") else "file.v1"
        base = "compute/v1/" if document == "compute.v1" else ""
        query = {key: value for key, value in query.items() if not key.startswith("$")}
        call = understood(document, verb, path[1:].removeprefix(base), query, body)
        with self.lock:
            self.calls.append(call.method)
            if self.throttle and len(self.calls) % self.throttle == 0:
                raise RefusedError(429, "rateLimitExceeded", "Rate Limit Exceeded")
            if self.knows_nobody:
                raise RefusedError(401, "authError", "Invalid Credentials")
            changes = verb != "GET" and not call.method.endswith("estIamPermissions")
            self._changes += changes
            hit = changes and self._changes == self._fail_at
            if hit:
                self.failed = call.method
                if self._fail_how == "refused":
                    raise RefusedError(503, "backendError", "Backend Error")
            answer = self._do(call)
            return None if hit else answer

    def _do(self, call: Call) -> Json:
        """Carry out a call."""
        product, _, rest = call.method.partition(".")
        words = call.words
        token = words.get("requestId")
        if token is not None:
            said = (call.method, json.dumps(call.body, sort_keys=True))
            if token in self.tokens:
                if self.tokens[token][0] != str(said):
                    raise RefusedError(400, "invalid", "the request id was used for something else")
                return self.tokens[token][1]
        self._check_access_to(product, call.method)
        if product == "file":
            return self._file(call)
        if product == "cloudresourcemanager":
            return {"permissions": [one for one in call.body["permissions"] if one not in self.denied]}
        if words.get("project") not in {PROJECT, "debian-cloud"}:
            raise RefusedError(403, "forbidden", f"Required permission for 'projects/{words.get('project')}'")
        kind, method = rest.split(".")
        answer: Json = getattr(self, f"_{method}")(kind, words, call.body)
        if token is not None:
            self.tokens[token] = (str((call.method, json.dumps(call.body, sort_keys=True))), answer)
        return answer

    def _check_access_to(self, product: str, method: str) -> None:
        """Refuse what is of a service that is off, or that the caller has no role for.

        https://github.com/google-gemini/gemini-cli/issues/1343 has the answer of a service that is off.
        """
        service = f"{product}.googleapis.com"
        if service in self.disabled:
            where = f"https://console.developers.google.com/apis/api/{service}/overview?project={PROJECT}"
            said = f"The API has not been used in project {PROJECT} before or it is disabled."
            raise RefusedError(
                403,
                "accessNotConfigured" if product == "compute" else "SERVICE_DISABLED",
                # Filestore's has no address here, so that the detail alone names the service.
                said if product == "file" else f"{said} Enable it by {where}",
                service,
            )
        if method in self.forbidden or f"{product}.*" in self.forbidden:
            raise RefusedError(403, "forbidden", f"Required permission for '{method}'")

    # -- names ---------------------------------------------------------------------------------------------------------

    def _scope(self, words: dict[str, str]) -> str:
        """Return where a thing is."""
        for name in ("zone", "region"):
            if name in words:
                if words[name] not in (*ZONES, REGION):
                    raise RefusedError(404, "notFound", f"there is no {name} {words[name]}")
                return f"projects/{PROJECT}/{name}s/{words[name]}"
        return f"projects/{PROJECT}/global"

    def _path(self, kind: str, words: dict[str, str], name: str = "") -> str:
        """Return the path of a thing."""
        one = "address" if kind == "addresses" else kind.removesuffix("s")
        return f"{self._scope(words)}/{kind}/{name or words[one]}"

    def _find(self, path: str) -> Json:
        """Return a thing by its path, or URL."""
        path = path.partition("/compute/v1/")[2] or path
        if path not in self.things:
            raise RefusedError(404, "notFound", f"The resource '{path}' was not found")
        found: Json = self.things[path]
        return found

    def _operation(self, kind: str, words: dict[str, str], error: Json | None = None) -> Json:
        """Return an operation that has begun."""
        name = f"operation-{next(self._ids)}"
        scope = self._scope(words)
        found: dict[str, Any] = {"kind": "compute#operation", "id": str(next(self._ids)), "name": name,
                 "status": "RUNNING", "targetLink": kind, "left": _SLOW,
                 "path": f"{scope}/operations/{name}"}  # fmt: skip
        where, _, place = scope.removeprefix(f"projects/{PROJECT}/").partition("/")
        if place:
            found[where.removesuffix("s")] = f"http://x/compute/v1/{scope}"
        if error:
            found["error"] = {"errors": [error]}
        self.operations[found["path"]] = found
        return self._shown(found)

    @staticmethod
    def _shown(operation: Json) -> Json:
        """Return an operation as it is answered."""
        return {key: value for key, value in operation.items() if key not in {"left", "path"}}

    def _add(self, kind: str, words: dict[str, str], body: Json, **more: Any) -> Json:
        """Keep a thing."""
        if not re.fullmatch(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", body.get("name", "")):
            raise RefusedError(400, "invalid", f"{body.get('name')!r} is no name")
        path = self._path(kind, words, body["name"])
        if path in self.things:
            raise RefusedError(409, "alreadyExists", f"The resource '{path}' already exists")
        thing = {**body, "id": str(next(self._ids)), "selfLink": f"http://x/compute/v1/{path}",
                 "creationTimestamp": "2026-01-01T00:00:00.000-00:00", **more}  # fmt: skip
        for name in ("zone", "region"):
            if name in words:
                thing[name] = f"http://x/compute/v1/{self._scope(words)}"
        self.things[path] = thing
        return thing

    def _users(self, path: str) -> list[str]:
        """Return the paths of the things that use a thing."""
        return [
            other
            for other, thing in self.things.items()
            if other != path
            and f'{path}"'
            in json.dumps({k: v for k, v in thing.items() if k not in {"selfLink", "zone", "region"}})
        ]

    # -- methods -------------------------------------------------------------------------------------------------------

    def _get(self, kind: str, words: dict[str, str], _body: Json | None) -> Json:
        """Answer with one thing."""
        if kind.endswith("Operations"):
            path = f"{self._scope(words)}/operations/{words['operation']}"
            found = self.operations[path]
            found["left"] -= 1
            if found["left"] < 0:
                found["status"] = "DONE"
            return self._shown(found)
        if kind == "machineTypes":
            cpus = {"e2-medium": 2, "e2-standard-4": 4, "n2-standard-4": 4, "t2a-standard-1": 1}
            if words["machineType"] not in cpus:
                raise RefusedError(404, "notFound", f"there is no {words['machineType']}")
            arm = words["machineType"].startswith("t2a")
            return {"name": words["machineType"], "guestCpus": cpus[words["machineType"]],
                    "architecture": "ARM64" if arm else "X86_64"}  # fmt: skip
        if kind == "regions":
            if words["region"] != REGION:
                raise RefusedError(404, "notFound", f"there is no region {words['region']}")
            quotas = [{"metric": name, "limit": limit, "usage": 0.0} for name, limit in self.quotas.items()]
            return {"name": REGION, "quotas": quotas}
        if kind == "projects":
            quotas = [{"metric": name, "limit": n, "usage": 0.0} for name, n in self.project_quotas.items()]
            return {"name": PROJECT, "quotas": quotas}
        if kind == "images":
            raise RefusedError(404, "notFound", f"there is no image {words['image']}")
        return self._find(self._path(kind, words))

    def _getFromFamily(self, _kind: str, words: dict[str, str], _body: Json | None) -> Json:  # noqa: N802 - Google's name
        """Answer with the newest image of a family."""
        if words["family"] not in {"debian-12", "debian-12-arm64"}:
            raise RefusedError(404, "notFound", f"there is no family {words['family']}")
        name = f"{words['family']}-v20260101"
        link = f"https://www.googleapis.com/compute/v1/projects/{words['project']}/global/images/{name}"
        return {"id": "77", "name": name, "selfLink": link, "diskSizeGb": str(self.image_size)}

    def _matches(self, thing: Json, said: str) -> bool:
        """Return whether a thing is one that a filter lets pass: `field eq "pattern"`."""
        if not said:
            return True
        match = re.fullmatch(r'([\w.]+) eq "(.*)"', said)
        if match is None:
            raise RefusedError(400, "invalid", f"filter: {said}")
        value: Any = thing
        for part in match[1].split("."):
            value = (value or {}).get(part)
        return re.fullmatch(match[2], str(value or "")) is not None

    def _listed(self, kind: str, scope: str, words: dict[str, str]) -> tuple[list[tuple[str, Json]], str]:
        """Return a page of a list, and where the next one begins."""
        every = [
            (path, thing)
            for path, thing in self.things.items()
            if path.startswith(scope)
            and f"/{kind}/" in path
            and "/locations/" not in path
            and self._matches(thing, words.get("filter", ""))
        ]
        begin = int(words.get("pageToken") or 0)
        end = begin + min(self.page, int(words.get("maxResults") or 500))
        return every[begin:end], str(end) if end < len(every) else ""

    def _list(self, kind: str, words: dict[str, str], _body: Json | None) -> Json:
        """Answer with a page."""
        if kind == "zones":
            region = f"http://x/compute/v1/projects/{PROJECT}/regions/{REGION}"
            return {"items": [{"name": name, "status": "UP", "region": region} for name in ZONES]}
        page, more = self._listed(kind, self._scope(words), words)
        return {"items": [thing for _, thing in page], **({"nextPageToken": more} if more else {})}

    def _aggregatedList(self, kind: str, words: dict[str, str], _body: Json | None) -> Json:  # noqa: N802 - Google's name
        """Answer with a page from all zones."""
        page, more = self._listed(kind, f"projects/{PROJECT}/", words)
        items: Json = {f"zones/{zone}": {"warning": {"code": "NO_RESULTS_ON_PAGE"}} for zone in ZONES}
        for path, thing in page:
            scope = "/".join(path.split("/")[2:4])
            items[scope] = {kind: [*items[scope].get(kind, []), thing]}
        return {"items": items, **({"nextPageToken": more} if more else {})}

    def _insert(self, kind: str, words: dict[str, str], body: Json) -> Json:
        """Make something."""
        if kind == "instances":
            return self._insert_instance(words, body)
        if kind in {"subnetworks", "firewalls"}:
            self._find(body["network"])
        more: Json = {}
        if kind == "subnetworks":
            mine = ipaddress.ip_network(body["ipCidrRange"])
            for path, other in self.things.items():
                if "/subnetworks/" in path and other["network"] == body["network"] and mine.overlaps(
                    ipaddress.ip_network(other["ipCidrRange"])
                ):  # fmt: skip
                    raise RefusedError(400, "invalid", f"{mine} overlaps with {path}")
        if kind == "firewalls":
            self._check_firewall(body)
        if kind == "addresses":
            more = {
                "address": f"198.51.100.{next(self._ids) % 250 + 1}",
                "status": "RESERVED",
                "networkTier": "PREMIUM",
            }
        self._add(kind, words, body, **more)
        return self._operation("insert", words)

    def _check_firewall(self, body: Json) -> None:
        """Refuse a rule that can't be."""
        if bool(body.get("sourceRanges")) == bool(body.get("sourceTags")) or not body.get("allowed"):
            raise RefusedError(400, "invalid", "a rule needs one kind of source, and what it allows")
        for one in body["allowed"]:
            if one.get("ports") and one["IPProtocol"] not in {"tcp", "udp", "sctp"}:
                raise RefusedError(400, "invalid", f"{one['IPProtocol']} has no ports")

    def _insert_instance(self, words: dict[str, str], body: Json) -> Json:
        """Make an instance with its disks."""
        self._get("machineTypes", {"machineType": body["machineType"].rpartition("/")[2]}, None)
        if words["zone"] in self.full_zones:
            error = {
                "code": "ZONE_RESOURCE_POOL_EXHAUSTED",
                "message": f"{words['zone']} does not have enough resources",
            }
            return self._operation("insert", words, error)
        told = {one["key"]: one["value"] for one in (body.get("metadata") or {}).get("items") or ()}
        if "compute.requireOsLogin" in self.policies and told.get("enable-oslogin") == "FALSE":
            # https://github.com/terraform-google-modules/terraform-google-project-factory/issues/827
            raise RefusedError(
                412,
                "conditionNotMet",
                f"Constraint constraints/compute.requireOsLogin violated for project {PROJECT}.",
            )
        path = self._path("instances", words, body["name"])
        if path in self.things:
            raise RefusedError(409, "alreadyExists", f"The resource '{path}' already exists")
        there = sum("/instances/" in path for path in self.things)
        if there >= self.quotas["INSTANCES"]:
            raise RefusedError(
                403, "quotaExceeded", f"Quota 'INSTANCES' exceeded. Limit: {self.quotas['INSTANCES']}"
            )
        [face] = body["networkInterfaces"]
        subnet = self._find(face["subnetwork"])
        network = ipaddress.ip_network(subnet["ipCidrRange"])
        address = ipaddress.ip_address(face["networkIP"])
        kept = {network[0], network[1], network[-1], network[-2]}
        if address not in network or address in kept:
            raise RefusedError(400, "invalid", f"{address} can't be had in {network}")
        for other in self.things.values():
            for one in other.get("networkInterfaces") or ():
                if one["networkIP"] == face["networkIP"] and one["subnetwork"] == face["subnetwork"]:
                    raise RefusedError(400, "IP_IN_USE_BY_ANOTHER_RESOURCE", f"{address} is in use")
        self._check_access(face.get("accessConfigs") or [])
        for key, value in (body.get("labels") or {}).items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(
                r"[a-z0-9_-]{0,63}", value
            ):
                raise RefusedError(400, "invalid", f"label {key}={value}")
        disks = []
        for disk in body["disks"]:
            made = disk["initializeParams"]
            if disk["boot"] != ("sourceImage" in made):
                raise RefusedError(400, "invalid", "a boot disk has an image, and no other")
            if disk["boot"] and int(made["diskSizeGb"]) < self.image_size:
                # https://github.com/BasedHardware/omi/pull/7155
                raise RefusedError(
                    400,
                    "invalid",
                    f"Invalid value for field 'resource.disks[0].initializeParams.diskSizeGb': '{made['diskSizeGb']}'. "
                    f"Requested disk size cannot be smaller than the image size ({self.image_size} GB)",
                )
            self._add(
                "disks",
                words,
                {"name": made["diskName"], "sizeGb": made["diskSizeGb"], "labels": made["labels"]},
            )
            source = f"http://x/compute/v1/{self._path('disks', words, made['diskName'])}"
            disks.append({**disk, "source": source, "diskSizeGb": made["diskSizeGb"]})
            del disks[-1]["initializeParams"]
        more = {
            "status": "PROVISIONING",
            "disks": disks,
            "networkInterfaces": [{**face, "name": "nic0"}],
            "left": 1,
        }
        self._add("instances", words, body, **more)
        return self._operation("insert", words)

    def _check_access(self, configs: list[Json]) -> None:
        """Refuse a public address that is not there, or on another instance."""
        for config in configs:
            ours = [
                one
                for path, one in self.things.items()
                if "/addresses/" in path and one["address"] == config["natIP"]
            ]
            if not ours:
                raise RefusedError(400, "invalid", f"{config['natIP']} is not reserved")
            if any(
                config["natIP"] in json.dumps(one.get("networkInterfaces") or [])
                for one in self.things.values()
            ):
                raise RefusedError(400, "resourceInUseByAnotherResource", f"{config['natIP']} is in use")

    def _update(self, kind: str, words: dict[str, str], body: Json) -> Json:
        """Change something as a whole."""
        thing = self._find(self._path(kind, words))
        self._check_firewall(body)
        thing |= body
        return self._operation("update", words)

    def _delete(self, kind: str, words: dict[str, str], _body: Json | None) -> Json:
        """Delete something that nothing uses."""
        path = self._path(kind, words)
        thing = self._find(path)
        users = self._users(path)
        if kind == "addresses":
            users = [
                p
                for p, t in self.things.items()
                if thing["address"] in json.dumps(t.get("networkInterfaces") or [])
            ]
        if users:
            raise RefusedError(
                400, "resourceInUseByAnotherResource", f"'{path}' is already being used by '{users[0]}'"
            )
        del self.things[path]
        for disk in thing.get("disks") or ():
            if disk["autoDelete"]:
                del self.things[disk["source"].partition("/compute/v1/")[2]]
        return self._operation("delete", words)

    # -- instances -----------------------------------------------------------------------------------------------------

    def _become(self, words: dict[str, str], status: str) -> Json:
        """Have an instance be something else."""
        self._find(self._path("instances", words))["status"] = status
        return self._operation(status, words)

    def _stop(self, _kind: str, words: dict[str, str], _body: Json | None) -> Json:
        """Stop an instance."""
        return self._become(words, "STOPPING")

    def _start(self, _kind: str, words: dict[str, str], _body: Json | None) -> Json:
        """Start an instance."""
        if self._find(self._path("instances", words))["status"] == "STOPPING":
            raise RefusedError(400, "resourceNotReady", "it is stopping")
        return self._become(words, "STAGING")

    def _setMachineType(self, _kind: str, words: dict[str, str], body: Json) -> Json:  # noqa: N802 - Google's name
        """Give an instance another size."""
        thing = self._find(self._path("instances", words))
        if thing["status"] != "TERMINATED":
            raise RefusedError(400, "invalid", "it must be stopped")
        thing["machineType"] = body["machineType"]
        return self._operation("setMachineType", words)

    def _setMetadata(self, _kind: str, words: dict[str, str], body: Json) -> Json:  # noqa: N802 - Google's name
        """Replace an instance's metadata, if it is that which was read."""
        thing = self._find(self._path("instances", words))
        before = thing["metadata"]
        if body.get("fingerprint") != before.get("fingerprint"):
            raise RefusedError(412, "conditionNotMet", "Supplied fingerprint does not match current metadata")
        thing["metadata"] = {**body, "fingerprint": f"f{next(self._ids)}"}
        return self._operation("setMetadata", words)

    def _addAccessConfig(self, _kind: str, words: dict[str, str], body: Json) -> Json:  # noqa: N802 - Google's name
        """Give an instance a public address."""
        self._check_access([body])
        self._find(self._path("instances", words))["networkInterfaces"][0]["accessConfigs"] = [body]
        return self._operation("addAccessConfig", words)

    def _deleteAccessConfig(self, _kind: str, words: dict[str, str], _body: Json | None) -> Json:  # noqa: N802 - Google's name
        """Take a public address off an instance."""
        self._find(self._path("instances", words))["networkInterfaces"][0]["accessConfigs"] = []
        return self._operation("deleteAccessConfig", words)

    def _resize(self, kind: str, words: dict[str, str], body: Json) -> Json:
        """Make a disk larger."""
        path = self._path(kind, words)
        disk = self._find(path)
        if int(body["sizeGb"]) <= int(disk["sizeGb"]):
            raise RefusedError(400, "invalid", "a disk can't be made smaller")
        disk["sizeGb"] = body["sizeGb"]
        for thing in self.things.values():
            for one in thing.get("disks") or ():
                if one["source"].endswith(path):
                    one["diskSizeGb"] = body["sizeGb"]
        return self._operation("resize", words)

    def settle(self) -> None:
        """Move instances on to their next state."""
        with self.lock:
            for thing in self.things.values():
                if (status := thing.get("status")) in {"PROVISIONING", "STAGING", "STOPPING"}:
                    thing["status"] = {
                        "PROVISIONING": "STAGING",
                        "STAGING": "RUNNING",
                        "STOPPING": "TERMINATED",
                    }[status]
                thing.pop("left", None)

    # -- Filestore -----------------------------------------------------------------------------------------------------

    def _file(self, call: Call) -> Json:
        """Carry out a call to Filestore."""
        words, method = call.words, call.method.rpartition(".")[2]
        where = f"projects/{PROJECT}/locations/{words['locationsId']}"
        if ".operations." in call.method:
            return {"name": f"{where}/operations/{words['operationsId']}", "done": True, "response": {}}
        if method == "list":
            found = [thing for path, thing in self.things.items() if "/locations/" in path]
            owner = re.fullmatch(r'labels\.skep="(.*)"', words.get("filter", ""))
            return {"instances": [t for t in found if owner is None or t["labels"]["skep"] == owner[1]]}
        name = f"{where}/instances/{words.get('instanceId') or words.get('instancesId')}"
        if method == "create":
            if name in self.things:
                raise RefusedError(409, "ALREADY_EXISTS", f"{name} already exists")
            self._find(call.body["networks"][0]["network"])
            network = {**call.body["networks"][0], "ipAddresses": ["10.99.0.2"]}
            self.things[name] = {**call.body, "name": name, "state": "READY", "networks": [network]}
        elif name not in self.things:
            raise RefusedError(404, "NOT_FOUND", f"{name} was not found")
        elif method == "get":
            return self.things[name]
        else:
            del self.things[name]
        return {"name": f"{where}/operations/op-{next(self._ids)}", "done": False}


def _error_info(error: RefusedError) -> Json:
    """Return the detail of a refusal, with the service that is off.

    https://cloud.google.com/apis/design/errors#error_info has its fields.
    """
    info: Json = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.reason}
    if error.service:
        info |= {"domain": "googleapis.com", "metadata": {"service": error.service}}
    return info


def served(google: Google) -> ThreadingHTTPServer:
    """Return a server on a free port of the loopback, at work in a thread; `shutdown` ends it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # else an answer's second part waits 40 ms for the first to be acknowledged
        )

        def _any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            google.settle()
            status, said = 200, None
            try:
                body = json.loads(text) if text else None
                said = google.answer(self.command, url.path, dict(parse_qsl(url.query)), body)
            except RefusedError as error:
                status = error.status
                one = {"reason": error.reason, "message": error.said, "domain": "global"}
                said = {"error": {"code": status, "message": error.said, "errors": [one]}}
                if url.path.startswith("/v1/") and not error.reason.isdigit():
                    said["error"]["details"] = [_error_info(error)]
            except Exception:  # noqa: BLE001 - a fault of this server is answered, so that the test fails at once
                status, said = 501, {"error": {"code": 501, "message": traceback.format_exc(), "errors": []}}
            if said is None:
                self.close_connection = True
                return
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - http.server's names

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
