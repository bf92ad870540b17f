"""The charts, each drawn for a wide and for a narrow place, with the table that says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from pipelines.report import backlog, volume, waits
from pipelines.report.backlog import Backlog
from pipelines.report.drawing import drawn
from pipelines.report.tables import Table
from pipelines.report.volume import WEEKDAYS, Volume
from pipelines.report.waits import Waits
from pipelines.report.words import count, counted, limit, percent, short_day

_WIDE, _NARROW = 540, 330
_SERIES = [f"var(--series-{number})" for number in range(1, 7)]
_OPENED, _CLOSED, _UNANSWERED = "var(--series-1)", "var(--series-2)", "var(--warning-mark)"
_PALE = 0.4
"""Of what is not over yet."""


@dataclass(frozen=True)
class Key:
    """What a colour stands for; `series` is its number in the page's palette."""

    label: str
    series: str


@dataclass(frozen=True)
class Chart:
    """One chart as it stands in the page."""

    name: str
    title: str
    says: str
    wide: str
    narrow: str
    keys: Sequence[Key]
    table: Table


Drawing = Callable[[int], Any]
"""The chart for a place of that width."""


def _chart(name: str, title: str, says: str, drawing: Drawing, table: Table, keys: Sequence[Key] = ()) -> Chart:
    label = f"{title}. {says}"
    wide, narrow = (
        drawn(_styled(drawing(width)).to_dict(validate=False), label, kind)
        for width, kind in ((_WIDE, "wide"), (_NARROW, "narrow"))
    )
    return Chart(name, title, says, wide, narrow, keys, table)


def _styled(chart: Any) -> Any:
    """Calm: hardly a line, and the colours of the page."""
    return (
        chart.configure(background="transparent", padding=2)
        .configure_axis(
            labelColor="var(--muted)",
            labelFontSize=11,
            gridColor="var(--line)",
            domain=False,
            ticks=False,
            labelPadding=6,
            title=None,
        )
        .configure_view(stroke=None)
        .configure_legend(disable=True)
    )


