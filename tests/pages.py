"""The documents: their blocks by language, and the commands in them.

In a fenced block the language says what it is: each line of `sh` is a command; in `console` those lines are that begin
with `$ `, and the others are output; `text` is output, or a picture. In the text a command stands in backquotes. One in
the first cell of a table counts as printed to be typed, as the lines of blocks do.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.new_site.skeleton import new_site

ROOT = Path(__file__).parents[1]
LANGUAGES = ("sh", "console", "text", "toml", "python", "json", "dockerfile", "yaml", "ini")
PROGRAMS = ("doit", "./setup", "../skep/setup", "skep/setup", "skep", "ssh", "tox")
"""What a command in the text begins with."""
MYSITE = "mysite"
"""The site of the documents: that of `doit init mysite`, with what they add to it.

Network `site`, which it begins with, stays beside `front`: the service's first revision is in it.
"""
_ADDED = """
[networks.site]

[networks.front]

[volumes.pages]
hosts = ["hive0"]
"""
_OF_SERVICE = """
volumes = [{ source = "pages", target = "/srv/pages" }]

[[services.hello.initialize_roles]]
role = "first-pages"
vars = { GREETING = "hello" }
"""
_FIRST_PAGES = """\
#!/bin/sh
set -eu
echo "$GREETING" >/srv/pages/greeting.txt
"""
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?P<more>[^\n]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
_PLACEHOLDER = re.compile(r"…|\.\.\.|(?<!-)\b(?:[A-Z]{2,}|N)\b(?!_)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Args:
        page: The page's path in the repository.
        line: The number of its first line.
        language: As the fence says.
        more: What stands behind the language.
        text: What is in it.

    """

    page: str
    line: int
    language: str
    more: str
    text: str

    def __str__(self) -> str:
        """Return where it is."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Args:
        page: The page's path in the repository.
        line: The number of its line.
        text: The line of shell.
        is_typed: Whether it is printed to be typed, and so is run by a test.

    """

    page: str
    line: int
    text: str
    is_typed: bool

    def __str__(self) -> str:
        """Return where it is, and the command."""
        return f"{self.page}:{self.line}: {self.text}"

    @property
    def code(self) -> str:
        """It, without the remark at its end."""
        quote = ""
        for i, char in enumerate(self.text):
            if char == quote or (not quote and char in "'\""):
                quote = "" if quote else char
            elif char == "#" and not quote and self.text[i - 1 : i] in {"", " "}:
                return self.text[:i].rstrip()
        return self.text

    @property
    def words(self) -> list[str]:
        """Its words."""
        return shlex.split(self.code)

    def is_of(self, code: str) -> bool:
        """Return whether it is a command, or that with further words."""
        return self.code == code or self.code.startswith(f"{code} ")

    @property
    def is_form(self) -> bool:
        """Whether it has a placeholder: `NAME`, `…`."""
        return bool(_PLACEHOLDER.search(re.sub(r"\$\{?\w+", "", " ".join(self.words))))


def pages() -> list[str]:
    """Return the pages with commands, in the order in which they are read; decisions and changes are history."""
    docs = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
    return ["README.md", "README.ja.md", *docs, "CONTRIBUTING.md", "bench/README.md"]


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 2,
            found["language"],
            found["more"].strip(),
            re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
        )
        for found in _FENCE.finditer(text)
    ]


def commands(page: str) -> list[Command]:
    """Return the commands of a page, in order."""
    found = [command for block in blocks(page) for command in _of_block(block)]
    return sorted([*found, *_of_text(page)], key=lambda command: command.line)


def _of_block(block: Block) -> Iterator[Command]:
    """Yield the commands of a block."""
    if block.language not in {"sh", "console"} or block.more:
        return
    line, begun = block.line, ""
    for number, text in enumerate(block.text.splitlines(), block.line):
        if block.language == "console" and not begun:
            if not text.startswith("$ "):
                continue
            text = text.removeprefix("$ ")  # noqa: PLW2901 - without the prompt
        line = line if begun else number
        begun += text
        if begun.endswith("\\"):
            begun = begun.removesuffix("\\")
            continue
        if begun.strip() and not begun.lstrip().startswith("#"):
            yield Command(block.page, line, begun.strip(), is_typed=True)
        begun = ""


def _of_text(page: str) -> Iterator[Command]:
    """Yield the commands in backquotes."""
    text = (ROOT / page).read_text(encoding="utf-8")
    without = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(without.splitlines(), 1):
        if line.startswith("**"):
            continue  # a message that the page is about
        cell = line.startswith("| `") and line.split(" | ")[0].count("`") % 2 == 0
        end = len(line.split(" | ")[0]) if cell else 0
        for found in re.finditer(r"`([^`]+)`", line):
            span = found[1].removeprefix("$ ")
            if span.split(" ")[0] in PROGRAMS and (
                " " in span or span in {"doit", "skep"} or span != found[1]
            ):
                yield Command(page, number, span, is_typed=found.start() < end)


def spans(page: str) -> list[tuple[int, str]]:
    """Return what a page has in backquotes outside of its blocks, with the number of the line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    without = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return [
        (number, span)
        for number, line in enumerate(without.splitlines(), 1)
        for span in re.findall(r"`([^`]+)`", line)
    ]


def mysite(cidr: str = "172.29.20.0/24", name: str = MYSITE) -> Mapping[str, str]:
    """Return the files of the documents' site."""
    files = dict(new_site(name, "docker", cidr, "site.schema.json"))
    files["site.toml"] = grown(files["site.toml"])
    files["roles/first-pages/setup.sh"] = _FIRST_PAGES
    return files


def grown(toml: str) -> str:
    """Return the site.toml of `doit init` with what the documents add to it."""
    return toml.replace("\n[services.hello]", f"{_ADDED}\n[services.hello]").rstrip("\n") + _OF_SERVICE
