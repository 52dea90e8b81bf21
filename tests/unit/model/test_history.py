"""The lines of a stage's history, as they are read from hosts."""

from typing import Any

from model.history import LONGEST_LIST, NEVER_ENDED, HistoryLine, lines_of


def test_a_line_comes_back_as_it_was_written() -> None:
    """All that a run wrote is read again; of very many resources the first are named, and the number of the rest."""
    line = HistoryLine(
        id="1", who="alice@laptop", directory="/site", command="doit", began="2026-01-02T03:04:05Z",
        ended="2026-01-02T03:04:06Z", seconds=1.5, commit="v1", is_dirty=True, outcome="done",
        changed=("deploy_services:web",), failed=("build_images:db",), counts={"all": 2}, revisions={"web": 7},
    )  # fmt: skip
    assert HistoryLine.of(line.data()) == line
    assert line.concerns("web")
    assert not line.concerns("db")

    many = HistoryLine(changed=tuple(f"t{n}" for n in range(LONGEST_LIST + 5))).data()["changed"]
    assert (len(many), many[-1]) == (LONGEST_LIST + 1, "and 5 more")


def test_a_run_is_there_once() -> None:
    """A run that was noted as one that never ended, and ended after all, has its own line; others keep their order."""
    found: list[dict[str, Any]] = [
        {"id": "b", "began": "2", "noticed": "3"},
        {"id": "b", "began": "2", "ended": "4", "outcome": "done"},
        {"id": "a", "began": "1", "noticed": "2"},
        {"idle": 3, "first": "3", "ended": "5", "began": "5"},
    ]

    lines = lines_of(found)

    assert [(line.began, line.outcome, line.idle) for line in lines] == [
        ("1", NEVER_ENDED, 0),
        ("2", "done", 0),
        ("3", "", 3),
    ]


def test_odd_lines_are_read_as_far_as_they_go() -> None:
    """A host may have lines of a newer skep."""
    line = HistoryLine.of(
        {"id": 7, "changed": "all", "counts": [1], "revisions": {"web": "x"}, "seconds": None}
    )

    assert (line.id, line.changed, line.counts, line.revisions, line.seconds) == (
        "7",
        (),
        {},
        {"web": 0},
        0.0,
    )
