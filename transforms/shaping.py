"""Records to Arrow tables, one row a record, every core column cast so that a load cannot fail on a type.

A column is cast at once where all its values are as usual, else value by value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from transforms.privacy import NOTHING, Protection
from transforms.schemas import (
    CONNECTIONS,
    EMPLOYEES,
    FORGOTTEN,
    NOTE_SWEEPS,
    RECORD_TABLES,
    REJECTED_RECORDS,
    SCHEMA_VERSION,
    SYNC_COVERAGE,
    SYNC_RUNS,
    TICKET_FIELDS,
    TICKET_VERSIONS,
    TICKETS,
    TRACKED_FIELDS,
    WRITEBACK_LOG,
    Columns,
    Kind,
    TableSchema,
)
from transforms.staff import naming_parts
from transforms.values import (
    FITS,
    Fit,
    Misfit,
    Undecodable,
    Unholdable,
    Unusual,
    Value,
    are_holdable,
    as_id,
    canonical,
    cast,
    cast_usual,
    decode,
    decode_strictly,
    digest,
    digest_of,
    mended,
    mended_names,
    mended_text,
    microseconds,
    text_of,
)

Fields: TypeAlias = Mapping[str, msgspec.Raw]
"""One API record: field name, as sent, to the field's JSON text."""

Row: TypeAlias = dict[str, Any]

ColumnValues: TypeAlias = dict[str, Sequence[Any]]
"""Column name to the values of all rows."""

_TRACKED_COLUMNS = [name for name in TRACKED_FIELDS if name in TICKET_FIELDS]

NULL = msgspec.Raw(b"null")

UNSEEN = "unseen"
"""Why a record is gone of which nothing was seen but its end."""

_LAST = 10**12 - 1
"""The highest ordinal a version key has room for."""


class Observation(msgspec.Struct, frozen=True):
    """A record as it was seen: its fields, when (the server's clock) and how many were seen before it.

    `is_baseline`: nothing was known of its connection before. `gone_at`: since when the record is gone, if that is what
    was seen of it; such a sight is no state of a ticket.
    """

    fields: Fields
    observed_at: datetime
    ordinal: int = 0
    is_baseline: bool = False
    gone_at: datetime | None = None


@dataclass(frozen=True)
class Shaped:
    """What observations become. `versions`: the states of tickets, None for other tables. `repaired`: how many
    records held what some warehouse refuses."""

    records: pa.Table
    versions: pa.Table | None
    repaired: int


def shape(
    table: str,
    connection_id: str,
    observations: Iterable[Observation],
    *,
    observed_via: str,
    protection: Protection = NOTHING,
) -> Shaped:
    """Rows in the schema of the raw table `table`, one an observation, and what is known beside them.

    A field that the schema does not name, where the table keeps such, or whose value does not fit its column, is kept
    in `_extra`. What the `protection` protects is not in any of it.
    """
    schema = RECORD_TABLES[table]
    seen = list(observations)
    records = [observation.fields for observation in seen]
    shaped = _shaped_fields([_naming_fields(fields) for fields in records] if schema is EMPLOYEES else records, schema)
    own_states = list(map(_own_state, shaped.values["raw"])) if schema is TICKETS else []
    shaped.protect(table, protection)
    columns = _record_columns(connection_id, seen, shaped, observed_via, protection.label(table))
    versions = _versions(columns, seen, own_states) if schema is TICKETS else None
    return Shaped(_table(columns, schema), versions, len(shaped.repaired))


def tombstones(
    table: str,
    stored: Sequence[Row],
    *,
    deleted_at: datetime,
    reason: str,
    observed_via: str,
    observed_at: datetime | None = None,
) -> pa.Table:
    """Stored rows as what is left of records that are gone at the source: every value kept, and since when and why.

    A stored row maps columns to values, times as aware datetimes and JSON as text. `observed_at`: when it was seen that
    they are gone, if not at once.
    """
    deletion = {"_deleted_at": microseconds(deleted_at), "_deletion_reason": reason}
    return _restated(table, stored, deletion, "deleted", 0, observed_at or deleted_at, observed_via)


