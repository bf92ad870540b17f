"""One JSON value to one column value that every warehouse takes.

`Misfit` says that a value does not belong in a column of that kind; `Unholdable` that no column can hold it unmended.
`cast` is the rule for one value, and `cast_usual` a short way to the same for a column whose values are all as usual.
"""

from __future__ import annotations

import hashlib
import json as lenient
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from transforms.schemas import Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECONDS_FROM = 10_000_000_000
"""A bare number above this is read as milliseconds since 1970, below it as seconds (until the year 2286)."""

MAX_DEPTH = 200
"""So many levels of JSON every warehouse reads, and Python at any depth of its own stack."""

LONGEST_ID = 1_000
"""Bytes of UTF-8. A warehouse finds rows by their ids, and Postgres indexes no value of some thousand bytes."""

_SHORT_ID = LONGEST_ID // 4
"""So many characters are never too long: none has more than four bytes."""

_TRUTH = {"true": True, "1": True, 1: True, "yes": True, "false": False, "0": False, 0: False, "no": False}

_USUAL_TIME = r"^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$"

_ANY = msgspec.json.Decoder()
_TEXT = msgspec.json.Decoder(str | None)
_SORTED = msgspec.json.Encoder(order="deterministic")
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Misfit(ValueError):
    """A value that its column cannot hold; it is kept in `_extra` instead."""


class Unholdable(ValueError):
    """A value that not every warehouse can hold; `mended` is what they can."""


class Undecodable(ValueError):
    """JSON of which no value can be had: it is nested too deep."""


class Unusual(ValueError):
    """A column that has to be cast value by value."""


class NotJson(Undecodable):
    """Text that is no JSON, however lenient the reader."""


Json: TypeAlias = bytes | msgspec.Raw
Value: TypeAlias = str | int | bool | None
Fit: TypeAlias = Callable[[Any], Value]


def decode(json: Json) -> Any:
    """The value as every warehouse can hold it; where none can be had, its JSON as text. Never raises."""
    try:
        return _decode_or_mend(json)
    except Undecodable:
        return text_of(json)


def decode_strictly(json: Json) -> Any:
    """The value, if every warehouse can hold it unchanged; raises `Unholdable`."""
    value = _decoded(json)
    if isinstance(value, str):
        _refuse_nul(value)
    elif isinstance(value, list | dict):
        _refuse_unholdable(bytes(json), value)
    return value


def mended(json: Json) -> Any:
    """The value with what some warehouse refuses made legal; raises `Undecodable`, `NotJson` among it.

    NUL becomes ␀, what is no Unicode �, NaN and Infinity null, a number out of range its own text.
    """
    try:
        value = _LENIENT.decode(bytes(json).decode(errors="surrogateescape"))
    except RecursionError as error:
        raise Undecodable("it is nested too deep") from error
    except ValueError as error:
        raise NotJson("it is not JSON") from error
    if _is_too_deep(value):
        raise Undecodable("it is nested too deep")
    return _mended_value(value)


def mended_text(text: str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).replace("\0", "\N{SYMBOL FOR NULL}")


def mended_names(fields: dict[str, Any]) -> dict[str, Any]:
    """The same values under mended names; where two would be the same, the one that was mended gets a suffix."""
    renamed: dict[str, Any] = {}
    for was_mended, name in sorted((mended_text(name) != name, name) for name in fields):
        free = mended_text(name) if was_mended else name
        while free in renamed:
            free = f"{free}_{len(renamed)}"
        renamed[free] = fields[name]
    return renamed


def are_holdable(names: Iterable[str]) -> bool:
    return not any("\0" in name or (not name.isascii() and _SURROGATE.search(name)) for name in names)


def text_of(json: Json) -> str:
    """JSON text itself as a text that every warehouse can hold."""
    return mended_text(bytes(json).strip().decode(errors="surrogateescape"))


def canonical(value: Any) -> str:
    """The value as compact JSON with sorted keys: equal values give equal text."""
    return _SORTED.encode(value).decode()


def digest(json: bytes) -> str:
    return hashlib.blake2b(json, digest_size=16).hexdigest()


def digest_of(value: Any) -> str:
    """The same for equal values."""
    return digest(_SORTED.encode(value))


def identity(json: Json) -> str:
    """The `id` of a record as its column holds it; raises `Misfit`, which says why it is none."""
    try:
        value = _decode_or_mend(json)
    except Undecodable as error:
        raise Misfit("its id is neither text nor a number") from error
    if value is None:
        raise Misfit("it has no id")
    if isinstance(value, bool) or not _is_scalar(value):
        raise Misfit("its id is neither text nor a number")
    text = as_text(value)
    if not text.strip():
        raise Misfit("its id is blank")
    if _is_too_long(text):
        raise Misfit(f"its id is longer than {LONGEST_ID:,} bytes")
    return text


