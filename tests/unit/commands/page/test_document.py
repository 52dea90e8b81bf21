"""The page as a document: what is in it, what it may load, what is text."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from commands.page.document import served, single_file
from commands.page.kept_sections import backups_section
from commands.page.markup import el, joined
from commands.page.phase_picture import NARROW_GRAPH, WIDE_GRAPH, GraphForm, phase_picture
from commands.page.picture import NARROW, WIDE, Form, picture
from commands.page.pieces import moment_of
from commands.page.reading import without_secrets
from commands.page.running_sections import services_section, verdict, wrong_section
from commands.page.signal_sections import alarms_section, logs_section, metrics_section
from tasks.page.page_data import PageAlarm, PageData, PageResource, PageRun, PageSource, Unread
from tasks.page.site_page import page_phases
from tests.page_sites import DEAD_HOST, EMPTY, HOSTILE, LARGE, MANY_NETWORKS, PHASES, WELL, MadeUp, whole

VOID = {"meta", "link", "br"}


class Parsed(HTMLParser):
    """A parsed page: its elements, each with its attributes, its parents and its own text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Go up."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a name."""
        return [attributes for name, attributes, _ in self.elements if name == tag]

    def ids(self) -> list[str]:
        """Return all ids."""
        return [str(attributes["id"]) for _, attributes, _ in self.elements if "id" in attributes]


@pytest.fixture
def page(tmp_path: Path) -> PageData:
    """Return a page with everything on it."""
    return whole(DEAD_HOST.page(tmp_path))


def test_what_a_site_says_stays_text(page: PageData) -> None:
    """A log line, an alarm, a service, a host, a reason that look like HTML make no element and no attribute."""
    hostile = without_secrets(
        page,
        lambda words: {"wiki": HOSTILE, "hive0": HOSTILE, "back": HOSTILE, "tables": HOSTILE}.get(
            words, words
        ),
    )
    parsed, plain = Parsed(single_file(hostile)), Parsed(single_file(page))

    assert [name for name, _, _ in parsed.elements] == [name for name, _, _ in plain.elements]
    assert not parsed.all("img")
    assert all(not key.startswith("on") for _, attributes, _ in parsed.elements for key in attributes)
    shown = [
        text for tag, text in parsed.texts if "taken" in text and tag in {"th", "pre", "code", "div", "text"}
    ]
    assert any('<script>document.title = "taken"</script>' in text for text in shown)
    assert "\x1b" not in single_file(hostile)
    assert "\u202e" not in single_file(hostile)


def test_metrics_cannot_end_their_script(page: PageData) -> None:
    """The charts' data stands in a script; a label that ends one, or begins a comment, is data."""
    [chart, *_] = page.charts or ()
    series = replace(chart.series[0], label="</script><!--<script>")
    text = single_file(replace(page, charts=(replace(chart, series=(series,)),)))

    assert len(Parsed(text).all("script")) == 3
    assert "\\u003c/script>" in text


def test_a_job_is_a_link_only_if_it_is_an_address(page: PageData) -> None:
    """`javascript:` and the like are none."""
    deployed = page.services[0].deployed
    assert deployed is not None

    def links(job: str) -> list[str | None]:
        service = replace(page.services[0], deployed=replace(deployed, job=job))
        text = single_file(replace(page, services=(service,)))
        return [each["href"] for each in Parsed(text).all("a") if not str(each["href"]).startswith("#")]

    assert links("https://ci.example/7") == ["https://ci.example/7"]
    assert links("javascript:alert(1)") == []


def test_one_file_loads_nothing(page: PageData) -> None:
    """Its policy allows the style and the programs that are in it, by their digests, and nothing else."""
    text = single_file(page)
    parsed = Parsed(text)
    policy = next(each["content"] for each in parsed.all("meta") if "http-equiv" in each)
    inside = re.findall(r"<(style|script)>(.*?)</\1>", text, re.DOTALL)
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
        for _, content in inside
    ]

    assert [name for name, _ in inside] == ["style", "script", "script"]
    assert policy == (
        f"default-src 'none'; style-src {digests[0]}; script-src {digests[1]} {digests[2]}; base-uri 'none'; "
        "form-action 'none'"
    )
    assert all("style" not in attributes and "src" not in attributes for _, attributes, _ in parsed.elements)
    assert not parsed.all("link")
    assert not re.search(r"url\(|@import", inside[0][1])


