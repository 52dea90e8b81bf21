"""The page in a real browser: drawn, quiet, readable in light and dark and on a phone, usable by keyboard."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from commands.page import page_server
from commands.page.document import single_file
from commands.page.page_server import PageServer, Readings
from tasks.page.page_data import PageData
from tests.chromium import Chromium, program
from tests.page_sites import DEAD_HOST, DEPLOYING, EMPTY, LARGE, MANY_NETWORKS, PHASES, WELL, whole
from tests.rig import wait_until

SITES = {
    "well": WELL,
    "dead-host": DEAD_HOST,
    "deploying": DEPLOYING,
    "empty": EMPTY,
    "large": LARGE,
    "networks": MANY_NETWORKS,
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="no Chromium here; ./setup tox installs it on Debian"),
]
CONTRAST = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (colour) => {
    const [r, g, b] = [...parts(colour)].slice(0, 3).map((part) => {
      const c = part / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    for (let each = element; each; each = each.parentElement) {
      if (each instanceof SVGElement) {
        const box = each !== element && each.querySelector(":scope > .box");
        if (box) return getComputedStyle(box).fill;
      } else {
        const colour = getComputedStyle(each).backgroundColor;
        if (parts(colour)[3] === 255) return colour;
      }
    }
    return "white";
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!own || !element.checkVisibility() || element.closest("title, desc, script, option")) continue;
    const style = getComputedStyle(element);
    const pair = [light(element instanceof SVGElement ? style.fill : style.color), light(paper(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName} ${element.className.baseVal ?? element.className}: ${ratio}`);
  }
  return bad;
})()
"""
"""Texts that have less contrast than WCAG 2.2 (1.4.3, AA) wants for letters of every size."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the address of each site's page."""
    directory = tmp_path_factory.mktemp("pages")
    addresses = {}
    for name, site in SITES.items():
        page = site.page(directory)
        path = directory / f"{name}.html"
        path.write_text(single_file(whole(page) if site.services else page))
        addresses[name] = path.as_uri()
    return addresses


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Return a browser."""
    with Chromium.started(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("name", SITES)
def test_a_page_fits_and_complains_of_nothing(
    browser: Chromium, pages: dict[str, str], name: str, width: int
) -> None:
    """Nothing is wider than the window, nothing is refused by its policy, and one form of the picture is shown."""
    browser.open(pages[name], width=width)

    assert browser.complaints == []
    assert browser.value("document.documentElement.scrollWidth") <= width
    forms = browser.value(
        "[...document.querySelectorAll('#picture .picture')].filter((e) => e.checkVisibility()).length"
    )
    assert forms == 1


def test_an_alarm_leads_to_its_log_lines(browser: Chromium, pages: dict[str, str]) -> None:
    """In one step, also by the keyboard; a finding leads to the row of what it is about."""
    browser.open(pages["dead-host"])

    browser.value("document.querySelector('#alarms a[href^=\"#log-\"]').focus()")
    browser.press("Enter")
    wait_until(lambda: browser.value("location.hash") == "#log-0", "the page to be at the log")
    assert "Traceback" in browser.value("document.querySelector(':target').textContent")

    browser.value("document.querySelector('#wrong a[href=\"#host-1\"]').click()")
    assert browser.value("document.querySelector(':target th').textContent") == "hive1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(browser: Chromium, pages: dict[str, str], scheme: str) -> None:
    """In light and dark, the picture's texts as well."""
    browser.open(pages["dead-host"], scheme=scheme)

    assert browser.value("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)"
    )
    assert browser.value(CONTRAST) == []


def test_charts_are_drawn(browser: Chromium, pages: dict[str, str]) -> None:
    """One canvas for each chart, within its place, anew when it gets dark."""
    browser.open(pages["dead-host"])

    assert browser.value("document.querySelectorAll('.chart canvas').length") == 2
    assert browser.value("document.querySelector('.chart canvas').clientWidth") > 300
    assert browser.value("document.querySelectorAll('.u-legend .u-series').length") == 8


def test_what_a_site_says_is_not_run(browser: Chromium, pages: dict[str, str]) -> None:
    """The script in an alarm and in a log line is shown as text."""
    browser.open(pages["dead-host"])

    assert browser.value("document.title").startswith("✕ example, stage private")
    assert "<script>document.title" in browser.value("document.querySelector('#logs pre').textContent")
    assert browser.value("document.images.length") == 0


