"""The marts in the schema `published` of a Postgres database: all rows of all tables change in one transaction, so that
who reads finds those of before until it ends, and those of now from then on. Tables stay the same ones, with the views
that others have put over them and the rights that they have given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from pipelines.errors import FixConfiguration
from pipelines.warehouse.destinations.destination import (
    MARTS,
    PUBLICATION,
    PUBLICATION_COLUMNS,
    PUBLICATION_ROW,
    NotThere,
    quoted,
)

PUBLISHED = "published"

Columns: TypeAlias = Mapping[str, str]
"""The columns of a table in their order, and the type of each."""

_COLUMNS = """
select
    relname,
    json_object_agg(attname, format_type(atttypid, atttypmod) order by attnum)
from pg_class
join pg_attribute on attrelid = pg_class.oid
where relnamespace = to_regnamespace(%s) and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
group by relname
order by relname
"""

_COMMENTS = """
with comments as (
    select nspname, relname, coalesce(attname, '') as attname, description
    from pg_description
    join pg_class on pg_class.oid = objoid
    join pg_namespace on pg_namespace.oid = relnamespace
    left join pg_attribute on attrelid = objoid and attnum = objsubid and attnum > 0
    where classoid = 'pg_class'::regclass and relkind in ('r', 'p', 'v', 'm')
)

select
    format(
        'comment on %%s is %%L',
        case
            when attname = '' then format('table %%I.%%I', %(published)s, relname)
            else format('column %%I.%%I.%%I', %(published)s, relname, attname)
        end,
        description
    )
from (
    select relname, attname, description from comments where nspname = %(marts)s
    except
    select relname, attname, description from comments where nspname = %(published)s
) as lacking
"""
"""The statements that give the published tables the descriptions that they lack."""


def publish(cursor: Any, published_at: datetime, readers: list[str]) -> dict[str, int]:
    """Publish the marts, within a transaction that sees them at one moment; returns the rows of each table. `readers`
    are roles as they stand in SQL."""
    before, now, ours = _columns(cursor, PUBLISHED), _columns(cursor, MARTS), _ours(cursor)
    if not now:
        raise NotThere(f"there is no schema {MARTS}")
    if foreign := sorted(before.keys() & {*now, PUBLICATION} - ours):
        raise FixConfiguration(
            f"Expected the schema {PUBLISHED} to be free for what is published, but somebody else's {foreign[0]} "
            "stands there. Rename it or move it to another schema, and run this again. Nothing was changed."
        )
    cursor.execute("select to_regnamespace(%s)", [PUBLISHED])
    if cursor.fetchone()[0] is None:  # `if not exists` would ask for the right to make it first
        cursor.execute(f"create schema {PUBLISHED}")
    for table in sorted(ours & before.keys() - now.keys() - {PUBLICATION}):
        cursor.execute(f"drop table {published_name(table)}")
    rows = {table: _renew(cursor, table, before.get(table), now[table]) for table in now}
    _say_when(cursor, published_at, rows)
    rows[PUBLICATION] = 1
    cursor.execute(_COMMENTS, {"marts": MARTS, "published": PUBLISHED})
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)
    for reader in readers:
        cursor.execute(f"grant usage on schema {PUBLISHED} to {reader}")
        cursor.execute(f"grant select on {', '.join(map(published_name, rows))} to {reader}")
    return rows


def _ours(cursor: Any) -> set[str]:
    """The tables that were published before: whatever else is in the schema is somebody else's."""
    cursor.execute(
        "select 1 from information_schema.columns where table_schema = %s and table_name = %s and column_name = %s",
        [PUBLISHED, PUBLICATION, "row_counts"],
    )
    if cursor.fetchone() is None:
        return set()
    cursor.execute(f"select row_counts from {published_name(PUBLICATION)}")
    return {PUBLICATION}.union(*(counts for (counts,) in cursor.fetchall()))


def _columns(cursor: Any, schema: str) -> Mapping[str, Columns]:
    cursor.execute(_COLUMNS, [schema])
    return dict(cursor.fetchall())


def _renew(cursor: Any, table: str, before: Columns | None, now: Columns) -> int:
    """Neither by `truncate` nor by another table: who has begun to read would find those empty. Columns change where
    they are, so that rights and views over the others stay."""
    mart, published = f"{MARTS}.{quoted(table)}", published_name(table)
    if before is None:
        cursor.execute(f"create table {published} (like {mart} including indexes)")
    else:
        cursor.execute(f"delete from {published}")
        changes = [f"drop column {quoted(name)}" for name, kind in before.items() if now.get(name) != kind]
        changes += [f"add column {quoted(name)} {kind}" for name, kind in now.items() if before.get(name) != kind]
        if changes:
            cursor.execute(f"alter table {published} {', '.join(changes)}")
    columns = ", ".join(map(quoted, now))
    cursor.execute(f"insert into {published} ({columns}) select {columns} from {mart}")
    return int(cursor.rowcount)


def _say_when(cursor: Any, published_at: datetime, rows: Mapping[str, int]) -> None:
    row = PUBLICATION_ROW.format(published_at="%s", row_counts="%s", connections=f"{MARTS}.connections")
    told = [published_at, json.dumps(rows)]
    cursor.execute(f"create table if not exists {published_name(PUBLICATION)} as {row} with no data", told)
    cursor.execute(f"delete from {published_name(PUBLICATION)}")
    cursor.execute(f"insert into {published_name(PUBLICATION)} {row}", told)
    for column, said in PUBLICATION_COLUMNS.items():
        cursor.execute(f"comment on column {published_name(PUBLICATION)}.{column} is %s", [said])


def published_name(table: str) -> str:
    """Its name as it stands in SQL."""
    return f"{PUBLISHED}.{quoted(table)}"
