"""Proposals: what somebody wants changed of a ticket, and why; from rows, whoever made them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from pipelines.errors import FixConfiguration

STATUSES = ("ACTIVE", "CLOSED")
"""What the API publishes as the status of a ticket."""

_SHOWN = 60
"""Characters of a value that an error quotes."""

_NAMED = 5
"""So many rows, or tags, an error names."""

_TOO_LONG = 10**100
_UNHOLDABLE = re.compile("[\0\ud800-\udfff]")
"""What not every warehouse can hold as text."""


class ProposalsRefused(FixConfiguration):
    """Some rows are no proposals, or contradict each other; names every fault with its row."""


@dataclass(frozen=True)
class Proposal:
    """What is wanted of one ticket; None, and no tag, where nothing is. `category` is a name, `category_id` an id.
    `rows`: where it was proposed, counted from 1."""

    connection_id: str
    ticket_id: str
    priority: str | None = None
    category_id: str | None = None
    category: str | None = None
    user_id: str | None = None
    status: str | None = None
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    tags_set: tuple[str, ...] | None = None
    note: str | None = None
    reason: str | None = None
    rows: tuple[int, ...] = field(default=(), compare=False)

    @property
    def place(self) -> tuple[str, str]:
        return self.connection_id, self.ticket_id

    @property
    def asks_for_nothing(self) -> bool:
        return self.tags_set is None and all(getattr(self, name) in (None, ()) for name in _WISHES)


class _Misfit(ValueError):
    """Says what was expected of a value."""


class _Column(NamedTuple):
    read: Callable[[Any], Any]
    is_required: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str) or _UNHOLDABLE.search(value):
        raise _Misfit("text")
    return value


def _word(value: Any) -> str:
    """Text on its own, a number among it: ids are often made of digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= _TOO_LONG:
            raise _Misfit("text, or a shorter number")
        return str(value)
    return _text(value).strip()


def _status(value: Any) -> str:
    word = _word(value).upper()
    if word not in STATUSES:
        raise _Misfit(" or ".join(STATUSES))
    return word


def _tags(value: Any) -> tuple[str, ...]:
    """A list, or text: one in JSON, or words with commas between them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            raise _Misfit("a list of tags, as JSON or with commas between them") from None
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(tag, str) for tag in found):
        raise _Misfit("a list of tags")
    tags = [_text(tag).strip() for tag in found]
    if not all(tags):
        raise _Misfit("tags that are not empty")
    return tuple(dict.fromkeys(tags))


COLUMNS: Mapping[str, _Column] = {
    "connection_id": _Column(_word, is_required=True),
    "ticket_id": _Column(_word, is_required=True),
    "priority": _Column(_word),
    "category_id": _Column(_word),
    "category": _Column(_word),
    "user_id": _Column(_word),
    "status": _Column(_status),
    "tags_add": _Column(_tags),
    "tags_remove": _Column(_tags),
    "tags_set": _Column(_tags),
    "note": _Column(_text),
    "reason": _Column(_text),
}
"""What a row may have."""

_WISHES = tuple(name for name in COLUMNS if name not in ("connection_id", "ticket_id", "reason"))
_SINGLE = ("priority", "category_id", "category", "user_id", "status", "tags_set", "note")
"""Of these a ticket can be given one."""


def read_proposals(rows: Iterable[Mapping[str, Any]]) -> list[Proposal]:
    """One proposal a ticket, in the order in which they first came; rows about the same ticket are put together.

    A cell that is empty, None or not a number asks for nothing. Raises `ProposalsRefused` with every fault there is.
    """
    faults: list[str] = []
    unknown: dict[str, list[int]] = {}
    by_ticket: dict[tuple[str, str], list[Proposal]] = {}
    for number, row in enumerate(rows, start=1):
        for name in row:
            if name not in COLUMNS:
                unknown.setdefault(name, []).append(number)
        proposal = _read(number, row, faults)
        if proposal is not None:
            by_ticket.setdefault(proposal.place, []).append(proposal)
    proposals = [_together(some, faults) for some in by_ticket.values()]
    for proposal in proposals:
        faults += [f"{_rows(proposal.rows)}: {fault}" for fault in _contradictions(proposal)]
    known_columns = ", ".join(COLUMNS)
    faults += [
        f"{_rows(found)}: expected the columns {known_columns}, got {_shown(name)}" for name, found in unknown.items()
    ]
    if faults:
        raise ProposalsRefused(
            "\n".join(["These proposals cannot be meant. Nothing was planned, nothing sent.", *faults])
        )
    return proposals


def _read(number: int, row: Mapping[str, Any], faults: list[str]) -> Proposal | None:
    """The proposal of one row; None where it is none, which is put into the faults."""
    found: list[str] = []
    given = {name: value for name, value in row.items() if not _is_missing(value)}
    values: dict[str, Any] = {}
    for name, column in COLUMNS.items():
        if name not in given:
            if column.is_required:
                found.append(f"expected a {name}, got none")
            continue
        try:
            values[name] = column.read(given[name])
        except _Misfit as misfit:
            found.append(f"expected {name} to be {misfit}, got {_shown(given[name])}")
    faults += [f"row {number}: {fault}" for fault in found]
    if found:
        return None
    proposal = Proposal(**values, rows=(number,))
    if proposal.asks_for_nothing:
        faults.append(f"row {number}: expected one of {', '.join(_WISHES)}, got none")
        return None
    return proposal


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float | Decimal) and value != value)


def _together(some: Sequence[Proposal], faults: list[str]) -> Proposal:
    """What the proposals for one ticket want together."""
    wanted: dict[str, Any] = {"rows": tuple(row for proposal in some for row in proposal.rows)}
    for name in _SINGLE:
        given = [proposal for proposal in some if getattr(proposal, name) is not None]
        others = [each for each in given if _key(each, name) != _key(given[0], name)]
        if others:
            one, other = getattr(given[0], name), getattr(others[0], name)
            rows = [row for proposal in given for row in proposal.rows]
            faults.append(f"{_rows(rows)}: expected one {name} for a ticket, got {_shown(one)} and {_shown(other)}")
        wanted[name] = getattr(given[0], name) if given else None
    for name in ("tags_add", "tags_remove"):
        wanted[name] = tuple(dict.fromkeys(tag for proposal in some for tag in getattr(proposal, name)))
    reasons = dict.fromkeys(proposal.reason for proposal in some if proposal.reason)
    return replace(some[0], **wanted, reason="; ".join(reasons) or None)


def _key(proposal: Proposal, name: str) -> object:
    """What one value of a column has to share with another to mean the same."""
    value = getattr(proposal, name)
    return frozenset(value) if name == "tags_set" else value


def _contradictions(proposal: Proposal) -> Iterable[str]:
    if proposal.category is not None and proposal.category_id is not None:
        yield "expected category or category_id, got both"
    if proposal.tags_set is not None and (proposal.tags_add or proposal.tags_remove):
        yield "expected tags_set, or tags_add and tags_remove, got both"
    if both := sorted({*proposal.tags_add} & {*proposal.tags_remove}):
        more = f" and {len(both) - _NAMED:,} more" if len(both) > _NAMED else ""
        yield f"expected a tag to be added or removed, got both for {', '.join(map(_shown, both[:_NAMED]))}{more}"


def _rows(numbers: Sequence[int]) -> str:
    if len(numbers) > _NAMED:
        return f"row {numbers[0]} and {len(numbers) - 1:,} more"
    return f"row {numbers[0]}" if len(numbers) == 1 else f"rows {', '.join(map(str, numbers))}"


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__} that is too large to be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
