"""Each command of README and the documents exists, with its options, words and names. None is run here.

`tests/integration/test_documents.py` runs those that can be run; that none is forgotten there is seen to here.
"""

import configparser
import contextlib
import fnmatch
import io
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import tomli
from doit.cmd_base import DodoTaskLoader
from doit.plugin import PluginDict

from commands.shared.candidates import _OF_COMMAND, _OF_TASKS, known_commands
from model.new_site.words import INIT_WORDS
from model.site_file.load import load, select
from tasks.phases import PHASES
from tasks.run.open import WORDS, new_run
from tasks.run.state import State
from tests import pages
from tests.integration.test_documents import IN_TEXT, IN_TEXT_NOT_RUN
from tests.pages import ROOT, Command

OTHERS = {
    "cd",
    "sed",
    "curl",
    "dig",
    "jq",
    "gh",
    "glab",
    "ssh",
    "ssh-keygen",
    "install",
    "docker",
    "git",
    "true",
    "[",
}
"""Programs of others that the documents use."""
SETUPS = {"./setup", "../skep/setup", "skep/setup"}
WALKS = "docs/architecture.md"
"""Its walks add things that are not there: a provider, a network, a command."""
OF_WALKS = {"hive0.motd", "banner", "addresses"}
FREE = {
    *("confirm", "key", "leave", "to", "stage", "site", "from"),
    *("task", "user", "dir", "since", "lines", "until", "grep", "central", "keep", "off"),
    *("at", "into", "script", "unsaved", "reason"),
}
"""Words whose values can't be looked up here; `to` and `stage` are below."""
OF_SERVICE = {"rollback", "status", "exec", "shell", "restart"}
"""Commands whose arguments are services; behind `--` stands a command of its own."""


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the tasks of the documents' site, and of the example."""
    mysite = tmp_path_factory.mktemp("mysite")
    for file, text in pages.mysite().items():
        path = mysite / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    example = tmp_path_factory.mktemp("example")
    shutil.copy(ROOT / "site.toml", example)
    shutil.copytree(ROOT / "roles", example / "roles")
    return {*tasks_of(mysite), *tasks_of(example)}


def tasks_of(directory: Path) -> Iterator[str]:
    """Yield the names of a site's tasks."""
    site = load(directory / "site.toml")
    stage = select(site, None)
    run = new_run(directory, stage, State(directory / "state" / stage.name))
    for name, phase in PHASES.items():
        yield name
        yield from (step.task for step in phase.steps(run))


def of_page(page: str) -> Iterator[str]:
    """Yield the tasks of what a page's own pieces of site.toml have."""
    for block in pages.blocks(page):
        if block.language != "toml" or block.more:
            continue
        table = tomli.loads(block.text)
        yield from (f"deploy_services:{name}" for name in table.get("services", {}))
        yield from (f"build_volumes:{name}@hive0" for name in table.get("volumes", {}))
        if any(stage.get("provider") == "kickstart" for stage in table.get("stages", {}).values()):
            yield "build_infra:medium"


@pytest.mark.parametrize("page", pages.pages())
def test_each_command_exists(page: str, names: set[str]) -> None:
    """With its options, its words `name=value`, and the tasks and files that it names; a typo fails."""
    known = {*names, *of_page(page)}

    problems = [
        f"{command}: {problem}"
        for command in pages.commands(page)
        for words in simple(command)
        for problem in problems_of(words, command, known)
    ]

    assert problems == []


def test_each_command_of_the_text_is_run_or_has_a_reason() -> None:
    """It stands in a block as well, whose commands are run; or it is run by itself; or the table says why it is not."""
    every = [command for page in pages.pages() for command in pages.commands(page)]
    printed = {command.code for command in every if command.is_typed}
    beginnings = tuple(each for several in IN_TEXT_NOT_RUN.values() for each in several)

    def is_excepted(code: str) -> bool:
        # A name alone is that name alone; what ends with a sign goes on.
        return any(
            code == each or (code.startswith(each) and not each.startswith("doit ")) for each in beginnings
        )

    of_text = {each.code for each in every if not each.is_typed and not each.is_form} - printed
    assert {code for code in of_text if code not in IN_TEXT and not is_excepted(code)} == set()
    assert set(IN_TEXT) - of_text == set(), "in a block by now, or on no page"
    assert [each for each in beginnings if not any(code.startswith(each) for code in of_text)] == []