def _values(rows: list[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=rows)


def backlog_chart(found: Backlog) -> Chart:
    """Open tickets at each day's end, by helpdesk."""
    rows = [
        {"day": str(day.on), "helpdesk": f"{place}", "place": place, "open": number, "is_over": day.is_over}
        for day in found.days
        for place, number in enumerate(day.open_by_helpdesk.values())
    ]
    hints = [{"day": str(day.on), "hint": _hint_of_backlog(found, place)} for place, day in enumerate(found.days)]
    whole = [day for day in found.days if day.is_over]
    colours = alt.Color(
        "helpdesk:N", scale=alt.Scale(domain=[str(n) for n in range(len(found.helpdesks))], range=_SERIES)
    )

    def drawing(width: int) -> Any:
        stack = alt.Chart(_values(rows)).encode(
            x=_days(width), y=_amounts("open:Q"), color=colours, order=alt.Order("place:Q")
        )
        last = str(whole[-1].on) if whole else ""
        return alt.layer(
            stack.mark_area(stroke="var(--card)", strokeWidth=0.8, aria=False).transform_filter("datum.is_over"),
            stack.mark_area(opacity=_PALE, aria=False).transform_filter(f"!datum.is_over || datum.day == '{last}'"),
            _hints(hints, width),
        ).properties(width=width - 40, height=200)

    says = (
        f"{counted(whole[-1].open, 'ticket')} at the end of {short_day(whole[-1].on)}; at most "
        f"{max(day.open for day in whole):,} and at least {min(day.open for day in whole):,} in "
        f"{counted(len(whole), 'day')}."
        if whole
        else "No day is over yet."
    )
    keys = [Key(name, str(place + 1)) for place, name in enumerate(found.helpdesks)]
    return _chart("backlog", "Open at each day's end", says, drawing, backlog.table_of(found), keys)


def _hint_of_backlog(found: Backlog, place: int) -> str:
    day = found.days[place]
    parts = ", ".join(f"{name} {number:,}" for name, number in day.open_by_helpdesk.items() if number)
    over = "" if day.is_over else " so far"
    return f"{short_day(day.on)}{over}: {day.open:,} open{f' ({parts})' if parts else ''}"


def flow_chart(found: Backlog) -> Chart:
    """What came, upwards, and what went, downwards."""
    rows = [
        {"day": str(day.on), "number": number, "kind": kind, "is_over": day.is_over}
        for day in found.days
        for kind, number in (("opened", day.opened), ("closed", -day.closed))
    ]
    hints = [
        {
            "day": str(day.on),
            "hint": f"{short_day(day.on)}{'' if day.is_over else ' so far'}: {day.opened:,} opened, "
            f"{day.closed:,} closed",
        }
        for day in found.days
    ]
    colours = alt.Color("kind:N", scale=alt.Scale(domain=["opened", "closed"], range=[_OPENED, _CLOSED]))

    def drawing(width: int) -> Any:
        bars = (
            alt.Chart(_values(rows))
            .mark_bar(aria=False)
            .encode(
                x=_days(width),
                y=_amounts("number:Q", labelExpr="format(abs(datum.value), ',')"),
                color=colours,
                opacity=alt.condition("datum.is_over", alt.value(1.0), alt.value(_PALE)),
            )
        )
        return alt.layer(bars, _hints(hints, width)).properties(width=width - 40, height=200)

    opened, closed = (sum(getattr(day, name) for day in found.days if day.is_over) for name in ("opened", "closed"))
    says = f"{opened:,} opened and {closed:,} closed in {counted(sum(day.is_over for day in found.days), 'day')}."
    keys = [Key("Opened, upwards", "1"), Key("Closed, downwards", "2")]
    return _chart("flow", "Opened and closed", says, drawing, backlog.flow_of(found), keys)


def _days(width: int) -> alt.X:
    axis = alt.Axis(format="%-d %b", grid=False, tickCount="month" if width < _WIDE else 6, labelFlush=True)
    return alt.X("day:T", timeUnit="utcyearmonthdate", scale=alt.Scale(type="utc"), axis=axis)


def _amounts(field: str, **axis: Any) -> alt.Y:
    return alt.Y(field, stack=True, axis=alt.Axis(tickCount=4, format=",d", **axis))


def _hints(rows: list[dict[str, Any]], width: int) -> Any:
    """What one day says, wherever on it the pointer rests."""
    return (
        alt.Chart(_values(rows))
        .mark_bar(opacity=0, color="var(--text)", width=(width - 40) / max(len(rows), 1))
        .encode(x=_days(width), y=alt.value(0), y2=alt.value(200), description="hint:N")
    )


def bands_chart(found: Waits) -> Chart:
    """How long it took, and of how many it is not over or never came."""
    total = found.case_count
    rows = [
        {
            "label": band.label,
            "number": band.case_count,
            "is_answered": band.is_answered,
            "said": f"{count(band.case_count)} · {percent(band.case_count / total)}" if total else "0",
            "hint": f"{band.label}: {band.case_count:,} of {total:,}",
        }
        for band in found.bands
    ]
    most = max((band.case_count for band in found.bands), default=0) or 1

    def drawing(width: int) -> Any:
        labels = alt.Y(
            "label:N", sort=[band.label for band in found.bands], axis=alt.Axis(labelColor="var(--text)", minExtent=112)
        )
        bars = alt.Chart(_values(rows)).encode(
            y=labels, x=alt.X("number:Q", axis=None, scale=alt.Scale(domain=[0, most * 1.3]))
        )
        colour = alt.condition("datum.is_answered", alt.value("var(--series-1)"), alt.value(_UNANSWERED))
        return alt.layer(
            bars.mark_bar(height=14).encode(color=colour, description="hint:N"),
            bars.mark_text(align="left", dx=6, fontSize=11, color="var(--muted)", aria=False).encode(text="said:N"),
        ).properties(width=width - 140, height=alt.Step(22))

    title = f"{found.label}: how long it took"
    unanswered = found.unanswered_count
    says = (
        f"{counted(total, 'case')} in 13 weeks, {unanswered:,} of them without an end or an answer."
        if total
        else "None in 13 weeks."
    )
    says = f"{says} {found.lack}" if found.lack else says
    what = "Resolved" if found.metric == "resolution" else "Answered"
    keys = [Key(what, "1"), Key("Still open" if found.metric == "resolution" else "Without a reply", "warning")]
    return _chart(f"bands-{found.metric}", title, says, drawing, waits.table_of(found), keys)


def shares_chart(found: Waits) -> Chart:
    """What part was answered within each limit, by helpdesk."""
    helpdesks = list(dict.fromkeys(share.helpdesk for share in found.shares))
    limits = sorted({share.limit_seconds for share in found.shares})
    rows = [
        {
            "limit": limit(share.limit_seconds),
            "helpdesk": str(helpdesks.index(share.helpdesk)),
            "share": share.share,
            "hint": f"{share.helpdesk}: {percent(share.share)} within {limit(share.limit_seconds)}, "
            f"{share.within_count:,} of {share.old_enough_count:,}",
        }
        for share in found.shares
        if share.share is not None
    ]
    colours = alt.Color("helpdesk:N", scale=alt.Scale(domain=[str(n) for n in range(len(helpdesks))], range=_SERIES))

    def drawing(width: int) -> Any:
        lines = alt.Chart(_values(rows)).encode(
            x=alt.X(
                "limit:N",
                sort=[limit(seconds) for seconds in limits],
                axis=alt.Axis(labelAngle=0),
                scale=alt.Scale(padding=0.3),
            ),
            y=alt.Y("share:Q", axis=alt.Axis(format=".0%", tickCount=5), scale=alt.Scale(domain=[0, 1])),
            color=colours,
        )
        return alt.layer(
            lines.mark_line(strokeWidth=2, aria=False),
            lines.mark_point(filled=True, size=55, opacity=1).encode(description="hint:N"),
        ).properties(width=width - 50, height=200)

    title = f"{found.label}: share within a limit, all time"
    says = "Of all that had the time of the limit, the unanswered counted in."
    keys = [Key(name, str(place + 1)) for place, name in enumerate(helpdesks)]
    return _chart(f"shares-{found.metric}", title, says, drawing, found.statistics, keys)


def volume_chart(found: Volume) -> Chart:
    """The busy hours are the dark ones."""
    most = max(found.counts.values()) or 1
    rows = [
        {
            "day": WEEKDAYS[day - 1][:3],
            "hour": hour,
            "strength": round(0.04 + 0.96 * number / most, 2),
            "hint": f"{WEEKDAYS[day - 1]} {hour:02d}:00 to {hour + 1:02d}:00 UTC: {number:,}",
        }
        for (day, hour), number in found.counts.items()
    ]

    def drawing(width: int) -> Any:
        hours = alt.Axis(labelAngle=0, values=list(range(0, 24, 3)), labelExpr="format(datum.value, '02d')")
        return (
            alt.Chart(_values(rows))
            .mark_rect(color="var(--series-1)")
            .encode(
                x=alt.X("hour:O", axis=hours, scale=alt.Scale(padding=0.1)),
                y=alt.Y("day:N", sort=[day[:3] for day in WEEKDAYS], scale=alt.Scale(padding=0.1)),
                opacity=alt.Opacity("strength:Q", scale=None),
                description="hint:N",
            )
            .properties(width=width - 44, height=alt.Step(24 if width == _WIDE else 20))
        )

    busiest = found.busiest()
    if busiest:
        says = (
            f"{sum(found.counts.values()):,} messages in 13 weeks; most on {WEEKDAYS[busiest[0] - 1]}s from "
            f"{busiest[1]:02d}:00 UTC, {found.counts[busiest]:,}."
        )
    else:
        says = "None in 13 weeks."
    says = f"{says} {found.lack}" if found.lack else says
    return _chart(f"volume-{found.name}", found.label, says, drawing, volume.table_of(found))
