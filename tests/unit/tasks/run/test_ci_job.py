"""Who runs doit in CI, and where the job is to be seen."""

import pytest

from tasks.run.ci_job import CiJob, ci_job

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "alice",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/site",
    "GITHUB_RUN_ID": "42",
}
GITLAB = {
    "GITLAB_CI": "true",
    "GITLAB_USER_LOGIN": "bob",
    "CI_PIPELINE_URL": "https://gitlab.example.org/acme/site/-/pipelines/7",
}
JOB = "https://gitlab.example.org/acme/site/-/jobs/8"


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        ({}, CiJob()),
        ({"GITHUB_ACTOR": "alice"}, CiJob()),
        (GITHUB, CiJob("alice@github-actions", "https://github.com/acme/site/actions/runs/42")),
        ({**GITHUB, "GITHUB_TRIGGERING_ACTOR": "bob"}, CiJob("bob@github-actions", ci_job(GITHUB).address)),
        ({"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "a b[bot]"}, CiJob("a-b-bot@github-actions")),
        (GITLAB, CiJob("bob@gitlab-ci", GITLAB["CI_PIPELINE_URL"])),
        ({**GITLAB, "CI_JOB_URL": JOB}, CiJob("bob@gitlab-ci", JOB)),
        ({"GITLAB_CI": "true"}, CiJob()),
    ],
)
def test_a_person_stands_behind_a_job(environ: dict[str, str], job: CiJob) -> None:
    """GitHub and GitLab say who started it; outside of CI their variables mean nothing."""
    assert ci_job(environ) == job
