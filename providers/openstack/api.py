"""OpenStack's API: the session, what its services say when they refuse, and the tags by which skep's things are known.

What Neutron keeps carries its tag as the description, which is there from the first moment on; its tags would be a
second call, and a run that is killed before it would leave things that nobody knows. Servers carry it as metadata.

openstacksdk's own retries are off. A call whose answer was lost may have made something; only who looks first may call
again, so that is done for whole resources (`providers/openstack/provider.py`).
"""

import threading
from typing import Any

from model.errors import ProviderError
from model.json_types import Json

PATIENCE = 120.0
"""Seconds for which an error that passes by itself is waited out."""

LOST, NOT_FOUND, CONFLICT, TOO_MANY, SERVER_FAULT = 0, 404, 409, 429, 500
UNAUTHORIZED, FORBIDDEN, NOT_ACCEPTABLE = 401, 403, 406

VERSIONS = {"compute": "2.67", "block_storage": "3.42", "shared_file_system": "2.8"}
"""Service to the microversion that is spoken.

Nova's can give disks a type, and names flavors; Cinder's makes disks larger that are in use; Manila's lists shares with
the address that they are mounted from.

https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
"""

_QUOTA = "quota"
_CREDENTIALS = (
    "see to clouds.yaml or the OS_* variables, and whether what they name has expired: skep uses what openstacksdk "
    "finds; then run again, it goes on where it was"
)


