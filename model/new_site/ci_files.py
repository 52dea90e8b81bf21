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
# The secret SKEP_KEYS is what `doit keys export` prints in a checkout that is let in (skep's docs/ci.md).
"""
_LOGIN = "# FILL IN: what the provider needs for its login (docs/providers.md), out of secrets"
_GITHUB = """\
# Made by `doit init ci=github`: a plan for each pull request, a run for each push to main.
{help}name: site
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
concurrency: site-{stage}
jobs:
  site:
    runs-on: {runner}
    env:
      SKEP_STAGE: {stage}{engine}
    steps:
      - uses: actions/checkout@v4
        with:
          path: site
      - name: skep, as it was when this file was made
        run: |
          git clone --quiet {url} skep{fill_in}
          git -C skep checkout --quiet {commit}
      - name: plan
        if: github.event_name == 'pull_request'
        working-directory: site
        env:
          SKEP_KEYS: ${{{{ secrets.SKEP_KEYS }}}}
        run: ../skep/setup doit plan || [ $? -eq 2 ] # 2: a run would change something
      - name: run
        if: github.event_name == 'push'
        working-directory: site
        env:
          SKEP_KEYS: ${{{{ secrets.SKEP_KEYS }}}}
        run: ../skep/setup doit
"""
_GITLAB = """\
# Made by `doit init ci=gitlab`: a plan for each merge request, a run for each change of the default branch.
{help}# It is a variable, protected and masked.
default:
  image: debian:12{runner}
  before_script:
    - apt-get update -q && apt-get install -qy --no-install-recommends ca-certificates git python3 python3-venv
    - git clone --quiet {url} ../skep{fill_in}
    - git -C ../skep checkout --quiet {commit}
variables:
  SKEP_STAGE: {stage}{engine}
plan:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - ../skep/setup doit plan || [ $? -eq 2 ] # 2: a run would change something
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
    runner = (
        "self-hosted # the machine that has the stage's hosts" if provider in _AT_HOME else "ubuntu-24.04"
    )
    engine = "" if provider in _AT_HOME else f'\n      SKEP_SETUP_ENGINE: "no"\n      {_LOGIN}'
    return {".github/workflows/site.yml": _GITHUB.format(**words, runner=runner, engine=engine)}


def _gitlab(provider: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return GitLab's pipeline."""
    runner = (
        "\n  tags: [site] # FILL IN: a runner on the machine that has the stage's hosts, with its Docker socket"
        if provider in _AT_HOME
        else ""
    )
    engine = "" if provider in _AT_HOME else f'\n  SKEP_SETUP_ENGINE: "no"\n  {_LOGIN}'
    return {".gitlab-ci.yml": _GITLAB.format(**words, runner=runner, engine=engine)}


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