def test_an_old_page_says_so(browser: Chromium, pages: dict[str, str]) -> None:
    """By the reader's clock; times have their age beside them."""
    browser.open(pages["well"])

    assert browser.value("document.getElementById('age').checkVisibility()") is True
    assert "old" in browser.value("document.getElementById('age').textContent")
    assert "\u00a0ago)" in browser.value("document.querySelector('.read-at time').textContent")


def test_by_keyboard(browser: Chromium, pages: dict[str, str]) -> None:
    """The first stop is the link over the navigation, seen as long as it has the focus; the field has a ring too."""
    browser.open(pages["dead-host"])
    browser.press("Tab")

    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0
    browser.value("document.getElementById('bring-out').focus()")
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_what_a_screen_reader_hears(browser: Chromium, pages: dict[str, str]) -> None:
    """Headings with their words alone, none deeper than it may be, a name for each landmark, table and picture."""
    browser.open(pages["dead-host"])
    browser.ask("Accessibility.enable")
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in browser.ask("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"]
    ]
    browser.ask("Accessibility.disable")

    headings = {name for role, name in found if role == "heading"}
    assert headings > {"example", "How it is", "What could not be read", *PHASES, "Words"}
    levels = browser.value("[...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    named = ("region", "navigation", "table", "image", "combobox", "link")
    assert [role for role, name in found if role in named and not name.strip()] == []


def test_a_chart_tells_the_last_figures(browser: Chromium, pages: dict[str, str]) -> None:
    """Where nobody points at a time, and again when the pointer has left."""
    browser.open(pages["dead-host"])
    legend = "[...document.querySelector('.u-legend').querySelectorAll('.u-value')].map((e) => e.innerText).slice(1)"
    last = ["0.4", "0.6", "0.8"]

    def point(away: int) -> None:
        corner = (
            "(({{ x, y }}) => [x + {0}, y + {0}])(document.querySelector('.u-over').getBoundingClientRect())"
        )
        x, y = browser.value(corner.format(away))
        browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    assert browser.value(legend) == last
    browser.value("document.getElementById('metrics').scrollIntoView()")
    point(40)
    wait_until(lambda: browser.value(legend) != last, "the figures of that time")
    point(-40)
    wait_until(lambda: browser.value(legend) == last, "the last figures")


def test_one_service_is_brought_out(browser: Chromium, pages: dict[str, str]) -> None:
    """Then chips, volumes, networks and edges of the others are faint; all are plain again afterwards."""
    browser.open(pages["dead-host"])
    choose = (
        "(() => {{ const field = document.getElementById('bring-out'); field.value = '{}'; "
        "field.dispatchEvent(new Event('change', {{ bubbles: true }})); "
        "return [...document.querySelectorAll('.wide .chip:not(.faint)')]"
        ".map((each) => each.dataset.service); }})()"
    )

    assert browser.value(choose.format("wiki")) == ["wiki", "wiki"]
    assert browser.value(
        "[...document.querySelectorAll('.wide .volume:not(.faint) .name')].map((e) => e.textContent)"
    ) == ["uploads"]
    assert len(browser.value(choose.format(""))) == 9


def test_a_service_is_brought_out_by_pointing_at_it(browser: Chromium, pages: dict[str, str]) -> None:
    """As long as the pointer is there."""
    browser.open(pages["dead-host"])
    point = (
        "(() => {{ document.querySelector('{}').dispatchEvent(new PointerEvent('pointerover', {{ bubbles: true }})); "
        "return document.querySelectorAll('.wide .chip:not(.faint)').length; }})()"
    )

    assert browser.value(point.format('.wide .chip[data-service="wiki"]')) == 2
    assert browser.value(point.format("h1")) == 9


def test_nothing_moves_for_those_who_want_that(browser: Chromium, pages: dict[str, str]) -> None:
    """No animation and no transition is left."""
    browser.open(pages["dead-host"], still=True)

    moving = "[...document.querySelectorAll('*')].filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0)"
    assert browser.value(f"{moving}.length + document.getAnimations().length") == 0


def test_without_programs_all_but_the_charts_is_there(browser: Chromium, pages: dict[str, str]) -> None:
    """Mail readers and strict browsers run none; the figures of the charts stand in tables."""
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages["dead-host"])
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
        assert browser.value("document.querySelectorAll('canvas').length") == 0
        assert browser.value("document.querySelector('#metrics tbody td').innerText") == "0.4"
        assert browser.value("document.getElementById('bring-out-line').checkVisibility()") is False
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


