"""The week by helpdesk, category, agent and customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pipelines.report.days import Days
from pipelines.report.tables import Column, Table, TableRow
from pipelines.report.words import Unit, Value
from pipelines.warehouse.destinations.destination import AskRows

Row: TypeAlias = dict[str, Any]

SHOWN = 12
"""Rows of a table; helpdesks are all shown."""

_HELPDESKS = """
with week as (
    select
        connection_id,
        sum(opened_count) as opened_count,
        sum(closed_count) as closed_count,
        sum(customer_message_count) as customer_message_count,
        sum(agent_reply_count) as agent_reply_count
    from support_daily
    where day_on between %s and %s
    group by connection_id
),
now as (
    select
        connection_id,
        count(*) as open_count,
        sum(case when waiting_on = 'us' then 1 else 0 end) as waiting_on_us_count,
        sum(case when overdue_sla_count > 0 then 1 else 0 end) as overdue_count
    from open_tickets
    group by connection_id
),
replies as (
    select connection_id, max(median_seconds) as median_seconds
    from answer_statistics
    where metric = 'first_reply'
    group by connection_id
),
known as (
    select
        connection_id,
        max(case when metric = 'conversation' and availability <> 'unavailable' then 1 else 0 end) as has_conversations,
        max(case when metric = 'service_levels' and availability <> 'unavailable' then 1 else 0 end) as has_levels
    from metric_availability
    group by connection_id
)
select
    connections.connection_id,
    coalesce(now.open_count, 0) as open_count,
    case when known.has_conversations = 1 then coalesce(now.waiting_on_us_count, 0) end
        as waiting_on_us_count,
    case when known.has_levels = 1 then coalesce(now.overdue_count, 0) end as overdue_count,
    coalesce(week.opened_count, 0) as opened_count,
    coalesce(week.closed_count, 0) as closed_count,
    case when known.has_conversations = 1 then coalesce(week.customer_message_count, 0) end
        as customer_message_count,
    case when known.has_conversations = 1 then coalesce(week.agent_reply_count, 0) end
        as agent_reply_count,
    replies.median_seconds
from connections
left join week on connections.connection_id = week.connection_id
left join now on connections.connection_id = now.connection_id
left join replies on connections.connection_id = replies.connection_id
left join known on connections.connection_id = known.connection_id
order by connections.ticket_count desc, connections.connection_id
"""

_CATEGORIES = """
with week as (
    select
        connection_id,
        category_name,
        sum(case when day_on >= %s then opened_count else 0 end) as opened_count,
        sum(case when day_on < %s then opened_count else 0 end) as opened_before_count,
        sum(case when day_on >= %s then closed_count else 0 end) as closed_count
    from support_daily
    where day_on between %s and %s
    group by connection_id, category_name
),
now as (
    select connection_id, category_name, count(*) as open_count
    from open_tickets
    group by connection_id, category_name
)
select
    coalesce(week.connection_id, now.connection_id) as connection_id,
    coalesce(week.category_name, now.category_name) as name,
    coalesce(week.opened_count, 0) as opened_count,
    coalesce(week.opened_before_count, 0) as opened_before_count,
    coalesce(week.closed_count, 0) as closed_count,
    coalesce(now.open_count, 0) as open_count,
    count(*) over () as row_count
from week
full outer join now
    on week.connection_id = now.connection_id and coalesce(week.category_name, '') = coalesce(now.category_name, '')
order by opened_count desc, open_count desc, connection_id, coalesce(week.category_name, now.category_name)
limit %s
"""

_AGENTS = """
select
    days.connection_id,
    days.agent_id as its_id,
    coalesce(max(agents.agent_name), days.agent_id) as name,
    sum(case when days.day_on >= %s then days.reply_count else 0 end) as reply_count,
    sum(case when days.day_on < %s then days.reply_count else 0 end) as reply_before_count,
    sum(case when days.day_on >= %s then days.first_reply_count else 0 end) as first_reply_count,
    case
        when sum(case when days.day_on >= %s then days.timed_answer_count else 0 end) > 0
            then
                sum(case when days.day_on >= %s then days.answer_seconds_sum else 0 end)
                / sum(case when days.day_on >= %s then days.timed_answer_count else 0 end)
    end as mean_answer_seconds,
    sum(case when days.day_on >= %s then days.closed_ticket_count else 0 end) as closed_ticket_count,
    max(agents.assigned_open_ticket_count) as assigned_open_ticket_count,
    count(*) over () as row_count
from agent_daily as days
left join agents on days.connection_id = agents.connection_id and days.agent_id = agents.agent_id
where days.day_on between %s and %s
group by days.connection_id, days.agent_id
order by reply_count desc, reply_before_count desc, days.connection_id, days.agent_id
limit %s
"""

_CUSTOMERS = """
with now as (
    select
        connection_id,
        customer_id,
        count(*) as open_count,
        sum(case when waiting_on = 'us' then 1 else 0 end) as waiting_on_us_count
    from open_tickets
    where customer_id is not null
    group by connection_id, customer_id
),
week as (
    select
        connection_id,
        customer_id,
        sum(opened_count) as opened_count,
        sum(customer_message_count) as customer_message_count,
        sum(agent_reply_count) as agent_reply_count
    from customer_support_daily
    where day_on between %s and %s
    group by connection_id, customer_id
)
select
    summary.connection_id,
    summary.customer_id as its_id,
    coalesce(summary.customer_name, summary.customer_id) as name,
    coalesce(week.opened_count, 0) as opened_count,
    case when summary.customer_message_count is not null then coalesce(week.customer_message_count, 0) end
        as customer_message_count,
    case when summary.agent_reply_count is not null then coalesce(week.agent_reply_count, 0) end as agent_reply_count,
    coalesce(now.open_count, 0) as open_count,
    case when summary.customer_message_count is not null then coalesce(now.waiting_on_us_count, 0) end
        as waiting_on_us_count,
    summary.ticket_count,
    summary.median_first_reply_seconds,
    count(*) over () as row_count
