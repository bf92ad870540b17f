"""Records that are known and no longer shown: gone, or only out of sight?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.errors import CallNotOffered, ParameterRefused, TooManyDeletions, UnknownId
from pipelines.ticketing.object_api import ObjectApi
from pipelines.unified_api.records import Record

FEW = 20
"""So many deletions at once need no brake."""


@dataclass
class Absences:
    """What asking for absent records by their ids has shown."""

    not_found: list[str] = field(default_factory=list)
    """The API does not know them any more."""
    found: list[tuple[Record, datetime]] = field(default_factory=list)
    """They are there after all; with the time at which they were served."""
    cannot_be_asked: list[str] = field(default_factory=list)


def ask_for_each(
    api: ObjectApi, ids: Sequence[str], listed_id: str | None, witness: ObjectApi, heard: Callable[[], None]
) -> Absences:
    """Ask for each id. `heard` is told after each.

    A 404 counts only from a connection that still answers (the `witness` lists something of it), and only if it knows
    an id that its list has just shown (`listed_id`). Raises a `TicketingError` where it does not answer.
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
        except (CallNotOffered, ParameterRefused):
            absences.cannot_be_asked = list(ids[position:])
            break
        else:
            if isinstance(record, Record) and record.id == record_id:
                absences.found.append((record, served_at))
        heard()
    if absences.not_found:
        witness.prove_answering()
        if listed_id is not None and not _knows(api, listed_id):
            absences.cannot_be_asked += absences.not_found
            absences.not_found = []
    return absences


def _knows(api: ObjectApi, record_id: str) -> bool:
    try:
        api.get(record_id)
    except UnknownId:
        return False
    return True


def brake(absent: Collection[str], known: int, largest_share: float, what: str) -> None:
    """Raises `TooManyDeletions` where more than a share of the known records is absent, unless they are few."""
    if len(absent) > max(FEW, largest_share * known):
        raise TooManyDeletions(
            f"Expected at most {largest_share:.0%} of the {known:,} known {what} to be gone at the source, but "
            f"{len(absent):,} are not shown any more. Nothing was removed. If they are really gone, run "
            f"`ticketing reconcile --select {what} --brake 1`."
        )
