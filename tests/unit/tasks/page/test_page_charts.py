"""Charts: what Prometheus is asked for, and what its answers mean."""

from dataclasses import replace
from typing import Any

from tasks.page.page_charts import MOST, QUESTIONS, SPAN, STEP, chart_times, page_chart

NOW = 1_796_040_123.0
END = 1_796_040_000
TIMES = chart_times(NOW)
LOAD, MISSING = QUESTIONS[0], QUESTIONS[-1]


def answer(**series: dict[int, str]) -> list[dict[str, Any]]:
    """Return an answer of Prometheus: a line's label to its values."""
    return [
        {"metric": {"host": label, "service": label}, "values": [[at, value] for at, value in values.items()]}
        for label, values in series.items()
    ]


def test_a_day_is_asked_for() -> None:
    """In steps that begin at the same times however late it is within one, so that lines don't shift."""
    assert list(chart_times(NOW))[:2] == [END - SPAN, END - SPAN + STEP]
    assert list(chart_times(NOW))[-1] == END
    assert chart_times(NOW) == chart_times(NOW + 100)


def test_gaps_are_gaps() -> None:
    """A time without a value, and one with what is no number, are None; the time before the first value is left out."""
    chart = page_chart(
        LOAD,
        answer(
            hive0={END - 3 * STEP: "0.5", END - STEP: "NaN", END: "0.25"},
            hive1={END - 2 * STEP: "+Inf", END: "0"},
        ),
        TIMES,
    )

    assert chart is not None
    assert chart.times == (END - 3 * STEP, END - 2 * STEP, END - STEP, END)
    assert [(each.label, each.values) for each in chart.series] == [
        ("hive0", (0.5, None, None, 0.25)),
        ("hive1", (None, None, None, 0.0)),
    ]


def test_of_many_lines_the_highest_are_drawn() -> None:
    """By name, as legends are read."""
    chart = page_chart(LOAD, answer(**{f"h{n:02}": {END: str(n)} for n in range(20)}), TIMES)

    assert chart is not None
    assert [each.label for each in chart.series] == [f"h{n:02}" for n in range(20 - MOST, 20)]


def test_where_nothing_is_missing_there_is_no_chart() -> None:
    """Fifty lines that are always 0 say nothing; one that is not is drawn."""
    assert page_chart(MISSING, answer(web={END: "0"}), TIMES) is None
    assert page_chart(LOAD, answer(), TIMES) is None
    chart = page_chart(MISSING, answer(web={END: "0"}, mail={END - STEP: "1", END: "0"}), TIMES)
    assert chart is not None
    assert [each.label for each in chart.series] == ["mail"]
    still = page_chart(replace(MISSING, is_of_faults=False), answer(web={END: "0"}), TIMES)
    assert still is not None
