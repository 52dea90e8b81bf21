"""The comment with a plan: written once, then changed, by what GitHub's and GitLab's jobs know."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.comments_api import Api

SCRIPT = Path(__file__).parents[2] / "shell" / "plan_comment.py"
BODY = "<!-- skep plan: example, stage private -->\n### Plan\nä\n"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_REPOSITORY": "me/site",
    "GITHUB_TOKEN": "t0ken",
}
GITLAB = {"CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7", "SKEP_GITLAB_TOKEN": "t0ken"}
PATHS = {
    "github": ("/repos/me/site/issues/7/comments", "/repos/me/site/issues/comments", "PATCH"),
    "gitlab": ("/projects/5/merge_requests/7/notes", "/projects/5/merge_requests/7/notes", "PUT"),
}


@pytest.fixture
def api() -> Iterator[Api]:
    """Give the server."""
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def comment(api: Api, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    path = tmp_path / "plan.md"
    path.write_text(BODY)
    own = {"PATH": os.environ["PATH"], "GITHUB_API_URL": api.address, "CI_API_V4_URL": api.address}
    return subprocess.run(
        [sys.executable, SCRIPT, path],
        env={**own, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_there_is_one_comment(api: Api, tmp_path: Path, ci: str) -> None:
    """The first job writes it, later ones change it, however many others there are."""
    environment = GITHUB if ci == "github" else GITLAB
    every, one, change = PATHS[ci]

    assert comment(api, tmp_path, **environment).returncode == 0
    assert api.comments[150] == BODY
    assert comment(api, tmp_path, **environment).stdout == "changed the comment with the plan\n"

    who = "Bearer t0ken" if ci == "github" else "t0ken"
    assert len(api.comments) == 151
    assert api.requests == [
        f"GET {every} {who}",
        f"GET {every} {who}",
        f"POST {every} {who}",
        f"GET {every} {who}",
        f"GET {every} {who}",
        f"{change} {one}/150 {who}",
    ]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "this job is for no merge request"),
        ({**GITHUB, "GITHUB_REF": "refs/heads/main"}, "this job is for no pull request"),
        ({**GITHUB, "GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set"),
        (
            {name: text for name, text in GITHUB.items() if name != "GITHUB_REPOSITORY"},
            "the job's variable GITHUB_REPOSITORY is not set",
        ),
        (
            {**GITLAB, "SKEP_GITLAB_TOKEN": ""},
            "SKEP_GITLAB_TOKEN is not set: the plan is in the job's artifacts",
        ),
    ],
)
def test_where_none_can_be_written(api: Api, tmp_path: Path, environment: dict[str, str], said: str) -> None:
    """The job goes on: the plan is what counts."""
    done = comment(api, tmp_path, **environment)

    assert done.returncode == 0
    assert done.stderr.startswith(f"no comment was written: {said}")
    assert api.requests == []


def test_a_refusal_is_said(api: Api, tmp_path: Path) -> None:
    """In one line, with the server's words and without the token."""
    api.status = 403

    done = comment(api, tmp_path, **GITHUB)

    assert done.returncode == 1
    assert "the plan could not be put on the request: HTTP Error 403" in done.stderr
    assert "t0ken" not in done.stderr


@pytest.mark.parametrize("words", [[], ["a.md", "b.md"]])
def test_how_it_is_called(words: list[str]) -> None:
    """Without its file, or with several, one line says how."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "type: python3 plan_comment.py FILE, with the output of doit plan --markdown in FILE\n"
    )
