"""The raw tables: which columns each has, of which kind. The contract between the loader and dbt.

Column names are the API's own; names with a leading underscore are the project's bookkeeping.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

SCHEMA_VERSION = 3
"""Raised whenever the columns of a raw table change; every row carries the one it was shaped with."""

DATASET = "raw_unified"


class Kind(Enum):
    """What a column holds, and the Arrow type it is shaped into."""

    TEXT = "text"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    JSON = "json"

    @property
    def arrow_type(self) -> pa.DataType:
        return _ARROW_TYPES[self]


_ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.REAL: pa.float64(),
    Kind.JSON: pa.string(),
}

Columns = dict[str, Kind]


@dataclass(frozen=True)
class TableSchema:
    """One raw table: its key (never null) and its columns in order.

    `keeps_unknown`: what the API sends beside the columns is kept where there is a column for it. Otherwise the columns
    are an allow-list, and the rest is stored nowhere.
    """

    name: str
    key: tuple[str, ...]
    columns: Columns
    keeps_unknown: bool = True

    @property
    def fields(self) -> Columns:
        """The columns that are the API's own."""
        return {
            name: kind for name, kind in self.columns.items() if name != "connection_id" and name not in BOOKKEEPING
        }

    def arrow(self) -> pa.Schema:
        return pa.schema(
            pa.field(name, kind.arrow_type, nullable=name not in self.key) for name, kind in self.columns.items()
        )

    def json_columns(self) -> list[str]:
        return [name for name, kind in self.columns.items() if kind is Kind.JSON]


TICKET_FIELDS: Columns = {
    "id": Kind.TEXT,
    "created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "closed_at": Kind.TIMESTAMP,
    "due_at": Kind.TIMESTAMP,
    "customer_id": Kind.TEXT,
    "user_id": Kind.TEXT,
    "category_id": Kind.TEXT,
    "category": Kind.TEXT,
    "subject": Kind.TEXT,
    "description": Kind.TEXT,
    "status": Kind.TEXT,
    "priority": Kind.TEXT,
    "source": Kind.TEXT,
    "source_ref": Kind.TEXT,
    "url": Kind.TEXT,
    "tags": Kind.JSON,
    "attachment_ids": Kind.JSON,
    "metadata": Kind.JSON,
    "raw": Kind.JSON,
}

CUSTOMER_FIELDS: Columns = {
    "id": Kind.TEXT,
    "created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "name": Kind.TEXT,
    "emails": Kind.JSON,
    "telephones": Kind.JSON,
    "tags": Kind.JSON,
    "metadata": Kind.JSON,
    "raw": Kind.JSON,
}

NOTE_FIELDS: Columns = {
    "id": Kind.TEXT,
    "created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "ticket_id": Kind.TEXT,
    "customer_id": Kind.TEXT,
    "user_id": Kind.TEXT,
    "description": Kind.TEXT,
    "metadata": Kind.JSON,
    "raw": Kind.JSON,
}

CATEGORY_FIELDS: Columns = {
    "id": Kind.TEXT,
    "created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "name": Kind.TEXT,
    "description": Kind.TEXT,
    "parent_id": Kind.TEXT,
    "is_active": Kind.BOOLEAN,
    "metadata": Kind.JSON,
    "raw": Kind.JSON,
}

EMPLOYEE_FIELDS: Columns = {
    "id": Kind.TEXT,
    "created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "name": Kind.TEXT,
    "first_name": Kind.TEXT,
    "last_name": Kind.TEXT,
    "emails": Kind.JSON,
    "title": Kind.TEXT,
    "employment_status": Kind.TEXT,
    "employee_roles": Kind.JSON,
    "manager_id": Kind.TEXT,
}
"""An allow-list of what names an agent: the record of a staff directory also holds pay, birth dates, home addresses and
national ids, which are neither asked for nor stored, and `raw` would hold them, too."""

CONNECTION_FIELDS: Columns = {
    "id": Kind.TEXT,
    "created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "integration_type": Kind.TEXT,
    "integration_name": Kind.TEXT,
    "external_xref": Kind.TEXT,
    "environment": Kind.TEXT,
    "workspace_id": Kind.TEXT,
    "is_paused": Kind.BOOLEAN,
    "last_healthy_at": Kind.TIMESTAMP,
    "last_unhealthy_at": Kind.TIMESTAMP,
    "categories": Kind.JSON,
    "permissions": Kind.JSON,
    "support": Kind.JSON,
}
"""An allow-list: the API's connection object carries credentials under `auth…`, which are never stored.
`support` is the integration's own table of what each object that is read can do."""

