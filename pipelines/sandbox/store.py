"""The state of a sandbox: a clock, connections, and what each of them holds. Safe to share between threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from threading import RLock
from typing import Any

from pipelines.sandbox.events import Event, Happening, Watcher
from pipelines.sandbox.helpdesks import BLANK, HELPDESKS, Backstage, Helpdesk, State
from pipelines.sandbox.instants import DAY, HOUR, moment_in, to_datetime, to_iso, to_milliseconds
from pipelines.sandbox.shelf import Listing, Record, Shelf, Stored
from pipelines.sandbox.support import OBJECTS, Support, support_key

DEFAULT_START = datetime(2026, 5, 29, 16, 0, tzinfo=UTC)
"""A Friday afternoon."""

FAKE_CREDENTIAL = "fake-credential"
"""Begins every secret in a connection's `auth`; nothing that reads the sandbox may keep it."""

WEBHOOK_EVENTS = ("created", "updated", "deleted")

PERMISSIONS = tuple(f"{support_key(name)}_{right}" for name in (*OBJECTS, "employee") for right in ("read", "write"))


class Store:
    """Connections with their records. Every change moves the clock by a millisecond, so that no two share one."""

    def __init__(self, start: datetime = DEFAULT_START, *, refuse_unsupported: bool = False) -> None:
        self.lock = RLock()
        self.refuse_unsupported = refuse_unsupported
        self.workspace_id = "66521f7be0c1aa5d0c1d0001"
        self.webhooks: dict[str, Record] = {}
        self._now = to_milliseconds(start)
        self._start = self._now
        self._webhooks_made = 0
        self._watcher: Watcher | None = None
        self._helpdesks: dict[str, Helpdesk] = dict(HELPDESKS)
        self._connections: dict[str, Record] = {}
        self._shelves: dict[tuple[str, str], Shelf] = {}

    # The clock

    @property
    def now(self) -> datetime:
        """The sandbox's own time."""
        return to_datetime(self._now)

    @property
    def now_milliseconds(self) -> int:
        """The same in milliseconds."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let time pass with nothing happening."""
        with self.lock:
            self.advance_to(self._now + by // timedelta(milliseconds=1))

    def advance_to(self, milliseconds: int) -> None:
        """Move the clock forward to a moment; it never goes back."""
        with self.lock:
            self._now = max(self._now, milliseconds)
            self._tell_time()

    def _tick(self) -> int:
        self._now += 1
        self._tell_time()
        return self._now

    # Whoever is told

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody, and nobody else, of all that happens from now on while there are webhooks."""
        self._watcher = watcher

    def _tell_time(self) -> None:
        if self.webhooks and self._watcher:
            self._watcher.time_passed()

    def _tell(self, connection_id: str, object_name: str, record_id: str, happening: Happening) -> None:
        if self.webhooks and self._watcher:
            stored = self._stored(connection_id, object_name, record_id)
            self._watcher.happened(Event(connection_id, object_name, happening, stored, self._now))

    # Integration types and connections

    def register_integration(self, integration_type: str, support: Support, **habits: Any) -> None:
        """Make a new integration type known, or give a known one another support table; `habits` as in `Helpdesk`."""
        with self.lock:
            self._helpdesks[integration_type] = Helpdesk(integration_type, support, **habits)

    def publish(self, integration_type: str, support: Support) -> None:
        """Show another support table of a known type than the one by which it answers."""
        with self.lock:
            self._helpdesks[integration_type] = replace(self._helpdesks[integration_type], published=support)

    def helpdesks(self) -> list[Helpdesk]:
        """Every integration type known."""
        return list(self._helpdesks.values())

    def add_connection(
        self,
        integration_type: str,
        id: str | None = None,
        *,
        permissions: Iterable[str] = PERMISSIONS,
        is_paused: bool = False,
        **fields: Any,
    ) -> str:
        """Connect a helpdesk of a known type; its id is the answer."""
        with self.lock:
            helpdesk = self._helpdesks[integration_type]
            number = len(self._connections) + 1
            connection_id = id or _object_id(f"connection:{integration_type}:{number}")
            if connection_id in self._connections:
                raise ValueError(f"connection {connection_id!r} is there already")
            offers_employees = support_key("employee") in helpdesk.support
            self._connections[connection_id] = {
                "id": connection_id,
                "created_at": to_iso(self._start - 200 * DAY + number * HOUR),
                "updated_at": to_iso(self._start - 2 * DAY + number),
                "workspace_id": self.workspace_id,
                "integration_type": integration_type,
                "integration_name": helpdesk.name or integration_type,
                "external_xref": f"nordlys-{integration_type}-{number}",
                "environment": "Production",
                "categories": ["ticketing", "hris"] if offers_employees else ["ticketing"],
                "permissions": list(permissions),
                "is_paused": is_paused,
                "last_healthy_at": to_iso(self._start - number),
                "last_unhealthy_at": None,
                "auth": _fake_auth(connection_id, helpdesk),
                **fields,
            }
            return connection_id

    def change_connection(self, connection_id: str, **fields: Any) -> None:
        """Change fields of a connection: pause it, take permissions away, make it unhealthy."""
        with self.lock:
            self._connections[connection_id].update(fields)

    def remove_connection(self, connection_id: str) -> None:
        """Forget a connection, all that it holds and its webhooks."""
        with self.lock:
            for webhook in [row for row in self.webhooks.values() if row["connection_id"] == connection_id]:
                self.remove_webhook(webhook["id"])
            del self._connections[connection_id]
            for key in [key for key in self._shelves if key[0] == connection_id]:
                del self._shelves[key]

    def connections(self) -> list[Record]:
        """Every connection, as the API shows it."""
        with self.lock:
            return [dict(connection) for connection in self._connections.values()]

    def connection(self, connection_id: str) -> Record | None:
        """One connection, if it is there."""
        return self._connections.get(connection_id)

    def helpdesk_of(self, connection_id: str) -> Helpdesk:
        """The integration type behind a connection."""
        return self._helpdesks[self._connections[connection_id]["integration_type"]]

    # Webhooks

    def add_webhook(
        self,
        connection_id: str,
        object_type: str,
        event: str,
        hook_url: str,
        *,
        webhook_type: str | None = None,
        interval: float = 60,
        fields: str | None = None,
        include_all: bool = False,
    ) -> Record:
        """Subscribe to what happens. Raises `ValueError` on what the integration does not offer.

        Without a `webhook_type` it gets the first that is offered; `interval` is in minutes, and `fields` a text with
        commas. `include_all` has all records sent first.
        """
        with self.lock:
            connection, now = self._connections[connection_id], to_iso(self._now)
            kind = _offered(self.helpdesk_of(connection_id), object_type, event, webhook_type)
            self._webhooks_made += 1
            webhook: Record = {
                "id": _object_id(f"webhook:{self._webhooks_made}"),
                "created_at": now,
                "updated_at": now,
                "workspace_id": self.workspace_id,
                "connection_id": connection_id,
                "integration_type": connection["integration_type"],
                "environment": connection["environment"],
                "object_type": object_type,
                "event": event,
                "hook_url": hook_url,
                "interval": interval,
                "webhook_type": kind,
                "is_healthy": True,
                "is_paused": False,
                **({"fields": fields} if fields else {}),
                **({"checked_at": now} if kind == "virtual" else {}),
            }
            self.webhooks[webhook["id"]] = webhook
            if self._watcher:
                self._watcher.subscribed(webhook, include_all=include_all)
            return dict(webhook)

    def change_webhook(self, webhook_id: str, **fields: Any) -> Record:
        """Change fields of a subscription: pause it, or send it elsewhere."""
        with self.lock:
            webhook = self.webhooks[webhook_id]
            webhook.update(fields, updated_at=to_iso(self._now))
            self._tell_time()
            return dict(webhook)

    def remove_webhook(self, webhook_id: str) -> None:
        """End a subscription."""
        with self.lock:
            del self.webhooks[webhook_id]

    # Reading

    def shelf(self, connection_id: str, object_name: str) -> Shelf:
        """What a connection holds of an object: `ticket`, `customer`, `note`, `category` or `employee`."""
        if connection_id not in self._connections:
            raise KeyError(f"no connection {connection_id!r}")
        if object_name not in (*OBJECTS, "employee"):
            raise KeyError(f"no object {object_name!r}")
        return self._shelves.setdefault((connection_id, object_name), Shelf())

    def records(self, connection_id: str, object_name: str) -> list[Record]:
        """The truth: every record in full, `raw` included, in the order of their making."""
        with self.lock:
            return [stored.record() for stored in self.shelf(connection_id, object_name)]

    def record(self, connection_id: str, object_name: str, record_id: str) -> Record:
        """One record in full. Raises `KeyError` if it is not there."""
        with self.lock:
            return self._stored(connection_id, object_name, record_id).record()

    def page(self, connection_id: str, object_name: str, listing: Listing) -> list[Stored]:
        """One page of a list."""
        with self.lock:
            return self.shelf(connection_id, object_name).page(listing)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many records each connection holds, by object."""
        with self.lock:
            return {
                connection_id: {name: len(self.shelf(connection_id, name)) for name in (*OBJECTS, "employee")}
                for connection_id in self._connections
            }

    # Changing

    def create(
        self,
        connection_id: str,
        object_name: str,
        fields: Mapping[str, Any],
        *,
        backstage: Backstage = BLANK,
    ) -> Record:
        """Make a record. What is not given (id, times, `raw`) is filled in the helpdesk's manner."""
        with self.lock:
            shelf, helpdesk = self.shelf(connection_id, object_name), self.helpdesk_of(connection_id)
            made_at = to_iso(self._tick())
            record_id = fields.get("id") or helpdesk.identifier(connection_id, object_name, shelf.made + 1)
            if record_id in shelf:
                raise ValueError(f"{object_name} {record_id!r} is there already")
            record: Record = {"id": record_id, "created_at": made_at, "updated_at": made_at, **fields}
            record["id"] = record_id
            if object_name == "ticket" and record.get("status") == "CLOSED":
                record.setdefault("closed_at", record["updated_at"])
            if "raw" not in record and object_name in OBJECTS:
                raw = helpdesk.raw(object_name, record, backstage)
                if raw is not None:
                    record["raw"] = raw
            shelf.put(record)
            self._tell(connection_id, object_name, record_id, "created")
            if object_name == "note" and helpdesk.note_moves_ticket:
                self._note_moves_ticket(connection_id, record)
            return self.record(connection_id, object_name, record_id)

    def patch(
        self,
        connection_id: str,
        object_name: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        state: State | None = None,
        quiet: bool = False,
    ) -> Record:
        """Change fields of a record; `raw` follows. A `quiet` one leaves `updated_at` as it was and tells nobody."""
        with self.lock:
            at = to_iso(self._tick())
            changes = dict(fields) if quiet else {"updated_at": at, **fields}
            self._change(connection_id, object_name, record_id, changes, state, quiet=quiet)
            return self.record(connection_id, object_name, record_id)

    def touch(self, connection_id: str, object_name: str, record_id: str) -> None:
        """Set `updated_at` to now and change nothing else."""
        with self.lock:
            self._change(connection_id, object_name, record_id, {"updated_at": to_iso(self._tick())})

    def mangle(self, connection_id: str, object_name: str, record_id: str, body: bytes | None) -> None:
        """Send exactly these bytes in a record's place from now on, in lists and by id; `None` mends it."""
        with self.lock:
            self._stored(connection_id, object_name, record_id).mangled = body

    def bulk_edit(
        self,
        connection_id: str,
        object_name: str,
        ids: Iterable[str],
        fields: Mapping[str, Any],
        at: datetime | None = None,
    ) -> None:
        """Change many records in one stroke: all get the same `updated_at`."""
        with self.lock:
            moment = to_milliseconds(at) if at else self._tick()
            self.advance_to(moment)
            for record_id in ids:
                self._change(connection_id, object_name, record_id, {**fields, "updated_at": to_iso(moment)})

    def delete(self, connection_id: str, object_name: str, record_id: str) -> None:
        """Remove a record; a ticket takes its notes along. Raises `KeyError` if it is not there."""
        with self.lock:
            self._tick()
            self._stored(connection_id, object_name, record_id)
            if object_name == "ticket":
                notes = self.shelf(connection_id, "note")
                for note in notes.of_ticket(record_id):
                    self._tell(connection_id, "note", note.id, "deleted")
                    notes.remove(note.id)
            self._tell(connection_id, object_name, record_id, "deleted")
            self.shelf(connection_id, object_name).remove(record_id)

    def load(self, connection_id: str, object_name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Put many finished records on an empty or small shelf at once; the clock stays, and nobody is told."""
        with self.lock:
            self.shelf(connection_id, object_name).load(records)

    def _stored(self, connection_id: str, object_name: str, record_id: str) -> Stored:
        stored = self.shelf(connection_id, object_name).get(record_id)
        if stored is None:
            raise KeyError(f"no {object_name} {record_id!r}")
        return stored

    def _change(
        self,
        connection_id: str,
        object_name: str,
        record_id: str,
        changes: Mapping[str, Any],
        state: State | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        helpdesk = self.helpdesk_of(connection_id)
        old = self._stored(connection_id, object_name, record_id).record()
        new = {**old, **changes, "id": record_id}
        if object_name == "ticket":
            _settle_closed_at(old, new, changes, keeps=helpdesk.keeps_closed_at)
        if isinstance(old.get("raw"), dict) and "raw" not in changes:
            new["raw"] = helpdesk.reflect(object_name, old["raw"], new, state)
        self.shelf(connection_id, object_name).put(new)
        if not quiet:
            self._tell(connection_id, object_name, record_id, "updated")

    def _note_moves_ticket(self, connection_id: str, note: Record) -> None:
        ticket_id, moment = note.get("ticket_id"), moment_in(note["created_at"])
        ticket = self.shelf(connection_id, "ticket").get(ticket_id) if isinstance(ticket_id, str) else None
        if ticket is not None and moment is not None and moment > ticket.updated:
            self._change(connection_id, "ticket", ticket.id, {"updated_at": note["created_at"]})


def _settle_closed_at(old: Record, new: Record, changes: Mapping[str, Any], *, keeps: bool) -> None:
    if "closed_at" in changes or old.get("status") == new.get("status"):
        return
    if new.get("status") == "CLOSED":
        new["closed_at"] = new.get("updated_at")
    elif "closed_at" in new and not keeps:
        new["closed_at"] = None


def _offered(helpdesk: Helpdesk, object_type: str, event: str, kind: str | None) -> str:
    """The kind of webhook that this helpdesk has for it: the one asked for, or else the first."""
    support = helpdesk.support.get(object_type)
    if support is None or event not in WEBHOOK_EVENTS:
        raise ValueError("A webhook needs an object_type that the integration offers, and an event")
    kinds: list[str] = support["webhook_events"][event]
    chosen = kind or next(iter(kinds), None)
    if chosen is None or chosen not in kinds:
        raise ValueError(f"{helpdesk.name or helpdesk.type} offers no {kind or 'such'} webhook for this event")
    return chosen


def _object_id(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _fake_auth(connection_id: str, helpdesk: Helpdesk) -> Record:
    tail = connection_id[-6:]
    return {
        "name": helpdesk.name or helpdesk.type,
        "emails": ["integrations@nordlys-cycles.example"],
        "access_token": f"{FAKE_CREDENTIAL}-access-{tail}",
        "refresh_token": f"{FAKE_CREDENTIAL}-refresh-{tail}",
        "client_id": f"{FAKE_CREDENTIAL}-client-{tail}",
        "client_secret": f"{FAKE_CREDENTIAL}-secret-{tail}",
        "api_url": f"https://nordlys.{helpdesk.type}.example/api",
        "other_auth_info": [f"{FAKE_CREDENTIAL}-other-{tail}"],
    }
