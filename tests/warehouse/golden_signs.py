"""What `raw` and tags tell, by the seed `raw_signs`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.warehouse.golden_settings import Record
from tests.warehouse.golden_text import snake, text

ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True)
class Sign:
    """What a sign means, and the path at which it was found; a tag has none."""

    meaning: str
    path: str | None

    @property
    def source(self) -> str:
        return f"raw_{(self.path or '').replace('.', '_')}"


class Signs:
    """The rows of the seed."""

    def __init__(self, rows: Sequence[Record]) -> None:
        self._rows = rows

    def of_note(self, note: Record, helpdesk: str | None, sign: str) -> Sign | None:
        return self._first(("note",), note.get("raw"), [], helpdesk, sign)

    def of_ticket(self, ticket: Record, helpdesk: str | None, sign: str) -> Sign | None:
        return self._first(("ticket", "tag"), ticket.get("raw"), ticket.get("tags") or [], helpdesk, sign)

    def _first(
        self, objects: Sequence[str], raw: Any, tags: Sequence[Any], helpdesk: str | None, sign: str
    ) -> Sign | None:
        matched = []
        for row in self._rows:
            if row["object"] not in objects or row["sign"] != sign or row["integration_type"] not in (None, helpdesk):
                continue
            found = [as_text(tag) for tag in tags] if row["object"] == "tag" else [value_at(raw, row["path"])]
            for word in found:
                if word is not None and _matches(word, row["value"]):
                    rank = (
                        int(row["place"]),
                        row["integration_type"] is None,
                        (row["path"] or "").encode(),
                        (snake(row["value"].removesuffix("*")) or "").encode(),
                        row["value"].endswith("*"),
                    )
                    matched.append((rank, Sign(row["meaning"] or word, row["path"])))
        return min(matched, key=lambda match: match[0])[1] if matched else None


def value_at(raw: Any, path: str) -> str | None:
    """The text at a path; an object's own `value` where an object stands."""
    member = raw
    for key in path.split("."):
        member = member.get(key) if isinstance(member, Mapping) else None
    return as_text(member.get("value") if isinstance(member, Mapping) else member)


def as_text(value: Any) -> str | None:
    """A JSON value as text; an object or a list is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return text(value)


def moment_told(word: str | None) -> datetime | None:
    """A time in one of the three ways in which helpdesks write them."""
    if word is None:
        return None
    try:
        if re.fullmatch(r"\d+", word):
            return datetime.fromtimestamp(int(word), UTC)
        if ISO_TIME.fullmatch(word):
            moment = datetime.fromisoformat(word)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _matches(word: str, value: str) -> bool:
    if value.endswith("*"):
        return (snake(word) or "").startswith(snake(value[:-1]) or "")
    return snake(word) == snake(value)