BOOKKEEPING: Columns = {
    "_extra": Kind.JSON,
    "_row_hash": Kind.TEXT,
    "_version_key": Kind.TEXT,
    "_observed_at": Kind.TIMESTAMP,
    "_observed_via": Kind.TEXT,
    "_deleted_at": Kind.TIMESTAMP,
    "_deletion_reason": Kind.TEXT,
    "_privacy": Kind.TEXT,
    "_schema_version": Kind.INTEGER,
}
"""`_extra`: fields nobody knew yet, and values that did not fit their column, by name.
`_row_hash`: over the API's columns, `_extra`, `_deleted_at` and `_privacy`. `_privacy`: what was hashed, cut short or
dropped before the row was stored; null: nothing. `_version_key`: sorts the states of one
record, newest last. `_observed_at`: when the state was served, by the server's clock."""


def _record_table(name: str, fields: Columns, *, keeps_unknown: bool = True) -> TableSchema:
    columns = {"connection_id": Kind.TEXT, **fields, **BOOKKEEPING}
    return TableSchema(name, ("connection_id", "id"), columns, keeps_unknown)


TICKETS = _record_table("tickets", TICKET_FIELDS)
CUSTOMERS = _record_table("customers", CUSTOMER_FIELDS)
NOTES = _record_table("notes", NOTE_FIELDS)
CATEGORIES = _record_table("categories", CATEGORY_FIELDS)
EMPLOYEES = _record_table("employees", EMPLOYEE_FIELDS, keeps_unknown=False)

CONNECTIONS = TableSchema(
    "connections",
    ("id",),
    {
        **CONNECTION_FIELDS,
        "_row_hash": Kind.TEXT,
        "_observed_at": Kind.TIMESTAMP,
        "_schema_version": Kind.INTEGER,
    },
    keeps_unknown=False,
)

SYNC_RUNS = TableSchema(
    "sync_runs",
    ("run_id", "connection_id", "object"),
    {
        "run_id": Kind.TEXT,
        "connection_id": Kind.TEXT,
        "object": Kind.TEXT,
        "integration_type": Kind.TEXT,
        "plan": Kind.TEXT,
        "started_at": Kind.TIMESTAMP,
        "ended_at": Kind.TIMESTAMP,
        "requests": Kind.INTEGER,
        "rows_received": Kind.INTEGER,
        "retries": Kind.INTEGER,
        "seconds_waited": Kind.REAL,
        "cursor_before": Kind.TIMESTAMP,
        "cursor_after": Kind.TIMESTAMP,
        "read_through": Kind.TIMESTAMP,
        "is_complete": Kind.BOOLEAN,
        "error": Kind.TEXT,
        "command": Kind.TEXT,
        "rows_rejected": Kind.INTEGER,
        "rows_repaired": Kind.INTEGER,
        "rows_deleted": Kind.INTEGER,
        "rows_withheld": Kind.INTEGER,
        "_schema_version": Kind.INTEGER,
    },
)
"""One row per run, connection and object; it travels in the same load package as the rows it speaks of.
`read_through`: the server's clock when a sync began that has read all that had changed by then; null for any other run.
`command`: `sync`, `drain`, `reconcile` or `verify`. `rows_rejected` went to `rejected_records`; `rows_repaired` held
values that no warehouse takes; `rows_deleted` were found to be gone at the source; `rows_withheld` were those of
persons who have been forgotten."""

TRACKED_FIELDS: Columns = {
    name: TICKET_FIELDS[name]
    for name in (
        "updated_at",
        "closed_at",
        "due_at",
        "status",
        "priority",
        "category_id",
        "category",
        "user_id",
        "customer_id",
        "tags",
    )
} | {"raw_status": Kind.TEXT, "raw_state": Kind.TEXT}
"""What makes one state of a ticket another. `raw_status` and `raw_state` are the helpdesk's own, from the top of
`raw`."""

TICKET_VERSIONS = TableSchema(
    "ticket_versions",
    ("connection_id", "id", "state_hash"),
    {
        "connection_id": Kind.TEXT,
        "id": Kind.TEXT,
        "state_hash": Kind.TEXT,
        **TRACKED_FIELDS,
        "is_baseline": Kind.BOOLEAN,
        "observed_at": Kind.TIMESTAMP,
        "observed_via": Kind.TEXT,
        "_schema_version": Kind.INTEGER,
    },
)
"""One row per observed state of a ticket, written once. `state_hash` is over the tracked fields; `is_baseline`: it was
there before anything was known of its connection, or differs only by `raw`, so it tells of no change."""

REJECTED_RECORDS = TableSchema(
    "rejected_records",
    ("connection_id", "object", "record_hash"),
    {
        "connection_id": Kind.TEXT,
        "object": Kind.TEXT,
        "record_hash": Kind.TEXT,
        "reason": Kind.TEXT,
        "record": Kind.TEXT,
        "_privacy": Kind.TEXT,
        "observed_at": Kind.TIMESTAMP,
        "observed_via": Kind.TEXT,
        "_schema_version": Kind.INTEGER,
    },
)
"""What the API listed and no raw table can hold, as JSON text, with the reason; written once."""