def parse_time(value: Any) -> datetime | None:
    """ISO-8601 text, or seconds or milliseconds since 1970, as an aware UTC time; None for null and blank.

    A time without a zone is taken as UTC. Raises `Misfit` for anything else.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return None
            if len(text) > 8 and text[:9].isdigit():  # Python reads "1700010112345" as a day of the year 1700
                raise Misfit("expected a time, got digits")
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is UTC:
                return moment
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


def cast(json: Json, fit: Fit) -> Value:
    """The JSON text of one field as the value of a column; raises `Misfit` and `Unholdable`."""
    value = _decoded(json)
    return None if value is None else fit(value)


def cast_usual(jsons: Sequence[Json], fit: Fit) -> list[Value]:
    """What `cast` makes of each value of a column, if all are of the usual kind; raises `Unusual`."""
    usual = _USUAL.get(fit)
    if usual is None:
        raise Unusual
    try:
        return usual(jsons)
    except (*_REFUSALS, pa.ArrowInvalid) as error:
        raise Unusual from error


def _usual_texts(jsons: Sequence[Json]) -> list[str | None]:
    texts = list(map(_TEXT.decode, jsons))
    if "\0" in "".join(filter(None, texts)):
        raise Unusual
    return texts


def _usual_ids(jsons: Sequence[Json]) -> list[str | None]:
    ids = _usual_texts(jsons)
    if any(id and len(id) > _SHORT_ID for id in ids):
        raise Unusual
    return ids


def _usual_jsons(jsons: Sequence[Json]) -> list[str | None]:
    sent = list(map(_SORTED.encode, map(_ANY.decode, jsons)))
    if rb"\u0000" in b"".join(sent) or any(map(_may_be_too_deep, sent)):
        raise Unusual
    return [None if json == b"null" else json.decode() for json in sent]


def _usual_times(jsons: Sequence[Json]) -> list[int | None]:
    """Times of the form that the API writes; Arrow reads them as Python does, and many at once."""
    texts = pa.array(_usual_texts(jsons), pa.string())
    if pc.all(pc.match_substring_regex(texts, _USUAL_TIME)).as_py() is False:
        raise Unusual
    micros: list[int | None] = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
    return micros


def _decoded(json: Json) -> Any:
    try:
        return _ANY.decode(json)
    except _REFUSALS as error:
        raise Unholdable(str(error)) from error


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise Unholdable("it holds NUL")


def as_text(value: Any) -> str:
    """A decoded value as that of a column that holds texts; raises `Unholdable`."""
    if not isinstance(value, str):
        return _as_json(value)
    _refuse_nul(value)
    return value


def as_id(value: Any) -> str:
    """A decoded value as that of a column that holds ids; raises `Misfit` and `Unholdable`."""
    text = as_text(value)
    if _is_too_long(text):
        raise Misfit(f"expected an id of at most {LONGEST_ID:,} bytes")
    return text


def _is_too_long(id: str) -> bool:
    return len(id.encode()) > LONGEST_ID


def _as_time(value: Any) -> int | None:
    moment = parse_time(value)
    return None if moment is None else microseconds(moment)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _as_json(value: Any) -> str:
    try:
        json = _SORTED.encode(value)
    except RecursionError as error:
        raise Unholdable(str(error)) from error
    _refuse_unholdable(json, value)
    return json.decode()


def _as_truth(value: Any) -> bool:
    truth = _TRUTH.get(value.strip().lower() if isinstance(value, str) else value) if _is_scalar(value) else None
    if truth is None:
        raise Misfit(f"expected true or false, got {type(value).__name__}")
    return truth


FITS: dict[Kind, Fit] = {
    Kind.TEXT: as_text,
    Kind.TIMESTAMP: _as_time,
    Kind.JSON: _as_json,
    Kind.BOOLEAN: _as_truth,
}
"""How a decoded value, never None, becomes that of a column of a kind; each raises `Misfit` and `Unholdable`.
No field of the API is of another kind."""

_USUAL: dict[Fit, Callable[[Sequence[Json]], list[Any]]] = {
    as_text: _usual_texts,
    as_id: _usual_ids,
    _as_time: _usual_times,
    _as_json: _usual_jsons,
}


def _decode_or_mend(json: Json) -> Any:
    try:
        return decode_strictly(json)
    except Unholdable:
        return mended(json)


def _refuse_unholdable(json: bytes, value: Any) -> None:
    """Raise `Unholdable` if the value, whose JSON is `json`, holds NUL or is too deep; walk it only if it may be."""
    if rb"\u0000" in json and _ESCAPED_NUL.search(json):
        raise Unholdable("it holds NUL")
    if _may_be_too_deep(json) and _is_too_deep(value):
        raise Unholdable("it is nested too deep")


def _may_be_too_deep(json: bytes) -> bool:
    return len(json) > 2 * MAX_DEPTH and json.count(b"[") + json.count(b"{") > MAX_DEPTH


def _is_too_deep(value: Any) -> bool:
    level = _containers([value])
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        level = [
            inner for outer in level for inner in _containers(outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, list | dict)]


def _mended_value(value: Any) -> Any:
    match value:
        case str():
            return mended_text(value)
        case list():
            return [_mended_value(item) for item in value]
        case dict():
            return {name: _mended_value(item) for name, item in mended_names(value).items()}
    return value


def _integer(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:  # Python converts no more than some thousand digits
        return digits


def _real(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


_LENIENT = lenient.JSONDecoder(
    strict=False, parse_int=_integer, parse_float=_real, parse_constant=lambda constant: None
)
