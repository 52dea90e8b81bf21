"""OpenStack's API: the session, its services' calls, and how skep's things are known.

What Neutron keeps carries its tag as the description, which is there from the first moment on; its tags would be a
second call, and a run that is killed before it would leave things that nobody knows. Servers carry it as metadata.

openstacksdk's own retries are off. A call whose answer was lost may have made something; only who looks first may call
again, so that is done for whole resources (`providers/openstack/provider.py`).
"""

import threading
from typing import Any

from model.errors import ProviderError
from model.extras import OPENSTACK
from model.json_types import Json
from model.reasons import reason_of
from providers.openstack.errors import CREDENTIALS, NOT_FOUND, OpenStackError, translate_errors
from remote.mother import extras

RETRY_TIMEOUT = 120.0
"""Seconds for which a transient error is waited out."""

VERSIONS = {"compute": "2.67", "block_storage": "3.42", "shared_file_system": "2.8"}
"""Service to the microversion that is spoken.

Nova's can give disks a type, and names flavors; Cinder's makes disks larger that are in use; Manila's lists shares with
the address that they are mounted from.

https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
"""


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
        self.known_project = ""
        """The project's id; empty as long as nobody signed in."""

    def _service(self, name: str) -> Any:
        """Return the SDK's proxy of a service; made by one thread at a time."""
        with self._lock:
            if self._connection is None:
                self._connection = _connect(self._cloud, self._region)
            try:
                return getattr(self._connection, name)
            except Exception as error:
                raise _sign_in_error(error) from error

    @property
    def project(self) -> str:
        """The project's id."""
        self._service("network")
        try:
            self.known_project = str(self._connection.current_project_id or "")
        except Exception as error:
            raise _sign_in_error(error) from error
        return self.known_project

    def has(self, service: str) -> bool:
        """Return whether the cloud has a service, by the catalogue that came with the credentials."""
        speaker = self._service(service)
        try:
            return speaker.get_endpoint() is not None
        except Exception as error:
            raise _sign_in_error(error) from error

    def ask(self, method: str, service: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Call a service, once.

        Args:
            method: HTTP's.
            service: `network`, `compute`, `block_storage`, `image` or `shared_file_system`.
            path: Below the service's endpoint.
            body: The body of the request.
            query: The query of the request.

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
            raise translate_errors(what, error) from error
        if answer.status_code >= 400:  # noqa: PLR2004 - HTTP's line
            request = answer.headers.get("x-openstack-request-id", "")
            raise OpenStackError(what, answer.status_code, _message(answer), request)
        return answer.json() if answer.content else {}

    def listing(self, service: str, path: str, key: str, **query: str) -> list[Json]:
        """Return all items of a list call, from all its pages."""
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
        ProviderError: It is not installed and can't be, or finds none.

    """

    def load() -> Any:
        import openstack

        return openstack

    openstack = extras.loaded(OPENSTACK, load)
    chosen: Json = {name: value for name, value in (("cloud", cloud), ("region_name", region)) if value}
    try:
        return openstack.connect(**chosen)
    except Exception as error:
        raise _sign_in_error(error) from error


def _sign_in_error(error: Exception) -> Exception:
    """Return an exception of signing in as an error of ours.

    Some that openstacksdk raises there are of no kind: "password is a required attribute".
    """
    told = translate_errors("sign in", error)
    if told is error and type(error) is Exception:
        return ProviderError(f"OpenStack sign in: {reason_of(error)}: {CREDENTIALS}")
    return told


def _message(answer: Any) -> str:
    """Return the message in a service's refusal; each service has its own shape for it."""
    try:
        refused = answer.json()
    except ValueError:
        return str(answer.text)[:500] or str(answer.reason)
    inner = next(iter(refused.values()), refused) if isinstance(refused, dict) else refused
    if isinstance(inner, dict):
        kind = inner.get("type") or ""
        return f"{kind}: {inner.get('message')}" if kind else str(inner.get("message") or inner)
    return str(inner)
