"""A person in the warehouse: where something of them is stored, and how it is removed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from transforms.forgotten import addresses_in
from transforms.privacy import normal_address
from transforms.schemas import RAW_TABLES, RECORD_TABLES, Kind
from transforms.values import decode

_AT_ONCE = 500

_REDACTED = "(forgotten)"

_BY_TICKET = (("notes", "ticket_id"), ("ticket_versions", "id"), ("note_sweeps", "ticket_id"))
"""The raw tables that hold something of a ticket, and under which column its id."""


@dataclass(frozen=True)
class Customer:
    """One record of a person."""

    connection_id: str
    id: str
    name: str | None
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """Whom to forget: their records by connection, and the addresses by which others' records may name them. `tickets`
    are those that are theirs though no stored row says so."""

    customers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tickets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    addresses: Sequence[str] = ()


@dataclass(frozen=True)
class _Rows:
    """Some rows of a raw table, by a condition with its parameters. `columns` are to be cleaned of what is named; none:
    the whole rows go."""

    table: str
    condition: str
    parameters: tuple[Any, ...]
    columns: tuple[str, ...] = ()
    named: str = ""


class Traces:
    """What is stored of persons in the raw tables of a pipeline's warehouse."""

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        self._pipeline = pipeline

    def customers(self, who: str, hashed: str) -> list[Customer]:
        """The customers that have this id, or this e-mail address, which may be stored as a hash."""
        address = normal_address("emails", who)
        rows = self._rows(
            "select connection_id, id, name, cast(emails as varchar) from {customers} where id = %s "
            "or position(%s in lower(cast(emails as varchar))) > 0 or position(%s in cast(emails as varchar)) > 0 "
            "order by connection_id, id",
            who,
            address,
            hashed,
        )
        found = []
        for connection_id, id, name, emails in rows:
            addresses = tuple(addresses_in(decode((emails or "null").encode())))
            is_theirs = any(normal_address("emails", each) in {address, hashed} for each in addresses)
            if id == who or is_theirs:
                found.append(Customer(connection_id, id, name, addresses))
        return found

    def tickets(self, customers: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """The ids of the tickets of some customers, by connection."""
        return {
            connection_id: [
                str(row[0])
                for some in _portions(ids)
                for row in self._rows(
                    f"select id from {{tickets}} where connection_id = %s and customer_id in ({_marks(some)})",
                    connection_id,
                    *some,
                )
            ]
            for connection_id, ids in customers.items()
        }

    def count(self, person: Person) -> Counter[str]:
        """How many rows of each raw table are a person's, or name them."""
        found: Counter[str] = Counter()
        for rows in _traces(person):
            place = f"{rows.table} of others that name them" if rows.columns else rows.table
            query = f"select count(*) from {{{rows.table}}} where {rows.condition}"
            found[place] += sum(row[0] for row in self._rows(query, *rows.parameters))
        return +found

    def remove(self, person: Person) -> None:
        """Remove them, in one transaction."""
        with self._pipeline.sql_client() as client, client.begin_transaction():
            for rows in _traces(person):
                if not rows.columns:
                    statement = f"delete from {{{rows.table}}} where {rows.condition}"
                    client.execute_sql(_named(client, statement), *rows.parameters)
                    continue
                changes = ", ".join(f"{column} = {self._cleaned(rows.table, column)}" for column in rows.columns)
                statement = f"update {{{rows.table}}} set {changes} where {rows.condition}"
                patterns = [rows.named] * len(rows.columns)
                client.execute_sql(_named(client, statement), *patterns, *rows.parameters)

    def empty_staging(self) -> None:
        """Remove what dlt has staged on the way to the raw tables."""
        with self._pipeline.sql_client() as client, client.with_staging_dataset():
            for table in RAW_TABLES:
                try:
                    client.execute_sql(f"delete from {client.make_qualified_table_name(table)}")
                except DatabaseUndefinedRelation:
                    continue

    def _cleaned(self, table: str, column: str) -> str:
        cleaned = f"regexp_replace(cast({column} as varchar), %s, '{_REDACTED}', 'gi')"
        if RAW_TABLES[table].columns[column] is not Kind.JSON:
            return cleaned
        is_postgres = self._pipeline.destination.destination_name == "postgres"
        return f"cast({cleaned} as {'jsonb' if is_postgres else 'json'})"

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._pipeline.sql_client() as client:
            try:
                return [tuple(row) for row in client.execute_sql(_named(client, query), *parameters) or []]
            except DatabaseUndefinedRelation:
                return []


def _traces(person: Person) -> Iterator[_Rows]:
    """All rows, in an order in which those that lead to others go last."""
    for connection_id, ids in person.tickets.items():
        for some in _portions(ids):
            for table, column in (*_BY_TICKET, ("tickets", "id")):
                yield _Rows(table, f"connection_id = %s and {column} in ({_marks(some)})", (connection_id, *some))
    for connection_id, ids in person.customers.items():
        for some in _portions(ids):
            yield from _of_customers(connection_id, tuple(some))
    for address in person.addresses:
        yield from _that_name(address, person)


def _of_customers(connection_id: str, ids: tuple[str, ...]) -> Iterator[_Rows]:
    tickets = f"select id from {{tickets}} where connection_id = %s and customer_id in ({_marks(ids)})"
    for table, column in _BY_TICKET:
        if "customer_id" in RAW_TABLES[table].columns:
            theirs = f"({column} in ({tickets}) or customer_id in ({_marks(ids)}))"
            parameters = (connection_id, connection_id, *ids, *ids)
        else:
            theirs, parameters = f"{column} in ({tickets})", (connection_id, connection_id, *ids)
        yield _Rows(table, f"connection_id = %s and {theirs}", parameters)
    for table, column in (("tickets", "customer_id"), ("customers", "id")):
        yield _Rows(table, f"connection_id = %s and {column} in ({_marks(ids)})", (connection_id, *ids))
    for id in ids:
        where = "connection_id = %s and position(%s in record) > 0"
        yield _Rows("rejected_records", where, (connection_id, f'"{id}"'))


def _that_name(address: str, person: Person) -> Iterator[_Rows]:
    """What names an address: whole rejected records, and of others' rows the columns in which it may stand."""
    pattern, text = re.escape(address), address.lower()
    yield _Rows("rejected_records", "position(%s in lower(record)) > 0", (text,))
    columns = {
        table: tuple(
            name for name, kind in schema.columns.items() if kind in {Kind.TEXT, Kind.JSON} and _may_name(name)
        )
        for table, schema in RECORD_TABLES.items()
    } | {"sync_runs": ("error",), "sync_coverage": ("error",)}
    for table, names in columns.items():
        named = " or ".join(f"position(%s in lower(cast({name} as varchar))) > 0" for name in names)
        own, parameters = _own(table, person)
        where = f"({named}) and not coalesce({own}, false)"
        yield _Rows(table, where, (*[text] * len(names), *parameters), names, pattern)


def _own(table: str, person: Person) -> tuple[str, tuple[Any, ...]]:
    """Which rows of a table are a person's own."""
    column = {"customers": "id", "tickets": "customer_id", "notes": "customer_id"}.get(table)
    conditions, parameters = ["false"], []
    for connection_id, ids in person.customers.items() if column else ():
        conditions.append(f"connection_id = %s and {column} in ({_marks(ids)})")
        parameters += [connection_id, *ids]
        if table == "notes":
            theirs = f"select id from {{tickets}} where connection_id = %s and customer_id in ({_marks(ids)})"
            conditions.append(f"connection_id = %s and ticket_id in ({theirs})")
            parameters += [connection_id, connection_id, *ids]
    return f"({' or '.join(conditions)})", tuple(parameters)


def _may_name(column: str) -> bool:
    return column == "_extra" or not (column == "id" or column.endswith("_id") or column.startswith("_"))


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _marks(ids: Collection[str]) -> str:
    return ", ".join(["%s"] * len(ids))


def _named(client: Any, query: str) -> str:
    return query.format(**{name: client.make_qualified_table_name(name) for name in RAW_TABLES})
