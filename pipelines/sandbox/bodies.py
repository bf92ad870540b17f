"""What a body that is sent to the API must look like: the published types of the fields that can be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pipelines.sandbox.instants import moment_in
from pipelines.sandbox.shelf import Record

_SHOWN = 80


@dataclass(frozen=True)
class Kind:
    """A published type: in words, and as a check."""

    wanted: str
    fits: Callable[[Any], bool]
    may_be_null: bool = True


def misfit(object_name: str, body: Record) -> str | None:
    """What is wrong with the first field that does not fit: its name, what was expected and what came."""
    kinds = _KINDS[object_name]
    for name, value in body.items():
        kind = kinds.get(name)
        if kind is None or (value is None and kind.may_be_null) or kind.fits(value):
            continue
        return f"{name}: expected {kind.wanted}, got {_shown(value)}"
    return None


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_metadatum(value: Any) -> bool:
    texts = ("id", "slug", "format", "namespace")
    return isinstance(value, dict) and all(value.get(name) is None or _is_text(value[name]) for name in texts)


def _contacts(name: str, types: tuple[str, ...]) -> Kind:
    def fits(entry: Any) -> bool:
        return isinstance(entry, dict) and _is_text(entry.get(name)) and entry.get("type") in (None, *types)

    return Kind(f"a list of {{{name}, type}} with a type of {', '.join(types)}", _list_of(fits))


_TEXT = Kind("a string", _is_text)
_TEXTS = Kind("a list of strings", _list_of(_is_text))
_MOMENT = Kind("an ISO-8601 date-time", lambda value: moment_in(value) is not None)
_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_METADATA = Kind("a list of {id, slug, format, namespace, value}", _list_of(_is_metadatum))
_STATUS = Kind("ACTIVE or CLOSED", lambda value: value in ("ACTIVE", "CLOSED"), may_be_null=False)

_KINDS: Mapping[str, Mapping[str, Kind]] = {
    "ticket": {
        **dict.fromkeys(
            ("customer_id", "subject", "description", "priority", "category_id", "category", "source", "user_id"),
            _TEXT,
        ),
        "status": _STATUS,
        "due_at": _MOMENT,
        "tags": _TEXTS,
        "attachment_ids": _TEXTS,
        "metadata": _METADATA,
    },
    "customer": {
        "name": _TEXT,
        "emails": _contacts("email", ("WORK", "HOME", "OTHER")),
        "telephones": _contacts("telephone", ("WORK", "HOME", "OTHER", "FAX", "MOBILE")),
        "tags": _TEXTS,
        "metadata": _METADATA,
    },
    "note": {
        **dict.fromkeys(("customer_id", "description", "ticket_id", "user_id"), _TEXT),
        "metadata": _METADATA,
    },
    "category": {
        **dict.fromkeys(("name", "description", "parent_id"), _TEXT),
        "is_active": _FLAG,
        "metadata": _METADATA,
    },
    "webhook": {
        "hook_url": Kind("an http(s) address", lambda value: _is_text(value) and value.startswith("http"), False),
        "interval": Kind("a number of minutes up to a million", lambda value: _is_number(value) and 0 <= value <= 1e6),
        "is_paused": _FLAG,
        "is_healthy": _FLAG,
        "fields": _TEXT,
        "filters": Kind("an object", lambda value: isinstance(value, dict)),
    },
}