NOTE_SWEEPS = TableSchema(
    "note_sweeps",
    ("connection_id", "ticket_id"),
    {
        "connection_id": Kind.TEXT,
        "ticket_id": Kind.TEXT,
        "ticket_row_hash": Kind.TEXT,
        "notes_found": Kind.INTEGER,
        "with_raw": Kind.BOOLEAN,
        "swept_at": Kind.TIMESTAMP,
        "_schema_version": Kind.INTEGER,
    },
)
"""Where notes are listed per ticket: when all notes of a ticket were last read, whether with their `raw`, and in which
state the ticket was; null where they could not be read."""

SYNC_COVERAGE = TableSchema(
    "sync_coverage",
    ("run_id", "connection_id", "object"),
    {
        "run_id": Kind.TEXT,
        "connection_id": Kind.TEXT,
        "object": Kind.TEXT,
        "integration_type": Kind.TEXT,
        "plan": Kind.TEXT,
        "started_at": Kind.TIMESTAMP,
        "ended_at": Kind.TIMESTAMP,
        "read_through": Kind.TIMESTAMP,
        "is_sample": Kind.BOOLEAN,
        "is_deep": Kind.BOOLEAN,
        "is_complete": Kind.BOOLEAN,
        "requests": Kind.INTEGER,
        "records_shown": Kind.INTEGER,
        "records_held": Kind.INTEGER,
        "not_yet_read": Kind.INTEGER,
        "not_yet_reconciled": Kind.INTEGER,
        "not_comparable": Kind.INTEGER,
        "missing": Kind.INTEGER,
        "wrongly_deleted": Kind.INTEGER,
        "stale": Kind.INTEGER,
        "extra": Kind.INTEGER,
        "doubled": Kind.INTEGER,
        "changed": Kind.INTEGER,
        "repaired": Kind.INTEGER,
        "gaps": Kind.JSON,
        "gone": Kind.JSON,
        "error": Kind.TEXT,
        "_schema_version": Kind.INTEGER,
    },
)
"""One row per `verify`, connection and object: what the source showed and the warehouse held. `read_through`: up to
then the last sync had read. `not_yet_read`: records that have changed since, which the next sync brings;
`not_yet_reconciled`: records that are gone and that the next reconcile marks; each count after them is of one kind of
gap. `gaps`: the first of them, with the likely cause. `gone`: the first ids of what is held and gone. `repaired`: how
many gaps this run has brought into order. An object that could not be compared to its end is not `is_complete`."""

FORGOTTEN = TableSchema(
    "forgotten",
    ("connection_id", "object", "digest"),
    {
        "connection_id": Kind.TEXT,
        "object": Kind.TEXT,
        "digest": Kind.TEXT,
        "forgotten_at": Kind.TIMESTAMP,
        "request_id": Kind.TEXT,
        "_schema_version": Kind.INTEGER,
    },
)
"""One row per record, or address (`object` is `emails`, `connection_id` empty), that was forgotten and is not to come
back: a digest of its id, and when and by which request. The row whose `object` is `salt` holds the digests' salt."""

WRITEBACK_LOG = TableSchema(
    "writeback_log",
    ("connection_id", "attempt_id"),
    {
        "connection_id": Kind.TEXT,
        "attempt_id": Kind.TEXT,
        "plan_id": Kind.TEXT,
        "undoes_plan_id": Kind.TEXT,
        "integration_type": Kind.TEXT,
        "ticket_id": Kind.TEXT,
        "action": Kind.TEXT,
        "written_by": Kind.TEXT,
        "reason": Kind.TEXT,
        "begun_at": Kind.TIMESTAMP,
        "ended_at": Kind.TIMESTAMP,
        "ending": Kind.TEXT,
        "answer": Kind.TEXT,
        "old": Kind.JSON,
        "new": Kind.JSON,
        "taken": Kind.JSON,
        "note_id": Kind.TEXT,
        "record_updated_at": Kind.TIMESTAMP,
        "_schema_version": Kind.INTEGER,
    },
)
"""One row per attempt to carry a triage decision to a helpdesk. `action`: `note` or `change`; `ending`: `written`,
`standing`, `conflict`, `refused`, `failed`, `unknown` or `held`, of which `answer` says more. `old`, `new` and `taken`
are JSON objects by field: what was there, what was sent, and what the helpdesk showed after it, which is null unless it
was written. `note_id`: the note that was made; `record_updated_at`: what the ticket, or the note, has as `updated_at`
since."""

RECORD_TABLES: dict[str, TableSchema] = {
    table.name: table for table in (TICKETS, CUSTOMERS, NOTES, CATEGORIES, EMPLOYEES)
}

RAW_TABLES: dict[str, TableSchema] = RECORD_TABLES | {
    table.name: table
    for table in (
        *(CONNECTIONS, SYNC_RUNS, TICKET_VERSIONS, REJECTED_RECORDS, NOTE_SWEEPS, SYNC_COVERAGE, FORGOTTEN),
        WRITEBACK_LOG,
    )
}
