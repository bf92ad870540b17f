"""The figures as one page of HTML that needs nothing else: no script, no font, no picture, no network."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.report.charts import Chart, backlog_chart, bands_chart, flow_chart, shares_chart, volume_chart
from pipelines.report.figures import Figures, Support
from pipelines.report.words import (
    Unit,
    Value,
    counted,
    cut,
    day,
    duration,
    moment,
    one_line,
    short_day,
    short_moment,
    shown,
)

_FOLDER = Path(__file__).parent
_TEXT_SHOWN = 160
"""Characters of a foreign text; a subject says what it has to say in fewer."""


@dataclass(frozen=True)
class _Charts:
    backlog: Sequence[Chart]
    waits: Sequence[Sequence[Chart]]
    volume: Sequence[Chart]


def page_of(figures: Figures, warehouse: str, made_at: datetime, version: str) -> str:
    """The page's text."""
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            figures=figures,
            support=figures.support,
            charts=_charts_of(figures.support) if figures.support else None,
            warehouse=warehouse,
            units=Unit,
            made_at=made_at,
            version=version,
            style=Markup(style),  # noqa: S704, our own file
            style_source=f"sha256-{digest}",
        )
    )


def _charts_of(support: Support) -> _Charts:
    return _Charts(
        backlog=[backlog_chart(support.backlog), flow_chart(support.backlog)],
        waits=[[bands_chart(each), shares_chart(each)] if each.is_known else [] for each in support.waits],
        volume=[volume_chart(each) for each in support.volumes if each.is_known],
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "svg": Markup,
        "foreign": _foreign,
        "raw": _raw,
        "shown": shown,
        "day": day,
        "short_day": short_day,
        "moment": moment,
        "short_moment": short_moment,
        "duration": duration,
        "counted": counted,
        "one_line": one_line,
    }
    return environment


def _foreign(text: object) -> str:
    return cut(text, _TEXT_SHOWN)


def _raw(value: Value) -> str:
    """The value as a program reads it."""
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else str(value)
