"""Records that are known and no longer shown: gone, or only out of sight?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.errors import (
    CallNotOffered,
    CallsUsedUp,
    GrantPermission,
    RequestRefused,
    TooManyDeletions,
    TryAgainLater,
    UnknownId,
)
from pipelines.ticketing.object_api import ObjectApi
from pipelines.unified_api.records import Record

FEW = 20
"""So many deletions at once need no brake, unless nothing would be left; and after so many refusals nothing more is
asked."""

_MOST_FAILURES = 3
"""So many records for which there is no answer, after many tries each, and it may not be the records."""

_CALLS_OF_A_PROOF = 2
"""To see that the connection still answers, and that it knows what its list shows."""


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
    stopped: CallsUsedUp | None = None
    """The calls of the run did not do for all of them."""

    @property
    def settled(self) -> set[str]:
        """The ids of which as much is known as asking can show."""
        return {*self.not_found, *(record.id for record, _ in self.found), *self.cannot_be_asked}


def ask_for_each(
    api: ObjectApi, ids: Sequence[str], listed_id: str | None, witness: ObjectApi, heard: Callable[[], None]
) -> Absences:
    """Ask for each id. `heard` is told after each.

    A 404 counts only from a connection that still answers (the `witness` lists), and only if it knows an id that its
    list has just shown (`listed_id`). Raises a `TicketingError` where it does not answer. Where the calls of the run
    come to an end, the last of them are kept to prove what was not found.
    """
    absences = Absences()
    if not ids or not api.offers_get:
        absences.cannot_be_asked = list(ids)
        return absences
    failures = 0
    for position, record_id in enumerate(ids):
        if api.calls_left <= _CALLS_OF_A_PROOF:
            absences.stopped = CallsUsedUp(f"{len(ids) - position} records were not asked for: the calls are used up.")
            break
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
        except CallsUsedUp as error:
            absences.stopped = error
            break
        except TryAgainLater as failure:
            absences.refusals.append(str(failure))
            failures += 1
            if failures == _MOST_FAILURES:
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
