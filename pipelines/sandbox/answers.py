"""The API itself: from a request to its answer, without a socket."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from pipelines.sandbox.bodies import misfit
from pipelines.sandbox.faults import Fate
from pipelines.sandbox.helpdesks import Helpdesk
from pipelines.sandbox.instants import MINUTE, SECOND, from_iso
from pipelines.sandbox.shelf import Listing, Record, Stored
from pipelines.sandbox.store import Store
from pipelines.sandbox.support import (
    FILTERS,
    LISTABLE_FIELDS,
    OBJECTS,
    REFERENCES,
    ObjectSupport,
    field_set,
    readable,
    support_key,
)
from pipelines.sandbox.unrest import stir

PAGE_CAP = 100
SORTS = ("name", "updated_at", "created_at")

Parameters = Mapping[str, list[str]]


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: str = ""
    authorization: str | None = None
    body: bytes = b""

    @property
    def segments(self) -> list[str]:
        return [unquote(segment) for segment in self.path.strip("/").split("/")]

    @property
    def connection_id(self) -> str | None:
        """The connection it is about, for the calls that name one in their path."""
        segments = self.segments
        return segments[1] if len(segments) > 2 and segments[0] in ("ticketing", "hris") else None


@dataclass(frozen=True)
class Answer:
    """What goes out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class Refusal(Exception):
    """An answer that is an error: its status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error(status: int, message: str) -> Answer:
    """An error in the API's form."""
    return Answer(status, msgspec.json.encode({"status": status, "message": message}))


