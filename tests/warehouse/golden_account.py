"""The raw records, so that one finds what belongs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tests.warehouse.golden_business_time import Calendars, whole_second
from tests.warehouse.golden_settings import Key, Record, Settings
from tests.warehouse.golden_signs import Signs
from tests.warehouse.golden_text import text


class Account:
    """All records of a warehouse, by connection and id."""

    def __init__(self, records: Mapping[str, Sequence[Record]], settings: Settings) -> None:
        self.records = records
        self.settings = settings
        self.signs = Signs(settings.seeds["raw_signs"])
        self.calendars = Calendars(settings)
        self.customers = _by_id(records.get("customers", ()))
        self.employees = _by_id(records.get("employees", ()))
        self.categories: dict[str, list[Record]] = _grouped(records.get("categories", ()), "connection_id")
        self._helpdesks = {row["id"]: row.get("integration_type") for row in records.get("connections", ())}
        self._connections = {row["id"]: row for row in records.get("connections", ())}
        self._runs: dict[str, list[Record]] = _grouped(records.get("sync_runs", ()), "connection_id")
        self._notes = _by_ticket(records.get("notes", ()), "ticket_id")
        self._versions = _by_ticket(records.get("ticket_versions", ()), "id")
        log = [row for row in records.get("writeback_log", ()) if row["ending"] == "written"]
        self._written_notes = {(row["connection_id"], row["note_id"]) for row in log if row["action"] == "note"}
        self._own_changes = _by_ticket([row for row in log if row["action"] == "change"], "ticket_id")
        self._swept = {
            (row["connection_id"], row["ticket_id"])
            for row in records.get("note_sweeps", ())
            if row.get("notes_found") is not None
        }
        self._agents_until = self._last_sights()
        self._askers = {(row["connection_id"], text(row.get("customer_id"))) for row in records.get("tickets", ())}

    def helpdesk(self, connection_id: str) -> str | None:
        return self._helpdesks.get(connection_id)

    def connections(self) -> list[str]:
        return [*self._helpdesks]

    def connection(self, connection_id: str) -> Record | None:
        """As it was last listed."""
        return self._connections.get(connection_id)

    def notes_of(self, ticket: Record) -> Sequence[Record]:
        return self._notes[ticket["connection_id"], ticket["id"]]

    def versions_of(self, ticket: Record) -> Sequence[Record]:
        return self._versions[ticket["connection_id"], ticket["id"]]

    def is_own(self, note: Record) -> bool:
        """Whether we wrote a note."""
        return (note["connection_id"], note["id"]) in self._written_notes

    def own_changes_of(self, ticket: Record) -> Sequence[Record]:
        """The changes of a ticket that were carried out for us."""
        return self._own_changes[ticket["connection_id"], ticket["id"]]

    def customer_name(self, connection_id: str, customer_id: str | None) -> str | None:
        record = self.customers.get((connection_id, customer_id or ""), {})
        return text(record.get("name"))

    def employee_name(self, connection_id: str, user_id: str | None) -> str | None:
        record = self.employees.get((connection_id, user_id or ""), {})
        both = [part for name in ("first_name", "last_name") if (part := text(record.get(name)))]
        return text(record.get("name")) or " ".join(both) or None

    def was_agent(self, connection_id: str, person_id: str, sent_at: datetime | None) -> bool:
        """Whether somebody was known as an agent when a message was sent."""
        asks = (connection_id, person_id) in self._askers
        employee = None if asks else self.employees.get((connection_id, person_id))
        if employee is not None and not employee.get("_deleted_at"):
            return True
        ends = [employee["_deleted_at"]] if employee is not None else []
        ends += [sight] if (sight := self._agents_until.get((connection_id, person_id))) else []
        return sent_at is not None and any(whole_second(sent_at) <= whole_second(end) for end in ends)

    def is_conversation_known(self, ticket: Record) -> bool:
        """Whether the notes of a ticket have been read."""
        if ticket.get("_deleted_at"):
            return False
        if not all(map(self.is_own, self.notes_of(ticket))) or (ticket["connection_id"], ticket["id"]) in self._swept:
            return True
        walks = self._read_runs(ticket["connection_id"], "notes")
        opened_at = ticket.get("created_at")
        return any(
            (run.get("plan") or "").split(",")[0] != "per_ticket"
            and (opened_at is None or whole_second(opened_at) <= whole_second(run["read_through"]))
            for run in walks
        )

    def data_as_of(self, connection_id: str) -> datetime | None:
        """Up to when both tickets and notes have been read."""
        tickets: list[datetime] = [run["read_through"] for run in self._read_runs(connection_id, "tickets")]
        notes: list[datetime] = [run["read_through"] for run in self._read_runs(connection_id, "notes")]
        if not tickets:
            return None
        return min(max(tickets), max(notes, default=max(tickets)))

    def read_through(self, connection_id: str, kind: str) -> datetime | None:
        """Up to when all changes of one object have been read."""
        return max((run["read_through"] for run in self._read_runs(connection_id, kind)), default=None)

    def is_settled(self, connection_id: str, moment: datetime | None) -> bool:
        through = self.data_as_of(connection_id)
        if moment is None or through is None:
            return False
        return whole_second(moment) <= whole_second(through) - timedelta(seconds=self.settings.settle_seconds)

    def read_before(self, connection_id: str, moment: datetime) -> datetime | None:
        """Up to when the last sync but one had read the tickets by a moment: the last may be the one that saw it."""
        runs = self._read_runs(connection_id, "tickets")
        read: list[datetime] = sorted(run["read_through"] for run in runs if run["read_through"] <= moment)
        return read[-2] if len(read) > 1 else None

    def _read_runs(self, connection_id: str, kind: str) -> list[Record]:
        return [run for run in self._runs[connection_id] if run["object"] == kind and run.get("read_through")]

    def _last_sights(self) -> Mapping[Key, datetime]:
        sights: dict[Key, datetime] = {}
        for version in self.records.get("ticket_versions", ()):
            if user_id := text(version.get("user_id")):
                key = (version["connection_id"], user_id)
                sights[key] = max(sights.get(key, version["observed_at"]), version["observed_at"])
        return sights


def _by_id(rows: Sequence[Record]) -> dict[Key, Record]:
    return {(row["connection_id"], row["id"]): row for row in rows}


def _by_ticket(rows: Sequence[Record], name: str) -> dict[Key, list[Record]]:
    found: dict[Key, list[Record]] = defaultdict(list)
    for row in rows:
        found[row["connection_id"], text(row.get(name)) or ""].append(row)
    return found


def _grouped(rows: Sequence[Record], name: str) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found
