"""`doit init [DIRECTORY]`: make a site that works at once, or one out of compose files. Needs no site.toml."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doit
import tomli
from doit import doit_cmd
from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from model.compose.draft import SECRETS_DIRECTORY
from model.compose.fitting import fit
from model.compose.from_compose import given_labels, site_draft
from model.compose.project import read_dotenv, read_project
from model.compose.site_text import site_text
from model.compose.variables import Variables
from model.errors import SkepError
from model.new_site.ci_files import SkepSource, ci_files, public_url
from model.new_site.skeleton import GITIGNORE, is_site_name, new_site, schema_line, site_name
from model.new_site.stage_tables import DOCKER, PROVIDERS, stage_lines, stage_name
from model.new_site.words import INIT_WORDS
from model.site_file.load import load
from model.user_paths import expanded, is_file
from remote.mother.free_network import free_network
from remote.mother.kernel import has_ip_vs
from remote.mother.process import run as run_process

SKEP = Path(__file__).resolve().parents[1]
_STACK = "docker-stack.yml"
_COMPOSE_FILES = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    _STACK,
)
"""The names of compose files, the first of which is meant where none is named, as in compose-go, cli/options.go."""
_OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""The same for what is merged into it."""
_OF_COMPOSE = re.compile(r"\.ya?ml$", re.IGNORECASE)
_SECRET_MODE = 0o600
_SECRET_DIRECTORY_MODE = 0o700


@dataclass(frozen=True)
class Wish:
    """What the command line asks for.

    Args:
        directory: Where the site is to be.
        site: Its name; empty for that of the compose file or of the directory.
        provider: Of its stage.
        ci: A CI; empty for none.
        compose: The compose files that it is made from.

    """

    directory: Path
    site: str = ""
    provider: str = DOCKER
    ci: str = ""
    compose: tuple[Path, ...] = ()

    @property
    def toml(self) -> Path:
        """Its site.toml."""
        return self.directory / "site.toml"

    @property
    def schema(self) -> str:
        """The path of the JSON Schema, from the site's directory."""
        return os.path.relpath(SKEP / "docs" / "site.schema.json", self.directory)


class InitCommand(Command):  # type: ignore[misc,unused-ignore] # doit has no types
    """Make a new site."""

    name = "init"
    doc_purpose = (
        "make a new site in a directory: a page that answers, or what a compose file says (from=compose)"
    )
    doc_usage = "[DIRECTORY] [from=compose FILE ...] [provider=...] [site=NAME] [ci=github|gitlab]"
    doc_description = f"""\
Makes a site that works as it is: `doit init mysite`, then `doit` in mysite/, and a page answers. Without DIRECTORY it \
is made in the current one. Nothing that is there is overwritten.

from=compose: make it from compose or stack files, by default from compose.yaml or docker-compose.yml of this \
directory; later files are merged into earlier ones. What site.toml can't say is a comment beside its service, with \
the reason (docs/from-compose.md).

provider=: where the hosts come from: {", ".join(PROVIDERS)}. By default docker: one host, a container on this machine.

site=: the site's name; by default the directory's.

ci=: a file for GitHub's or GitLab's CI as well."""

    def execute(self, _params: Any, args: Sequence[str]) -> int:
        """Make the site. There is no site.toml yet, so no tasks are loaded."""
        try:
            wish = wish_of(args, given_words(), Path.cwd())
            for line in make(wish, skep_source() if wish.ci else SkepSource("", "")):
                sys.stdout.write(f"{line}\n")
        except SkepError as error:
            raise InvalidCommand(f"init: {error}") from error
        return 0


