"""Amazon's API: clients, what it says when it refuses, and the tags by which skep's things are known.

botocore's own retries are off. A call whose answer was lost may have made something; only who looks first may call
again, so that is done for whole resources (`providers/aws/provider.py`). Here questions are asked again, and calls that
were refused without anything done: one too many, or about a thing that is not known everywhere yet.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.stage import Stage
from providers.cloud.retry import PACE, poll, retry

PATIENCE = 120.0
"""Seconds for which an error that passes by itself is waited out."""


LOST, NO_CREDENTIALS = "skep.ConnectionLost", "skep.NoCredentials"
"""Codes for what botocore says without having an answer."""

_TOO_MANY = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)
BUSY = _TOO_MANY | {
    LOST,
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "ServiceUnavailable",
    "Unavailable",
}
"""What passes by itself, whatever was asked."""

_NOT_YET_VISIBLE = frozenset(
    {
        "InvalidAllocationID.NotFound",
        "InvalidGroup.NotFound",
        "InvalidInstanceID.NotFound",
        "InvalidInternetGatewayID.NotFound",
        "InvalidRouteTableID.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidVpcID.NotFound",
    }
)
"""What is said of things that were just made, and are not known everywhere yet; and of those that are gone.

https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
"""
_REMOVALS = ("delete_", "detach_", "disassociate_", "release_", "terminate_")
_CONFLICT = frozenset(
    {
        "FileSystemAlreadyExists",
        "IncorrectFileSystemLifeCycleState",
        "IncorrectInstanceState",
        "InvalidGroup.Duplicate",
        "InvalidIPAddress.InUse",
        "InvalidSubnet.Conflict",
        "MountTargetConflict",
        "Resource.AlreadyAssociated",
    }
)
"""Another run was first, or is at work on the same thing: the next look finds it."""
IN_USE = frozenset({"DependencyViolation", "InvalidIPAddress.InUse", "FileSystemInUse", "VolumeInUse"})
"""What is said of a thing whose user was removed a moment ago, and of one that is really used."""

_NO_ROOM = "Insufficient"
"""What the codes begin with that say so, of instances, volumes and addresses.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""
_ROOM = "Amazon has no room for it in that zone now: run again later, or set another instance_type or available_zones"
_CREDENTIALS = "log in (`aws sso login`, `aws configure`), or set AWS_PROFILE: skep uses what boto3 finds"
_ADVICE = {
    NO_CREDENTIALS: _CREDENTIALS,
    "AuthFailure": _CREDENTIALS,
    "ExpiredToken": f"the credentials have expired: {_CREDENTIALS}; then run again, it goes on where it was",
    "ExpiredTokenException": f"the credentials have expired: {_CREDENTIALS}; then run again, it goes on where it was",
    "InvalidClientTokenId": _CREDENTIALS,
    "RequestExpired": f"the credentials have expired, or this machine's clock is wrong: {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong, or this machine's clock: {_CREDENTIALS}",
    "UnrecognizedClientException": _CREDENTIALS,
    "AccessDeniedException": "have it allowed: docs/providers.md has the policy that skep needs",
    "UnauthorizedOperation": "have it allowed: docs/providers.md has the policy that skep needs",
    "AddressLimitExceeded": "ask for more addresses at Service Quotas (L-0263D0A3), or set public_addresses",
    "InstanceLimitExceeded": "ask for more at Service Quotas, or set another instance_type",
    "VcpuLimitExceeded": "ask for more CPUs at Service Quotas (L-1216C47A), or set another instance_type",
    "VpcLimitExceeded": "ask for more at Service Quotas (L-F678F1CE), or remove a VPC",
    "InsufficientAddressCapacity": _ROOM,
    "InsufficientInstanceCapacity": _ROOM,
    "InsufficientVolumeCapacity": _ROOM,
    "InvalidIPAddress.InUse": "something that is not skep's has that address: remove it, or set ip_address_list",
    "DependencyViolation": "something that is not skep's uses it: remove that, then run again",
    "OptInRequired": "the account has to accept the image's terms, or to be activated for that region",
    "UnsupportedOperation": "set another instance_type or image_name",
    "Unsupported": "set another instance_type, image_name or available_zones",
    LOST: "this machine can't reach Amazon: see to its network, then run again",
}