def test_what_is_served_has_no_program_inside(page: PageData) -> None:
    """Style and programs are files of the same server; only data stands in the page."""
    parsed = Parsed(served(page, 5.0))

    assert [each.get("src") or each.get("type") for each in parsed.all("script")] == [
        "application/json",
        "/uPlot.iife.min.js",
        "/page.js",
    ]
    assert not parsed.all("style")
    assert parsed.all("html")[0]["data-every"] == "5"


@pytest.mark.parametrize("site", [WELL, DEAD_HOST, EMPTY, LARGE], ids=["well", "dead host", "empty", "large"])
def test_everybody_can_find_their_way(site: MadeUp, tmp_path: Path) -> None:
    """A language, one first heading, no level left out, landmarks, named sections and pictures, links that lead."""
    page = whole(site.page(tmp_path)) if site.services else site.page(tmp_path)
    parsed = Parsed(single_file(page))
    ids = parsed.ids()
    levels = [int(name[1]) for name, _, _ in parsed.elements if re.fullmatch(r"h\d", name)]

    assert parsed.all("html")[0]["lang"] == "en"
    assert len(ids) == len(set(ids))
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(parsed.all(landmark)) == 1
    for _, attributes, _ in parsed.elements:
        for key in ("aria-labelledby", "for"):
            assert set(str(attributes.get(key) or "").split()) <= {*ids}, attributes
    assert all(attributes.get("aria-labelledby") for attributes in parsed.all("section"))
    assert all(
        attributes.get("role") == "img" or attributes.get("aria-hidden") == "true"
        for attributes in parsed.all("svg")
    )
    assert {str(each["href"])[1:] for each in parsed.all("a") if str(each["href"]).startswith("#")} <= {*ids}
    assert len(parsed.all("caption")) == len(parsed.all("table"))


def test_a_picture_says_in_words_what_it_shows(page: PageData) -> None:
    """Which host has what, and which does not answer."""
    text = str(picture(page, WIDE))

    assert "hive0 has proxy, wiki, database. hive1, which does not answer, has proxy, mail. " in text
    assert "no host yet has search</desc>" in text


