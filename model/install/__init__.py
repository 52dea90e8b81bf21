"""Unattended installation: each host's answer files for its distribution's installer. Pure."""

from model.install import autoinstall, kickstart, preseed
from model.install.install_plan import Answers, InstallPlan, plan

__all__ = ["Answers", "InstallPlan", "answers", "plan"]

_OF_FAMILY = {"debian": preseed.answers, "ubuntu": autoinstall.answers, "rhel": kickstart.answers}


def answers(host: InstallPlan) -> Answers:
    """Return the answer files for a host's installer."""
    return _OF_FAMILY[host.family](host)
