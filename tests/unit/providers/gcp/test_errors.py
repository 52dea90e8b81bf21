"""Google's refusals."""

from model.errors import ProviderError
from providers.gcp.errors import GcpError, is_busy, is_transient, is_transient_on_delete


def test_what_passes() -> None:
    """Throttling, a lost answer, a conflict and "not found" pass; a quota and a full zone don't."""
    for code in ("429", "skep.ConnectionLost", "alreadyExists", "404"):
        assert is_transient(GcpError("instances.insert", code, "no")), code
    for code in ("quotaExceeded", "ZONE_RESOURCE_POOL_EXHAUSTED", "403", "skep.NoCredentials"):
        assert not is_transient(GcpError("instances.insert", code, "no")), code
    in_use = GcpError("networks.delete", "resourceInUseByAnotherResource", "no")
    assert is_transient_on_delete(in_use)
    assert not is_transient(in_use)
    assert not is_busy(in_use)
    assert not is_transient_on_delete(ProviderError("no"))


def test_a_lost_answer_has_no_code_of_googles() -> None:
    """A code of our own is not shown; the way out is."""
    assert str(GcpError("instances.insert", "skep.ConnectionLost", "reset by peer.")) == (
        "Google instances.insert: reset by peer: this machine can't reach Google: check its network connection, then "
        "run doit again"
    )
