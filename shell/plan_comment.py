#!/usr/bin/env python3
"""Put a plan's Markdown on the pull or merge request that a CI job is for, in the place of the plan before it.

Needs Python alone. The job's own variables say where: of GitHub Actions with GITHUB_TOKEN, of GitLab CI with
SKEP_GITLAB_TOKEN (a project access token with the scope `api`, since CI_JOB_TOKEN may not write comments).
https://docs.github.com/rest/issues/comments, https://docs.gitlab.com/api/notes/#merge-requests
"""

import http.client
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT = 30
_PAGE = 100


@dataclass(frozen=True)
class Comments:
    """The comments of one request.

    Args:
        every: The address that lists them, and takes new ones.
        one: The beginning of one's address, before its id.
        headers: Who asks.
        change: The method that changes one.

    """

    every: str
    one: str
    headers: Mapping[str, str]
    change: str

    def put(self, body: str) -> str:
        """Write the comment; return its address, or what was done."""
        first = body.partition("\n")[0]
        old = next((one["id"] for one in self._listed() if str(one.get("body", "")).startswith(first)), None)
        if old is not None:
            self._ask(self.change, f"{self.one}/{old}", {"body": body})
            return "changed the comment with the plan"
        self._ask("POST", self.every, {"body": body})
        return "wrote a comment with the plan"

    def _listed(self) -> Iterator[dict[str, Any]]:
        """Yield all comments."""
        page = 1
        while found := self._ask("GET", f"{self.every}?per_page={_PAGE}&page={page}"):
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def _ask(self, method: str, address: str, data: object = None) -> Any:
        """Return the answer to a request."""
        asked = urllib.request.Request(  # noqa: S310 - the CI's own address
            address,
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "skep", **self.headers},
        )
        with urllib.request.urlopen(asked, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


def comments(environment: Mapping[str, str]) -> Comments | str:
    """Return the comments of the request that a job is for; or why there are none."""
    if environment.get("GITHUB_ACTIONS"):
        number = re.fullmatch(r"refs/pull/(\d+)/.+", environment.get("GITHUB_REF", ""))
        if number is None:
            return "this job is for no pull request"
        if not environment.get("GITHUB_TOKEN"):
            return "GITHUB_TOKEN is not set: give the step env: GITHUB_TOKEN: ${{ github.token }}"
        base = f"{environment['GITHUB_API_URL']}/repos/{environment['GITHUB_REPOSITORY']}/issues"
        headers = {
            "Authorization": f"Bearer {environment['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
        }
        return Comments(f"{base}/{number[1]}/comments", f"{base}/comments", headers, "PATCH")
    if not environment.get("CI_MERGE_REQUEST_IID"):
        return "this job is for no merge request"
    if not environment.get("SKEP_GITLAB_TOKEN"):
        return "SKEP_GITLAB_TOKEN is not set: the plan is in the job's artifacts alone"
    base = (
        f"{environment['CI_API_V4_URL']}/projects/{environment['CI_PROJECT_ID']}"
        f"/merge_requests/{environment['CI_MERGE_REQUEST_IID']}/notes"
    )
    return Comments(base, base, {"PRIVATE-TOKEN": environment["SKEP_GITLAB_TOKEN"]}, "PUT")


def main() -> int:
    """Put the file of the command line on the request; return the exit status."""
    words = sys.argv[1:]
    if len(words) != 1:
        sys.stderr.write(
            "type: python3 plan_comment.py FILE, with the output of doit plan --markdown in FILE\n"
        )
        return 2
    try:
        found = comments(os.environ)
    except KeyError as error:
        found = f"the job's variable {error.args[0]} is not set"
    if isinstance(found, str):
        sys.stderr.write(f"no comment was written: {found}\n")
        return 0
    try:
        sys.stdout.write(f"{found.put(Path(words[0]).read_text(encoding='utf-8'))}\n")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = (
            error.read().decode(errors="replace")[:300] if isinstance(error, urllib.error.HTTPError) else ""
        )
        sys.stderr.write(f"the plan could not be put on the request: {error} {reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
