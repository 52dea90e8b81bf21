"""Amazon's refusals: their codes, which of them pass, and how boto3's exceptions become errors of ours."""

import contextlib
from collections.abc import Iterator
from typing import Any

from model.errors import ProviderError
from model.reasons import reason_of
from providers.cloud.errors import refusal

LOST, NO_CREDENTIALS, NO_CRT = "skep.ConnectionLost", "skep.NoCredentials", "skep.NoCrt"
"""Codes for errors that botocore raises without an answer of Amazon's."""

TOO_MANY = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)
BUSY = TOO_MANY | {
    LOST,
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "ServiceUnavailable",
    "Unavailable",
}
"""Codes that pass, whatever was asked."""

NOT_YET_VISIBLE = frozenset(
    {
        "InvalidAllocationID.NotFound",
        "InvalidGatewayID.NotFound",
        "InvalidGroup.NotFound",
        "InvalidInstanceID.NotFound",
        "InvalidInternetGatewayID.NotFound",
        "InvalidRouteTableID.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidVpcID.NotFound",
        "SecurityGroupNotFound",
        "SubnetNotFound",
    }
)
"""Codes for things that were just made and are not known everywhere yet, and for those that are gone.

CreateRoute calls an internet gateway a gateway, and EFS has names of its own.

https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
"""
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
"""Codes for a thing that another run made first, or is changing: the next attempt finds it."""
IN_USE = frozenset({"DependencyViolation", "InvalidIPAddress.InUse", "FileSystemInUse", "VolumeInUse"})
"""Codes for a thing whose user was removed a moment ago, and for one that is really used."""

_NO_CAPACITY = "Insufficient"
"""The beginning of the codes for a lack of capacity: of instances, volumes and addresses.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""
_ROOM = (
    "Amazon has no capacity for it in that zone now: run doit again later, or set another instance_type or "
    "available_zones"
)
_CREDENTIALS = "log in (`aws sso login`, `aws configure`), or set AWS_PROFILE: skep uses what boto3 finds"
_UNREACHABLE = "this machine can't reach Amazon: check its network connection, then run doit again"
_EXPIRED = f"the credentials have expired: {_CREDENTIALS}; then run doit again, it continues where it stopped"
_ADVICE = {
    NO_CREDENTIALS: _CREDENTIALS,
    NO_CRT: "profiles of `aws login` need more of the SDK: `SKEP_EXTRAS=aws-login ./setup true` installs it",
    "AuthFailure": _CREDENTIALS,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidClientTokenId": _CREDENTIALS,
    "RequestExpired": f"the credentials have expired, or this machine's clock is wrong: {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong, or this machine's clock: {_CREDENTIALS}",
    "UnrecognizedClientException": _CREDENTIALS,
    "AccessDeniedException": "grant that permission: docs/providers.md has the policy that skep needs",
    "UnauthorizedOperation": "grant that permission: docs/providers.md has the policy that skep needs",
    "AddressLimitExceeded": "ask for more addresses at Service Quotas (L-0263D0A3), or set public_addresses",
    "InstanceLimitExceeded": "ask for more at Service Quotas, or set another instance_type",
    "VcpuLimitExceeded": "ask for more CPUs at Service Quotas (L-1216C47A), or set another instance_type",
    "VpcLimitExceeded": "ask for more at Service Quotas (L-F678F1CE), or remove a VPC",
    "InsufficientAddressCapacity": _ROOM,
    "InsufficientInstanceCapacity": _ROOM,
    "InsufficientVolumeCapacity": _ROOM,
    "InvalidIPAddress.InUse": "something that is not skep's has that address: remove it, or set ip_address_list",
    "DependencyViolation": "something that is not skep's uses it: remove that, then run doit again",
    "OptInRequired": "the account has to accept the image's terms, or to be activated for that region",
    "UnsupportedOperation": "set another instance_type or image_name",
    "Unsupported": "set another instance_type, image_name or available_zones",
    LOST: _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "EndpointConnectionError": _UNREACHABLE,
}


class AwsError(ProviderError):
    """Amazon refused a call.

    Args:
        operation: The operation, in the API's words.
        code: The error's code.
        reason: Its message.
        request: The request's id, by which Amazon's support finds it; empty where there was no answer.

    """

    def __init__(self, operation: str, code: str, reason: str, request: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.operation, self.code, self.request = operation, code, request
        shown = "" if code.startswith("skep.") else code
        super().__init__(refusal("AWS", operation, shown, reason, request, _ADVICE.get(code, "")))


def is_transient(error: Exception) -> bool:
    """Return whether the error is transient. Pure."""
    return isinstance(error, AwsError) and error.code in BUSY | NOT_YET_VISIBLE | _CONFLICT


def is_transient_on_delete(error: Exception) -> bool:
    """Return whether the error passes when the users of a thing are gone. Pure."""
    return isinstance(error, AwsError) and error.code in BUSY | IN_USE


@contextlib.contextmanager
def tolerated(*codes: str) -> Iterator[None]:
    """Suppress refusals with one of these codes, or with one that ends so."""
    try:
        yield
    except AwsError as error:
        if not error.code.endswith(codes):
            raise


def _of_newer(exceptions: Any, name: str) -> tuple[type[Exception], ...]:
    """Return an exception that only newer releases of botocore have."""
    found = getattr(exceptions, name, None)
    return (found,) if found is not None else ()


@contextlib.contextmanager
def translate_errors(operation: str) -> Iterator[None]:
    """Raise botocore's exceptions as `AwsError`."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    words = "".join(part.capitalize() for part in operation.split("_"))
    try:
        yield
    except exceptions.ClientError as error:
        fault, answer = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        code = str(fault.get("Code", "Unknown"))
        is_fault = answer.get("HTTPStatusCode", 0) >= 500  # noqa: PLR2004 - HTTP's line
        # A lack of capacity has status 500 as well, and does not pass by itself.
        if is_fault and code not in BUSY and not code.startswith(_NO_CAPACITY):
            code = "InternalError"
        text = str(fault.get("Message", "no reason given"))
        raise AwsError(words, code, text, str(answer.get("RequestId", ""))) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ConfigNotFound,
        exceptions.ConfigParseError,
        exceptions.InvalidConfigError,
        exceptions.NoAuthTokenError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
        *_of_newer(exceptions, "LoginError"),
    ) as error:
        raise AwsError(words, NO_CREDENTIALS, reason_of(error)) from error
    except exceptions.MissingDependencyException as error:
        raise AwsError(words, NO_CRT, reason_of(error)) from error
    except (exceptions.HTTPClientError, ResponseParserError) as error:
        raise AwsError(words, LOST, reason_of(error)) from error
    except exceptions.BotoCoreError as error:
        raise AwsError(words, type(error).__name__, reason_of(error)) from error
