"""Unattended installation: the answers of each host, in the words of its distribution's installer. Pure."""

from model.install import autoinstall, kickstart, preseed
from model.install.install_plan import Answers, InstallPlan, plan

__all__ = ["Answers", "InstallPlan", "answers", "plan"]

_OF_FAMILY = {"debian": preseed.answers, "ubuntu": autoinstall.answers, "rhel": kickstart.answers}


def answers(host: InstallPlan) -> Answers:
    """Return the files that answer all that a host's installer would ask."""
    return _OF_FAMILY[host.family](host)