class Api:
    """Answers requests from a store, bent by a fate."""

    def __init__(self, store: Store, api_key: str) -> None:
        self._store = store
        self._api_key = api_key.encode()

    def answer(self, request: Request, fate: Fate) -> Answer:
        """The answer to one request; an error is an answer too."""
        try:
            self._admit(request)
            with self._store.lock:
                return self._route(request, fate)
        except Refusal as refusal:
            return error(refusal.status, refusal.message)
        except Exception as fault:  # a poisoned record may break anything
            return error(500, f"Internal server error: {type(fault).__name__}: {fault}")

    def _admit(self, request: Request) -> None:
        scheme, _, key = (request.authorization or "").partition(" ")
        is_known = hmac.compare_digest(key.strip().encode(), self._api_key)
        if scheme.lower() != "bearer" or not is_known:
            raise Refusal(401, "Unauthorized: the API key is missing or not valid")

    def _route(self, request: Request, fate: Fate) -> Answer:
        parameters = parse_qs(request.query, keep_blank_values=True)
        match request.segments:
            case ["ticketing", connection_id, object_name, *record_id] if object_name in OBJECTS and len(record_id) < 2:
                return self._records(request, parameters, connection_id, object_name, record_id, fate)
            case ["hris", connection_id, "employee"] if request.method == "GET":
                return self._records(request, parameters, connection_id, "employee", [], fate)
            case ["unified", "connection"] if request.method == "GET":
                return self._list_connections(parameters)
            case ["unified", "connection", connection_id] if request.method == "GET":
                return _json(self._connection(connection_id))
            case ["unified", "integration"] if request.method == "GET":
                return self._list_integrations(parameters)
            case ["unified", "webhook"]:
                return self._webhooks(request, parameters)
            case ["unified", "webhook", webhook_id]:
                return self._webhook(request, webhook_id)
        raise Refusal(404, f"No such call: {request.method} {request.path}")

    # Records

    def _records(
        self,
        request: Request,
        parameters: Parameters,
        connection_id: str,
        object_name: str,
        record_id: list[str],
        fate: Fate,
    ) -> Answer:
        call = _CALLS.get((request.method, bool(record_id)))
        if call is None:
            raise Refusal(405, f"{request.method} is not a method of {request.path}")
        connection = self._connection(connection_id)
        support = self._support(connection, object_name, call)
        if connection["is_paused"]:
            raise Refusal(400, f"Connection {connection_id} is paused")
        fields = _fields(parameters, object_name, fate)
        where = (connection_id, object_name)
        if call == "list":
            stir(self._store, where, fate)
            listing = self._listing(parameters, object_name, support, fate)
            self._must_know_ticket(connection_id, listing)
            shown = readable(fields, support)
            return Answer(200, b"[" + b",".join(row.json(shown) for row in self._store.page(*where, listing)) + b"]")
        if call == "create":
            created = self._store.create(*where, self._new_record(request, where, support))
            return self._show(where, created["id"], fields, support)
        self._must_exist(where, record_id[0])
        if call == "remove":
            self._store.delete(*where, record_id[0])
            return _json({})
        if call == "update":
            self._store.patch(*where, record_id[0], self._written(request, where, support))
        return self._show(where, record_id[0], fields, support)

    def _show(
        self, where: tuple[str, str], record_id: str, fields: frozenset[str] | None, support: ObjectSupport
    ) -> Answer:
        stored = self._must_exist(where, record_id)
        return Answer(200, stored.json(readable(fields, support)))

    def _must_exist(self, where: tuple[str, str], record_id: str) -> Any:
        stored = self._store.shelf(*where).get(record_id)
        if stored is None:
            raise Refusal(404, f"No {where[1]} {record_id}")
        return stored

    def _support(self, connection: Record, object_name: str, call: str) -> ObjectSupport:
        helpdesk = self._store.helpdesk_of(connection["id"])
        support = helpdesk.support.get(support_key(object_name))
        if support is None or not support["methods"].get(call):
            raise Refusal(501, f"{helpdesk.name or helpdesk.type} does not offer {call} of {object_name}")
        right = f"{support_key(object_name)}_{'read' if call in ('list', 'get') else 'write'}"
        if right not in connection["permissions"]:
            raise Refusal(403, f"Connection {connection['id']} lacks the permission {right}")
        return support

    def _listing(self, parameters: Parameters, object_name: str, support: ObjectSupport, fate: Fate) -> Listing:
        limit = min(_count(parameters, "limit", PAGE_CAP, least=1), PAGE_CAP)
        offset = _count(parameters, "offset", 0, least=0)
        updated_gte = _updated_gte(parameters, fate)
        sort = _choice(parameters, "sort", SORTS)
        descending = _choice(parameters, "order", ("asc", "desc")) == "desc"
        query = _single(parameters, "query")
        filters = {name: value for name in FILTERS[object_name] if (value := _single(parameters, name))}
        asked = {"limit", "offset", "updated_gte", "order", "query", *filters} & set(parameters)
        asked |= {f"sort_by_{sort}"} if sort else set()
        ignored = self._ignored(asked, support)
        return Listing(
            limit=min(PAGE_CAP if "limit" in ignored else limit, fate.faults.page_cap or PAGE_CAP),
            offset=0 if "offset" in ignored else offset,
            updated_gte=None if "updated_gte" in ignored or fate.faults.ignore_updated_gte else updated_gte,
            sort=None if f"sort_by_{sort}" in ignored else sort,
            descending=descending and "order" not in ignored,
            query=None if "query" in ignored else query,
            filters={name: value for name, value in filters.items() if name not in ignored},
            shuffle_ties=fate.rng if fate.faults.unstable_ties else None,
            hides=self._hides(fate),
        )

    def _ignored(self, asked: set[str], support: ObjectSupport) -> set[str]:
        required = {name for name, level in support.items() if level == "supported-required"}
        if missing := {name.removeprefix("list_") for name in required} - asked:
            raise Refusal(400, f"Missing parameter: {', '.join(sorted(missing))}")
        ignored = {name for name in asked if not str(support.get(f"list_{name}", "")).startswith("supported")}
        if ignored and self._store.refuse_unsupported:
            raise Refusal(400, f"Not supported by this integration: {', '.join(sorted(ignored))}")
        return ignored

    def _hides(self, fate: Fate) -> Callable[[Stored], bool] | None:
        if not fate.faults.visible_after_seconds:
            return None
        now = self._store.now_milliseconds
        return lambda stored: fate.hides(stored.id, stored.updated, now)

    def _must_know_ticket(self, connection_id: str, listing: Listing) -> None:
        ticket_id = listing.filters.get("ticket_id")
        if ticket_id and self._store.helpdesk_of(connection_id).unknown_ticket_is_404:
            self._must_exist((connection_id, "ticket"), ticket_id)

    def _new_record(self, request: Request, where: tuple[str, str], support: ObjectSupport) -> Record:
        record = self._written(request, where, support)
        if where[1] == "note" and "ticket_id" not in record:
            raise Refusal(400, "ticket_id: expected the id of a ticket, got nothing: a note needs its ticket")
        if where[1] == "ticket":
            record.setdefault("status", "ACTIVE")
        return record

    def _written(self, request: Request, where: tuple[str, str], support: ObjectSupport) -> Record:
        """What the body asks to write, once it is known to fit."""
        body, writable = _fitting(_body(request), where[1]), support["outbound_fields"]
        if self._store.refuse_unsupported and (refused := sorted(set(body) - set(writable))):
            raise Refusal(400, f"Not writable in this integration: {', '.join(refused)}")
        record = {name: value for name, value in body.items() if name in writable}
        self._must_refer(record, where)
        return record

    def _must_refer(self, record: Record, where: tuple[str, str]) -> None:
        connection_id, object_name = where
        for name, target in REFERENCES[object_name].items():
            known = self._store.shelf(connection_id, target)
            is_unchecked = target == "employee" and not len(known)
            may_be_null = name != "ticket_id"
            if name not in record or is_unchecked or (record[name] is None and may_be_null):
                continue
            if record[name] not in known:
                raise Refusal(400, f"{name}: expected the id of a known {target}, got {record[name]!r}")

    # The workspace

    def _connection(self, connection_id: str) -> Record:
        connection = self._store.connection(connection_id)
        if connection is None:
            raise Refusal(404, f"No connection {connection_id}")
        return connection

    def _list_connections(self, parameters: Parameters) -> Answer:
        categories = set(_many(parameters, "categories"))
        updated_gte = _updated_gte(parameters, None)
        chosen = [
            connection
            for connection in self._store.connections()
            if (not categories or categories & set(connection["categories"]))
            and _agrees(connection, parameters, {"env": "environment", "external_xref": "external_xref"})
            and (updated_gte is None or from_iso(connection["updated_at"]) >= updated_gte)
        ]
        return _json(_window(_sorted(chosen, parameters), parameters))

    def _list_integrations(self, parameters: Parameters) -> Answer:
        categories = set(_many(parameters, "categories"))
        env = _single(parameters, "env")
        connections = [row for row in self._store.connections() if env in (None, row["environment"])]
        known = [_integration(helpdesk, connections) for helpdesk in self._store.helpdesks() if helpdesk.is_listed]
        only_active = _single(parameters, "active") == "true"
        chosen = [
            integration
            for integration in known
            if (not categories or categories & set(integration["categories"]))
            and (integration["is_active"] or not only_active)
            and _agrees(integration, parameters, {"type": "type"})
        ]
        if _single(parameters, "summary") == "true":
            chosen = [{name: value for name, value in row.items() if name != "support"} for row in chosen]
        return _json(_window(chosen, parameters))

    def _webhooks(self, request: Request, parameters: Parameters) -> Answer:
        if request.method == "POST":
            return _json(self._new_webhook(_body(request), _single(parameters, "include_all") == "true"))
        if request.method != "GET":
            raise Refusal(405, f"{request.method} is not a method of {request.path}")
        names = {"connection_id": "connection_id", "object": "object_type", "env": "environment"}
        names["integration_type"] = "integration_type"
        chosen = [hook for hook in self._store.webhooks.values() if _agrees(hook, parameters, names)]
        return _json(_window(_sorted(chosen, parameters), parameters))

    def _new_webhook(self, body: Record, include_all: bool) -> Record:
        _fitting({"hook_url": None, **body}, "webhook")
        connection = self._connection(str(body.get("connection_id")))
        chosen = {name: body[name] for name in ("webhook_type", "interval", "fields") if body.get(name)}
        wanted = (str(body.get("object_type")), str(body.get("event")), body["hook_url"])
        try:
            return self._store.add_webhook(connection["id"], *wanted, **chosen, include_all=include_all)
        except ValueError as fault:
            raise Refusal(400, str(fault)) from fault

    def _webhook(self, request: Request, webhook_id: str) -> Answer:
        if webhook_id not in self._store.webhooks:
            raise Refusal(404, f"No webhook {webhook_id}")
        match request.method:
            case "GET":
                return _json(self._store.webhooks[webhook_id])
            case "PATCH" | "PUT":
                body = _fitting(_body(request), "webhook")
                changes = {name: value for name, value in body.items() if name in _WEBHOOK_CHANGES}
                return _json(self._store.change_webhook(webhook_id, **changes))
            case "DELETE":
                self._store.remove_webhook(webhook_id)
                return _json({})
        raise Refusal(405, f"{request.method} is not a method of {request.path}")


