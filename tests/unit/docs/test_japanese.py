"""The Japanese pages: each phase, key, file and message that they name exists, and README's two forms agree."""

import re
from functools import cache

import pytest
import tomli

from model.site_file.load import schema
from tasks.phases import PHASES
from tests import pages
from tests.pages import ROOT
from tests.source_texts import GAP, all_texts, joined_names, whole

PAGES = ("README.ja.md", "docs/phases.ja.md")
OF_OTHERS = {
    "docker stack deploy",
    "docker rm",
    "docker service ps",
    "DOCKER_HOST",
    "ip_vs",
    "CREATE TABLE IF NOT EXISTS",
    "skep/",
    "mysite/",
    "mysite",
    "doit",
    "-",
    "_",
    "roles/hello/",
    "root/",
    "tasks/main.yml",
    "/etc/hosts",
    "/run/secrets/",
    "site.lock",
}
"""Words of Docker, Linux and SQL, and what a site has beside its site.toml."""
OF_HIVE_BUILDER = {
    "hive all",
    "hive build-infra",
    "hive set stage private",
    "hive ssh",
    "hive list-hosts",
    "hive list-services",
    "hive list-volumes",
    "hive init",
    "-l",
    "-T",
    "-C",
    "-D",
    "-H",
    "tag-mapping.json",
    "/var/tmp/hive/docker.sock@サーバ名",
}
SECTIONS = ("何をするか。", "入力。", "古くなる条件。", "コマンド。", "失敗したとき。")


def page(name: str) -> str:
    """Return a page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_each_phase_has_its_section() -> None:
    """All seven, in order; each says what it does, its inputs, what makes it stale, its commands, its faults."""
    text = page("docs/phases.ja.md")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))

    assert [name for name in sections if name in PHASES] == list(PHASES)
    for name in PHASES:
        assert [part for part in SECTIONS if f"**{part}**" not in sections[name]] == [], name
        assert "```sh\n" in sections[name], name


def test_the_readmes_have_the_same_blocks() -> None:
    """Commands are the same but for remarks, site.toml is the same to the letter."""
    english, japanese = (
        [
            (block.language, [line.split(" #")[0].rstrip() for line in block.text.splitlines()])
            for block in pages.blocks(name)
        ]
        for name in ("README.md", "README.ja.md")
    )

    assert japanese == english


def test_the_readmes_name_the_same() -> None:
    """Commands, keys and figures of the text are the same, and so is the picture."""
    english, japanese = page("README.md"), page("README.ja.md")

    assert {span for _, span in pages.spans("README.ja.md")} == {span for _, span in pages.spans("README.md")}
    figures = r"\d+(?:\.\d+)? s\b"
    assert sorted(re.findall(figures, japanese)) == sorted(re.findall(figures, english))
    assert re.findall(r'src="([^"]+)" width="\d+"', japanese) == re.findall(
        r'src="([^"]+)" width="\d+"', english
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_each_name_is_one(name: str) -> None:
    """What stands in backquotes is a command, a key or a value of site.toml, a task, a file, or what skep says."""
    unknown = [f"{name}:{line}: {span}" for line, span in pages.spans(name) if not is_known(span)]

    assert unknown == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "span", ["build_image", "ntp_server", "state/private/log/", "converge_timout", "hoge = 1"]
)
def test_a_typo_is_found(span: str) -> None:
    """Of a phase, a key, a file, a key with its value."""
    assert not is_known(span)


def is_known(span: str) -> bool:
    """Return whether what stands in backquotes is the name of something. Commands have a test of their own."""
    if span.partition(" ")[0] in pages.PROGRAMS or span in OF_OTHERS | OF_HIVE_BUILDER:
        return True
    if is_key(span) or span in values() or (ROOT / span).exists() or is_task(span) or is_state(span):
        return True
    return is_said(span)


def is_key(span: str) -> bool:
    """Return whether it is a key or a table of site.toml, perhaps with a value, or a word of the command line."""
    name = span.partition(" = ")[0].strip("[]")
    if re.fullmatch(r"[a-z]+=", span):
        return is_said(span.rstrip("="))
    if " = " in span:
        tomli.loads(span)
    return all(part in keys() or part == "<name>" for part in name.split("."))


def is_task(span: str) -> bool:
    """Return whether it is a phase, or a task of the documents' site by the form of its name."""
    phase, colon, name = span.partition(":")
    if not colon:
        return phase in PHASES or is_step(phase)
    return phase in PHASES and all(
        part in _PARTS or is_said(part) for part in re.split(r"[.@]", name) if part != "*"
    )


_PARTS = {"hive0", "hello", "front", "pages", "first-pages"}
"""What the documents' site has."""


def is_step(name: str) -> bool:
    """Return whether it is the name of a host, of a set-up step, or how a resource's name begins."""
    if name in _PARTS or is_said(name.removesuffix(GAP)):
        return True
    return any(f"{phase}:{name}" in all_texts() for phase in PHASES)


def is_state(span: str) -> bool:
    """Return whether it is a path below state/, whose parts the source joins to paths."""
    first, *rest = span.rstrip("/").split("/")
    known = {"private", "<stage>", "hive0.docker.log", *PHASES, *joined_names()}
    return first == "state" and all(part in known for part in rest)


def is_said(span: str) -> bool:
    """Return whether it is a text of the source, or a message with gaps for its values."""
    parts = [part.strip(" :") for part in re.split(f"{GAP}|: ", span)]
    if len(parts) == 1 and " " not in span and not span.startswith("/"):
        return span in all_texts()
    return all(part in whole() for part in parts)


@cache
def keys() -> frozenset[str]:
    """Return the keys of all tables of site.toml."""
    tables = [schema(), *schema()["$defs"].values()]
    return frozenset(key for table in tables for key in table.get("properties", {}))


@cache
def values() -> frozenset[str]:
    """Return the words that keys of site.toml may have as values."""
    text = str(schema())
    return frozenset(re.findall(r"'([\w\-]+)'", text))
