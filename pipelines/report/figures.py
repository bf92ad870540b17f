"""All that the report says, as figures that nobody has written down yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.availability import availability_of, what_is_missing
from pipelines.report.backlog import Backlog, backlog_of
from pipelines.report.breakdowns import by_agent, by_category, by_customer, by_helpdesk
from pipelines.report.days import Days, days_of
from pipelines.report.freshness import Freshness, freshness_of
from pipelines.report.glance import Glance, glance_of
from pipelines.report.names import names_of
from pipelines.report.promises import outcomes_of, pressing_of
from pipelines.report.tables import Table
from pipelines.report.triage_list import TriageList, triage_list_of
from pipelines.report.volume import Volume, volumes_of
from pipelines.report.waits import Waits, waits_of
from pipelines.warehouse.destinations.destination import AskRows


@dataclass(frozen=True)
class Support:
    """How support does, section by section."""

    days: Days
    glance: Glance
    triage: TriageList
    backlog: Backlog
    waits: Sequence[Waits]
    volumes: Sequence[Volume]
    breakdowns: Sequence[Table]
    outcomes: Table
    pressing: Table


@dataclass(frozen=True)
class Figures:
    """Support, where there is any, and how far the data can be trusted."""

    support: Support | None
    freshness: Freshness
    missing: Table


def figures_of(ask: AskRows) -> Figures:
    """What the marts tell, all of it read from the tables that `ask` finds under the marts' plain names."""
    names = names_of(ask)
    available = availability_of(ask, names)
    days = days_of(ask)
    support = None
    if days is not None:
        support = Support(
            days=days,
            glance=glance_of(ask, days, available),
            triage=triage_list_of(ask, names),
            backlog=backlog_of(ask, days, names),
            waits=waits_of(ask, days, available),
            volumes=volumes_of(ask, days, available),
            breakdowns=[table(ask, days, names) for table in (by_helpdesk, by_category, by_agent, by_customer)],
            outcomes=outcomes_of(ask, days.shown_since_at),
            pressing=pressing_of(ask, names),
        )
    return Figures(support, freshness_of(ask, names), what_is_missing(available))
