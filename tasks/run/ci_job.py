"""The CI job that runs doit: who started it, and where it is to be seen, by the variables of GitHub and GitLab.

https://docs.github.com/en/actions/reference/workflows-and-actions/variables (GITHUB_ACTOR started the workflow,
GITHUB_TRIGGERING_ACTOR this run of it) and https://docs.gitlab.com/ci/variables/predefined_variables/.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model.keys.authorized_key import usable


@dataclass(frozen=True)
class CiJob:
    """A job of CI.

    Args:
        who: Who started it, and in which CI, as `alice@github-actions`; empty if that is not known.
        address: Its address for a browser; empty if that is not known.

    """

    who: str = ""
    address: str = ""


def ci_job(environ: Mapping[str, str]) -> CiJob:
    """Return the job that an environment tells of; an empty one outside of CI. Pure.

    >>> ci_job({"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "alice"}).who
    'alice@gitlab-ci'
    """
    if environ.get("GITHUB_ACTIONS") == "true":
        who = environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR", "")
        parts = [environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
        address = "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""
        return CiJob(_named(who, "github-actions"), address)
    if environ.get("GITLAB_CI") == "true":
        address = environ.get("CI_JOB_URL") or environ.get("CI_PIPELINE_URL", "")
        return CiJob(_named(environ.get("GITLAB_USER_LOGIN", ""), "gitlab-ci"), address)
    return CiJob()


def _named(who: str, where: str) -> str:
    """Return a person's name in a CI; empty where there is none."""
    return f"{usable(who)}@{where}" if who else ""
