"""OpenStack's refusals: which of them pass, and how openstacksdk's exceptions become errors of ours."""

from model.errors import ProviderError
from model.reasons import reason_of
from providers.cloud.errors import refusal

LOST, NOT_FOUND, CONFLICT, TOO_LARGE, TOO_MANY, SERVER_FAULT = 0, 404, 409, 413, 429, 500
UNAUTHORIZED, FORBIDDEN, NOT_ACCEPTABLE = 401, 403, 406

CREDENTIALS = (
    "check clouds.yaml or the OS_* variables, and whether what they name has expired: skep uses what openstacksdk "
    "finds; then run doit again, it continues where it stopped"
)
_QUOTA_ADVICE = "ask the cloud's operators for more, or remove what the project no longer needs"
_ADVICE = {
    LOST: "this machine can't reach it: check its network connection, then run doit again",
    UNAUTHORIZED: CREDENTIALS,
    FORBIDDEN: "the user needs the role `member` in the project",
    NOT_ACCEPTABLE: "the cloud's services are too old for skep: docs/providers.md says which it needs",
    TOO_MANY: "the cloud is busy: run doit again later",
}


class OpenStackError(ProviderError):
    """OpenStack refused a call.

    Args:
        what: The call, as `POST network /networks`.
        status: HTTP's status; 0 where there was no answer.
        reason: The service's message.
        request: The request's id, by which the cloud's operators find it; empty where there was no answer.

    """

    def __init__(self, what: str, status: int, reason: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.status, self.reason, self.request = status, reason, request
        advice = _QUOTA_ADVICE if self.is_quota else _ADVICE.get(status, "")
        super().__init__(refusal("OpenStack", what, str(status or ""), reason, request, advice))

    @property
    def is_quota(self) -> bool:
        """Whether a quota is used up: Nova says so with 403, Neutron with 409, Cinder with 413."""
        return "quota" in self.reason.lower() and self.status in {FORBIDDEN, CONFLICT, TOO_LARGE}


def is_transient(error: Exception) -> bool:
    """Return whether the error is transient: no answer, busy, failed, or at work on the same thing. Pure."""
    return (
        isinstance(error, OpenStackError)
        and not error.is_quota
        and (error.status in {LOST, NOT_FOUND, CONFLICT, TOO_MANY} or error.status >= SERVER_FAULT)
    )


def translate_errors(what: str, error: Exception) -> Exception:
    """Return an exception of openstacksdk's or keystoneauth's as an error of ours, and any other as it is."""
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
        return OpenStackError(what, error.status_code or 0, reason_of(error), error.request_id or "")
    if isinstance(error, Unreachable):
        return OpenStackError(what, LOST, reason_of(error))
    if isinstance(error, (ClientException, SDKException)):
        return ProviderError(f"OpenStack {what}: {reason_of(error)}: {CREDENTIALS}")
    return error
