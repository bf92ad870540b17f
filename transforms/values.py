"""One JSON value to one column value. `Misfit` says that the value does not belong in a column of that kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from transforms.schemas import Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECONDS_FROM = 10_000_000_000
"""A bare number above this is read as milliseconds since 1970, below it as seconds (until the year 2286)."""

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Misfit(ValueError):
    """A value that its column cannot hold; it is kept in `_extra` instead."""


def decode(json: bytes | msgspec.Raw) -> Any:
    return msgspec.json.decode(json)


def canonical(value: Any) -> str:
    """The value as compact JSON with sorted keys: equal values give equal text."""
    return msgspec.json.encode(value, order="deterministic").decode()


def parse_time(value: Any) -> datetime | None:
    """ISO-8601 text, or seconds or milliseconds since 1970, as an aware UTC time; None for null and blank.

    A time without a zone is taken as UTC. Raises `Misfit` for anything else.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) > _MILLISECONDS_FROM else value
            return EPOCH + timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise Misfit(str(error)) from error
    raise Misfit(f"expected a time, got {type(value).__name__}")


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970, the form in which Arrow holds a time."""
    return (moment - EPOCH) // _MICROSECOND


def cast(json: msgspec.Raw, kind: Kind) -> str | int | float | bool | None:
    """The JSON text of one field as the value of a column of `kind`; raises `Misfit`."""
    value = decode(json)
    if value is None:
        return None
    match kind:
        case Kind.TEXT:
            return value if isinstance(value, str) else canonical(value)
        case Kind.TIMESTAMP:
            moment = parse_time(value)
            return None if moment is None else microseconds(moment)
        case Kind.JSON:
            return canonical(value)
        case Kind.BOOLEAN:
            truth = value if isinstance(value, bool) else _TRUTH.get(str(value).strip().lower())
            if truth is None:
                raise Misfit(f"expected true or false, got {type(value).__name__}")
            return truth
        case _:
            raise Misfit(f"no field of the API is of kind {kind}")
