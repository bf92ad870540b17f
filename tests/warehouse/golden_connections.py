"""What is held of each connection and how its syncs are, run by run from the raw records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import seconds_between
from tests.warehouse.golden_settings import Record, Row
from tests.warehouse.golden_text import text

OBJECTS = ("tickets", "customers", "notes", "categories", "employees")
GAPS = ("missing", "wrongly_deleted", "stale", "extra", "doubled", "changed")
WORST_FIRST = ("paused", "never_read", "failing", "stale", "gaps", "ok", "not_offered")
COUNTS = {
    "retry_count": "retries",
    "rejected_row_count": "rows_rejected",
    "repaired_row_count": "rows_repaired",
    "deleted_row_count": "rows_deleted",
}


def connection_rows(made: Mapping[str, Sequence[Row]], account: Account) -> list[Row]:
    """One row for each connection that is listed, or has tickets."""
    ids = {*account.connections(), *(ticket["connection_id"] for ticket in made["tickets"])}
    return [_connection_row(connection_id, made, account) for connection_id in ids]


def _connection_row(connection_id: str, made: Mapping[str, Sequence[Row]], account: Account) -> Row:
    def of(table: str) -> list[Record]:
        return [row for row in account.records.get(table, ()) if row["connection_id"] == connection_id]

    listed = account.connection(connection_id)
    living, gone = {}, {}
    for name, table in (("ticket", "tickets"), ("customer", "customers"), ("note", "notes")):
        living[f"{name}_count"] = sum(not row.get("_deleted_at") for row in of(table))
        gone[f"deleted_{name}_count"] = sum(bool(row.get("_deleted_at")) for row in of(table))
    tickets = [row for row in of("tickets") if not row.get("_deleted_at")]
    there = {row["id"] for row in tickets}
    metrics = {row["metric"]: row for row in made["metric_availability"] if row["connection_id"] == connection_id}
    unavailable = sorted(name for name, row in metrics.items() if row["known_count"] == 0)

    def tells(metric: str) -> bool | None:
        return metrics[metric]["known_count"] > 0 if metrics[metric]["applicable_count"] else None

    return {
        "connection_id": connection_id,
        "integration_type": account.helpdesk(connection_id),
        **{name: text((listed or {}).get(name)) for name in ("integration_name", "external_xref", "environment")},
        "calendar": account.calendars.name_for(connection_id),
        "data_as_of": account.data_as_of(connection_id),
        "tickets_read_through_at": account.read_through(connection_id, "tickets"),
        "notes_read_through_at": account.read_through(connection_id, "notes"),
        **living,
        **gone,
        "first_ticket_opened_at": min((row["created_at"] for row in tickets if row.get("created_at")), default=None),
        "last_ticket_updated_at": max((row["updated_at"] for row in tickets if row.get("updated_at")), default=None),
        "history_since_at": min(
            (row["observed_at"] for row in of("ticket_versions") if row["id"] in there), default=None
        ),
        "has_notes_listed": _lists_notes(connection_id, account),
        "has_employees": bool(of("employees")),
        "tells_author": tells("message_author"),
        "tells_visibility": tells("message_visibility"),
        "tells_vendor_status": tells("vendor_status"),
        "tells_satisfaction": tells("satisfaction"),
        "unavailable_metrics": [{"metric": name, "reason": metrics[name]["reason"]} for name in unavailable],
        "last_listed_at": (listed or {}).get("_observed_at"),
        "is_paused": bool(listed.get("is_paused")) if listed else None,
    }


def _lists_notes(connection_id: str, account: Account) -> bool | None:
    """As in the last sync that read all notes, else as the support table says."""
    through = account.read_through(connection_id, "notes")
    if through:
        runs = [row for row in account.records["sync_runs"] if row["connection_id"] == connection_id]
        last = [run for run in runs if run["object"] == "notes" and run.get("read_through") == through]
        return any(not (run.get("plan") or "").startswith("per_ticket") for run in last)
    support = (account.connection(connection_id) or {}).get("support") or {}
    notes, tickets = support.get("ticketing_note") or {}, support.get("ticketing_ticket") or {}
    if "list" not in (tickets.get("methods") or {}):
        return None
    offers = (notes.get("methods") or {}).get("list", False)
    return bool(offers and notes.get("list_ticket_id") != "supported-required")


def sync_health_rows(account: Account) -> list[Row]:
    """One row for each object of a connection that is listed, or of which something has been written down."""
    records = account.records
    written = [row for table in ("sync_runs", "sync_coverage", "rejected_records") for row in records.get(table, ())]
    keys = {(row["connection_id"], row["object"]) for row in written}
    keys |= {(connection_id, name) for connection_id in account.connections() for name in OBJECTS}
    rows = [_object_row(connection_id, name, account) for connection_id, name in keys]
    return [{**row, "place": place} for place, row in enumerate(sorted(rows, key=_urgency), 1)]


def _object_row(connection_id: str, name: str, account: Account) -> Row:
    def of(table: str) -> list[Record]:
        rows = account.records.get(table, ())
        return [row for row in rows if (row["connection_id"], row["object"]) == (connection_id, name)]

    as_of = account.settings.as_of
    connection = account.connection(connection_id)
    runs = of("sync_runs")
    row: Row = {
        "connection_id": connection_id,
        "object_name": name,
        "integration_type": account.helpdesk(connection_id),
        **_syncs([run for run in runs if (run.get("command") or "sync") == "sync"], as_of),
        **_all_runs(runs, as_of - timedelta(days=account.settings.sync_recent_days)),
        "rejected_record_count": len({rejected["record_hash"] for rejected in of("rejected_records")}),
        **_verified(of("sync_coverage")),
        "last_listed_at": (connection or {}).get("_observed_at"),
        "as_of": as_of,
    }
    is_not_offered = row.pop("is_not_offered")
    if connection and connection.get("is_paused"):
        return {**row, "health": "paused"}
    return {**row, "health": "not_offered" if is_not_offered else _health(row, account)}


def _health(row: Row, account: Account) -> str:
    if row["read_through_at"] is None:
        return "never_read"
    if row["failures_since_success_count"] >= account.settings.sync_failing_runs:
        return "failing"
    if row["age_seconds"] is not None and row["age_seconds"] > account.settings.sync_stale_seconds:
        return "stale"
    return "gaps" if row["unrepaired_gap_count"] else "ok"


def _syncs(runs: Sequence[Record], as_of: datetime) -> Row:
    newest = _newest(runs)
    good = [run for run in runs if run.get("is_complete") and not text(run.get("error"))]
    since = max((run["started_at"] for run in good), default=None)
    later = [run for run in runs if since is None or run["started_at"] > since]
    through = max((run["read_through"] for run in runs if run.get("read_through")), default=None)
    age = seconds_between(through, as_of)
    plan = max((run["plan"] for run in newest), key=str.encode, default=None)
    return {
        "plan": plan,
        "last_started_at": newest[0]["started_at"] if newest else None,
        "last_success_at": max((run["ended_at"] for run in good), default=None),
        "read_through_at": through,
        "age_seconds": age if age is not None and age >= 0 else None,
        "failures_since_success_count": sum(map(_has_failed, later)),
        "is_not_offered": (plan or "").startswith("not_offered") and not any(text(run.get("error")) for run in newest),
    }


def _has_failed(run: Record) -> bool:
    words = (run.get("plan") or "").split(", ")
    return bool(text(run.get("error"))) or (words[0].startswith("skipped") and words[1:2] != ["paused"])


def _all_runs(runs: Sequence[Record], recent_since: datetime) -> Row:
    wrong = _newest([run for run in runs if text(run.get("error"))])
    recent = [run for run in runs if run["started_at"] >= recent_since]
    reconciled = [run for run in runs if run.get("command") == "reconcile" and run.get("is_complete")]

    def greatest(found: Sequence[Record], name: str) -> Any:
        return max((run[name] for run in found if run.get(name)), key=str.encode, default=None)

    def total(found: Sequence[Record], name: str) -> int:
        return sum(run.get(name) or 0 for run in found)

    return {
        "last_error": text(greatest(wrong, "error")),
        "last_error_at": max((run.get("ended_at") or run["started_at"] for run in wrong), default=None),
        "last_error_command": greatest(wrong, "command"),
        "last_run_command": greatest(_newest(runs), "command"),
        "recent_received_row_count": total(recent, "rows_received"),
        **{name: total(runs, column) for name, column in COUNTS.items()},
        **{f"recent_{name}": total(recent, column) for name, column in COUNTS.items()},
        "last_reconciled_at": max((run["ended_at"] for run in reconciled if not text(run.get("error"))), default=None),
    }


def _newest(runs: Sequence[Record]) -> list[Record]:
    """The run that began last; those that did at the same moment."""
    last = max((run["started_at"] for run in runs), default=None)
    return [run for run in runs if run["started_at"] == last]


def _verified(verifies: Sequence[Record]) -> Row:
    if not verifies:
        columns = (
            "last_verified_at is_verified_complete is_verified_by_sample shown_record_count held_record_count "
            "gap_count repaired_gap_count unrepaired_gap_count coverage_share"
        )
        return dict.fromkeys(columns.split())
    in_order = sorted(verifies, key=lambda row: (row["started_at"], row["run_id"].encode()))
    last = in_order[-1]
    shown = last.get("records_shown") or 0
    lacking = sum(last.get(kind) or 0 for kind in GAPS if kind not in ("extra", "doubled"))
    return {
        "last_verified_at": last.get("ended_at") or last["started_at"],
        "is_verified_complete": bool(last.get("is_complete")),
        "is_verified_by_sample": bool(last.get("is_sample")),
        "shown_record_count": shown,
        "held_record_count": last.get("records_held") or 0,
        "gap_count": sum(last.get(kind) or 0 for kind in GAPS),
        "repaired_gap_count": last.get("repaired") or 0,
        "unrepaired_gap_count": _unrepaired(in_order),
        "coverage_share": max(shown - lacking, 0) / shown if shown else None,
    }


def _unrepaired(verifies: Sequence[Record]) -> int:
    """The most that one of them left; forgotten as soon as the whole is seen, changes by the deep eye only."""
    plain, changed = 0, 0
    for verify in verifies:
        left = max(sum(verify.get(kind) or 0 for kind in GAPS) - (verify.get("repaired") or 0), 0)
        if verify.get("is_complete") and not verify.get("is_sample"):
            plain, changed = 0, 0 if verify.get("is_deep") else changed
        plain, changed = max(plain, left), max(changed, min(left, verify.get("changed") or 0))
    return max(plain, changed)


def _urgency(row: Row) -> tuple[Any, ...]:
    age = row["age_seconds"]
    oldest_first = (0, 0) if age is None else (1, -age)
    names = (row["connection_id"].encode(), row["object_name"].encode())
    return (WORST_FIRST.index(row["health"]), *oldest_first, *names)
