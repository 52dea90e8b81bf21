// What the page does beside standing there: ages of times, one service brought out, charts, and, where `doit web`
// serves it, asking for itself again. Without it all is there but the charts, whose figures are in tables.
"use strict";
(() => {
  const root = document.documentElement;
  const fresh = Number(root.dataset.fresh);
  const every = Number(root.dataset.every || 0);
  let failing = root.dataset.failing || "";

  // -- ages ------------------------------------------------------------------------------------------------------

  function span(seconds) {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= (unit === "min" ? size : 2 * size)) return `${Math.floor(seconds / size)}\u00a0${unit}`;
    }
    return `${Math.max(0, Math.floor(seconds))}\u00a0s`;
  }

  function showAges() {
    const now = Date.now() / 1000;
    for (const time of document.querySelectorAll("time")) {
      time.dataset.words ||= time.textContent;
      const passed = now - Date.parse(time.dateTime) / 1000;
      const words = passed < -60 ? time.dataset.words : `${time.dataset.words} (${span(passed)}\u00a0ago)`;
      if (time.textContent !== words) time.textContent = words;
    }
    const read = document.querySelector(".read-at time");
    const age = document.getElementById("age");
    const passed = now - Date.parse(read.dateTime) / 1000;
    const words = failing || (passed > fresh ? `This is old: the site may be different now.` : "");
    if (age.textContent !== words) age.textContent = words;
    age.hidden = !words;
  }

  // -- one service brought out -----------------------------------------------------------------------------------

  let chosen = "";

  function bringOut(service) {
    for (const each of document.querySelectorAll(".picture [data-service], .picture [data-services]")) {
      const names = (each.dataset.service ?? each.dataset.services).split(" ");
      each.classList.toggle("faint", Boolean(service) && !names.includes(service));
    }
  }

  function showChoice() {
    const line = document.getElementById("bring-out-line");
    const choice = document.getElementById("bring-out");
    if (choice) {
      line.hidden = false;
      choice.value = chosen;
      if (choice.selectedIndex < 0) choice.value = chosen = "";
    }
    bringOut(chosen);
  }

  // At the document, once: what it shows is put in anew, or stays, whenever the page renews itself.
  let pointed = "";
  document.addEventListener("pointerover", (event) => {
    const service = event.target.closest(".picture [data-service]")?.dataset.service ?? "";
    if (service !== pointed) bringOut((pointed = service) || chosen);
  });
  root.addEventListener("pointerleave", () => bringOut((pointed = "") || chosen));
  document.addEventListener("change", ({ target }) => {
    if (target.id === "bring-out") bringOut(chosen = target.value);
  });

  // -- charts ----------------------------------------------------------------------------------------------------

  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
  let drawn = [];

  function figure(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "percent") return `${(100 * value).toFixed(0)}%`;
    if (unit !== "bytes") return String(Number(value.toFixed(2)));
    let n = 0;
    for (; value >= 1000 && n < 4; n++) value /= 1024;
    return `${value >= 10 || n < 2 ? value.toFixed(0) : value.toFixed(1)}${"BKMGT"[n]}`;
  }

  function clock(seconds, step) {
    const at = new Date(1000 * seconds);
    const two = (number) => String(number).padStart(2, "0");
    const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const hour = `${two(at.getHours())}:${two(at.getMinutes())}`;
    return step === undefined ? `${day} ${hour}` : step >= 86400 ? day : hour;
  }

  function tellLast(chart) {
    if (chart.cursor.idx === null || chart.cursor.idx === undefined) chart.setLegend({ idx: chart.data[0].length - 1 }, false);
  }

  function drawCharts() {
    for (const chart of drawn) chart.destroy();
    drawn = [];
    const found = document.getElementById("charts");
    if (!found) return;
    const style = getComputedStyle(root);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const { name, unit, labels, data } of JSON.parse(found.textContent)) {
      const place = document.querySelector(`[data-chart="${name}"]`);
      const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
      const series = labels.map((label, n) => ({
        label, stroke: colour(`series-${1 + n % 6}`), width: 2, dash: DASHES[Math.floor(n / 6) % 4], points: { show: false },
        value: (_, value) => figure(value, unit),
      }));
      const options = {
        width: Math.max(200, place.parentElement.clientWidth), height: 180,
        scales: { y: { range: (_, low, high) => [Math.min(0, low), unit === "percent" ? Math.max(1, high) : high > 0 ? 1.1 * high : 1] } },
        axes: [{ ...axis, values: (_, times, _axis, _space, step) => times.map((each) => clock(each, step)) }, { ...axis, size: 56, values: (_, values) => values.map((value) => figure(value, unit)) }],
        series: [{ label: "time", value: (_, time) => time === null ? "–" : clock(time) }, ...series],
        cursor: { drag: { x: false, y: false } },
        // Where nobody points at a time, the last one is told.
        hooks: { ready: [tellLast], setCursor: [tellLast] },
      };
      drawn.push(new uPlot(options, data, place));
    }
  }

  // -- the page again, where it is served ------------------------------------------------------------------------

  // As it came, without what this program has put in.
  let shown = every ? document.cloneNode(true) : null;

  // Only what is different is put in anew, so that who reads, selects or chooses something is not disturbed.
  function putIn(live, before, next) {
    if (before.isEqualNode(next)) return;
    const isSame = live.nodeType === Node.ELEMENT_NODE && before.nodeName === next.nodeName
      && before.cloneNode().isEqualNode(next.cloneNode())
      && before.childNodes.length === next.childNodes.length && before.childNodes.length === live.childNodes.length;
    if (!isSame) {
      live.replaceWith(next.cloneNode(true));
      return;
    }
    const [now, was, is] = [live, before, next].map((each) => [...each.childNodes]);
    now.forEach((each, n) => putIn(each, was[n], is[n]));
  }

  function putInSections(before, next) {
    const sections = [...next.querySelectorAll("main > section")];
    let last = null;
    for (const section of sections) {
      const now = document.getElementById(section.id);
      const was = before?.getElementById(section.id);
      if (now && was) putIn(now, was, section);
      else if (now) now.replaceWith(section.cloneNode(true));
      else if (last) last.after(section.cloneNode(true));
      else document.querySelector("main").prepend(section.cloneNode(true));
      last = document.getElementById(section.id);
    }
    const ids = sections.map((each) => each.id);
    for (const section of document.querySelectorAll("main > section")) {
      if (!ids.includes(section.id)) section.remove();
    }
  }

  // What an element is found again by, once its place was put in anew.
  function words(element) {
    return element.id || element.getAttribute("aria-label") || `${element.getAttribute("href")} ${element.textContent}`;
  }

  function place() {
    const focused = document.activeElement;
    const around = focused.closest("main > section, nav");
    return {
      focused, tag: focused.tagName, words: around ? words(focused) : "", around: around?.id ? `#${around.id}` : "nav",
      opened: [...document.querySelectorAll("details[open]")].map((each) => each.id),
      scrolled: new Map([...document.querySelectorAll("main pre")].map((each) => [words(each), each.scrollTop])),
    };
  }

  function goBack(had) {
    for (const id of had.opened) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
    for (const each of document.querySelectorAll("main pre")) {
      const far = had.scrolled.get(words(each)) || 0;
      if (each.scrollTop !== far) each.scrollTop = far;
    }
    if (!had.focused.isConnected) {
      const around = document.querySelector(had.around) ?? document.querySelector("main");
      const found = [...around.querySelectorAll(had.tag)].find((each) => words(each) === had.words) ?? around;
      if (found === around) around.tabIndex = -1;
      found.focus({ preventScroll: true });
    }
  }

  async function renew() {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      failing = next.documentElement.dataset.failing || "";
      const had = place();
      const figures = document.getElementById("charts")?.textContent;
      // If this ends in the middle, all is put in anew the next time.
      const before = shown;
      shown = null;
      document.title = next.title;
      for (const name of ["header", "nav"]) {
        const now = document.querySelector(name);
        if (before) putIn(now, before.querySelector(name), next.querySelector(name));
        else now.replaceWith(next.querySelector(name).cloneNode(true));
      }
      putInSections(before, next);
      shown = next;
      showChoice();
      if (figures !== document.getElementById("charts")?.textContent || drawn.some((each) => !each.root.isConnected)) drawCharts();
      goBack(had);
    } catch {
      failing = "doit web does not answer any more: this is what it said last.";
    }
    showAges();
  }

  showChoice();
  drawCharts();
  showAges();
  setInterval(showAges, 1000);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawCharts(); } });
  if (every) setInterval(renew, 1000 * every);
})();
