"""What differs is judged by its kind, and neighbours that are missing have one cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ticketing.ledger import Difference, Differs
from pipelines.ticketing.verdict import LISTED, Gap, Kind, Verdict, explained, kind_of
from pipelines.warehouse.merging import LONGEST_LAG

NOON = datetime(2026, 5, 29, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def differing(differs: Differs, place: int = 1, **columns: datetime | None) -> Difference:
    times = {"shown_at": NOON + place * SECOND, "held_at": NOON, "observed_at": NOON} | columns
    return Difference(differs, str(place), ticket_id=None, place=place, **times)


@pytest.mark.parametrize(
    ("differs", "kind"),
    [
        (Differs.MISSING, Kind.MISSING),
        (Differs.DELETED, Kind.WRONGLY_DELETED),
        (Differs.OTHER_STATE, Kind.STALE),
        (Differs.OTHER_CONTENT, Kind.CHANGED),
    ],
)
def test_each_way_to_differ_is_a_kind_of_gap(differs: Differs, kind: Kind) -> None:
    assert kind_of(differing(differs), NOON) is kind


def test_an_older_state_is_no_gap_as_long_as_a_copy_of_the_list_may_show_it() -> None:
    older = differing(Differs.OTHER_STATE, shown_at=NOON - SECOND)
    assert kind_of(older, NOON + LONGEST_LAG - SECOND) is None
    assert kind_of(older, NOON + LONGEST_LAG) is Kind.STALE
    newer = differing(Differs.OTHER_STATE, shown_at=NOON + SECOND)
    assert kind_of(newer, NOON) is Kind.STALE
    of_no_time = differing(Differs.OTHER_STATE, shown_at=None)
    assert kind_of(of_no_time, NOON) is Kind.STALE


def test_records_that_are_missing_next_to_each_other_were_lost_together() -> None:
    missing = [(differing(Differs.MISSING, place), Kind.MISSING) for place in (9, 2, 1, 3, 6)]
    causes = {gap.id: gap.cause for gap in explained(missing, NOON)}
    assert all("3 records in a row, updated from 2026-05-29T12:00:01" in causes[id] for id in ("1", "2", "3"))
    assert all("up to 2026-05-29T12:00:00" in causes[id] for id in causes)
    assert "in a row" not in causes["6"] + causes["9"]


def test_a_record_of_another_kind_between_them_parts_neighbours() -> None:
    judged = [(differing(Differs.MISSING, place), Kind.MISSING) for place in (1, 2, 4, 5)]
    judged.append((differing(Differs.OTHER_STATE, 3), Kind.STALE))
    assert not any("in a row" in gap.cause for gap in explained(judged, None))


@given(st.lists(st.tuples(st.sampled_from([*Differs]), st.integers(1, 9)), max_size=12, unique_by=lambda item: item[1]))
def test_every_gap_is_explained_once(found: list[tuple[Differs, int]]) -> None:
    judged = [(difference, kind) for item in found if (kind := kind_of(difference := differing(*item), NOON))]
    gaps = [*explained(judged, None)]
    assert sorted(gap.id for gap in gaps) == sorted(difference.id for difference, _ in judged)
    assert {gap.id: gap.kind for gap in gaps} == {difference.id: kind for difference, kind in judged}
    assert all(gap.cause for gap in gaps)


def test_all_gaps_are_counted_and_the_first_are_listed() -> None:
    verdict = Verdict()
    verdict.add([Gap(Kind.MISSING, str(number), "lost") for number in range(LISTED - 1)])
    verdict.add([Gap(Kind.STALE, "x", "missed", NOON), Gap(Kind.STALE, "y", "missed", NOON)])
    assert verdict.gap_count == LISTED + 1
    columns = verdict.columns()
    assert (columns["missing"], columns["stale"], columns["extra"]) == (LISTED - 1, 2, 0)
    listed = msgspec.json.decode(columns["gaps"])
    assert len(listed) == LISTED
    assert listed[-1] == {"kind": "stale", "id": "x", "cause": "missed", "updated_at": "2026-05-29T12:00:00Z"}
