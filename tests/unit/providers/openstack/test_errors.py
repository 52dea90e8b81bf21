"""OpenStack's refusals."""

from model.errors import ProviderError
from providers.openstack.errors import OpenStackError, is_transient


def test_an_error_is_said_with_its_request_and_what_to_do() -> None:
    """The request's id is in the message; a quota is told from a missing role, and from a transient error."""
    quota = OpenStackError("POST network /ports", 409, "OverQuota: Quota exceeded for port.", "req-1")

    assert str(quota) == (
        "OpenStack POST network /ports: 409: OverQuota: Quota exceeded for port (request req-1): ask the cloud's "
        "operators for more, or remove what the project no longer needs"
    )
    assert not is_transient(quota)
    assert is_transient(OpenStackError("GET compute /servers", 429, "Too many requests"))
    assert is_transient(OpenStackError("POST network /ports", 409, "IpAddressAlreadyAllocated"))
    assert not is_transient(OpenStackError("GET compute /servers", 401, "Unauthorized"))
    assert not is_transient(OpenStackError("POST compute /servers", 403, "Policy doesn't allow it"))
    assert "the role `member`" in str(OpenStackError("POST compute /servers", 403, "Policy doesn't allow it"))
    assert issubclass(OpenStackError, ProviderError)