class OpenStackError(ProviderError):
    """OpenStack refused something.

    Args:
        what: What was asked, as `POST network /networks`.
        status: HTTP's status; 0 where there was no answer.
        said: The service's message.
        request: The request's id, by which the cloud's operators find it; empty where there was no answer.

    """

    def __init__(self, what: str, status: int, said: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.status, self.said, self.request = status, said, request
        where = f" (request {request})" if request else ""
        shown = f" {status}:" if status else ""
        super().__init__(f"OpenStack {what}:{shown} {said.strip().rstrip('.')}{where}{self._advice()}")

    @property
    def is_quota(self) -> bool:
        """Whether a quota is used up: Nova says so with 403, Neutron with 409, Cinder with 413."""
        return _QUOTA in self.said.lower() and self.status in {FORBIDDEN, CONFLICT, 413}

    def _advice(self) -> str:
        """Return what to do about it."""
        if self.is_quota:
            return ": ask the cloud's operators for more, or remove what the project no longer needs"
        return {
            LOST: ": this machine can't reach it: see to its network, then run again",
            UNAUTHORIZED: f": {_CREDENTIALS}",
            FORBIDDEN: ": the user needs the role `member` in the project",
            NOT_ACCEPTABLE: ": the cloud's services are too old for skep: docs/providers.md says which it needs",
            TOO_MANY: ": the cloud is busy: run again later",
        }.get(self.status, "")


def is_transient(error: Exception) -> bool:
    """Return whether an error is one that a new look, a moment later, may not meet."""
    return isinstance(error, OpenStackError) and not error.is_quota and _is_passing(error.status)


def _is_passing(status: int) -> bool:
    """Return whether a status is that of what passes: no answer, busy, failed, or at work on the same thing."""
    return status in {LOST, NOT_FOUND, CONFLICT, TOO_MANY} or status >= SERVER_FAULT


class OpenStackApi:
    """The services of one region, as one project sees them. Thread-safe.

    Args:
        cloud: The entry of clouds.yaml; None for what the environment says.
        region: The region; None for what the credentials say.

    """

    def __init__(self, cloud: str | None, region: str | None) -> None:
        self._cloud, self._region = cloud, region
        self._lock = threading.Lock()
        self._connection: Any = None

    def _service(self, name: str) -> Any:
        """Return what speaks to a service; made by one thread at a time."""
        with self._lock:
            if self._connection is None:
                self._connection = _connect(self._cloud, self._region)
            try:
                return getattr(self._connection, name)
            except Exception as error:
                raise _translate_errors("sign in", error) from error

    @property
    def project(self) -> str:
        """The project's id."""
        self._service("network")
        try:
            return str(self._connection.current_project_id)
        except Exception as error:
            raise _translate_errors("sign in", error) from error

    def has(self, service: str) -> bool:
        """Return whether the cloud has a service, by the catalogue that came with the credentials."""
        speaker = self._service(service)
        try:
            return speaker.get_endpoint() is not None
        except Exception as error:
            raise _translate_errors("sign in", error) from error

    def ask(self, method: str, service: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Ask a service, once.

        Args:
            method: HTTP's.
            service: `network`, `compute`, `block_storage`, `image` or `shared_file_system`.
            path: Below the service's endpoint.
            body: What is sent.
            query: What is put behind the path.

        Raises:
            OpenStackError: It refused, or did not answer.

        """
        what = f"{method} {service} {path}"
        try:
            speaker = self._service(service)
            answer = speaker.request(
                path,
                method,
                json=body,
                params=query or None,
                microversion=VERSIONS.get(service),
                connect_retries=0,
                status_code_retries=0,
                raise_exc=False,
            )
        except Exception as error:
            raise _translate_errors(what, error) from error
        if answer.status_code >= 400:  # noqa: PLR2004 - HTTP's line
            request = answer.headers.get("x-openstack-request-id", "")
            raise OpenStackError(what, answer.status_code, _message(answer), request)
        return answer.json() if answer.content else {}

    def listing(self, service: str, path: str, key: str, **query: str) -> list[Json]:
        """Return all that a question lists, from as many pages as there are."""
        found: list[Json] = []
        while True:
            answer = self.ask("GET", service, path, None, **query)
            page = list(answer[key])
            found += page
            links = answer.get(f"{key}_links") or ()
            more = any(link.get("rel") == "next" for link in links) or bool(answer.get("next"))
            if not more or not page:
                return found
            query["marker"] = str(page[-1]["id"])

    def drop(self, service: str, path: str) -> bool:
        """Delete something; return whether it was there."""
        try:
            self.ask("DELETE", service, path)
        except OpenStackError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return True


def _connect(cloud: str | None, region: str | None) -> Any:
    """Return a connection with credentials from wherever openstacksdk finds them.

    Raises:
        ProviderError: It is not installed, or finds none.

    """
    try:
        import openstack
    except ImportError as error:
        raise ProviderError(
            "provider openstack needs openstacksdk: install it with `SKEP_EXTRAS=openstack ./setup true`"
        ) from error
    chosen: Json = {name: value for name, value in (("cloud", cloud), ("region_name", region)) if value}
    try:
        return openstack.connect(**chosen)
    except Exception as error:
        raise _translate_errors("sign in", error) from error


def _translate_errors(what: str, error: Exception) -> Exception:
    """Return what openstacksdk or keystoneauth raised as ours; what neither did, as it is."""
    from keystoneauth1.exceptions import ClientException
    from keystoneauth1.exceptions.connection import ConnectionError as Unreachable
    from keystoneauth1.exceptions.http import HttpError
    from openstack.exceptions import HttpException, SDKException

    if isinstance(error, HttpError):
        # Keystone says of credentials that are gone that it does not find them, which is nothing to wait for.
        is_refused = str(error.url or "").endswith("/auth/tokens") and error.http_status < SERVER_FAULT
        status = UNAUTHORIZED if is_refused and error.http_status != TOO_MANY else error.http_status
        return OpenStackError(what, status, str(error.message), error.request_id or "")
    if isinstance(error, HttpException):
        return OpenStackError(what, error.status_code or 0, str(error), error.request_id or "")
    if isinstance(error, Unreachable):
        return OpenStackError(what, LOST, str(error))
    if isinstance(error, (ClientException, SDKException)):
        return ProviderError(f"OpenStack {what}: {error}: {_CREDENTIALS}")
    return error


def _message(answer: Any) -> str:
    """Return what a service says of an error; each has its own shape for it."""
    try:
        said = answer.json()
    except ValueError:
        return str(answer.text)[:500] or str(answer.reason)
    inner = next(iter(said.values()), said) if isinstance(said, dict) else said
    if isinstance(inner, dict):
        kind = inner.get("type") or ""
        return f"{kind}: {inner.get('message')}" if kind else str(inner.get("message") or inner)
    return str(inner)