def test_there_are_commands() -> None:
    """The pages have the form that is looked for."""
    found = [command for page in pages.pages() for command in pages.commands(page)]

    assert len([command for command in found if command.is_typed]) > 60
    assert {command.page for command in found} >= {"README.md", "docs/commands.md", "docs/services.md"}


@pytest.mark.parametrize("page", pages.pages())
def test_each_block_says_what_it_is(page: str) -> None:
    """Its language tells commands from output; `console` begins with a prompt."""
    unknown = [str(block) for block in pages.blocks(page) if block.language not in pages.LANGUAGES]
    bare = [
        str(block)
        for block in pages.blocks(page)
        if block.language == "console" and not block.text.startswith("$ ")
    ]

    assert unknown + bare == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("doit lst", "lst is no command"),
        ("doit list --alll", "--alll"),
        ("doit build_image", "build_image is no command"),
        ("doit build_images:hullo", "build_images:hullo"),
        ("doit why powerdnss", "powerdnss"),
        ("doit stag=private", "stag="),
        ("doit rollback web too=3", "too="),
        ("doit exec hullo -- true", "hullo"),
        ("doit run hullo -- true", "hullo"),
        ("doit scale hullo=2", "hullo="),
        ("doit logs hello sinc=1h", "sinc="),
        ("doit init mysite provider=amazon", "provider=amazon"),
        ("doit replace=bak", "replace=bak"),
        ("./setup tox -e unti", "unti"),
        ("./setup python bench/image.py", "bench/image.py"),
        ("./setup python bench/images.py --time 2", "--time"),
        ("./setup python -m docs.pictures", "docs.pictures"),
        ("./setup lnk", "lnk"),
        ("ssh -F state/private/sshconfig hive0", "sshconfig"),
        ("cd mysite && ../skep/setup doitt", "doitt"),
    ],
)
def test_a_typo_is_found(text: str, problem: str, names: set[str]) -> None:
    """In each part of a command."""
    command = Command("docs/commands.md", 1, text, is_typed=True)

    found = [each for words in simple(command) for each in problems_of(words, command, names)]

    assert any(problem in each for each in found), found


# -- a line of shell ---------------------------------------------------------------------------------------------------


