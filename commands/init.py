"""`doit init [DIRECTORY]`: make a site that works at once, or one out of a compose file. Needs no site.toml."""

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import doit
from doit import doit_cmd
from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from model.errors import SkepError
from model.new_site.ci_files import CIS, SkepSource, ci_files, public_url
from model.new_site.skeleton import STATE_LINE, new_site, site_name
from model.new_site.stage_tables import DOCKER, PROVIDERS, stage_name
from model.site.base import Domain
from model.site_file.load import load
from remote.mother.free_network import free_network
from remote.mother.process import run as run_process

SKEP = Path(__file__).resolve().parents[1]
WORDS = {
    "provider": PROVIDERS,
    "ci": CIS,
    "site": (),
}
"""The words `name=value` that it takes, each with its values, if only some will do."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for.

    Args:
        directory: Where the site is to be.
        site: Its name.
        provider: Of its stage.
        ci: A CI; empty for none.

    """

    directory: Path
    site: str
    provider: str = DOCKER
    ci: str = ""


class InitCommand(Command):  # type: ignore[misc] # doit has no types
    """Make a new site."""

    name = "init"
    doc_purpose = "make a new site in a directory: site.toml, a role, .gitignore"
    doc_usage = "[DIRECTORY] [provider=…] [site=NAME] [ci=github|gitlab]"
    doc_description = f"""\
Makes a site that works as it is: `doit init mysite`, then `doit` in mysite/, and a page answers. Without DIRECTORY it \
is made in the current one. Nothing that is there is overwritten.

provider=: where the hosts come from: {", ".join(PROVIDERS)}. By default docker: one host, a container on this machine.

site=: the site's name; by default the directory's.

ci=: a file for GitHub's or GitLab's CI as well."""

    def execute(self, _params: Any, args: Sequence[str]) -> int:
        """Make the site. There is no site.toml yet, so no tasks are loaded."""
        out: TextIO = sys.stdout
        try:
            wish = wish_of(args, given_words(), Path.cwd())
            made = make(wish, skep_source() if wish.ci else SkepSource("", ""))
        except SkepError as error:
            raise InvalidCommand(f"init: {error}") from error
        out.write("".join(f"{line}\n" for line in [*made, *next_steps(wish)]))
        return 0


def given_words() -> dict[str, str]:
    """Return the words `name=value` of the command line.

    Raises:
        InvalidCommand: One of them is not known, or has a value that is not.

    """
    given: dict[str, str] = {name: str(doit.get_var(name)) for name in doit_cmd._CMDLINE_VARS or {}}  # noqa: SLF001 - no other way to ask
    for name, value in given.items():
        if name not in WORDS:
            known = ", ".join(f"{word}=" for word in WORDS)
            raise InvalidCommand(f"init: {name}=… is not known here; there are: {known}")
        if WORDS[name] and value not in WORDS[name]:
            raise InvalidCommand(f"init: {name}={value} is not one of {', '.join(WORDS[name])}")
    return given


def wish_of(args: Sequence[str], words: Mapping[str, str], here: Path) -> Wish:
    """Return what the command line asks for.

    Raises:
        InvalidCommand: It can't be meant.

    """
    if len(args) > 1:
        raise InvalidCommand(f"init: takes one directory, and {shlex.join(args)} are {len(args)}")
    directory = here / Path(args[0] if args else ".").expanduser()
    name = words.get("site") or site_name(directory.resolve().name)
    pattern = Domain.__metadata__[0].pattern
    if not re.fullmatch(pattern, name):
        raise InvalidCommand(
            f"init: site={name}: must be a DNS name in lower case, as in site=shop.example.com"
        )
    return replace(Wish(directory, name), provider=words.get("provider") or DOCKER, ci=words.get("ci") or "")


def make(wish: Wish, source: SkepSource) -> list[str]:
    """Write the files of the site, and return a line for each.

    site.toml is written last: a command that was killed can be given again.

    Raises:
        InvalidCommand: There is a site already, or a file can't be written.

    """
    there = wish.directory / "site.toml"
    if os.path.lexists(there):
        raise InvalidCommand(
            f"init: {there} is there already, and nothing is overwritten: name another directory"
        )
    schema = os.path.relpath(SKEP / "docs" / "site.schema.json", wish.directory)
    files = new_site(wish.site, wish.provider, free_network(wish.site), schema)
    stage = stage_name(wish.provider)
    extra = ci_files(wish.ci, wish.provider, stage, source) if wish.ci else {}
    last = files.pop("site.toml")
    lines = [write_new(wish.directory / path, text, path) for path, text in [*files.items(), *extra.items()]]
    lines.append(write_new(there, last, "site.toml"))
    load(there)
    return lines


def write_new(path: Path, text: str, name: str) -> str:
    """Write a file that is not there, and return a line about it. One that is there stays as it is.

    Raises:
        InvalidCommand: It can't be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return _kept(path, text, name)
    except OSError as error:
        raise InvalidCommand(f"init: {path}: {error.strerror}") from error
    return f"made {name}"


def _kept(path: Path, text: str, name: str) -> str:
    """Return the line about a file that was there."""
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        before = ""
    if before == text:
        return f"kept {name}"
    if name == ".gitignore" and not {STATE_LINE, f"/{STATE_LINE}", STATE_LINE[:-1]} & set(
        before.splitlines()
    ):
        return f"kept {name}, which lacks the line {STATE_LINE}: ADD IT, since state/ holds keys and secrets"
    return f"kept {name}, which was there already"


def next_steps(wish: Wish) -> list[str]:
    """Return how to go on, for people."""
    here = os.path.relpath(wish.directory)
    enter = f"cd {shlex.quote(here)} && " if here != "." else ""
    fill = (
        [] if wish.provider == DOCKER else ["look at the lines of [stages] in site.toml: they are examples"]
    )
    return [*fill, f"now: {enter}{shlex.quote(str(SKEP / 'setup'))} doit"]


def skep_source() -> SkepSource:
    """Return where CI gets the skep of this checkout from."""

    def answer(*words: str) -> str:
        done = run_process(["git", "-C", str(SKEP), *words], timeout=10)
        return done.output.strip() if done.ok else ""

    return SkepSource(public_url(answer("remote", "get-url", "origin")), answer("rev-parse", "HEAD"))
