"""Records to Arrow tables, one row a record, every core column cast so that a load cannot fail on a type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from transforms.schemas import (
    BOOKKEEPING,
    CONNECTIONS,
    NOTE_SWEEPS,
    RECORD_TABLES,
    REJECTED_RECORDS,
    SCHEMA_VERSION,
    SYNC_RUNS,
    TICKET_FIELDS,
    TICKET_VERSIONS,
    TICKETS,
    TRACKED_FIELDS,
    Columns,
    TableSchema,
)
from transforms.values import (
    FITS,
    Fit,
    Misfit,
    Undecodable,
    Unholdable,
    are_holdable,
    as_id,
    canonical,
    cast,
    decode_strictly,
    digest,
    mended,
    mended_names,
    mended_text,
    microseconds,
    text_of,
)

Fields: TypeAlias = Mapping[str, msgspec.Raw]
"""One API record: field name, as sent, to the field's JSON text."""

Row: TypeAlias = dict[str, Any]

_TRACKED_COLUMNS = [name for name in TRACKED_FIELDS if name in TICKET_FIELDS]

_LAST = 10**12 - 1
"""The highest ordinal a version key has room for."""


@dataclass(frozen=True)
class Observation:
    """A record as it was seen: its fields, when (the server's clock) and how many were seen before it.

    `is_baseline`: nothing was known of its connection before.
    """

    fields: Fields
    observed_at: datetime
    ordinal: int = 0
    is_baseline: bool = False


@dataclass(frozen=True)
class Shaped:
    """What observations become. `versions`: the states of tickets, None for other tables. `repaired`: how many
    records held what some warehouse refuses."""

    records: pa.Table
    versions: pa.Table | None
    repaired: int


def shape(table: str, connection_id: str, observations: Iterable[Observation], *, observed_via: str) -> Shaped:
    """Rows in the schema of the raw table `table`, one an observation, and what is known beside them.

    A field that the schema does not name, or whose value does not fit its column, is kept in `_extra`.
    """
    schema = RECORD_TABLES[table]
    fits = _fits(schema.columns)
    rows: list[Row] = []
    versions = _Versions()
    repaired = 0
    for observation in observations:
        shaped = _shaped_fields(observation.fields, fits)
        repaired += shaped.is_repaired
        row = _record_row(connection_id, observation, shaped, observed_via)
        rows.append(row)
        if schema is TICKETS:
            versions.add(row, observation)
    return Shaped(_arrow(rows, schema), versions.table() if schema is TICKETS else None, repaired)


def tombstones(table: str, stored: Sequence[Row], *, deleted_at: datetime, reason: str, observed_via: str) -> pa.Table:
    """Stored rows as what is left of records that are gone at the source: every value kept, and since when and why.

    A stored row maps columns to values, times as aware datetimes and JSON as text.
    """
    deletion = {"_deleted_at": microseconds(deleted_at), "_deletion_reason": reason}
    return _restated(table, stored, deletion, "deleted", 0, deleted_at, observed_via)


def revived(table: str, stored: Sequence[Row], *, observed_at: datetime, observed_via: str) -> pa.Table:
    """Stored tombstones as records that are there again, though nothing but their ids could be read."""
    deletion = {"_deleted_at": None, "_deletion_reason": None}
    return _restated(table, stored, deletion, "revived", _LAST, observed_at, observed_via)


def rejected_table(
    connection_id: str, object: str, rejected: Iterable[tuple[str, str, datetime]], *, observed_via: str
) -> pa.Table:
    """One row for each different JSON text of (JSON text, reason, when it was seen), the first of them."""
    rows: dict[str, Row] = {}
    for json, reason, observed_at in rejected:
        record = mended_text(json)
        record_hash = digest(record.encode())
        rows.setdefault(
            record_hash,
            {
                "connection_id": connection_id,
                "object": object,
                "record_hash": record_hash,
                "reason": mended_text(reason),
                "record": record,
                "observed_at": microseconds(observed_at),
                "observed_via": observed_via,
                "_schema_version": SCHEMA_VERSION,
            },
        )
    return _arrow(list(rows.values()), REJECTED_RECORDS)


def connections_table(connections: Sequence[Fields], observed_at: datetime) -> pa.Table:
    """One row a connection. Only the columns of the schema are kept: the API sends credentials beside them."""
    fits = _fits(CONNECTIONS.columns)
    rows = []
    for connection in connections:
        allowed = {name: connection[name] for name in fits if name in connection}
        values = _shaped_fields(allowed, fits).values
        rows.append(
            values
            | {
                "_row_hash": _hash(list(values.values())),
                "_observed_at": microseconds(observed_at),
                "_schema_version": SCHEMA_VERSION,
            }
        )
    return _arrow(rows, CONNECTIONS)


def sync_runs_table(rows: Iterable[Row]) -> pa.Table:
    """One row per run, connection and object, in the schema of `sync_runs`."""
    return _own_table(rows, SYNC_RUNS)


