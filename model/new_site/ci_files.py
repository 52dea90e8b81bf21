"""A new site's CI: a plan for each change that is proposed, a run for each that is accepted. Pure.

The forms are those of https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax and
https://docs.gitlab.com/ci/yaml/.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ORIGIN_UNKNOWN = "https://git.example.com/skep.git"
_AT_HOME = ("docker", "vagrant")
"""Providers whose hosts are on the machine that made them."""
_URL = re.compile(r"(https://)(?:[^/@]*@)?([^/@]+/.+)")
_KEY_HELP = """\
# The secret SKEP_KEYS is what `doit keys export` prints in a checkout that is let in. skep's docs/ci.md has the rest.
"""
_LOGIN = "# FILL IN: what the provider needs for its login (docs/providers.md), out of secrets"
_GITHUB = """\
# Made by `doit init ci=github`: a plan as a comment on each pull request, a run for each push to main.
{help}name: site
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
env:
  SKEP_STAGE: {stage}{engine}
jobs:
  plan:
    # Pull requests from forks have no secrets.
    if: github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository
    runs-on: {runner}
    permissions:
      contents: read
      pull-requests: write
    concurrency: {{group: "plan-{stage}-${{{{ github.ref }}}}", cancel-in-progress: true}}
    steps:
{steps}
      - name: plan
        working-directory: site
        env:
          SKEP_KEYS: ${{{{ secrets.SKEP_KEYS }}}}{login}
        run: |
          status=0
          ../skep/setup doit plan --markdown >../plan.md || status=$?
          cat ../plan.md >>"$GITHUB_STEP_SUMMARY"
          [ "$status" -eq 0 ] || [ "$status" -eq 2 ] # 2: a run would change something
      - name: comment
        if: always()
        env:
          GITHUB_TOKEN: ${{{{ github.token }}}}
        run: |
          [ ! -s plan.md ] || python3 skep/shell/plan_comment.py plan.md
  run:
    if: github.event_name == 'push'
    runs-on: {runner}
    concurrency: {{group: "site-{stage}", cancel-in-progress: false}}
    steps:
{steps}
      - name: run
        working-directory: site
        env:
          SKEP_KEYS: ${{{{ secrets.SKEP_KEYS }}}}{login}
        run: ../skep/setup doit
"""
_GITHUB_STEPS = """\
      - uses: actions/checkout@v4
        with: {{path: site, persist-credentials: false}}
      - name: skep, as it was when this file was made
        run: |
          [ -d skep ] || git clone --quiet {url} skep{fill_in}
          git -C skep fetch --quiet && git -C skep checkout --quiet {commit}"""
_GITLAB = """\
# Made by `doit init ci=gitlab`: a plan as a comment on each merge request, a run for each change of the default branch.
{help}# It is a masked variable. SKEP_GITLAB_TOKEN, for the comment, is a project access token with the scope `api`.
default:
  image: debian:12{runner}
  before_script:
    - apt-get update -q && apt-get install -qy --no-install-recommends ca-certificates git python3 python3-venv
    - "[ -d ../skep ] || git clone --quiet {url} ../skep"{fill_in}
    - git -C ../skep fetch --quiet && git -C ../skep checkout --quiet {commit}
variables:
  SKEP_STAGE: {stage}{engine}{login}
plan:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  interruptible: true
  script:
    - status=0; ../skep/setup doit plan --markdown >plan.md || status=$?
    - "[ ! -s plan.md ] || python3 ../skep/shell/plan_comment.py plan.md"
    - '[ "$status" -eq 0 ] || [ "$status" -eq 2 ] # 2: a run would change something'
  artifacts:
    when: always
    paths: [plan.md]
site:
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  resource_group: site-{stage}
  script:
    - ../skep/setup doit
"""


@dataclass(frozen=True)
class SkepSource:
    """Where a CI gets skep from.

    Args:
        url: A URL of its git repository that anybody may be shown; empty if it is not known.
        commit: The commit.

    """

    url: str
    commit: str


def public_url(url: str) -> str:
    """Return a repository's URL without a login in it; empty for a path or a login by ssh, which CI can't use.

    >>> public_url("https://me:token@example.com/skep.git")
    'https://example.com/skep.git'
    """
    found = _URL.fullmatch(url.strip())
    return f"{found[1]}{found[2]}" if found else ""


def _github(provider: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return GitHub's workflow."""
    is_home = provider in _AT_HOME
    text = _GITHUB.format(
        **words,
        steps=_GITHUB_STEPS.format(**words),
        runner="self-hosted # the machine that has the stage's hosts" if is_home else "ubuntu-24.04",
        engine="" if is_home else '\n  SKEP_SETUP_ENGINE: "no"',
        login="" if is_home else f"\n          {_LOGIN}",
    )
    return {".github/workflows/site.yml": text}


def _gitlab(provider: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return GitLab's pipeline."""
    is_home = provider in _AT_HOME
    tags = "\n  tags: [site] # FILL IN: a runner on the machine that has the stage's hosts, with its Docker socket"
    text = _GITLAB.format(
        **words,
        runner=tags if is_home else "",
        engine="" if is_home else '\n  SKEP_SETUP_ENGINE: "no"',
        login="" if is_home else f"\n  {_LOGIN}",
    )
    return {".gitlab-ci.yml": text}


_MAKERS: Mapping[str, Callable[[str, Mapping[str, str]], dict[str, str]]] = {
    "github": _github,
    "gitlab": _gitlab,
}
CIS = tuple(_MAKERS)


def ci_files(ci: str, provider: str, stage: str, source: SkepSource) -> dict[str, str]:
    """Return the files of a CI, by their paths.

    Args:
        ci: One of `CIS`.
        provider: Of the stage.
        stage: The stage's name.
        source: Where skep comes from.

    """
    words = {
        "help": _KEY_HELP,
        "stage": stage,
        "url": source.url or ORIGIN_UNKNOWN,
        "fill_in": "" if source.url else " # FILL IN: where CI can clone skep from",
        "commit": source.commit or "main",
    }
    return _MAKERS[ci](provider, words)