def simple(command: Command) -> list[list[str]]:
    """Return the simple commands of a line, each as its words, without redirections and assignments."""
    lexer = shlex.shlex(command.code, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word.startswith((">", "<")):
            next(words, None)
        elif word and set(word) <= set("|&;"):
            found.append([])
        elif found[-1] or not re.match(r"[A-Z_]+=", word):
            found[-1].append(word)
    return [each for each in found if each]


def problems_of(words: Sequence[str], command: Command, names: set[str]) -> list[str]:
    """Return what is wrong with a simple command."""
    program, *rest = words
    if program in SETUPS:
        return _of_setup(rest, command, names)
    if program in {"doit", "skep"}:
        return list(_of_doit(rest, command, names))
    if program == "tox":
        return _of_tox(rest)
    if program == "ssh":
        return [f"no file {rest[1]}"] if rest[:1] == ["-F"] and rest[1].split("/")[-1] != "ssh_config" else []
    return [] if program in OTHERS or _is_script(program) else [f"{program} is no program"]


def _is_script(program: str) -> bool:
    """Return whether a program is a file of the repository."""
    return "/" in program and (ROOT / program).is_file()


def _of_setup(words: Sequence[str], command: Command, names: set[str]) -> list[str]:
    """Return what is wrong behind `./setup`."""
    program, *rest = words or [""]
    if program == "COMMAND":
        return []
    if program == "doit":
        return list(_of_doit(rest, command, names))
    if program == "tox":
        return _of_tox(rest)
    if program == "python":
        return _of_python(rest)
    if program == "pytest":
        paths = [word for word in rest if word.endswith(".py") or word.startswith("tests/")]
        return [f"no file {path}" for path in paths if not (ROOT / path).exists()]
    return [] if program in {"link", "true", ""} else [f"{program} is no command of setup's"]


def _of_tox(words: Sequence[str]) -> list[str]:
    """Return the environments that tox.ini does not have."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    environments = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-e"]
    return [f"tox has no {name}" for name in environments if f"testenv:{name}" not in tox]


def _of_python(words: Sequence[str]) -> list[str]:
    """Return what is wrong behind `python`: the module or script, and its options."""
    module = words[1] if words[0] == "-m" else ""
    path = ROOT / (module.replace(".", "/") + ".py" if module else words[0])
    if module and not path.is_file():
        path = path.with_suffix("") / "__main__.py"
    if not path.is_file():
        return [f"no {module or words[0]}"]
    text = path.read_text()
    options = [word for word in words[1:] if word.startswith("--")]
    return [f"{words[0]} has no {option}" for option in options if f'"{option}"' not in text]


# -- doit --------------------------------------------------------------------------------------------------------------


def _of_doit(words: Sequence[str], command: Command, names: set[str]) -> Iterator[str]:
    """Yield what is wrong behind `doit`: the command, its options, its words and what it is about."""
    walk = command.page == WALKS
    form = _is_form
    is_one_off = "--" in words and words[0] == "run"
    words = words[: words.index("--")] if "--" in words else words
    plain = [word for word in words if not re.match(r"[a-z]+=", word)]
    name = plain[0] if plain and plain[0] in plugins() else "run"
    about = plain[1:] if name == (plain[0] if plain else "") else plain
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            command_of_doit = plugins()[name](task_loader=DodoTaskLoader(), config={}, cmds=plugins())
            _, about = command_of_doit.cmdparser.parse(list(about))
    except Exception as error:  # noqa: BLE001 - getopt's and doit's own
        yield str(error)
    allowed = _OF_COMMAND.get(name, ("stage",))
    if name == "plan":
        allowed = (*allowed, "replace")
    for word in set(words) - set(plain):
        key, _, value = word.partition("=")
        if name == "scale" and key in _short(names):
            continue
        if key not in allowed:
            yield f"{name} takes no {key}="
        elif (
            not form(value) and value and key not in FREE and not set(value.split(",")) <= _values(name, key)
        ):
            yield f"{word} is not there"
    for each in about:
        if form(each) or (walk and each in OF_WALKS | {"setup_hosts:hive0.motd"}):
            continue
        if is_one_off:
            if each not in _short(names):
                yield f"{each} is no service"
        elif name == "run" and not each.startswith("shell_image:") and not fnmatch.filter(names, each):
            yield f"{each} is no command and no task"
        if name in _OF_TASKS and name != "run" and not fnmatch.filter(_short(names), each):
            yield f"{name}: {each} is no task"
        if name in OF_SERVICE and not each.startswith("-") and each not in _short(names):
            yield f"{each} is no service"
        if name == "help" and each not in plugins() and not fnmatch.filter(names, each):
            yield f"help: there is no {each}"


@cache
def plugins() -> PluginDict:
    """Return doit's commands as it has them."""
    found = PluginDict()
    found.update((name, load()) for name, load in known_commands().items())
    return found


def _is_form(word: str) -> bool:
    """Return whether a word is a placeholder."""
    return bool(re.search(r"…|^[A-Z]+$", word))


def _short(names: Iterable[str]) -> set[str]:
    """Return the names of tasks with their short forms."""
    return {*names, *(name.partition(":")[2] for name in names)}


def _values(name: str, key: str) -> set[str]:
    """Return the values that a word `name=value` may have on the documents' site and the example."""
    if name == "init":
        return set(INIT_WORDS[key])
    sites = [tomli.loads(pages.mysite()["site.toml"]), tomli.loads((ROOT / "site.toml").read_text())]
    tables = {
        "volumes": ("volumes",),
        "upgrade": ("bases",),
        "replace": ("networks", "volumes"),
    }[key]
    found = {each for site in sites for table in tables for each in site.get(table, {})}
    return found | {"all", "swarm", *(f"hive{i}" for i in range(4))}


def test_every_word_has_values() -> None:
    """A word that the command line takes is either looked up or known to be free."""
    assert set(WORDS) == FREE - {"site"} | {"volumes", "upgrade", "replace"}
