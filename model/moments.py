"""Points in time: as people type them, in the local time zone, and as an engine has them. Pure."""

import re
from datetime import datetime, timedelta

from model.errors import ConfigError

_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DAY = timedelta(days=1)


def past_moment(text: str, now: float) -> float:
    """Return a point in the past, in seconds since 1970: `15m`, `1h30m` ago; `01:00`, `2026-11-29 01:00`.

    Args:
        text: As it was typed.
        now: The time now.

    Raises:
        ConfigError: It is none of these.

    """
    return now - span if (span := _span(text)) is not None else _moment(text, now, -_DAY)


def future_moment(text: str, now: float) -> float:
    """Return a point in the future, in seconds since 1970: in `15m`, `1h30m`; `01:00`, `2026-11-29 01:00`.

    Args:
        text: As it was typed.
        now: The time now.

    Raises:
        ConfigError: It is none of these, or is past.

    """
    moment = now + span if (span := _span(text)) is not None else _moment(text, now, _DAY)
    if moment <= now:
        raise ConfigError([f"{text}: is past"])
    return moment


def engine_moment(text: str) -> float | None:
    """Return a time of Docker's, `2026-11-29T17:00:00.123456789Z`, in seconds since 1970; None for none."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _span(text: str) -> int | None:
    """Return a length of time in seconds; None if the text is none."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def _moment(text: str, now: float, step: timedelta) -> float:
    """Return a time; one of the day alone is the last one, or the next one, as the step goes back or on."""
    today = datetime.fromtimestamp(now).astimezone()
    of_day = re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text) is not None
    try:
        found = datetime.fromisoformat(f"{today:%Y-%m-%d} {text.zfill(5)}" if of_day else text)
    except ValueError:
        raise ConfigError(
            [f"{text}: write a length of time (15m, 2h, 1d) or a time (01:00, 2026-11-29 01:00)"]
        ) from None
    # Once more by the zone of that time: it may be on the other side of a change of clocks.
    found = found if found.tzinfo else found.astimezone()
    if of_day and (found > today) == (step < timedelta()):
        found += step
    return found.timestamp()