class Served(threading.Thread):
    """A server of a page for a browser: this process itself connects to nothing."""

    def __init__(self, page: PageData) -> None:
        super().__init__(daemon=True)
        self.page = page
        self.failing = ""
        readings = Readings(lambda: page, str)
        readings.newest = lambda: (self.page, self.failing)  # type: ignore[method-assign]
        self.server = PageServer(0, readings)

    def run(self) -> None:
        """Serve."""
        self.server.serve_forever(0.05)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Return a page that is served, and asks for itself twice a second."""
    monkeypatch.setattr(page_server, "EVERY", 0.5)
    thread = Served(replace(whole(WELL.page(tmp_path)), read_at=time.time()))
    thread.start()
    yield thread
    thread.server.shutdown()
    thread.server.server_close()


def test_a_served_page_renews_itself(browser: Chromium, served: Served) -> None:
    """New parts come, those that are gone go, each in its place; who stands in one with the keyboard stays there."""
    first = served.page
    browser.open(f"http://127.0.0.1:{served.server.port}/")
    sections = "[...document.querySelectorAll('main > section')].map((each) => each.id)"
    before = browser.value(sections)
    browser.value("document.getElementById('bring-out').focus()")
    served.page = replace(first, problems=("web: is gone",), logs=(), read_at=time.time())
    wait_until(lambda: "finding" in browser.value("document.title"), "the page to renew itself")

    assert browser.value(sections) == [name for name in before if name != "logs"]
    assert "web: is gone" in browser.value("document.getElementById('wrong').textContent")
    assert browser.value("document.activeElement.id") == "bring-out"
    assert browser.value("document.querySelectorAll('.chart canvas').length") == 2

    late = replace(first.phases[2].resources[0], reasons=tuple(f"reason {n}" for n in range(9)))
    phases = tuple(replace(each, resources=(late, replace(late, name="other"))) for each in first.phases)
    served.page = replace(first, phases=phases, read_at=time.time())
    details = "[...document.querySelectorAll('#phases details')]"
    wait_until(lambda: browser.value(f"{details}.length") == 14, "the new phases")
    browser.value(f"{details}[1].open = true")
    another = (replace(late, name="another"), replace(late, name="other"))
    served.page = replace(served.page, phases=tuple(replace(each, resources=another) for each in phases))
    wait_until(
        lambda: "another" in browser.value("document.getElementById('phases').textContent"), "the others", 20
    )
    assert browser.value(f"{details}.map((each) => each.open).indexOf(true)") == 1

    served.page = replace(first, read_at=time.time())
    wait_until(lambda: browser.value(sections) == before, "the log lines to come back in their place")

    def is_young() -> bool:
        served.page = replace(first, read_at=time.time())
        return bool(browser.value("document.getElementById('age').hidden"))

    wait_until(is_young, "a reading of just now to be shown")
    assert browser.complaints == []


def test_a_section_with_the_focus_is_renewed_as_well(
    browser: Chromium, served: Served, tmp_path: Path
) -> None:
    """A host that dies is seen in the picture; the focus, the choice and the place on the page stay."""
    browser.open(f"http://127.0.0.1:{served.server.port}/")
    chips = "[...document.querySelectorAll('.wide .chip:not(.faint)')].map((each) => each.dataset.service)"
    browser.value(
        "(() => { const field = document.getElementById('bring-out'); field.focus(); field.value = 'proxy'; "
        "field.dispatchEvent(new Event('change', { bubbles: true })); window.field = field; })()"
    )
    browser.value("document.querySelector('#picture figure').scrollIntoView()")
    seen = browser.value("document.querySelector('#picture figure').getBoundingClientRect().top")
    assert browser.value(chips) == ["proxy", "proxy", "proxy"]

    served.page = replace(whole(DEAD_HOST.page(tmp_path)), read_at=time.time())
    wait_until(
        lambda: browser.value("document.querySelectorAll('.wide .host.bad').length") == 1, "the dead host"
    )
    assert browser.value("document.activeElement.id") == "bring-out"
    assert browser.value("document.getElementById('bring-out').value") == "proxy"
    assert browser.value("[...document.getElementById('bring-out').options].map((e) => e.value)")[-2:] == [
        "search",
        "wiki",
    ]
    assert browser.value(chips) == ["proxy", "proxy", "proxy"]
    now = browser.value("document.querySelector('#picture figure').getBoundingClientRect().top")
    assert abs(now - seen) < 5

    # Where the options are the same, the field itself stays, also while it is open.
    browser.value("(() => { window.field = document.getElementById('bring-out'); })()")
    served.page = replace(
        whole(replace(DEAD_HOST, silent=frozenset({2})).page(tmp_path)), read_at=time.time()
    )
    dead = "document.querySelector('.wide .host.bad .name').textContent"
    wait_until(lambda: browser.value(dead) == "hive2", "the other host")
    assert browser.value("window.field.isConnected && document.activeElement === window.field") is True
    assert browser.complaints == []


def test_who_reads_a_log_keeps_the_place(browser: Chromium, served: Served) -> None:
    """Its lines stay where they were scrolled to, selected text stays so; a link that moves keeps the focus."""
    first = served.page
    [log] = first.logs or ()
    [alarm, *others] = first.alarms or ()
    lines = tuple(replace(log.lines[0], text=f"line {n}") for n in range(200))
    served.page = replace(first, logs=(replace(log, lines=lines),))
    browser.open(f"http://127.0.0.1:{served.server.port}/")
    log_at = "document.querySelector('#logs pre')"
    browser.value(f"{log_at}.scrollTop = 500")
    browser.value("document.querySelector('#alarms a[href^=\"#log-\"]').focus()")
    browser.value("getSelection().selectAllChildren(document.querySelector('#words dt'))")

    # Now it is the second alarm, and the second log.
    older = replace(alarm, since="2026-11-30T11:00:00Z")
    logs = (replace(log, since=older.since), replace(log, lines=(*lines[1:], lines[0])))
    served.page = replace(first, alarms=(alarm, *others, older), logs=logs, read_at=time.time())
    wait_until(lambda: browser.value("document.querySelectorAll('#logs pre').length") == 2, "the other log")
    assert browser.value("[...document.querySelectorAll('#logs pre')].map((each) => each.scrollTop)") == [
        0,
        500,
    ]
    assert browser.value("document.activeElement.closest('section').id") == "alarms"
    assert browser.value("String(getSelection())") == "host"

    served.page = replace(first, logs=(), alarms=(), read_at=time.time())
    wait_until(lambda: browser.value("document.querySelector('#logs') === null"), "the logs to go")
    assert browser.value("document.activeElement.id") == "alarms"
    assert browser.complaints == []


def test_a_page_that_is_open_for_long_grows_no_listeners(browser: Chromium, served: Served) -> None:
    """What stays as the page renews itself gets none again."""
    browser.open(f"http://127.0.0.1:{served.server.port}/")
    browser.value(
        """
        (() => {
          window.added = 0;
          const add = EventTarget.prototype.addEventListener;
          EventTarget.prototype.addEventListener = function (...words) {
            if (this instanceof Element && this.closest("#picture")) window.added += 1;
            return add.apply(this, words);
          };
        })()
        """
    )
    served.page = replace(served.page, problems=("web: is gone",), read_at=time.time())
    wrong = "document.getElementById('wrong').textContent"
    wait_until(lambda: "web: is gone" in browser.value(wrong), "the page to renew itself")

    assert browser.value("window.added") == 0


def test_a_served_page_says_when_it_is_not_renewed(browser: Chromium, served: Served) -> None:
    """Where the site can't be read any more, and where the server is gone."""
    age = "document.getElementById('age').textContent"
    browser.open(f"http://127.0.0.1:{served.server.port}/")
    served.failing = "The site can't be read: hive0 is gone"
    wait_until(lambda: browser.value(age) == served.failing, "the failure")

    served.server.shutdown()
    served.server.server_close()
    wait_until(lambda: "does not answer any more" in browser.value(age), "the end of the server")