def given_words() -> dict[str, str]:
    """Return the words `name=value` of the command line.

    Raises:
        InvalidCommand: One of them is not known, or has a value that is not.

    """
    given: dict[str, str] = {name: str(doit.get_var(name)) for name in doit_cmd._CMDLINE_VARS or {}}  # noqa: SLF001 - no other way to ask
    for name, value in given.items():
        if name not in INIT_WORDS:
            known = ", ".join(f"{word}=" for word in INIT_WORDS)
            raise InvalidCommand(f"init: {name}=... is not known here; there are: {known}")
        if INIT_WORDS[name] and value not in INIT_WORDS[name]:
            raise InvalidCommand(f"init: {name}={value}: must be one of {', '.join(INIT_WORDS[name])}")
    return given


def wish_of(args: Sequence[str], words: Mapping[str, str], here: Path) -> Wish:
    """Return what the command line asks for.

    Args:
        args: The words without a `=`: a directory, and with `from=compose` files.
        words: The others.
        here: The current directory.

    Raises:
        InvalidCommand: It can't be meant.

    """
    files = [arg for arg in args if "from" in words and _is_compose(here, arg)]
    others = [arg for arg in args if arg not in files]
    if len(others) > 1:
        raise InvalidCommand(
            f"init: makes a site in one directory, and {shlex.join(others)} are {len(others)}"
        )
    if others and "from" not in words and _OF_COMPOSE.search(others[0]):
        raise InvalidCommand(
            f"init: {others[0]} is a file: type doit init from=compose {shlex.quote(others[0])}"
        )
    name = words.get("site", "")
    if name and not is_site_name(name):
        raise InvalidCommand(
            f"init: site={name}: must be a DNS name in lower case, as in site=shop.example.com"
        )
    return Wish(
        expanded(here, others[0] if others else "."),
        name,
        words.get("provider", DOCKER),
        words.get("ci", ""),
        tuple(expanded(here, file) for file in files) or (_compose_files(here) if "from" in words else ()),
    )


def _is_compose(here: Path, text: str) -> bool:
    """Return whether an argument is a compose file, and not the site's directory."""
    return bool(_OF_COMPOSE.search(text)) or is_file(expanded(here, text))


def _compose_files(here: Path) -> tuple[Path, ...]:
    """Return the compose files of a directory: those of COMPOSE_FILE, else the first of their names, and its override.

    Raises:
        InvalidCommand: There is none.
        ConfigError: `.env` can't be read.

    """
    variables = Variables(os.environ)
    variables.dotenv = read_dotenv(here / ".env", variables)
    if named := variables.value("COMPOSE_FILE"):
        parts = named.split(variables.value("COMPOSE_PATH_SEPARATOR") or os.pathsep)
        return tuple(expanded(here, part) for part in parts if part)
    found = next((here / name for name in _COMPOSE_FILES if is_file(here / name)), None)
    if found is None:
        raise InvalidCommand(f"init: there is no {', '.join(_COMPOSE_FILES)} in {here}: name the file")
    overrides = () if found.name == _STACK else _OVERRIDES
    return (found, *[here / name for name in overrides if is_file(here / name)][:1])


def make(wish: Wish, source: SkepSource) -> Iterator[str]:
    """Write the files of the site, and yield a line for each, and at last how to go on.

    site.toml is written last: a command that was killed can be given again.

    Raises:
        InvalidCommand: There is a site already, or a file can't be written.
        SkepError: A compose file can't be read.

    """
    if os.path.lexists(wish.toml):
        raise InvalidCommand(
            f"init: {wish.toml} is there already, and nothing is overwritten: name another directory"
        )
    if wish.ci:
        for path, text in ci_files(wish.ci, wish.provider, stage_name(wish.provider), source).items():
            yield write_new(wish.directory, path, text.encode())
    yield from _made_from_compose(wish) if wish.compose else _made(wish)
    yield from next_steps(wish)


def _made(wish: Wish) -> Iterator[str]:
    """Write a site with one page."""
    name = wish.site or site_name(wish.directory.resolve().name)
    files = new_site(name, wish.provider, free_network(name), wish.schema)
    for path, text in files.items():
        yield write_new(wish.directory, path, text.encode())
    load(wish.toml)


