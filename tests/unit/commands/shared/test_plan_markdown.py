"""A plan as a comment: whole where it fits, cut where it does not, and nothing in it is Markdown but its frame."""

import re

from commands.shared.plan_markdown import LONGEST_COMMENT, PlanText, code, markdown, marker, trouble

PLAN = PlanText(
    "example",
    "private",
    "1 to create, 1 may change, 65 up to date",
    {
        "build_images": ["+ web (hive3): roles/web/setup.sh changed; the registry does not have it"],
        "deploy_services": ["? web: only if image comes out differently from build_images:web"],
    },
    ["services.web: a warning"],
)


def blocks(text: str) -> list[str]:
    """Return the content of the blocks of code."""
    return [found[2] for found in re.finditer(r"^(`{3,})\w+\n(.*?)\n\1$", text, re.MULTILINE | re.DOTALL)]


def test_a_small_plan_is_shown_open() -> None:
    """With a line that finds it again, the summary, and a block for each phase."""
    text = markdown(PLAN)

    assert text.splitlines()[:4] == [
        "<!-- skep plan: example, stage private -->",
        "### Plan for `example`, stage `private`",
        "",
        "`1 to create, 1 may change, 65 up to date`",
    ]
    assert text.count("<details open><summary>") == 3
    assert "<details open><summary>build_images: 1</summary>\n\n```diff\n+ web" in text
    assert blocks(text)[1] == PLAN.phases["deploy_services"][0]


def test_nothing_of_the_site_is_markdown() -> None:
    """Backquotes end no block; what would be a tag, a mention or a table stays text."""
    evil = "+ x: ```` </details> <b>@team</b> | #1 [a](b) ``` ~~~"

    text = markdown(PlanText("example", "private", "a `b` c", {"build_images": [evil]}))

    assert blocks(text) == [evil]
    assert "`````diff\n" in text
    assert "`` a `b` c ``" in text
    assert code("x") == "`x`"


def test_a_large_plan_fits_into_a_comment() -> None:
    """It is folded; lines that don't fit are counted, each block is closed, and a long line is cut."""
    lines = [f"+ image{n:05}: {'x' * 80}" for n in range(5000)]

    text = markdown(PlanText("example", "private", "5000 to create", {"build_images": lines, "b": ["~ y"]}))

    assert len(text) <= LONGEST_COMMENT
    assert len(text) > 0.9 * LONGEST_COMMENT
    shown = blocks(text)[0].splitlines()
    assert shown[-1] == f"… and {5000 - len(shown) + 1} more: doit plan --all"
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.rstrip().endswith("</details>")
    long = markdown(PlanText("example", "private", "s", {"a": ["+ y" * 1000]}))
    assert len(blocks(long)[0]) == 500


def test_many_large_phases_fit_too() -> None:
    """Each has its frame and its number, whatever is left of the room, and however long its fences are."""
    for line in ("+ x" * 10, "+ " + "`" * 300):
        phases = {f"phase_{n}": [line] * 5000 for n in range(7)}

        text = markdown(PlanText("example", "private", "s", phases, ["r" * 100] * 50))

        assert 0.9 * LONGEST_COMMENT < len(text) < LONGEST_COMMENT
        assert text.count("<summary>") == text.count("</details>") == 8
        assert len(blocks(text)) == 8
        assert blocks(text)[6] == "… and 5000 more: doit plan --all"
    assert len(trouble("example", "private", ("`" * 400 + "\n") * 1000)) < LONGEST_COMMENT


def test_trouble_is_said() -> None:
    """A plan that will be refused is marked; one that can't be made says why, in the place of the one before it."""
    assert "❌ `s`" in markdown(PlanText("example", "private", "s", {}, is_refused=True))
    text = trouble("example", "private", "hive0: no answer\n    try: ssh")
    assert text.startswith(marker("example", "private"))
    assert blocks(text) == ["hive0: no answer\n    try: ssh"]
    assert len(trouble("example", "private", "x\n" * 100_000)) <= LONGEST_COMMENT
