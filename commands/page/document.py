"""The page as a document: one file that loads nothing, or one that asks `doit web` for its programs and for itself."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from commands.page.kept_sections import backups_section, phases_section
from commands.page.markup import Markup, el, joined
from commands.page.pieces import section
from commands.page.running_sections import (
    hosts_section,
    picture_section,
    read_line,
    services_section,
    storage_section,
    verdict,
    wrong_section,
)
from commands.page.signal_sections import alarms_section, logs_section, metrics_section
from tasks.page.page_data import PageData

STATIC = Path(__file__).parent / "static"
STYLES, PROGRAMS = ("page.css", "uPlot.min.css"), ("uPlot.iife.min.js", "page.js")
_NAV = (
    ("wrong", "How it is"),
    ("alarms", "Alarms"),
    ("logs", "Log lines"),
    ("picture", "Picture"),
    ("services", "Services"),
    ("hosts", "Hosts"),
    ("storage", "Volumes and networks"),
    ("backups", "Backups"),
    ("metrics", "Metrics"),
    ("phases", "How it is built"),
    ("words", "Words"),
)
_WORDS = (
    ("host", "a machine of the site: real, virtual, or a container that behaves like one"),
    ("service", "a program that the site is for, such as a web server"),
    ("task", "one running copy of a service, in a container on one host"),
    ("swarm", "the hosts together; its managers decide which task runs where, and one of them leads"),
    ("repository", "the host that keeps images, backups, and the history of runs"),
    ("volume", "a directory on a host in which services keep data"),
    ("network", "lets the services in it reach each other, and nobody else"),
    ("finding", "something wrong that a look at the hosts has shown just now"),
    (
        "alarm",
        "something wrong that the site has found by itself for a while, and told; often a finding as well",
    ),
    ("revision", "one version of a service's definition, which it can go back to"),
    ("stale", "made from something that has changed since; the next run makes it anew"),
    ("may follow", "made from something stale; whether it is made anew is known when that was"),
    ("doit", "the command that builds and looks after the site; what stands after it can be typed as it is"),
)


def single_file(page: PageData) -> str:
    """Return the page as one file, which loads nothing and sends nothing."""
    style = "\n".join(static(name) for name in STYLES)
    programs = [static(name) for name in PROGRAMS]
    scripts = " ".join(_digest(each) for each in programs)
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {scripts}; base-uri 'none'; "
        "form-action 'none'"
    )
    head = joined(
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("style", Markup(style)),
    )
    return _document(page, head, [el("script", Markup(each)) for each in programs], {"data_fresh": "600"})


def served(page: PageData, every: float, failing: str = "") -> str:
    """Return the page as `doit web` serves it: it asks for itself again and again.

    Args:
        page: What it shows.
        every: Seconds between two questions.
        failing: Why the site can't be read any more; empty if it can.

    """
    head = joined(*(el("link", rel="stylesheet", href=f"/{name}") for name in STYLES))
    programs = [el("script", src=f"/{name}") for name in PROGRAMS]
    settings = {"data_fresh": f"{4 * every:g}", "data_every": f"{every:g}", "data_failing": failing}
    return _document(page, head, programs, settings)


def _document(page: PageData, head: Markup, programs: list[Markup], settings: dict[str, str]) -> str:
    """Return the whole document."""
    title = f"{page.site}, stage {page.stage}"
    words, is_good = verdict(page)
    sections = {
        "wrong": wrong_section(page),
        "alarms": alarms_section(page),
        "picture": picture_section(page),
        "services": services_section(page),
        "hosts": hosts_section(page),
        "storage": storage_section(page),
        "backups": backups_section(page),
        "metrics": metrics_section(page),
        "logs": logs_section(page),
        "phases": phases_section(page),
        "words": _words(),
    }
    # What is wrong has its log lines beside it.
    order = [
        "wrong",
        "alarms",
        "logs",
        *(name for name in sections if name not in {"wrong", "alarms", "logs"}),
    ]
    document = el(
        "html",
        el(
            "head",
            el("meta", charset="utf-8"),
            head,
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("meta", name="color-scheme", content="light dark"),
            el("meta", name="referrer", content="no-referrer"),
            el("title", f"{'✓' if is_good else '✕'} {title}: {words}"),
        ),
        el(
            "body",
            el("a", "Skip to how it is", href="#wrong", class_="skip"),
            el(
                "header", el("h1", page.site), el("p", f"stage {page.stage}", class_="stage"), read_line(page)
            ),
            el("p", id="age", role="status", hidden=True),
            el(
                "nav",
                el(
                    "ul",
                    *(el("li", el("a", words, href=f"#{name}")) for name, words in _NAV if sections[name]),
                ),
                aria_label="Sections",
            ),
            el("main", *(sections[name] for name in order)),
            el(
                "footer",
                el("p", f"Made by skep; nothing on this page can change the site. Form {page.version}."),
            ),
            *programs,
        ),
        lang="en",
        **settings,
    )
    return f"<!DOCTYPE html>\n{document}\n"


def _words() -> Markup:
    """Return the words that somebody may not know."""
    terms = [joined(el("dt", word), el("dd", meaning)) for word, meaning in _WORDS]
    return section("words", "Words", "What this page means by them.", el("dl", *terms))


@cache
def static(name: str) -> str:
    """Return a file that is shipped with the page."""
    return (STATIC / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    """Return the word by which a policy allows an element's content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