_CALLS = {
    ("GET", False): "list",
    ("POST", False): "create",
    ("GET", True): "get",
    ("PATCH", True): "update",
    ("PUT", True): "update",
    ("DELETE", True): "remove",
}
_WEBHOOK_CHANGES = ("hook_url", "interval", "is_paused", "is_healthy", "filters", "fields")


def _json(value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value))


def _body(request: Request) -> Record:
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refusal(400, f"The body is not a JSON object: {fault}") from fault


def _fitting(body: Record, object_name: str) -> Record:
    if complaint := misfit(object_name, body):
        raise Refusal(400, complaint)
    return body


def _single(parameters: Parameters, name: str) -> str | None:
    return parameters[name][-1] if name in parameters else None


def _many(parameters: Parameters, name: str) -> list[str]:
    return [part for value in parameters.get(name, []) for part in value.split(",") if part]


def _count(parameters: Parameters, name: str, default: int, *, least: int) -> int:
    text = _single(parameters, name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer() or number < least:
        raise Refusal(400, f"{name} is a whole number of at least {least}, not {text!r}")
    return int(number)


def _choice(parameters: Parameters, name: str, choices: tuple[str, ...]) -> str | None:
    value = _single(parameters, name)
    if value is not None and value not in choices:
        raise Refusal(400, f"{name} is one of {', '.join(choices)}, not {value!r}")
    return value


def _updated_gte(parameters: Parameters, fate: Fate | None) -> int | None:
    text = _single(parameters, "updated_gte")
    if text is None:
        return None
    try:
        moment = from_iso(text)
    except ValueError as fault:
        raise Refusal(400, f"updated_gte is {fault}") from fault
    grain = {"seconds": SECOND, "minutes": MINUTE}.get((fate.faults.cut_updated_gte if fate else None) or "", 1)
    return moment - moment % grain


def _fields(parameters: Parameters, object_name: str, fate: Fate) -> frozenset[str] | None:
    if "fields" not in parameters or fate.faults.fields_ignored:
        return None
    fields = field_set(",".join(parameters["fields"]))
    admitted = LISTABLE_FIELDS[object_name]
    if fate.faults.fields_strict and (unknown := sorted(fields - admitted)):
        raise Refusal(400, f"fields: {', '.join(unknown)} not among {', '.join(sorted(admitted))}")
    return fields


def _agrees(row: Record, parameters: Parameters, names: Mapping[str, str]) -> bool:
    return all(_single(parameters, name) in (None, row.get(key)) for name, key in names.items())


def _sorted(rows: list[Record], parameters: Parameters) -> list[Record]:
    sort = _choice(parameters, "sort", SORTS)
    is_descending = _choice(parameters, "order", ("asc", "desc")) == "desc"
    if sort is None:
        return rows[::-1] if is_descending else rows
    return sorted(rows, key=lambda row: str(row.get(sort) or ""), reverse=is_descending)


def _window(rows: list[Record], parameters: Parameters) -> list[Record]:
    offset = _count(parameters, "offset", 0, least=0)
    limit = min(_count(parameters, "limit", PAGE_CAP, least=1), PAGE_CAP)
    return rows[offset : offset + limit]


def _integration(helpdesk: Helpdesk, connections: list[Record]) -> Record:
    offers_employees = support_key("employee") in helpdesk.support
    connected = sum(row["integration_type"] == helpdesk.type for row in connections)
    return {
        "type": helpdesk.type,
        "name": helpdesk.name or helpdesk.type,
        "categories": ["ticketing", "hris"] if offers_employees else ["ticketing"],
        "is_active": connected > 0,
        "active_healthy_connections": connected,
        "support": helpdesk.support if helpdesk.published is None else helpdesk.published,
        "web_url": f"https://www.{helpdesk.type}.example",
    }
