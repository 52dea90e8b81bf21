"""Unattended installation: the answers of each host, in the words of its distribution's installer. Pure."""

from model.install import autoinstall, kickstart, preseed
from model.install.plan import Answers, Plan, plan

__all__ = ["Answers", "Plan", "answers", "plan"]

_OF_FAMILY = {"debian": preseed.answers, "ubuntu": autoinstall.answers, "rhel": kickstart.answers}


def answers(host: Plan) -> Answers:
    """Return the files that answer all that a host's installer would ask."""
    return _OF_FAMILY[host.family](host)
