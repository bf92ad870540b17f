"""Forgetting a person: their rows, what names them, and whatever else holds a copy; and that they do not come back."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from pipelines.build import BuildReport, Heard, build_models, require_project
from pipelines.errors import FixConfiguration
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.ticketing.source import tombstones_of
from pipelines.warehouse import quarantine
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.forgetting import Customer, Person, Traces
from pipelines.warehouse.load import finish_pending, load, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.runs import has_marts, refuse_older_schema
from pipelines.warehouse.stored import asking, recall
from transforms.forgotten import EVERYWHERE, SALT, Forgotten, Tombstone
from transforms.privacy import normal_address

RECEIPTS = "receipts"
"""The folder, in the state folder, that keeps what was done; it names nobody."""


@dataclass
class Preview:
    """Whom a request means and what is stored of them. `is_known`: they were forgotten before."""

    customers: list[Customer]
    traces: Counter[str]
    is_known: bool


@dataclass
class Receipt:
    """What was done, in words and numbers that name nobody. Times are UTC."""

    request_id: str
    forgotten_at: datetime
    customers: int
    removed: dict[str, int]
    tombstones: int
    marts: str = "none were built"
    lies_in: str = ""
    not_reached: list[str] = field(
        default_factory=lambda: [
            "the helpdesk itself",
            "backups of the warehouse, and a server's own logs",
            "what was copied out of the warehouse",
            "what others wrote about the person without naming an address",
        ]
    )


Confirm = Callable[[Preview], bool]
"""Whether to go on, once it is known what there is."""


def forget(
    who: str,
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    confirm: Confirm,
    wait_seconds: float = 0.0,
    told: Callable[[str], None] = lambda line: None,
    heard: Heard = lambda done, total: None,
) -> Receipt | None:
    """Remove the customer with an id or an e-mail address `who`; None where `confirm` says no.

    An address means every customer that has it, on every connection; an id that of the one connection that has it, or
    that `settings.connection_ids` names. Their tickets go with all notes. Raises a `TicketingError`, before anything is
    changed where that can be: run it again in any case, it goes on where it was.
    """
    with one_writer(warehouse, wait_seconds):
        pipeline = open_pipeline(warehouse, wait_seconds)
        finish_pending(pipeline, warehouse)
        refuse_older_schema(pipeline, warehouse.name)
        builds = has_marts(pipeline)
        if builds:
            require_project()
        forgotten = Forgotten()
        recall(forgotten, asking(pipeline))
        forgotten.salt = forgotten.salt or secrets.token_bytes(16)
        traces = Traces(pipeline)
        customers = _meant(who, traces, settings)
        addresses = [] if settings.connection_ids else _addresses(who, customers)
        by_connection: dict[str, list[str]] = {}
        for customer in customers:
            by_connection.setdefault(customer.connection_id, []).append(customer.id)
        person = Person(by_connection, addresses=addresses)
        found = traces.count(person)
        put_aside = quarantine.count(warehouse.state_dir)
        if put_aside:
            found["load packages that were put aside, whole"] = put_aside
        preview = Preview(customers, found, forgotten.of_address(who) in forgotten.tombstones)
        if not customers and not found and not preview.is_known:
            raise FixConfiguration(
                f"Expected the id or the e-mail address of a customer in {warehouse.name}, but nothing of {who!r} is "
                "stored there. Nothing was changed."
            )
        if not confirm(preview):
            return None
        tombstones = _tombstones(forgotten, by_connection, traces.tickets(by_connection), addresses)
        receipt = Receipt(
            uuid4().hex, datetime.now(UTC), len(customers), dict(found), len(tombstones), "none were built"
        )
        told("putting up tombstones")
        rows = [
            tombstone._asdict() | {"forgotten_at": receipt.forgotten_at, "request_id": receipt.request_id}
            for tombstone in [Tombstone(EVERYWHERE, SALT, forgotten.salt.hex()), *tombstones]
        ]
        load(pipeline, tombstones_of(rows), warehouse)
        told("removing rows")
        traces.remove(person)
        traces.empty_staging()
        quarantine.clear(warehouse.state_dir)
        pipeline.drop()
        if builds:
            receipt.marts = _built(build_models(warehouse, receipt.forgotten_at, heard))
        told("writing the warehouse anew")
        destination_of(warehouse).compact()
        _keep(receipt, warehouse.state_dir)
    return receipt


def _meant(who: str, traces: Traces, settings: UnifiedSettings) -> list[Customer]:
    """The customers that are meant: those with this id or address, and those that share an address with them. Raises
    `FixConfiguration` where an id is that of several."""

    def having(text: str) -> list[Customer]:
        wanted = settings.connection_ids or []
        found = traces.customers(text, _hashed(text, settings))
        return [customer for customer in found if not wanted or customer.connection_id in wanted]

    named = having(who)
    connections = [customer.connection_id for customer in named if customer.id == who]
    if len(connections) > 1:
        raise FixConfiguration(
            f"Expected an id of one customer, but {len(connections)} connections have one with it: "
            f"{', '.join(connections)}. Say which: --connection ID"
        )
    alike = [customer for address in _addresses(who, named) for customer in having(address)]
    return list({(customer.connection_id, customer.id): customer for customer in [*named, *alike]}.values())


def _hashed(who: str, settings: UnifiedSettings) -> str:
    """An address as it is stored where addresses are hashed."""
    return settings.protection("").hash(normal_address("emails", who)) if settings.privacy_key else who


def _addresses(who: str, customers: Sequence[Customer]) -> list[str]:
    """The addresses that are known in full."""
    named = [who, *(address for customer in customers for address in customer.addresses)]
    return list(dict.fromkeys(normal_address("emails", address) for address in named if "@" in address))


def _tombstones(
    forgotten: Forgotten,
    customers: dict[str, list[str]],
    tickets: dict[str, list[str]],
    addresses: Sequence[str],
) -> list[Tombstone]:
    found = [forgotten.of_address(address) for address in addresses]
    for table, by_connection in (("customers", customers), ("tickets", tickets)):
        found += [forgotten.tombstone(each, table, id) for each, ids in by_connection.items() for id in ids]
    return found


def _built(report: BuildReport) -> str:
    return f"{report.models} models built again"


def _keep(receipt: Receipt, state_dir: Path) -> None:
    folder = state_dir / RECEIPTS
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"forget-{receipt.forgotten_at:%Y%m%dT%H%M%SZ}-{receipt.request_id[:8]}.json"
    receipt.lies_in = str(path)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(receipt)))