def revived(table: str, stored: Sequence[Row], *, observed_at: datetime, observed_via: str) -> pa.Table:
    """Stored tombstones as records that are there again, though nothing but their ids could be read."""
    deletion = {"_deleted_at": None, "_deletion_reason": None}
    return _restated(table, stored, deletion, "revived", _LAST, observed_at, observed_via)


def rejected_table(
    connection_id: str,
    object: str,
    rejected: Iterable[tuple[str, str, datetime]],
    *,
    observed_via: str,
    protection: Protection = NOTHING,
) -> pa.Table:
    """One row for each different JSON text of (JSON text, reason, when it was seen), the first of them; different as it
    may be stored, for a hash of all of it would tell what is protected."""
    rows: dict[str, Row] = {}
    label = protection.label(object)
    for json, reason, observed_at in rejected:
        mended = mended_text(json)
        record = protection.record(object, mended)
        record_hash = digest((record or "").encode())
        rows.setdefault(
            record_hash,
            {
                "connection_id": connection_id,
                "object": object,
                "record_hash": record_hash,
                "reason": mended_text(reason),
                "record": record,
                "_privacy": label,
                "observed_at": microseconds(observed_at),
                "observed_via": observed_via,
                "_schema_version": SCHEMA_VERSION,
            },
        )
    return _arrow(list(rows.values()), REJECTED_RECORDS)


def connections_table(connections: Sequence[Fields], observed_at: datetime) -> pa.Table:
    """One row a connection. Only the columns of the schema are kept: the API sends credentials beside them."""
    values = _shaped_fields(connections, CONNECTIONS).values
    bookkeeping = {
        "_row_hash": _hashes(values.values()),
        "_observed_at": _repeated(microseconds(observed_at), connections),
        "_schema_version": _repeated(SCHEMA_VERSION, connections),
    }
    return _table(values | bookkeeping, CONNECTIONS)


def sync_runs_table(rows: Iterable[Row]) -> pa.Table:
    """One row per run, connection and object, in the schema of `sync_runs`."""
    return _own_table(rows, SYNC_RUNS)


def sync_coverage_table(rows: Iterable[Row]) -> pa.Table:
    """One row per run, connection and object, in the schema of `sync_coverage`."""
    return _own_table(rows, SYNC_COVERAGE)


def note_sweeps_table(rows: Iterable[Row]) -> pa.Table:
    """One row per connection and ticket, in the schema of `note_sweeps`."""
    return _own_table(rows, NOTE_SWEEPS)


def other_columns(table: str, shaped: Row, stored: Row) -> list[str]:
    """The columns in which a shaped row and the stored row of its record do not say the same."""
    schema = RECORD_TABLES[table]
    unlike = [name for name in (*schema.fields, "_extra") if shaped[name] != stored[name]]
    return [name for name in unlike if _comparable(schema, name, shaped) != _comparable(schema, name, stored)]


def _comparable(schema: TableSchema, name: str, row: Row) -> Any:
    value = _as_shaped(row.get(name))
    is_json = schema.columns[name] is Kind.JSON
    return canonical(decode(value.encode())) if is_json and isinstance(value, str) else value


def forgotten_table(rows: Iterable[Row]) -> pa.Table:
    """One row per tombstone of a person, in the schema of `forgotten`."""
    return _own_table(rows, FORGOTTEN)


def writeback_log_table(rows: Iterable[Row]) -> pa.Table:
    """One row per attempt to write to a helpdesk, in the schema of `writeback_log`."""
    return _own_table(rows, WRITEBACK_LOG)


