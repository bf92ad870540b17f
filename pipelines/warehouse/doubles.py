"""Records that stand in a raw table more than once, as only another program can have left them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from transforms.schemas import RECORD_TABLES

Doubled: TypeAlias = dict[tuple[str, str], dict[str, int]]
"""By connection id and table: the ids, and how many rows each has."""

_IDS_AT_ONCE = 500


def find_doubled(pipeline: dlt.Pipeline, tables: Collection[str], connections: Collection[str]) -> Doubled:
    """The ids that more than one row has, in these tables and of these connections."""
    found: Doubled = {}
    for table in tables:
        query = "select connection_id, id, count(*) from {} group by 1, 2 having count(*) > 1 order by 1, 2"
        with pipeline.sql_client() as client:
            try:
                rows = client.execute_sql(query.format(client.make_qualified_table_name(table))) or []
            except DatabaseUndefinedRelation:
                continue
        for connection_id, id, count in rows:
            if connection_id in connections:
                found.setdefault((connection_id, table), {})[id] = count
    return found


def drop_doubled(pipeline: dlt.Pipeline, doubled: Doubled) -> None:
    """Of each of these records keep only the newest row."""
    with pipeline.sql_client() as client:
        for (connection_id, table), rows in doubled.items():
            stored = client.make_qualified_table_name(RECORD_TABLES[table].name)
            ids = [*rows]
            for some in (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)):
                those = f"connection_id = %s and id in ({', '.join(['%s'] * len(some))})"
                with client.begin_transaction():
                    client.execute_sql(
                        f"create temporary table kept_rows as select distinct on (id) * from {stored} where {those} "
                        "order by id, _version_key desc",
                        connection_id,
                        *some,
                    )
                    client.execute_sql(f"delete from {stored} where {those}", connection_id, *some)
                    client.execute_sql(f"insert into {stored} select * from kept_rows")
                    client.execute_sql("drop table kept_rows")
