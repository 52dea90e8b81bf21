"""What is wrong with one service."""

from commands.operate.task_lines import service_problems, service_verdict
from tasks.operate.service_status import ServiceStatus
from tasks.operate.site_reading import SiteReading, SwarmReading

WEB = ServiceStatus("web", "replicated", 1, 1, None, {}, None, 1, "page", problems=("is odd",))


def test_a_swarm_of_which_nothing_is_known_is_wrong() -> None:
    """Also for one service, whose containers may run: the exit status is not that of a service that is well."""
    lost = SiteReading({}, {}, "no manager of the swarm answers")

    assert service_problems(WEB, lost) == ("no manager of the swarm answers", "is odd")
    assert service_problems(WEB, SiteReading({}, {}, SwarmReading())) == ("is odd",)
    assert service_verdict(WEB, service_problems(WEB, lost), coloured=False) == [
        "! no manager of the swarm answers",
        "! is odd",
    ]
