"""How the report says numbers, times and the words of others."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import TypeAlias

Value: TypeAlias = int | float | str | date | datetime | None

NOT_KNOWN = "not known"


class Unit(Enum):
    """What a value is, and so how it is written."""

    COUNT = "count"
    SECONDS = "seconds"
    LIMIT = "limit"
    """Seconds that something may take."""
    SHARE = "share"
    MOMENT = "moment"
    DAY = "day"
    WORDS = "words"


def shown(value: Value, unit: Unit) -> str:
    """A value as a reader wants it."""
    if value is None:
        return NOT_KNOWN
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return day(value)
    if isinstance(value, str):
        return one_line(value)
    return {Unit.SECONDS: duration, Unit.LIMIT: limit, Unit.SHARE: percent}.get(unit, count)(value)


def one_line(text: object) -> str:
    """The text on a single line, a blank for whatever cannot be seen or would turn what stands around it."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def cut(text: object, length: int) -> str:
    """The text on a single line that ends where others would go on and on."""
    line = one_line(text)
    return line if len(line) <= length else f"{line[:length].rstrip()}…"


def count(number: float) -> str:
    """1,234."""
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """1 ticket, 2 tickets."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(part: float) -> str:
    """0.875 as 88%; never all or nothing where it is not."""
    if 0 < part < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < part < 1 else f"{100 * part:.0f}%"


def duration(seconds: float) -> str:
    """3 h 20 min: the two units that matter."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    first = next(index for index, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number:,} {unit}" for number, unit in parts[first : first + 2] if number)


def limit(seconds: float) -> str:
    """24 h, 40 h, 3 d: a promise is not told in days and hours, for its days may be business days."""
    if seconds > 86_400 and seconds % 86_400 == 0:
        return f"{seconds // 86_400:,.0f} d"
    return f"{seconds // 3600:,.0f} h" if seconds % 3600 == 0 else f"{seconds / 60:,.0f} min"


def moment(at: datetime) -> str:
    """28 May 2026, 20:00 UTC."""
    return f"{day(at)}, {at:%H:%M} UTC"


def short_moment(at: datetime, year: int) -> str:
    """28 May, 20:00, with the year where it is another one."""
    return f"{at.day} {at:%b}{'' if at.year == year else f' {at.year}'}, {at:%H:%M}"


def day(on: date) -> str:
    """28 May 2026."""
    return f"{on.day} {on:%b %Y}"


def short_day(on: date) -> str:
    """Thu 28 May."""
    return f"{on:%a} {on.day} {on:%b}"


def spaced(word: str) -> str:
    """A machine's word for a reader: first_reply as first reply."""
    return one_line(word.replace("_", " "))