class AwsError(ProviderError):
    """Amazon refused something.

    Args:
        operation: What was asked, in the API's words.
        code: The error's code.
        said: Its message.
        request: The request's id, by which Amazon's support finds it; empty where there was no answer.

    """

    def __init__(self, operation: str, code: str, said: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.operation, self.code, self.request = operation, code, request
        where = f" (request {request})" if request else ""
        advice = f": {_ADVICE[code]}" if code in _ADVICE else ""
        shown = "" if code.startswith("skep.") else f" {code}:"
        super().__init__(f"AWS {operation}:{shown} {said.strip().rstrip('.')}{where}{advice}")


def is_transient(error: Exception) -> bool:
    """Return whether an error is one that a new look, a moment later, may not meet."""
    return isinstance(error, AwsError) and error.code in BUSY | _NOT_YET_VISIBLE | _CONFLICT


def is_transient_on_delete(error: Exception) -> bool:
    """Return whether an error is one that passes when what used a thing is gone."""
    return isinstance(error, AwsError) and error.code in BUSY | IN_USE


@contextlib.contextmanager
def tolerated(*codes: str) -> Iterator[None]:
    """Let pass that Amazon refused with one of these codes, or with one that ends so."""
    try:
        yield
    except AwsError as error:
        if not error.code.endswith(codes):
            raise


class AwsApi:
    """The API of one region. Thread-safe: clients are, and sessions are used by one thread at a time.

    https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients

    Args:
        region: The region.

    """

    def __init__(self, region: str) -> None:
        self.region = region
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of a service, with credentials from wherever boto3 finds them."""
        with self._lock:
            if service not in self._clients:
                import boto3
                from botocore.config import Config

                self._session = self._session or boto3.Session(region_name=self.region)
                config = Config(
                    retries={"total_max_attempts": 1},
                    connect_timeout=10,
                    read_timeout=60,
                    max_pool_connections=32,
                )
                with _translate_errors(f"client {service}"):
                    self._clients[service] = self._session.client(service, config=config)
            return self._clients[service]

    def call(self, operation: str, service: str = "ec2", **arguments: Any) -> Json:
        """Ask for an operation; again as long as it was certainly not done.

        Raises:
            AwsError: Amazon refused, or did not answer.

        """
        client = self.client(service)
        # What is to be removed and is not found is gone.
        codes = _TOO_MANY if operation.startswith(_REMOVALS) else _TOO_MANY | _NOT_YET_VISIBLE

        def ask() -> Json:
            with _translate_errors(operation):
                answer: Json = getattr(client, operation)(**arguments)
                return answer

        return retry(
            ask, lambda error: isinstance(error, AwsError) and error.code in codes, PATIENCE, _quiet, PACE
        )

    def listing(self, operation: str, key: str, service: str = "ec2", **arguments: Any) -> list[Json]:
        """Return all that a question lists, from as many pages as there are; asked again while Amazon is busy."""
        client = self.client(service)

        def ask() -> list[Json]:
            with _translate_errors(operation):
                if client.can_paginate(operation):
                    pages = client.get_paginator(operation).paginate(**arguments)
                    return [item for page in pages for item in page[key]]
                return list(getattr(client, operation)(**arguments)[key])

        return retry(
            ask, lambda error: isinstance(error, AwsError) and error.code in BUSY, PATIENCE, _quiet, PACE
        )

    @staticmethod
    def await_listed(look: Callable[[], list[Json]], identifier: str) -> None:
        """Wait until a thing that was made is listed, so that the next look does not make it again."""
        poll(
            lambda: any(identifier in thing.values() for thing in look()) or None,
            f"{identifier} to be listed",
            PATIENCE,
            lambda: "it was made, and is not",
            PACE,
        )


def _quiet(_line: str) -> None:
    """Say nothing: that Amazon is busy with questions is nobody's concern."""


@contextlib.contextmanager
def _translate_errors(operation: str) -> Iterator[None]:
    """Turn what botocore raises into ours."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    words = "".join(part.capitalize() for part in operation.split("_"))
    try:
        yield
    except exceptions.ClientError as error:
        said, answer = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        code = str(said.get("Code", "Unknown"))
        is_fault = answer.get("HTTPStatusCode", 0) >= 500  # noqa: PLR2004 - HTTP's line
        # That there is no room is said with 500 as well, and does not pass by itself.
        if is_fault and code not in BUSY and not code.startswith(_NO_ROOM):
            code = "InternalError"
        text = str(said.get("Message", "no reason given"))
        raise AwsError(words, code, text, str(answer.get("RequestId", ""))) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.TokenRetrievalError,
        exceptions.UnauthorizedSSOTokenError,
    ) as error:
        raise AwsError(words, NO_CREDENTIALS, str(error)) from error
    except (exceptions.HTTPClientError, ResponseParserError) as error:
        raise AwsError(words, LOST, str(error)) from error
    except exceptions.BotoCoreError as error:
        raise AwsError(words, type(error).__name__, str(error)) from error


# -- tags --------------------------------------------------------------------------------------------------------------


def tags_of(thing: Json) -> dict[str, str]:
    """Return a thing's tags."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or ()}


def as_tags(tags: dict[str, str]) -> list[Json]:
    """Return tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_for(stage: Stage, name: str, key: str = "", **more: str) -> dict[str, str]:
    """Return the tags of a thing of a stage; `Name` is what the console shows."""
    found = {"Name": cloud_name(stage, name), **stage.labels, NAME_LABEL: name, **more}
    return {**found, KEY_LABEL: key} if key else found


def specification(kind: str, tags: dict[str, str]) -> Json:
    """Return tags that a thing has from its first moment on, so that a killed run leaves nothing without them."""
    return {"ResourceType": kind, "Tags": as_tags(tags)}


def of_stage(stage: Stage, name: str = "") -> list[Json]:
    """Return the filters for what carries a stage's tags, and a name if one is given."""
    wanted = {**stage.labels, **({NAME_LABEL: name} if name else {})}
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
