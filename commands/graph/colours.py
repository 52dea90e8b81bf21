"""The colours of statuses in drawings, on light paper and on dark. Each drawing has the status in words as well."""

from dataclasses import dataclass

from tasks.explain.recorded_status import FOLLOWS
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE


@dataclass(frozen=True)
class Colours:
    """The colours of a node: its surface, its line, its text."""

    fill: str
    line: str
    text: str


LIGHT = {
    UP_TO_DATE: Colours("#e3f4e6", "#3f8f52", "#1d3f26"),
    STALE: Colours("#fff0d1", "#b57700", "#4a3000"),
    FAILED: Colours("#fde2e0", "#c23b31", "#5a1712"),
    NEVER: Colours("#eceef1", "#7b838f", "#30353c"),
    FOLLOWS: Colours("#f7f4ea", "#a08d55", "#463d22"),
}
DARK = {
    UP_TO_DATE: Colours("#17301d", "#56a869", "#d5efdb"),
    STALE: Colours("#3a2a08", "#d59a2b", "#fbe7bd"),
    FAILED: Colours("#431713", "#e2665c", "#fbd6d3"),
    NEVER: Colours("#262a30", "#8d96a3", "#dfe3e8"),
    FOLLOWS: Colours("#2c2818", "#b7a468", "#efe6c8"),
}