def _made_from_compose(wish: Wish) -> Iterator[str]:
    """Write the site of compose files."""
    project = read_project(wish.compose, os.environ)
    theirs = project.variables.value("COMPOSE_PROJECT_NAME") or project.data.get("name")
    name = wish.site or site_name(project.variables.plain(str(theirs or wish.directory.resolve().name)))
    is_able = wish.provider != DOCKER or has_ip_vs()
    draft = site_draft(project, name, wish.directory, has_ip_vs=is_able)
    lines = stage_lines(wish.provider, free_network(name), given_labels(draft))
    for path, data in draft.files.items():
        yield write_new(wish.directory, path, data, secret=path.startswith(f"{SECRETS_DIRECTORY}/"))
    ignored = "".join(
        f"{line}\n" for line in sorted({f"{path.partition('/')[0]}/" for path in draft.files if "/" in path})
    )
    yield write_new(wish.directory, ".gitignore", (GITIGNORE + ignored).encode())
    fit(draft, tomli.loads("\n".join(lines))["stages"], wish.directory)
    text = site_text(draft, lines, [path.name for path in wish.compose], schema_line(wish.schema))
    yield write_new(wish.directory, "site.toml", text.encode())
    load(wish.toml)
    remarks = sum(map(len, draft.notes.values()))
    if remarks:
        yield (
            f"{remarks} remark{'s' if remarks > 1 else ''} in site.toml: what is different from "
            f"{wish.compose[0].name}, or left out; look at each"
        )


def write_new(directory: Path, name: str, data: bytes, *, secret: bool = False) -> str:
    """Write a file that is not there, and return a line about it. One that is there stays as it is.

    Args:
        directory: The site's.
        name: The file's path there.
        data: Its content.
        secret: Whether only its owner may read it and look into its directory.

    Raises:
        InvalidCommand: It can't be written.

    """
    path = directory / name
    try:
        path.parent.mkdir(_SECRET_DIRECTORY_MODE if secret else 0o777, parents=True, exist_ok=True)
        if os.path.lexists(path):
            return _kept(path, data, name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_MODE if secret else 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except BaseException:
            path.unlink(missing_ok=True)  # the next try would keep the half of it
            raise
    except OSError as error:
        raise InvalidCommand(f"init: {error.filename or path}: {error.strerror}") from error
    return f"made {name}"


def _kept(path: Path, data: bytes, name: str) -> str:
    """Return the line about a file that was there."""
    try:
        before = path.read_bytes()
    except OSError:
        before = b""
    if before == data:
        return f"kept {name}"
    if name == ".gitignore":
        have = {line.strip().strip("/") for line in before.decode(errors="replace").splitlines()}
        lacking = [
            line
            for line in data.decode().splitlines()
            if not line.startswith("#") and line.strip("/") not in have
        ]
        if lacking:
            return f"kept {name}, which lacks {' and '.join(lacking)}: ADD THAT, since keys and secrets are there"
    return f"kept {name}, which was there already"


def next_steps(wish: Wish) -> Iterator[str]:
    """Yield how to go on, for people."""
    here = os.path.relpath(wish.directory)
    enter = f"cd {shlex.quote(here)} && " if here != "." else ""
    if wish.provider != DOCKER:
        yield "look at the lines of [stages] in site.toml first: they are examples"
    found = shutil.which("skep")
    is_linked = found is not None and Path(found).resolve() == SKEP / "shell" / "skep"
    command = "skep" if is_linked else f"{shlex.quote(str(SKEP / 'setup'))} doit"
    yield f"now: {enter}{command}"


def skep_source() -> SkepSource:
    """Return where CI gets the skep of this checkout from."""

    def answer(*words: str) -> str:
        done = run_process(["git", "-C", str(SKEP), *words], timeout=10)
        return done.output.strip() if done.ok else ""

    return SkepSource(public_url(answer("remote", "get-url", "origin")), answer("rev-parse", "HEAD"))