def note_sweeps_table(rows: Iterable[Row]) -> pa.Table:
    """One row per connection and ticket, in the schema of `note_sweeps`."""
    return _own_table(rows, NOTE_SWEEPS)


@dataclass
class _ShapedFields:
    """The columns of one record, what no column takes, and whether anything had to be mended."""

    values: Row
    extra: Row
    is_repaired: bool


class _Versions:
    """The states of the tickets of one batch; of the same state seen twice, the earlier sight."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], tuple[datetime, int, Row]] = {}

    def add(self, row: Row, observation: Observation) -> None:
        state = {name: row[name] for name in _TRACKED_COLUMNS} | _own_state(row["raw"])
        state_hash = _hash(list(state.values()))
        key = (row["id"], state_hash)
        sight = (observation.observed_at, observation.ordinal)
        if key in self._first and self._first[key][:2] <= sight:
            return
        version = {
            "connection_id": row["connection_id"],
            "id": row["id"],
            "state_hash": state_hash,
            **state,
            "is_baseline": observation.is_baseline,
            "observed_at": row["_observed_at"],
            "observed_via": row["_observed_via"],
            "_schema_version": SCHEMA_VERSION,
        }
        self._first[key] = (*sight, version)

    def table(self) -> pa.Table:
        return _arrow([version for _, _, version in self._first.values()], TICKET_VERSIONS)


class _OwnState(msgspec.Struct):
    status: Any = None
    state: Any = None


_OWN_STATE = msgspec.json.Decoder(_OwnState)


def _own_state(raw: str | None) -> Row:
    """The status and state that a helpdesk's own object has at its top, as text where they are scalars."""
    try:
        own = _OWN_STATE.decode(raw or "null")
    except msgspec.ValidationError:
        own = _OwnState()
    return {"raw_status": _scalar(own.status), "raw_state": _scalar(own.state)}


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return None if isinstance(value, list | dict) else canonical(value)


def _fits(columns: Columns) -> dict[str, Fit]:
    """How the value of each of the API's columns is made."""
    own = {name: kind for name, kind in columns.items() if name != "connection_id" and name not in BOOKKEEPING}
    return {name: as_id if name == "id" or name.endswith("_id") else FITS[kind] for name, kind in own.items()}


def _record_row(connection_id: str, observation: Observation, shaped: _ShapedFields, observed_via: str) -> Row:
    values, extra = shaped.values, shaped.extra
    observed = microseconds(observation.observed_at)
    return {
        "connection_id": connection_id,
        **values,
        "_extra": canonical(extra) if extra else None,
        "_row_hash": _hash([*values.values(), extra or None, None]),
        "_version_key": _version_key(values["updated_at"], observed, observation.ordinal),
        "_observed_at": observed,
        "_observed_via": observed_via,
        "_deleted_at": None,
        "_deletion_reason": None,
        "_schema_version": SCHEMA_VERSION,
    }


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
                "_row_hash": _hash([kept["_row_hash"], event, observed]),
                "_version_key": _version_key(kept["updated_at"], observed, ordinal),
                "_observed_at": observed,
                "_observed_via": observed_via,
                "_schema_version": SCHEMA_VERSION,
            }
        )
    return _arrow(rows, schema)


def _as_shaped(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value


def _shaped_fields(fields: Fields, fits: Mapping[str, Fit]) -> _ShapedFields:
    values: Row = dict.fromkeys(fits)
    extra: Row = {}
    is_repaired = False
    for name, json in fields.items():
        fit = fits.get(name)
        try:
            if fit is None:
                extra[name] = decode_strictly(json)
                continue
            try:
                values[name] = cast(json, fit)
            except Misfit:
                extra[name] = decode_strictly(json)
        except Unholdable:
            is_repaired = True
            _mend(name, json, fit, values, extra)
    if not are_holdable(extra):
        is_repaired = True
        extra = mended_names(extra)
    return _ShapedFields(values, extra, is_repaired)


def _mend(name: str, json: msgspec.Raw, fit: Fit | None, values: Row, extra: Row) -> None:
    """Put what can be held of one field where it belongs."""
    try:
        value = mended(json)
    except Undecodable:
        extra[name] = text_of(json)
        return
    if fit is None:
        extra[name] = value
        return
    try:
        values[name] = None if value is None else fit(value)
    except Misfit:
        extra[name] = value


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


def _hash(values: list[Any]) -> str:
    return digest(msgspec.json.encode(values, order="deterministic"))


def _version_key(updated: int | None, observed: int, ordinal: int) -> str:
    """Sorts the states of one record: by when it was updated, then by when and in which order it was seen."""
    return f"{_sortable(updated)}/{_sortable(observed)}/{ordinal:012d}"


def _sortable(micros: int | None) -> str:
    """A time as text that sorts like the time, a missing one first."""
    return "" if micros is None else f"{micros + 10**17:020d}"


def _arrow(rows: list[Row], schema: TableSchema) -> pa.Table:
    arrow = schema.arrow()
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in arrow]
    return pa.Table.from_arrays(columns, schema=arrow)
