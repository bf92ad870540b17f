"""A large account's raw tables, as syncs would have left them, made by DuckDB from numbers; and a day's changes."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from tests.warehouse.raw_warehouse import DuckDBWarehouse
from transforms.schemas import DATASET

CONNECTION = "3b51a203335419565310285d"
"""A connection of the demo, for which the shipped seeds have policies."""

_WORDS = re.findall(
    r"\w+",
    "the bike battery does not charge since last week and the display shows an error after the update could you please "
    "send me a new key for the lock my order has not arrived yet tracking says delivered on Tuesday thank you",
)

_NUMBERS = f"""
create temp table texts as
select number as text_number, string_agg(word, ' ' order by place) as text
from (
    select number, place, list_extract({_WORDS}, 1 + cast(hash(number * 64 + place) % {len(_WORDS)} as integer)) as word
    from range(499) as numbers (number), range(50) as places (place)
    where place < 10 + hash(number) % 40
)
group by number;
create temp table numbers as
select
    number,
    timestamptz '2023-01-01'
    + to_milliseconds(cast(94608000000 * pow(number / {{tickets}}, 0.6) as bigint)) as opened_at,
    cast(60 + hash(number * 3) % 400000 as bigint) as seconds,
    cast(1 + hash(number * 5) % 7 as bigint) as note_count,
    number % 7 = 0 and number > {{tickets}} * 0.6 as is_open,
    60000000 + hash(number) % {{customers}} as customer,
    50000000 + hash(number * 7) % 40 as agent,
    80000000 + hash(number * 11) % 20 as category,
    list_extract(['low', 'normal', 'high', 'urgent'], 1 + cast(hash(number * 13) % 4 as integer)) as priority
from range({{first}}, {{tickets}}) as numbers (number);
"""

_TICKETS = """
select
    '{connection}' as connection_id, cast(40000000 + number as varchar) as id, opened_at as created_at,
    opened_at + to_seconds(seconds) as updated_at,
    case when not is_open then opened_at + to_seconds(seconds) end as closed_at,
    cast(customer as varchar) as customer_id, cast(agent as varchar) as user_id,
    cast(category as varchar) as category_id,
    left(text, 60) as subject, '<p>' || text || '</p>' as description,
    if(is_open, 'ACTIVE', 'CLOSED') as status, priority, 'web' as "source",
    to_json(['tag-' || number % 13, 'tag-' || number % 17]) as tags,
    json_object(
        'id', number, 'status', if(is_open, 'open', 'closed'), 'requester_id', customer, 'submitter_id', customer,
        'assignee_id', agent, 'via', json_object('channel', 'web'), 'subject', left(text, 60), 'is_public', true,
        'satisfaction_rating', json_object('score', 'unoffered'), 'created_at', cast(opened_at as varchar)
    ) as raw,
    md5(cast(number as varchar)) as _row_hash, opened_at + to_seconds(seconds + 60) as _observed_at,
    'poll' as _observed_via
from numbers inner join texts on texts.text_number = numbers.number % 499
"""

_NOTES = """
select
    '{connection}' as connection_id, cast(number * 10 + place as varchar) as id, sent_at as created_at,
    sent_at as updated_at, cast(40000000 + number as varchar) as ticket_id,
    case when place % 2 = 1 then cast(customer as varchar) end as customer_id,
    case when place % 2 = 0 then cast(50000000 + (agent + place) % 40 as varchar) end as user_id,
    '<p>' || text || ' &amp; more<br>of it</p>' as description,
    json_object(
        'id', number * 10 + place, 'type', 'Comment', 'author_id', if(place % 2 = 1, customer, agent),
        'public', (number + place) % 5 <> 0, 'body', text, 'via', json_object('channel', 'web')
    ) as raw,
    md5(cast(number * 10 + place as varchar)) as _row_hash, sent_at as _observed_at, 'poll' as _observed_via
