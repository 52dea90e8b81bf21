"""Amazon's refusals."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from model.errors import ProviderError
from providers.aws.errors import AwsError, is_transient, is_transient_on_delete, tolerated, translate_errors


def refused(code: str, status: int = 400) -> ClientError:
    """Return what botocore raises for a refusal."""
    metadata = {"HTTPStatusCode": status, "RequestId": "r-1"}
    answer = {"Error": {"Code": code, "Message": "No."}, "ResponseMetadata": metadata}
    return ClientError(answer, "RunInstances")


def test_what_passes() -> None:
    """Throttling, a lost answer, a conflict and "not found" pass; a full zone, a quota and a thing in use don't."""
    for code in ("Throttling", "skep.ConnectionLost", "InvalidIPAddress.InUse", "InvalidVpcID.NotFound"):
        assert is_transient(AwsError("RunInstances", code, "no")), code
    for code in ("InsufficientInstanceCapacity", "VcpuLimitExceeded", "DependencyViolation"):
        assert not is_transient(AwsError("RunInstances", code, "no")), code
    assert is_transient_on_delete(AwsError("DeleteVpc", "DependencyViolation", "no"))
    assert not is_transient_on_delete(ProviderError("no"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            refused("VcpuLimitExceeded"),
            "AWS RunInstances: VcpuLimitExceeded: No (request r-1): ask for more CPUs",
        ),
        (refused("Whatever", 503), "AWS RunInstances: InternalError: No (request r-1)"),
        (refused("InsufficientInstanceCapacity", 500), "AWS RunInstances: InsufficientInstanceCapacity: No"),
        (NoCredentialsError(), "AWS RunInstances: Unable to locate credentials: log in (`aws sso login`"),
        (
            EndpointConnectionError(endpoint_url="x"),
            'AWS RunInstances: EndpointConnectionError: Could not connect to the endpoint URL: "x": this machine',
        ),
    ],
)
def test_botocores_exceptions_are_ours(error: Exception, expected: str) -> None:
    """An unknown code with status 500 is a fault that passes; a lack of capacity has status 500 as well, and stays."""
    with pytest.raises(AwsError) as caught, translate_errors("run_instances"):
        raise error

    assert str(caught.value).startswith(expected)


def test_a_code_that_is_tolerated() -> None:
    """Codes are told by their ends; all others are raised."""
    with tolerated("Vpc.NotFound", ".Duplicate"):
        raise AwsError("CreateSecurityGroup", "InvalidGroup.Duplicate", "no")
    with pytest.raises(AwsError, match="DependencyViolation"), tolerated(".Duplicate"):
        raise AwsError("DeleteVpc", "DependencyViolation", "no")
