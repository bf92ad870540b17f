"""Records that are known and no longer shown: gone, or only out of sight?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.errors import CallNotOffered, GrantPermission, RequestRefused, TooManyDeletions, UnknownId
from pipelines.ticketing.object_api import ObjectApi
from pipelines.unified_api.records import Record

FEW = 20
"""So many deletions at once need no brake, unless nothing would be left; and after so many refusals nothing more is
asked."""


@dataclass
class Absences:
    """What asking for absent records by their ids has shown."""

    not_found: list[str] = field(default_factory=list)
    """The API does not know them any more, or knows them by another id."""
    found: list[tuple[Record, datetime]] = field(default_factory=list)
    """They are there after all; with the time at which they were served."""
    cannot_be_asked: list[str] = field(default_factory=list)
    """The integration does not offer to ask for one."""
    refusals: list[str] = field(default_factory=list)
    """What was said instead of an answer; nothing is known of these records."""


def ask_for_each(
    api: ObjectApi, ids: Sequence[str], listed_id: str | None, witness: ObjectApi, heard: Callable[[], None]
) -> Absences:
    """Ask for each id. `heard` is told after each.

    A 404 counts only from a connection that still answers (the `witness` lists), and only if it knows an id that its
    list has just shown (`listed_id`). Raises a `TicketingError` where it does not answer.
    """
    absences = Absences()
    if not ids or not api.offers_get:
        absences.cannot_be_asked = list(ids)
        return absences
    for position, record_id in enumerate(ids):
        try:
            record, served_at = api.get(record_id)
        except UnknownId:
            absences.not_found.append(record_id)
        except CallNotOffered:
            absences.cannot_be_asked = list(ids[position:])
            break
        except (RequestRefused, GrantPermission) as refusal:
            absences.refusals.append(str(refusal))
            if len(absences.refusals) == FEW:
                break
        else:
            if isinstance(record, Record) and record.id == record_id:
                absences.found.append((record, served_at))
            elif isinstance(record, Record):
                absences.not_found.append(record_id)
        heard()
    if absences.not_found:
        witness.shown_id()
        if listed_id is not None and not _knows(api, listed_id):
            absences.cannot_be_asked += absences.not_found
            absences.not_found = []
    return absences


def _knows(api: ObjectApi, record_id: str) -> bool:
    """Whether a get answers with the record of this id; with one of another id it does not speak of what lists show."""
    try:
        record, _ = api.get(record_id)
    except UnknownId:
        return False
    return isinstance(record, Record) and record.id == record_id


def raise_refusals(refusals: Sequence[str], what: str) -> None:
    """Raises `RequestRefused` if there are any. What follows from other answers must be on its way by then."""
    if refusals:
        raise RequestRefused(
            f"{len(refusals)} {what} are not shown any more, but asking for them by their ids was refused. They stay "
            f"as they are. The first: {refusals[0]}"
        )


def brake(api: ObjectApi, absent: int, known: int, largest_share: float) -> None:
    """Raises `TooManyDeletions` where more than a share of the known records is absent, unless they are few, and where
    all are."""
    table = api.endpoint.table
    is_all = absent == known > 0 and largest_share < 1
    if is_all or absent > max(FEW, largest_share * known):
        raise TooManyDeletions(
            f"Expected at most {largest_share:.0%} of the {known:,} known {table} to be gone at the source, but "
            f"{absent:,} are not shown any more. Nothing was removed. If they are really gone, run "
            f"`ticketing reconcile --connection {api.target.id} --select {table} --brake 1`."
        )
