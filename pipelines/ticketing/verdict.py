"""What a look at both sides has shown: the gaps of one object, of which kind, and their likely causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from itertools import groupby
from typing import Any

import msgspec

from pipelines.ticketing.cursor import as_text
from pipelines.ticketing.ledger import Difference, Differs
from pipelines.warehouse.merging import LONGEST_LAG

LISTED = 1_000
"""So many gaps of an object are told one by one."""

_IN_A_ROW = 3
"""So many missing records next to each other were lost together."""


class Kind(Enum):
    """In what the warehouse differs from the source, where no sync would bring it into order."""

    MISSING = "missing"
    WRONGLY_DELETED = "wrongly_deleted"
    STALE = "stale"
    EXTRA = "extra"
    DOUBLED = "doubled"
    CHANGED = "changed"


_KINDS = {
    Differs.MISSING: Kind.MISSING,
    Differs.DELETED: Kind.WRONGLY_DELETED,
    Differs.OTHER_STATE: Kind.STALE,
    Differs.OTHER_CONTENT: Kind.CHANGED,
}


@dataclass(frozen=True)
class Gap:
    """One record that the warehouse does not hold as the source shows it. `updated_at`: as the source shows it."""

    kind: Kind
    id: str
    cause: str
    updated_at: datetime | None = None
    ticket_id: str | None = None


@dataclass
class Verdict:
    """What was found of one object of one connection. `shown` and `held` count the records that were compared."""

    shown: int = 0
    held: int = 0
    not_yet_read: int = 0
    not_yet_reconciled: int = 0
    not_comparable: int = 0
    """Records that are stored under other rules of privacy, so that what they say cannot be compared."""
    read_through: datetime | None = None
    repaired: int = 0
    counts: Counter[Kind] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    """The first of them."""
    gone: list[str] = field(default_factory=list)
    """The ids of the first records that are held and gone at the source."""

    def add(self, gaps: Sequence[Gap]) -> None:
        self.counts.update(gap.kind for gap in gaps)
        self.gaps += gaps[: max(0, LISTED - len(self.gaps))]

    @property
    def gap_count(self) -> int:
        return self.counts.total()

    def columns(self) -> dict[str, Any]:
        """Its part of a row of `sync_coverage`."""
        gaps = [
            {name: value for name, value in asdict(gap).items() if value is not None} | {"kind": gap.kind.value}
            for gap in self.gaps
        ]
        return {
            "records_shown": self.shown,
            "records_held": self.held,
            "not_yet_read": self.not_yet_read,
            "not_yet_reconciled": self.not_yet_reconciled,
            "not_comparable": self.not_comparable,
            "read_through": self.read_through,
            "repaired": self.repaired,
            "gaps": msgspec.json.encode(gaps).decode(),
            "gone": msgspec.json.encode(self.gone).decode(),
            **{kind.value: self.counts[kind] for kind in Kind},
        }


def kind_of(difference: Difference, now: datetime) -> Kind | None:
    """Of which kind a gap is; None for an older state that a copy of the list may still show."""
    is_older = difference.held_at and difference.shown_at and difference.shown_at < difference.held_at
    if is_older and difference.observed_at and difference.observed_at > now - LONGEST_LAG:
        return None
    return _KINDS[difference.differs]


def explained(differences: Sequence[tuple[Difference, Kind]], read_through: datetime | None) -> Iterator[Gap]:
    """Gaps with their likely causes; those of records that are missing next to each other have one in common.
    `read_through`: how far the last sync has read."""
    so_far = f"though the last sync has read {'all' if read_through is None else f'up to {as_text(read_through)}'}"
    for kind, together in _neighbours(differences):
        first, last = together[0], together[-1]
        if kind is Kind.MISSING and len(together) >= _IN_A_ROW:
            stretch = "" if first.shown_at is None or last.shown_at is None else _stretch(first.shown_at, last.shown_at)
            cause = (
                f"{len(together)} records in a row{stretch} are not here, {so_far}: a page or a load was lost, or the "
                "warehouse was put back to an earlier state"
            )
        elif kind is Kind.MISSING:
            cause = (
                f"it is not here, {so_far}: it came to light later than the lookback with a time that had passed, or "
                "was removed here"
            )
        for difference in together:
            yield Gap(
                kind,
                difference.id,
                cause if kind is Kind.MISSING else _cause(kind, difference, so_far),
                difference.shown_at,
                difference.ticket_id,
            )


def _stretch(first: datetime, last: datetime) -> str:
    return f", updated from {as_text(first)} to {as_text(last)},"


def _neighbours(differences: Sequence[tuple[Difference, Kind]]) -> Iterator[tuple[Kind, list[Difference]]]:
    """Differences of one kind that stand next to each other at the source."""
    ordered = sorted(differences, key=lambda item: item[0].place)
    numbered = ((kind, difference, number) for number, (difference, kind) in enumerate(ordered))
    for (kind, _), together in groupby(numbered, key=lambda item: (item[0], item[1].place - item[2])):
        yield kind, [difference for _, difference, _ in together]


def _cause(kind: Kind, difference: Difference, so_far: str) -> str:
    shown_at = "no time" if difference.shown_at is None else as_text(difference.shown_at)
    held_at = "none" if difference.held_at is None else as_text(difference.held_at)
    match kind:
        case Kind.WRONGLY_DELETED:
            return "it is marked as deleted here, but the source shows it: it is back, or was only out of sight"
        case Kind.STALE:
            return f"the source shows it as of {shown_at}, here it is as of {held_at}, {so_far}: the change was missed"
    return f"its content is another, though its time is the same ({shown_at}): changed there without moving it, or here"