@pytest.mark.parametrize("form", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("site", [DEAD_HOST, LARGE, MANY_NETWORKS], ids=["dead host", "large", "networks"])
def test_nothing_in_a_picture_lies_on_something_else(site: MadeUp, form: Form, tmp_path: Path) -> None:
    """Chips and volumes of a host have places of their own, within their host, and hosts one below the other."""
    text = str(picture(site.page(tmp_path), form))
    width = float(re.search(r'viewBox="0 0 (\d+)', text)[1])  # type: ignore[index]
    bottom = 0.0
    for part in text.split('<g class="host')[1:]:
        left, top = (
            float(each)
            for each in re.search(r"translate\(([\d.]+) ([\d.]+)\)", part).groups()  # type: ignore[union-attr]
        )
        box_width, height = (
            float(each)
            for each in re.search(r'class="box" width="([\d.]+)" height="([\d.]+)"', part).groups()  # type: ignore[union-attr]
        )
        assert top >= bottom
        assert left + box_width <= width
        assert left <= width / 3
        bottom = top + height
        chips = [
            (float(x), float(y), float(wide), 42.0)
            for x, y, wide in re.findall(
                r'class="chip [^>]*translate\(([\d.]+) ([\d.]+)\)"><title>[^<]*</title>'
                r'<rect class="box" width="([\d.]+)"',
                part,
            )
        ]
        assert chips
        assert min(wide for _, _, wide, _ in chips) >= 90
        for one, other in combinations(chips, 2):
            assert (
                one[0] + one[2] <= other[0]
                or other[0] + other[2] <= one[0]
                or one[1] + one[3] <= other[1]
                or other[1] + other[3] <= one[1]
            )
        assert all(y + tall < height and x + wide < box_width for x, y, wide, tall in chips)


def test_networks_without_room_share_a_line(tmp_path: Path) -> None:
    """The line says how many and which they are, is wrong if one of them is, and belongs to all their services."""
    page = MANY_NETWORKS.page(tmp_path)

    def bundle(number: int, *problems: str) -> tuple[int, re.Match[str] | None]:
        last = replace(page.networks[number - 1], problems=problems)
        text = str(picture(replace(page, networks=(*page.networks[: number - 1], last)), NARROW))
        found = re.search(
            r'<g class="network (well|bad) bundle" data-services="([^"]*)">'
            r"<title>([^<]*)</title>.*?<text[^>]*>([^<]*)<",
            text,
        )
        return text.count('<g class="network '), found

    assert bundle(8) == (8, None)
    count, found = bundle(50, "is gone")
    assert count == 8
    assert found is not None
    assert found[1] == "bad"
    assert "service-49" in found[2].split()
    assert "network net-49: service-42, service-49" in found[3]
    assert found[4].startswith("43 more networks: net-07, net-")
    _, well = bundle(50)
    assert well is not None
    assert well[1] == "well"


@pytest.mark.parametrize("form", [WIDE_GRAPH, NARROW_GRAPH], ids=["wide", "narrow"])
def test_the_graph_of_the_phases(page: PageData, form: GraphForm) -> None:
    """Seven nodes in places of their own, with their worst status; edges that others imply are left out."""
    text = str(phase_picture(page.phases, form))
    nodes = re.findall(
        r'class="phase ([a-z-]+)"><rect class="box" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"',
        text,
    )

    assert [status for status, *_ in nodes] == [
        "up-to-date",
        "up-to-date",
        "stale",
        "up-to-date",
        "up-to-date",
        "failed",
        "never-run",
    ]
    boxes = [tuple(float(each) for each in box) for _, *box in nodes]
    for (x1, y1, width, height), (x2, y2, _, _) in combinations(boxes, 2):
        assert abs(x1 - x2) >= width or abs(y1 - y2) >= height
    # infra → set-up → images, networks, volumes → services → first data
    assert text.count('class="order"') == 8
    assert (
        "deploy_services comes after build_images, build_networks, build_volumes: 1 failed, 1 may follow"
        in text
    )


def test_phases_with_nothing_to_make_stand_where_they_usually_are() -> None:
    """Without an edge: images, networks and volumes are beside each other."""
    text = str(phase_picture(page_phases(PHASES, {}, {}), WIDE_GRAPH))
    across = re.findall(r'class="box" x="([\d.]+)"', text)

    assert text.count("nothing to make</text>") == 7
    assert [across.count(each) for each in dict.fromkeys(across)] == [1, 1, 3, 1, 1]
    assert "order" not in text


def test_long_lists_of_what_is_stale_are_behind_a_line(page: PageData) -> None:
    """Twelve resources of a phase, and four reasons of each, are shown at once; the others are there as well."""
    resource = PageResource("web", "build_images:web", "stale", 9, tuple(f"reason {n}" for n in range(9)))
    phase = replace(page.phases[2], resources=tuple(replace(resource, name=f"web{n}") for n in range(20)))
    text = single_file(replace(page, phases=(phase,)))

    assert text.count("<summary>8 more</summary>") == 1
    assert text.count("<summary>5 more</summary>") == 20
    assert text.count("<li>reason 8</li>") == 20


def test_the_verdict_counts_what_is_wrong_and_what_alarms(page: PageData) -> None:
    """Apart, as both may be of the same.

    A silenced alarm is none; nobody can tell where no host answers; a site that is not made, or not all of which could
    be read, is not well.
    """
    assert verdict(page) == (
        f"Something is wrong: 1 alarm, {len(page.problems)} findings",
        False,
    )
    assert verdict(replace(page, problems=("it",), alarms=())) == ("Something is wrong: 1 finding", False)
    assert verdict(replace(page, problems=())) == ("Something is wrong: 1 alarm", False)
    well = replace(page, problems=(), alarms=None, unread=())
    assert verdict(well) == ("All is well", True)
    unread = replace(well, unread=(Unread("alarms", "hive2 does not answer"),))
    assert verdict(unread) == ("Nothing wrong was found, but not everything could be read", False)
    assert verdict(replace(page, can_tell=False))[1] is False
    assert verdict(replace(page, is_made=False)) == ("Not built yet, as far as this checkout knows", False)


SEEN = 1_796_039_820.0
"""Three minutes before the page: 11:57."""
SILENT = PageSource(None, "hive2 does not answer")
OLDER = PageSource(SEEN, "no answer within 20 s")


def test_no_alarm_is_good_news_only_if_all_were_just_heard(page: PageData) -> None:
    """Else the section says itself why they are not known, or of when they are; a site that has none says that."""

    def shown(found: tuple[PageAlarm, ...] | None, source: PageSource | None) -> str:
        sources = {"alarms": source} if source else {}
        return str(alarms_section(replace(page, alarms=found, sources=sources)))

    good, unsure = "No alarm is given.", "No alarm was heard of, which does not say that there is none."
    assert 'class="good"' in shown((), PageSource(SEEN))
    assert good in shown((), PageSource(SEEN))
    for found, source, said in (
        (None, SILENT, "Alarms: could not be read: hive2 does not answer"),
        ((), OLDER, "2026-11-30 11:57 UTC</time> could be read: no answer within 20 s"),
        (page.alarms, OLDER, "2026-11-30 11:57 UTC</time> could be read: no answer within 20 s"),
        ((), PageSource(SEEN, doubt="others would not arrive"), "others would not arrive"),
        (page.alarms, PageSource(SEEN, doubt="others would not arrive"), "others would not arrive"),
        (None, None, "This site does not watch itself"),
    ):
        text = shown(found, source)
        assert said in text
        assert good not in text
        assert 'class="good"' not in text
        assert (unsure in text) is (found == ())


def test_a_section_says_itself_that_it_could_not_be_read(page: PageData) -> None:
    """Backups, metrics and who deployed what: not read, older, or none at all are three things."""

    def shown(source: PageSource | None, *, known: bool) -> list[str]:
        name_of = {"backups": page.backups, "charts": page.charts}
        values: dict[str, Any] = name_of if known else dict.fromkeys(name_of)
        sources = dict.fromkeys(("history", *name_of), source) if source else {}
        changed = replace(page, sources=sources, **values)
        return [str(each(changed)) for each in (backups_section, metrics_section, services_section)]

    for text in shown(SILENT, known=False):
        assert ": could not be read: hive2 does not answer</p>" in text
    for text in shown(OLDER, known=True):
        assert "UTC</time> could be read: no answer within 20 s</p>" in text
    for text in shown(PageSource(SEEN), known=True):
        assert "could be read" not in text
    backups, metrics, _ = shown(None, known=False)
    assert "site.toml has no [backup]" in backups
    assert "site.toml has no [monitoring]" in metrics
    empty = replace(page, backups=(), charts=(), sources={"charts": PageSource(SEEN)})
    assert "No service says what is to be saved of it." in backups_section(empty)
    assert "There are none yet." in metrics_section(empty)


def test_log_lines_say_what_is_missing_among_them(page: PageData) -> None:
    """Lines with what could not be read beside them, no lines at all, and no logs at all are told apart."""
    [log] = page.logs or ()
    some, none, silent = (
        replace(log, since="", unread=("hive1 does not answer",)),
        replace(log, lines=(), since="2026-11-30T11:40:00Z"),
        replace(log, service="", host="hive0", lines=(), unread=("hive2 does not answer",)),
    )
    text = str(logs_section(replace(page, logs=(some, none, silent))))
    first, second, third = (each.partition('id="log-')[0] for each in text.split("<h3>")[1:])

    assert "<li>hive1 does not answer</li>" in first
    assert "Traceback" in first
    assert "No line of that time is there." in second
    assert ', since <time datetime="2026-11-30T11:40:00Z">' in second
    assert third.startswith("hive0</h3>")
    assert "<li>hive2 does not answer</li>" in third
    assert "No line of that time" not in third

    unknown = replace(page, logs=None, sources={"logs": PageSource(None, "password can't be read here")})
    assert "Log lines: could not be read: password can&#x27;t be read here" in str(logs_section(unknown))
    assert logs_section(replace(page, logs=())) is None


def test_each_alarm_leads_to_lines_of_its_own_time(page: PageData) -> None:
    """Two of one service that began at different times lead to two places; one of a host to its journal."""
    [log] = page.logs or ()
    old = PageAlarm("ServiceChanged", "2026-11-27T10:00:00Z", service="wiki")
    new = PageAlarm("ErrorSeen", "2026-11-30T10:00:00Z", service="wiki", host="hive1")
    host = PageAlarm("HostSilent", "2026-11-30T10:00:00Z", host="hive1")
    further = replace(old, since="2026-11-20T10:00:00Z")
    logs = tuple(
        replace(log, service=service, host=host, since=since)
        for service, host, since in (old.about, host.about, new.about)
    )
    section = str(alarms_section(replace(page, alarms=(old, new, host, further), logs=logs)))
    links = {
        name: re.findall(r'href="#(log-\d)"', row)
        for name, row in re.findall(r'role="rowheader">(\w+)<(.*?)</tr>', section)
    }

    assert links["HostSilent"] == ["log-1"]
    assert links["ErrorSeen"] == ["log-2"]
    assert re.findall(r'href="#(log-\d)"', section) == ["log-0", "log-2", "log-1"]


def test_a_run_is_at_work_right_now_only_if_that_was_just_read(page: PageData) -> None:
    """Else it was, at the time of the history that is shown."""
    run = PageRun("bob@desk", "doit", "2026-11-30T11:56:00Z")
    now, older = (
        str(wrong_section(replace(page, run=run, sources={"history": each})))
        for each in (PageSource(SEEN), OLDER)
    )

    assert "bob@desk is making a change right now, since " in now
    assert 'bob@desk was making a change at <time datetime="2026-11-30T11:57:00Z">' in older


def test_what_is_named_leads_to_its_place(page: PageData) -> None:
    """Findings to the rows of hosts and services, alarms to these and to the log lines; one of the swarm to none."""
    problems = (f"{page.hosts[1].name}: does not answer", "swarm: has no leader")
    text = single_file(replace(page, problems=problems))

    assert f'<a href="#host-1">{page.hosts[1].name}</a>: does not answer' in text
    assert "swarm: has no leader" in text
    assert ', see its <a href="#log-0">log lines</a>' in text
    anchors, ids = {*re.findall(r'href="#([^"]+)"', text)}, re.findall(r' id="([^"]+)"', text)
    assert anchors <= {*ids}
    assert len(ids) == len({*ids})


def test_no_secret_in_any_part(page: PageData) -> None:
    """Every text of the data is redacted, however deep it lies."""
    [log] = page.logs or ()
    told = replace(
        log, lines=(replace(log.lines[0], text="password hunter2"),), unread=("hunter2 is not there",)
    )
    shown = without_secrets(replace(page, logs=(told,)), lambda text: text.replace("hunter2", "[redacted]"))

    assert shown.logs is not None
    assert shown.logs[0].lines[0].text == "password [redacted]"
    assert "hunter2" not in single_file(shown)
    assert shown.hosts == page.hosts


def test_elements_escape_all_but_pieces() -> None:
    """Text and attributes are escaped; what is a piece already is not, and what is None is left out."""
    assert el("p", "a < b", el("b", "&"), None, title='"x"', hidden=True, lang=None, data_n=1.50) == (
        '<p title="&quot;x&quot;" hidden data-n="1.5">a &lt; b<b>&amp;</b></p>'
    )
    assert el("p", "a", class_="b") == '<p class="b">a</p>'
    assert joined("\x00\u202e\u061c\u200b\u2028\ufeff") == 6 * "\ufffd"


@pytest.mark.parametrize(
    "words", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"]
)
def test_what_is_no_time_of_now_stays_as_it_is_written(words: str, page: PageData) -> None:
    """Whoever writes an alarm or a backup's notes can't end the page by it."""
    alarm = replace(page.alarms[0], since=words) if page.alarms else None
    assert alarm is not None

    assert f"<div>{words}</div>" in single_file(replace(page, alarms=(alarm,)))
    assert '<time datetime="2026-11-30T12:00:00Z">2026-11-30 12:00 UTC</time>' in moment_of(
        "2026-11-30T14:00:00+02:00"
    )