from customer_support_summary as summary
left join week on summary.connection_id = week.connection_id and summary.customer_id = week.customer_id
left join now on summary.connection_id = now.connection_id and summary.customer_id = now.customer_id
where week.customer_id is not null or now.customer_id is not null
order by
    coalesce(week.customer_message_count, 0) desc,
    coalesce(week.opened_count, 0) desc,
    coalesce(now.open_count, 0) desc,
    summary.connection_id,
    summary.customer_id
limit %s
"""


def by_helpdesk(ask: AskRows, days: Days, names: Mapping[str, str]) -> Table:
    """Every connection."""
    columns = [
        Column("open_count", "Open now", Unit.COUNT, "open_tickets", has_bars=True),
        Column("waiting_on_us_count", "Waiting on us", Unit.COUNT, "open_tickets"),
        Column("overdue_count", "Overdue", Unit.COUNT, "open_tickets"),
        Column("opened_count", "Opened", Unit.COUNT, "support_daily", has_bars=True),
        Column("closed_count", "Closed", Unit.COUNT, "support_daily"),
        Column("customer_message_count", "Customer messages", Unit.COUNT, "support_daily"),
        Column("agent_reply_count", "Agent replies", Unit.COUNT, "support_daily"),
        Column("median_seconds", "Median first reply, all time", Unit.SECONDS, "answer_statistics"),
    ]
    rows = [
        TableRow(row["connection_id"], [names[row["connection_id"]], *_numbers(row, columns)])
        for row in ask(_HELPDESKS, *days.week)
    ]
    caption = "By helpdesk: how things stand now, and the last 7 whole days"
    return Table("helpdesks", caption, [Column("name", "Helpdesk", Unit.WORDS), *columns], rows)


def by_category(ask: AskRows, days: Days, names: Mapping[str, str]) -> Table:
    """Those of which most came."""
    since = days.week[0]
    columns = [
        Column("opened_count", "Opened", Unit.COUNT, "support_daily", has_bars=True),
        Column("opened_before_count", "Week before", Unit.COUNT, "support_daily"),
        Column("closed_count", "Closed", Unit.COUNT, "support_daily"),
        Column("open_count", "Open now", Unit.COUNT, "open_tickets", has_bars=True),
    ]
    rows = ask(_CATEGORIES, since, since, since, days.week_before[0], days.last, SHOWN)
    return _table("categories", "Category", "By category, most opened first", columns, rows, names, "no category")


def by_agent(ask: AskRows, days: Days, names: Mapping[str, str]) -> Table:
    """By who replied, whoever is assigned."""
    since = days.week[0]
    columns = [
        Column("reply_count", "Replies", Unit.COUNT, "agent_daily", has_bars=True),
        Column("reply_before_count", "Week before", Unit.COUNT, "agent_daily"),
        Column("first_reply_count", "First replies", Unit.COUNT, "agent_daily"),
        Column("mean_answer_seconds", "Mean wait before answers", Unit.SECONDS, "agent_daily"),
        Column("closed_ticket_count", "Closed", Unit.COUNT, "agent_daily"),
        Column("assigned_open_ticket_count", "Assigned and open", Unit.COUNT, "agents", has_bars=True),
    ]
    rows = ask(_AGENTS, *[since] * 7, days.week_before[0], days.last, SHOWN)
    return _table("agents", "Agent", "By agent who replied, most replies first", columns, rows, names, "nobody")


def by_customer(ask: AskRows, days: Days, names: Mapping[str, str]) -> Table:
    """Those who wrote most, or have something open."""
    columns = [
        Column("customer_message_count", "Messages", Unit.COUNT, "customer_support_daily", has_bars=True),
        Column("agent_reply_count", "Replies", Unit.COUNT, "customer_support_daily"),
        Column("opened_count", "Opened", Unit.COUNT, "customer_support_daily"),
        Column("open_count", "Open now", Unit.COUNT, "open_tickets", has_bars=True),
        Column("waiting_on_us_count", "Waiting on us", Unit.COUNT, "open_tickets"),
        Column("ticket_count", "Tickets of all time", Unit.COUNT, "customer_support_summary"),
        Column("median_first_reply_seconds", "Median first reply", Unit.SECONDS, "customer_support_summary"),
    ]
    rows = ask(_CUSTOMERS, *days.week, SHOWN)
    return _table("customers", "Customer", "By customer, most messages first", columns, rows, names, "nobody")


def _table(
    name: str,
    heading: str,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    names: Mapping[str, str],
    nameless: str,
) -> Table:
    """Rows that are named, each with its helpdesk."""
    return Table(
        name,
        caption,
        [Column("name", heading, Unit.WORDS), *columns],
        [
            TableRow(
                f"{row['connection_id']} {row.get('its_id', row['name'])}",
                [row["name"] or nameless, *_numbers(row, columns)],
                names.get(row["connection_id"], row["connection_id"]),
            )
            for row in rows
        ],
        more_count=(rows[0]["row_count"] if rows else 0) - len(rows),
    )


def _numbers(row: Row, columns: Sequence[Column]) -> list[Value]:
    """Sums are decimals on one warehouse."""
    return [None if row[column.name] is None else round(row[column.name]) for column in columns]
