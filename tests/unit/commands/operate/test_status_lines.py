"""The tables of `doit status` on a terminal of 80 columns."""

import pytest

from commands.operate.status_lines import table

HEAD = ("SERVICE", "IMAGE", "WHERE")
ROWS = [[("powerdns", ""), ("powerdns@0ab37ab88b02", ""), ("hive0, hive1", "")]]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["SERVICE   IMAGE                  WHERE", "powerdns  powerdns@0ab37ab88b02  hive0, hive1"]),
        (40, ["SERVICE   IMAGE             WHERE", "powerdns  powerdns@0ab37a…  hive0, hive1"]),
        (25, ["SERVICE   IMAGE     WHERE", "powerdns  powerdn…  hive…"]),
    ],
)
def test_the_column_that_can_be_spared_is_cut_first(width: int, lines: list[str]) -> None:
    """Where a service runs is read before which image it has; what is no terminal gets all."""
    assert table(HEAD, ROWS, coloured=False, width=width, yields="IMAGE") == lines
    assert all(len(line) <= width for line in lines)
