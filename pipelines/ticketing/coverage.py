"""Which parts of a list have been read, by the times of its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self, TypeAlias, TypedDict

_EARLIEST = datetime.min.replace(tzinfo=UTC)

Span: TypeAlias = tuple[datetime, datetime]


@dataclass
class Stretch:
    """A part of a list that one walker reads: the records updated from `start` (None: all that are there) to `end`
    (None: to the end of the list), both included.

    The walker tells how far it has come: everything updated before `reached` has been shown. A page lately took it
    `time_a_page` further; the server cuts times down to `granularity`. The end may be drawn nearer while it walks.
    """

    start: datetime | None
    end: datetime | None = None
    time_a_page: timedelta | None = None
    granularity: timedelta = timedelta(0)
    reached: datetime | None = None
    pages: int = 0
    saw_the_end: bool = False

    def __post_init__(self) -> None:
        self.reached = self.start

    def move_on(self, to: datetime, page_began_at: datetime) -> None:
        """All before a time has been shown, the last of it by a page that began at another."""
        span = to - page_began_at
        self.time_a_page = span if self.time_a_page is None or not self.pages else (span + self.time_a_page) / 2
        self.reached = to
        self.pages += 1

    def is_behind(self, moment: datetime | None) -> bool:
        """Whether a time lies behind the stretch, so that all of it has come."""
        return moment is not None and self.end is not None and moment > self.end


class CoverageState(TypedDict):
    """What a run that was cut short had read, as dlt's state keeps it."""

    since: str | None
    with_raw: bool
    began_at: str | None
    spans: list[tuple[str | None, str]]


class Coverage:
    """The spans of time of which every record has been shown, in order and apart from each other.

    A record that is changed after it was shown moves to the end of its list. So spans stay true for a later run as far
    as they lie before `trusted_until`: whatever has changed or come to light since the first was read, is later.
    """

    def __init__(self, since: datetime | None, spans: Iterable[Span] = (), began_at: datetime | None = None) -> None:
        self.began_at = began_at
        """When the run began that read the first of them, if it was not this one."""
        self._since = since
        self._spans: list[Span] = sorted(spans)
        self.trusted_until = max((end for _, end in self._spans), default=_EARLIEST)

    @classmethod
    def from_state(cls, state: CoverageState | None, since: datetime | None, *, with_raw: bool) -> Self:
        """What an earlier run kept, if it read from the same time on and alike; else nothing."""
        if state is None or _moment(state["since"]) != since or state["with_raw"] != with_raw:
            return cls(since)
        spans = [(_moment(start) or _EARLIEST, datetime.fromisoformat(end)) for start, end in state["spans"]]
        return cls(since, spans, _moment(state["began_at"]))

    def to_state(self, *, with_raw: bool, began_at: datetime | None = None) -> CoverageState | None:
        """A form that JSON can keep, of what a later run may trust; None if that is nothing. `with_raw`: whether all of
        it came with its `raw`; `began_at`: when this run began."""
        trusted = [(start, min(end, self.trusted_until)) for start, end in self._spans if start < self.trusted_until]
        if not trusted:
            return None
        spans = [(None if start == _EARLIEST else start.isoformat(), end.isoformat()) for start, end in trusted]
        began_at = self.began_at or began_at
        return {
            "since": self._since.isoformat() if self._since else None,
            "with_raw": with_raw,
            "began_at": began_at.isoformat() if began_at else None,
            "spans": spans,
        }

    def forget(self) -> None:
        """Nothing has been shown: what said so is not believed any more."""
        self._spans, self.trusted_until = [], _EARLIEST

    @property
    def is_empty(self) -> bool:
        return not self._spans

    def add(self, start: datetime | None, end: datetime | None) -> None:
        """Every record from `start` (None: the earliest) to `end` has been shown; None: none yet."""
        first = start or _EARLIEST
        if end is None or end <= first:
            return
        joined = [span for span in self._spans if span[0] <= end and span[1] >= first]
        apart = [span for span in self._spans if span not in joined]
        self._spans = sorted(
            [*apart, (min([first, *(span[0] for span in joined)]), max([end, *(span[1] for span in joined)]))]
        )

    def gaps(self, start: datetime | None, end: datetime) -> list[Stretch]:
        """What is still to be read from `start` to `end`."""
        gaps: list[Stretch] = []
        reached = start or _EARLIEST
        for span_start, span_end in self._spans:
            if reached < min(span_start, end):
                gaps.append(_stretch(reached, min(span_start, end)))
            reached = max(reached, span_end)
        if reached < end:
            gaps.append(_stretch(reached, end))
        return gaps


def _stretch(start: datetime, end: datetime) -> Stretch:
    return Stretch(None if start == _EARLIEST else start, end)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