@dataclass
class _ShapedFields:
    """The columns of records, what no column takes, by the number of its row, and the rows that had to be mended."""

    values: ColumnValues = field(default_factory=dict)
    extras: dict[int, Row] = field(default_factory=lambda: defaultdict(dict))
    repaired: set[int] = field(default_factory=set)

    def add(self, name: str, fit: Fit, jsons: Sequence[msgspec.Raw]) -> None:
        try:
            self.values[name] = cast_usual(jsons, fit)
        except Unusual:
            self.values[name] = [self._value(row, name, fit, json) for row, json in enumerate(jsons)]

    def add_unknown(self, row: int, name: str, json: msgspec.Raw) -> None:
        try:
            self.extras[row][name] = decode_strictly(json)
        except Unholdable:
            self.repaired.add(row)
            self.extras[row][name] = decode(json)

    def protect(self, table: str, protection: Protection) -> None:
        for name in protection.rules.get(table, {}):
            if name in self.values:
                self.values[name] = protection.column(table, name, self.values[name])
        for row, extra in self.extras.items():
            self.extras[row] = protection.unknown(table, extra) or {}

    def mend_names(self) -> None:
        for row, extra in self.extras.items():
            if not are_holdable(extra):
                self.repaired.add(row)
                self.extras[row] = mended_names(extra)

    def _value(self, row: int, name: str, fit: Fit, json: msgspec.Raw) -> Value:
        try:
            return cast(json, fit)
        except Misfit:
            self.add_unknown(row, name, json)
            return None
        except Unholdable:
            self.repaired.add(row)
            return self._mended(row, name, fit, json)

    def _mended(self, row: int, name: str, fit: Fit, json: msgspec.Raw) -> Value:
        """What can be held of one field, put where it belongs."""
        try:
            value = mended(json)
            return None if value is None else fit(value)
        except Undecodable:
            self.extras[row][name] = text_of(json)
        except Misfit:
            self.extras[row][name] = value
        return None


def _naming_fields(fields: Fields) -> Fields:
    told = {name: decode(json) for name, json in fields.items()}
    kept = naming_parts(told)
    return {
        name: json if kept[name] == told[name] else msgspec.Raw(canonical(kept[name]).encode())
        for name, json in fields.items()
    }


def _shaped_fields(records: Sequence[Fields], schema: TableSchema) -> _ShapedFields:
    shaped = _ShapedFields()
    fits = _fits(schema.fields)
    names = set().union(*records)
    for name, fit in fits.items():
        if name in names:
            shaped.add(name, fit, [fields.get(name, NULL) for fields in records])
        else:
            shaped.values[name] = _repeated(None, records)
    unknown = names.difference(fits) if schema.keeps_unknown else set[str]()
    for row, fields in enumerate(records if unknown else ()):
        for name in unknown.intersection(fields):
            shaped.add_unknown(row, name, fields[name])
    shaped.mend_names()
    return shaped


def _versions(
    tickets: ColumnValues, seen: Sequence[Observation], own: Sequence[tuple[str | None, str | None]]
) -> pa.Table:
    """The states of the tickets of one batch; of the same state seen twice, the earlier sight."""
    state = {name: tickets[name] for name in _TRACKED_COLUMNS} | {
        "raw_status": [status for status, _ in own],
        "raw_state": [state for _, state in own],
    }
    hashes = _hashes(state.values())
    first: dict[tuple[str, str], int] = {}
    for row, key in enumerate(zip(tickets["id"], hashes, strict=True)):
        if seen[row].gone_at is None and _sight(seen[row]) < _sight(seen[first.setdefault(key, row)]):
            first[key] = row
    columns = state | {
        "connection_id": tickets["connection_id"],
        "id": tickets["id"],
        "state_hash": hashes,
        "is_baseline": [observation.is_baseline for observation in seen],
        "observed_at": tickets["_observed_at"],
        "observed_via": tickets["_observed_via"],
        "_schema_version": tickets["_schema_version"],
    }
    return _table(columns, TICKET_VERSIONS).take(pa.array(first.values(), pa.int64()))


def _sight(observation: Observation) -> tuple[datetime, int]:
    return observation.observed_at, observation.ordinal


class _OwnState(msgspec.Struct):
    status: Any = None
    state: Any = None


_OWN_STATE = msgspec.json.Decoder(_OwnState)


def _own_state(raw: str | None) -> tuple[str | None, str | None]:
    """The status and state that a helpdesk's own object has at its top, as text where they are scalars."""
    try:
        own = _OWN_STATE.decode(raw or "null")
    except msgspec.ValidationError:
        return None, None
    return _scalar(own.status), _scalar(own.state)


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return None if isinstance(value, list | dict) else canonical(value)