from (
    select
        numbers.*, place, opened_at + to_seconds(seconds * place // (note_count + 1)) as sent_at, texts.text
    from numbers
    cross join lateral (select unnest(range(1, note_count + 1)) as place) as places
    inner join texts on texts.text_number = (numbers.number * 3 + place) % 499
)
"""

_STATES = """
select
    '{connection}' as connection_id, cast(40000000 + number as varchar) as id, md5(number || '/' || step) as state_hash,
    changed_at as updated_at, case when status = 'CLOSED' then changed_at end as closed_at, status, priority,
    cast(category as varchar) as category_id, cast(50000000 + (agent + step) % 40 as varchar) as user_id,
    cast(customer as varchar) as customer_id, to_json(['tag-' || number % 13, 'tag-' || number % 17]) as tags,
    if(status = 'CLOSED', 'closed', 'open') as raw_status, false as is_baseline,
    changed_at + interval '1 minute' as observed_at, 'poll' as observed_via
from (
    select *, 0 as step, 'ACTIVE' as status, opened_at as changed_at from numbers
    union all
    select *, 1, 'ACTIVE', opened_at + to_seconds(seconds // 3) from numbers where number % 3 = 0
    union all
    select *, 2, 'CLOSED', opened_at + to_seconds(seconds // 2) from numbers where number % 10 = 0
    union all
    select *, 3, 'ACTIVE', opened_at + to_seconds(seconds * 2 // 3) from numbers where number % 10 = 0
    union all
    select *, 4, 'CLOSED', opened_at + to_seconds(seconds) from numbers where not is_open
)
"""

_PEOPLE = {
    "customers": """
        select
            '{connection}' as connection_id, cast(60000000 + number as varchar) as id, 'Rider ' || number as name,
            timestamptz '2023-01-01' as created_at, md5(cast(number as varchar)) as _row_hash,
            to_json([{{'email': 'rider.' || number || '@mailbox.example'}}]) as emails
        from range({customers}) as numbers (number)
    """,
    "employees": """
        select
            '{connection}' as connection_id, cast(50000000 + number as varchar) as id, 'Agent ' || number as name,
            md5(cast(number as varchar)) as _row_hash
        from range(40) as numbers (number)
    """,
    "categories": """
        select
            '{connection}' as connection_id, cast(80000000 + number as varchar) as id, 'Category ' || number as name,
            case when number >= 5 then cast(80000000 + number % 5 as varchar) end as parent_id,
            md5(cast(number as varchar)) as _row_hash
        from range(20) as numbers (number)
    """,
    "connections": "select '{connection}' as id, 'zendesk' as integration_type, 'Zendesk' as integration_name",
}

_SYNCS = """
select
    'run-' || day as run_id, '{connection}' as connection_id, object as "object", 'zendesk' as integration_type,
    'by_anchor' as plan, began_at as started_at, began_at + interval '1 minute' as ended_at, began_at as read_through,
    true as is_complete, 'sync' as command
from (
    select day, object, timestamptz '2023-01-01' + to_days(cast(day as integer)) as began_at
    from range({first_day}, {last_day}) as days (day),
        (values ('tickets'), ('notes'), ('customers'), ('categories'), ('employees')) as objects (object)
)
"""

_A_DAY = f"""
create temp table touched as
select id, hash(id) % 3 as what from {DATASET}.tickets
where
    -- Most of what changes is young.
    (created_at > timestamptz '2025-11-01' and hash(id || 'young') % 1000 < {{young}})
    or (created_at <= timestamptz '2025-11-01' and hash(id || 'old') % 1000 < {{old}});
update {DATASET}.tickets set
    status = if(status = 'CLOSED', 'ACTIVE', 'CLOSED'),
    closed_at = if(status = 'CLOSED', null, timestamptz '2026-01-05'),
    updated_at = timestamptz '2026-01-05', _row_hash = md5(_row_hash)
where id in (select id from touched where what = 0);
insert into {DATASET}.ticket_versions by name
select
    connection_id, id, md5(_row_hash || 'state') as state_hash, updated_at, closed_at, status, priority, category_id,
    user_id, customer_id, tags, false as is_baseline, timestamptz '2026-01-05 00:01:00' as observed_at,
    'poll' as observed_via, 3 as _schema_version, 'load-1' as _dlt_load_id
from {DATASET}.tickets where id in (select id from touched where what = 0);
insert into {DATASET}.notes by name
select
    connection_id, 'new ' || id as id, timestamptz '2026-01-05' as created_at, timestamptz '2026-01-05' as updated_at,
    id as ticket_id, user_id, '<p>One more answer</p>' as description, md5(id) as _row_hash, 'poll' as _observed_via,
    3 as _schema_version, 'load-1' as _dlt_load_id
from {DATASET}.tickets where id in (select id from touched where what = 1);
update {DATASET}.notes set description = '<p>Said otherwise</p>', _row_hash = md5(_row_hash)
where ticket_id in (select id from touched where what = 2) and id like '%2';
update {DATASET}.tickets set _deleted_at = timestamptz '2026-01-05', _row_hash = md5(_row_hash)
where id in (select id from touched where what = 2 and hash(id) % 20 = 0);
update {DATASET}.customers set name = 'Renamed', _row_hash = md5(_row_hash) where hash(id) % 20000 = 0;
"""


def fill(path: Path, tickets: int) -> None:
    """A new file with so many tickets, four times as many notes, and their states over three years."""
    DuckDBWarehouse(path).write({})
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        _grow(connection, 0, tickets, customers=tickets // 5)
        for table, query in _PEOPLE.items():
            _insert(connection, table, query.format(connection=CONNECTION, customers=tickets // 5))
        _insert(connection, "sync_runs", _SYNCS.format(connection=CONNECTION, first_day=0, last_day=1_100))


def pass_a_day(path: Path, tickets: int) -> int:
    """Change one in a hundred of the tickets, mostly young ones, a fifth of them new; and end a sync. How many have
    changed."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(_A_DAY.format(young=45, old=4))
        _grow(connection, tickets, tickets + tickets // 500, customers=tickets // 5)
        _insert(connection, "sync_runs", _SYNCS.format(connection=CONNECTION, first_day=1_100, last_day=1_102))
        [(touched,)] = connection.execute("select count(*) from touched").fetchall()
        return int(touched) + tickets // 500


def _grow(connection: duckdb.DuckDBPyConnection, first: int, tickets: int, customers: int) -> None:
    connection.execute(_NUMBERS.format(first=first, tickets=tickets, customers=customers))
    for table, query in (("tickets", _TICKETS), ("notes", _NOTES), ("ticket_versions", _STATES)):
        _insert(connection, table, query.format(connection=CONNECTION))


def _insert(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    connection.execute(
        f"insert into {DATASET}.{table} by name select *, 3 as _schema_version, 'load-1' as _dlt_load_id from ({query})"
    )
