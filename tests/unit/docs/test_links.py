"""Links between the documents."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)


def plain(text: str) -> str:
    """Return a page without what is code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page: its own, and those that GitHub makes of its headings."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_link_leads_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading or an anchor of it."""
    broken = []
    for target in re.findall(r"""(?:\]\(|src=")([^)\s"]+)""", plain(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)

    assert broken == []


def test_the_index_has_each_page() -> None:
    """docs/README.md leads to every page of docs/."""
    index = ROOT / "docs" / "README.md"
    named = set(re.findall(r"\]\(([\w.\-]+\.md)[)#]", index.read_text()))

    assert {path.name for path in index.parent.glob("*.md")} - {"README.md"} <= named
