"""Azure's refusals."""

from typing import ClassVar

import pytest

from model.errors import ProviderError
from providers.azure.errors import AzureError, is_transient, is_transient_on_delete, translate_errors


def test_what_passes() -> None:
    """Throttling, a lost answer, a conflict and a thing in use pass; a full zone, a quota and a wrong image don't."""

    def error(status: int, code: str) -> AzureError:
        return AzureError("x", status, code, "no")

    assert all(is_transient(error(*one)) for one in [(0, ""), (429, ""), (500, ""), (409, "Conflict")])
    assert is_transient(error(404, "ResourceNotFound"))
    assert not is_transient(error(404, "PlatformImageNotFound"))
    assert not any(
        is_transient(error(409, code)) for code in ("OperationNotAllowed", "ZonalAllocationFailed")
    )
    assert not is_transient(error(400, "InUseSubnetCannotBeDeleted"))
    assert is_transient_on_delete(error(400, "InUseSubnetCannotBeDeleted"))
    assert is_transient_on_delete(error(400, "PublicIPAddressCannotBeDeleted"))
    assert not is_transient_on_delete(ProviderError("no"))


def test_a_log_in_that_has_expired_is_said() -> None:
    """The token service refuses in words and with a status of its own; the message has the way out all the same."""
    from azure.core.exceptions import ClientAuthenticationError

    class Response:
        """What login.microsoftonline.com answers where a log-in is too old."""

        status_code, reason = 400, "Bad Request"
        headers: ClassVar[dict[str, str]] = {"x-ms-request-id": "r-1"}

        def text(self) -> str:
            """Return the body."""
            return (
                '{"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired due to '
                'inactivity.\\r\\nTrace ID: 1"}'
            )

    def ask() -> None:
        raise ClientAuthenticationError(message="no", response=Response())  # type: ignore[arg-type]

    with pytest.raises(AzureError) as caught:
        translate_errors("virtual_machines.get", ask)

    assert str(caught.value) == (
        "Azure virtual_machines.get: invalid_grant: AADSTS700082: The refresh token has expired due to inactivity "
        "(request r-1): log in (`az login`), or set the AZURE_* variables: skep uses what azure-identity finds; then "
        "run doit again, it continues where it stopped"
    )
    assert not is_transient(caught.value)