def _fits(columns: Columns) -> dict[str, Fit]:
    """How the value of each of the API's columns is made."""
    return {name: as_id if name == "id" or name.endswith("_id") else FITS[kind] for name, kind in columns.items()}


def _record_columns(
    connection_id: str, seen: Sequence[Observation], shaped: _ShapedFields, observed_via: str, privacy: str | None
) -> ColumnValues:
    extras = [shaped.extras.get(row) or None for row in range(len(seen))]
    moments = {at: microseconds(at) for at in {observation.observed_at for observation in seen}}
    observed = [moments[observation.observed_at] for observation in seen]
    ordinals = [observation.ordinal for observation in seen]
    gone = [None if observation.gone_at is None else microseconds(observation.gone_at) for observation in seen]
    labels = [_repeated(privacy, seen)] if privacy else []
    return {
        "connection_id": _repeated(connection_id, seen),
        **shaped.values,
        "_extra": [canonical(extra) if extra else None for extra in extras],
        "_row_hash": _hashes([*shaped.values.values(), extras, gone, *labels]),
        "_version_key": list(map(_version_key, shaped.values["updated_at"], observed, ordinals)),
        "_observed_at": observed,
        "_observed_via": _repeated(observed_via, seen),
        "_deleted_at": gone,
        "_deletion_reason": [None if at is None else UNSEEN for at in gone],
        "_privacy": _repeated(privacy, seen),
        "_schema_version": _repeated(SCHEMA_VERSION, seen),
    }


def _repeated(value: Any, rows: Sequence[Any]) -> list[Any]:
    return [value] * len(rows)


def _restated(
    table: str,
    stored: Sequence[Row],
    deletion: Row,
    event: str,
    ordinal: int,
    observed_at: datetime,
    observed_via: str,
) -> pa.Table:
    """Stored rows with their values and another `deletion`, newest of all that was seen at `observed_at`."""
    schema = RECORD_TABLES[table]
    observed = microseconds(observed_at)
    rows = []
    for stored_row in stored:
        kept = {name: _as_shaped(stored_row.get(name)) for name in schema.columns}
        rows.append(
            kept
            | deletion
            | {
                "_row_hash": digest_of([kept["_row_hash"], event, observed]),
                "_version_key": _version_key(kept["updated_at"], observed, ordinal),
                "_observed_at": observed,
                "_observed_via": observed_via,
                "_schema_version": SCHEMA_VERSION,
            }
        )
    return _arrow(rows, schema)


def _as_shaped(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value


def _own_table(rows: Iterable[Row], schema: TableSchema) -> pa.Table:
    """Rows of the project's own making, whose texts may quote what a server said."""
    return _arrow(
        [
            {name: mended_text(value) if isinstance(value, str) else value for name, value in row.items()}
            | {"_schema_version": SCHEMA_VERSION}
            for row in rows
        ],
        schema,
    )


def _hashes(columns: Iterable[Sequence[Any]]) -> list[str]:
    """A hash for each row."""
    return list(map(digest_of, zip(*columns, strict=True)))


def _version_key(updated: int | None, observed: int, ordinal: int) -> str:
    """Sorts the states of one record: by when it was updated, then by when and in which order it was seen."""
    return f"{_sortable(updated)}/{_sortable(observed)}/{str(ordinal).zfill(12)}"


def _sortable(micros: int | None) -> str:
    """A time as text that sorts like the time, a missing one first."""
    return "" if micros is None else str(micros + 10**17).zfill(20)


def _arrow(rows: list[Row], schema: TableSchema) -> pa.Table:
    return _table({name: [row[name] for row in rows] for name in schema.columns}, schema)


def _table(columns: ColumnValues, schema: TableSchema) -> pa.Table:
    arrow = schema.arrow()
    return pa.Table.from_arrays(
        [pa.array(columns[name], kind) for name, kind in zip(arrow.names, arrow.types, strict=True)], schema=arrow
    )
