"""A person in the warehouse: where something of them is stored, and how it is removed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from transforms.addresses import REDACTED, addresses_in, is_address, without
from transforms.forgotten import Forgotten
from transforms.privacy import normal_address
from transforms.schemas import (
    RAW_TABLES,
    RECORD_TABLES,
    SYNC_COVERAGE,
    SYNC_RUNS,
    TICKET_VERSIONS,
    WRITEBACK_LOG,
    Kind,
    TableSchema,
)
from transforms.values import canonical, decode

_ID = ("connection_id", "id")

_NAMED_IN = {
    "customers": (("customers", "id"), ("tickets", "customer_id"), ("notes", "customer_id")),
    "tickets": (
        ("tickets", "id"),
        ("notes", "ticket_id"),
        ("ticket_versions", "id"),
        ("note_sweeps", "ticket_id"),
        ("writeback_log", "ticket_id"),
    ),
}
"""Where ids of customers and of tickets are stored."""

_AT_ONCE = 500

_ROWS_AT_ONCE = 50_000

_BY_TICKET = (("ticket_versions", "id"), ("note_sweeps", "ticket_id"), ("writeback_log", "ticket_id"))
"""The raw tables that hold something of a ticket, beside its notes, and under which column its id."""


_IN_WORDS = {"employees": "employees with an address of theirs, who stay without it"}
"""What mentions in a table are, where they are no words of others."""


@dataclass(frozen=True)
class Customer:
    """One record of a person. `addresses` may be hashes."""

    connection_id: str
    id: str
    name: str | None
    addresses: tuple[str, ...]


Ids: TypeAlias = Mapping[str, Collection[str]]
"""Ids by connection."""


class Mention(NamedTuple):
    """A row of others that names a forgotten person: its key, and its columns without that, JSON as text."""

    table: str
    key: tuple[str, ...]
    columns: dict[str, str | None]


@dataclass
class Findings:
    """What is stored of a person: the ids of their rows by raw table and connection, the tickets that are theirs though
    no row may say so, how many rows hang on those, the keys of their rejected records, and who else names them."""

    rows: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    tickets: dict[str, set[str]] = field(default_factory=dict)
    of_tickets: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, ...]] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)

    def count(self) -> Counter[str]:
        """How many rows there are, by where they are, in words."""
        found = Counter({table: sum(map(len, ids.values())) for table, ids in self.rows.items()})
        found += self.of_tickets
        found["rejected_records"] = len(self.rejected)
        found.update(
            _IN_WORDS.get(mention.table, f"{mention.table} of others that name them") for mention in self.mentions
        )
        return +found


class Traces:
    """What is stored of forgotten persons, or of those who are to be, in the raw tables of a pipeline's warehouse."""

    def __init__(self, pipeline: dlt.Pipeline, forgotten: Forgotten) -> None:
        self._pipeline = pipeline
        self._forgotten = forgotten

    def customers(self, who: str) -> list[Customer]:
        """The customers that have this id, or this e-mail address, or the hash of one."""
        wanted = self._forgotten.forms(who)
        named, parameters = _perhaps(["emails"], wanted)
        rows = self._rows(
            f"select connection_id, id, name, cast(emails as varchar) from {{customers}} where id = %s or {named} "
            "order by connection_id, id",
            who,
            *parameters,
        )
        found = []
        for connection_id, id, name, emails in rows:
            addresses = tuple(addresses_in(decode((emails or "null").encode())))
            if id == who or any(normal_address("emails", each) in wanted for each in addresses):
                found.append(Customer(connection_id, id, name, addresses))
        return found

    def known(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """The customers and the tickets of which something is stored though they have a tombstone."""
        return self._known("customers"), self._known("tickets")

    def find(self, customers: Ids, tickets: Ids, addresses: Collection[str]) -> Findings:
        """What is stored of some customers and tickets, and what names these addresses. The tombstones of customers and
        addresses must be among the forgotten; those of tickets and notes come among them here."""
        of_customers = self._ids("tickets", "customer_id", customers)
        theirs = {id: {*of_customers.get(id, ()), *tickets.get(id, ())} for id in {*of_customers, *tickets}}
        notes = self._ids("notes", "ticket_id", theirs)
        for connection_id, ids in self._ids("notes", "customer_id", customers).items():
            notes.setdefault(connection_id, set()).update(ids)
        for table, by_connection in (("tickets", theirs), ("notes", notes)):
            for connection_id, ids in by_connection.items():
                self._forgotten.tombstones |= {self._forgotten.tombstone(connection_id, table, id) for id in ids}
        own = {"customers": self._ids("customers", "id", customers), "tickets": self._ids("tickets", "id", theirs)}
        findings = Findings(own | {"notes": notes}, theirs)
        for table, column in _BY_TICKET:
            for where, parameters in _among(column, theirs):
                [(rows,)] = self._rows(f"select count(*) from {{{table}}} where {where}", *parameters) or [(0,)]
                findings.of_tickets[table] += rows
        findings.rejected = [*self._rejected()]
        named = {form for each in addresses for form in self._forgotten.forms(each)}
        if not all(map(is_address, addresses)):
            named.add("@")  # of whom only a hash is known, an address may be named wherever there is any
        findings.mentions = [*self._mentions(named, findings)]
        return findings

    def remove(self, findings: Findings) -> None:
        """Remove it, in one transaction."""
        with self._pipeline.sql_client() as client, client.begin_transaction():
            for table, column, ids in (
                *((table, column, findings.tickets) for table, column in _BY_TICKET if findings.of_tickets[table]),
                *((table, "id", findings.rows[table]) for table in ("notes", "tickets", "customers")),
            ):
                for where, parameters in _among(column, ids):
                    client.execute_sql(_named(client, f"delete from {{{table}}} where {where}"), *parameters)
            for key in findings.rejected:
                where = "connection_id = %s and object = %s and record_hash = %s"
                client.execute_sql(_named(client, f"delete from {{rejected_records}} where {where}"), *key)
            for mention in findings.mentions:
                client.execute_sql(_named(client, self._cleaning(mention)), *mention.columns.values(), *mention.key)

    def empty_staging(self) -> None:
        """Remove what dlt has staged on the way to the raw tables."""
        with self._pipeline.sql_client() as client, client.with_staging_dataset():
            for table in RAW_TABLES:
                try:
                    client.execute_sql(f"delete from {client.make_qualified_table_name(table)}")
                except DatabaseUndefinedRelation:
                    continue

    def has_requests(self, request_id: str) -> bool:
        """Whether tombstones were put up under this request."""
        return bool(self._rows("select 1 from {forgotten} where request_id = %s limit 1", request_id))

    def rename_request(self, request_id: str, to: str) -> None:
        """Put the tombstones of one request under another."""
        with self._pipeline.sql_client() as client:
            statement = "update {forgotten} set request_id = %s where request_id = %s"
            client.execute_sql(_named(client, statement), to, request_id)

    def under_other_rules(self) -> int:
        """How many customers are stored with their addresses dropped, or hashed with another key, so that none can be
        compared."""
        rows = self._rows("select _privacy, count(*) from {customers} where _privacy like %s group by 1", "%emails %")
        key = self._forgotten.hashed("fingerprint")[:8] if self._forgotten.hashed else "none"
        return sum(count for label, count in rows if "emails drop" in label or f"(key {key})" not in label)

    def _known(self, table: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for place, column in _NAMED_IN[table]:
            ids = f"select distinct connection_id, {column} as id from {{{place}}} where {column} is not null"
            for connection_id, id in self._portions(f"select connection_id, id from ({ids}) as named where true", _ID):
                if self._forgotten.knows(connection_id, table, id):
                    found.setdefault(connection_id, set()).add(id)
        return found

    def _ids(self, table: str, column: str, values: Ids) -> dict[str, set[str]]:
        """The ids of rows with one of these values in a column."""
        found: dict[str, set[str]] = {}
        for where, parameters in _among(column, values):
            for (id,) in self._rows(f"select id from {{{table}}} where {where}", *parameters):
                found.setdefault(parameters[0], set()).add(id)
        return found

    def _rejected(self) -> Iterator[tuple[str, ...]]:
        key = ("connection_id", "object", "record_hash")
        for connection_id, object, record_hash, record in self._all("rejected_records", key, ("record",)):
            if record is not None and self._forgotten.is_named_in(connection_id, object, record):
                yield connection_id, object, record_hash

    def _mentions(self, addresses: Collection[str], findings: Findings) -> Iterator[Mention]:
        for table, columns in _TEXTS.items():
            key, where = RAW_TABLES[table].key, _perhaps(columns, addresses)
            if table == SYNC_COVERAGE.name:
                where = "true", ()  # it names records by their ids
            own = findings.tickets if table == TICKET_VERSIONS.name else findings.rows.get(table, {})
            for row in self._all(table, key, columns, *where):
                values = dict(zip((*key, *columns), row, strict=True))
                if values.get("id") in own.get(values["connection_id"], ()):
                    continue
                cleaned = {name: self._cleaned(table, name, values) for name in columns}
                if changed := {name: text for name, text in cleaned.items() if text != values[name]}:
                    yield Mention(table, row[: len(key)], changed)

    def _cleaned(self, table: str, name: str, row: Mapping[str, Any]) -> str | None:
        text = row[name]
        if text is None:
            return None
        if RAW_TABLES[table].columns[name] is not Kind.JSON:
            return str(without(text, self._forgotten.knows_address, REDACTED))
        value = decode(text.encode())
        listed = self._unlisted(row, value) if table == SYNC_COVERAGE.name else value
        cleaned = without(listed, self._forgotten.knows_address, REDACTED)
        return text if cleaned == value else canonical(cleaned)

    def _unlisted(self, row: Mapping[str, Any], listed: Any) -> Any:
        """A list of records, by their ids or with them, without those that are forgotten."""
        connection_id, object = row["connection_id"], row["object"]
        knows = self._forgotten.knows
        records = [(each, each if isinstance(each, dict) else {"id": each}) for each in listed or ()]
        return [
            each
            for each, record in records
            if not knows(connection_id, object, str(record["id"]))
            and not knows(connection_id, "tickets", str(record.get("ticket_id")))
        ]

    def _cleaning(self, mention: Mention) -> str:
        """The statement that cleans a row. The hash of a record's row is made another one, so that what reads it again
        does not take it for unchanged."""
        kinds = RAW_TABLES[mention.table].columns
        is_postgres = self._pipeline.destination.destination_name == "postgres"
        as_json = f"cast(%s as {'jsonb' if is_postgres else 'json'})"
        changes = [f"{name} = {as_json if kinds[name] is Kind.JSON else '%s'}" for name in mention.columns]
        if mention.table in RECORD_TABLES:
            changes.append("_row_hash = 'cleaned ' || _row_hash")
        where = " and ".join(f"{name} = %s" for name in RAW_TABLES[mention.table].key)
        return f"update {{{mention.table}}} set {', '.join(changes)} where {where}"

    def _all(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        where: str = "true",
        parameters: Sequence[Any] = (),
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, by their key, some at a time: key and columns, JSON as text."""
        kinds = RAW_TABLES[table].columns
        selected = [f"cast({name} as varchar)" if kinds[name] is Kind.JSON else name for name in columns]
        query = f"select {', '.join([*key, *selected])} from {{{table}}} where ({where})"
        return self._portions(query, key, parameters)

    def _portions(self, query: str, key: Sequence[str], parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query that selects a key first and ends in a condition, some at a time."""
        behind: tuple[Any, ...] = ()
        while True:
            after = f" and ({', '.join(key)}) > ({_marks(key)})" if behind else ""
            rows = self._rows(f"{query}{after} order by {', '.join(key)} limit {_ROWS_AT_ONCE}", *parameters, *behind)
            yield from rows
            if len(rows) < _ROWS_AT_ONCE:
                return
            behind = rows[-1][: len(key)]

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._pipeline.sql_client() as client:
            try:
                return [tuple(row) for row in client.execute_sql(_named(client, query), *parameters) or []]
            except DatabaseUndefinedRelation:
                return []


def _may_name(schema: TableSchema, column: str) -> bool:
    is_own = column in schema.key or column.endswith("_id") or (column.startswith("_") and column != "_extra")
    return schema.columns[column] in {Kind.TEXT, Kind.JSON} and not is_own


_TEXTS = {
    schema.name: tuple(name for name in schema.columns if _may_name(schema, name))
    for schema in (*RECORD_TABLES.values(), TICKET_VERSIONS)
} | {
    SYNC_RUNS.name: ("error",),
    SYNC_COVERAGE.name: ("error", "gaps", "gone"),
    WRITEBACK_LOG.name: ("reason", "answer", "old", "new", "taken"),
}
"""The columns of raw tables in which others may name a person."""


def _perhaps(columns: Iterable[str], addresses: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """A condition with its parameters that holds wherever one of these addresses may stand in one of the columns: its
    longest plain pieces do, which every database compares alike."""
    conditions, parameters = ["false"], []
    for address in addresses:
        pieces = [re.findall(r"[a-z0-9.+-]+", part) for part in address.rpartition("@")[::2]]
        parts = [max(found, key=len) for found in pieces if found] or [""]
        for column in columns:
            conditions.append(" and ".join([f"position(%s in lower(cast({column} as varchar))) > 0"] * len(parts)))
            parameters += parts
    return f"({' or '.join(conditions)})", tuple(parameters)


def _among(column: str, values: Ids) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Conditions with their parameters that hold where a column has one of these values, a connection's at a time."""
    for connection_id, ids in values.items():
        listed = sorted(ids)
        for some in (listed[start : start + _AT_ONCE] for start in range(0, len(listed), _AT_ONCE)):
            yield f"connection_id = %s and {column} in ({_marks(some)})", (connection_id, *some)


def _marks(ids: Collection[str]) -> str:
    return ", ".join(["%s"] * len(ids))


def _named(client: Any, query: str) -> str:
    return query.format(**{name: client.make_qualified_table_name(name) for name in RAW_TABLES})
