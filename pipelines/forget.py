"""Forgetting a person: their rows, what names them, and whatever else holds a copy; and that they do not come back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import dlt
import msgspec

from pipelines.build import (
    BuildReport,
    Heard,
    build_models,
    clear_logs,
    complete_tables,
    require_project,
    require_seeds,
)
from pipelines.draining import DrainReport, drain_beside, inbox_of, opened_inbox
from pipelines.errors import FixConfiguration
from pipelines.publish import publish_beside
from pipelines.receipts import applying_alone, forget_attempts, load_receipts_beside
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.tombstones import of_findings, of_records, put_up, recalled
from pipelines.warehouse import anew, quarantine
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.forgetting import Customer, Findings, Traces
from pipelines.warehouse.load import finish_pending, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.runs import has_marts, refuse_older_schema
from transforms.addresses import is_address
from transforms.forgotten import EVERYWHERE, SALT, Forgotten, Tombstone
from transforms.privacy import normal_address

RECEIPTS = "receipts"
"""The folder, in the state folder, that keeps what was done; it names nobody."""


@dataclass
class Preview:
    """Whom a request means and how many rows are stored of them, by where. `is_known`: they were forgotten before."""

    customers: list[Customer]
    traces: dict[str, int]
    is_known: bool


@dataclass
class Receipt:
    """What was done, in words and numbers that name nobody. Times are UTC; `completed_at` is None while it is under
    way, and stays so where it was cut short."""

    request_id: str
    forgotten_at: datetime
    customers: int
    removed: dict[str, int]
    tombstones: int
    not_reached: list[str]
    marts: str = "none were built"
    completed_at: datetime | None = None
    lies_in: str = ""
    left_waiting: int = 0
    """Deliveries of webhooks that could not be loaded, and lie in the inbox as they came."""

    @property
    def exit_code(self) -> int:
        """0 all well, 3 something of them may still lie in the inbox."""
        return 3 if self.left_waiting else 0


@dataclass(frozen=True)
class _Meant:
    """Whom a request means, with the tombstones that they are to have and what is stored of them."""

    customers: list[Customer]
    tombstones: list[Tombstone]
    findings: Findings
    preview: Preview
    forgotten: Forgotten = field(repr=False)


def preview(
    who: str,
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    connections: Sequence[str] = (),
    wait_seconds: float = 0.0,
) -> Preview:
    """Whom `forget` would remove, and what; nothing is changed. Raises like `forget`."""
    with _opened(warehouse, wait_seconds) as pipeline:
        return _meant(who, pipeline, settings, warehouse, connections).preview


def forget(
    who: str,
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    connections: Sequence[str] = (),
    wait_seconds: float = 0.0,
    told: Callable[[str], None] = lambda line: None,
    heard: Heard = lambda done, total: None,
) -> Receipt:
    """Remove the customer with an id or an e-mail address `who`.

    An address means every customer that has it, on every connection; an id that of the one connection that has it, or
    that `connections` names. Whoever shares an address with them is taken for the same person, and so on. Their tickets
    go with all notes. Raises a `TicketingError`, before anything is changed where that can be: run it again in any
    case, it goes on where it was.
    """
    with applying_alone(warehouse), _opened(warehouse, wait_seconds) as pipeline:
        left_waiting = _drained(pipeline, settings, warehouse)
        load_receipts_beside(pipeline, settings, warehouse)
        builds = has_marts(pipeline)
        if builds:
            require_project()
            require_seeds()
            complete_tables(pipeline, warehouse)
        meant = _meant(who, pipeline, settings, warehouse, connections)
        traces = Traces(pipeline, meant.forgotten)
        receipt = Receipt(
            uuid4().hex,
            datetime.now(UTC),
            len(meant.customers),
            meant.preview.traces,
            len(meant.tombstones),
            _not_reached(traces.under_other_rules(), left_waiting),
            left_waiting=left_waiting,
        )
        told("putting up tombstones")
        _keep(receipt, warehouse.state_dir)
        salt = Tombstone(EVERYWHERE, SALT, meant.forgotten.salt.hex())
        put_up(pipeline, warehouse, [salt], SALT, receipt.forgotten_at)
        put_up(pipeline, warehouse, meant.tombstones, receipt.request_id, receipt.forgotten_at)
        told("removing rows")
        anew.mark_due(warehouse)
        traces.remove(meant.findings)
        traces.empty_staging()
        quarantine.clear(warehouse.state_dir)
        _clear_dead_letters(warehouse)
        forget_attempts(warehouse, meant.findings.tickets)
        pipeline.drop()
        if builds:
            receipt.marts = _built(build_models(warehouse, None, heard))
        clear_logs()
        if destination_of(warehouse).has_published():
            _publish(receipt, warehouse, told, wait_seconds, builds=builds)
        told("writing the warehouse anew")
        anew.write(warehouse)
        receipt.completed_at = datetime.now(UTC)
        _keep(receipt, warehouse.state_dir)
    return receipt


def _publish(
    receipt: Receipt, warehouse: WarehouseSettings, told: Callable[[str], None], wait_seconds: float, *, builds: bool
) -> None:
    """Put what is without them in the place of all that was published."""
    if builds:
        told("publishing without them, and removing what was published before")
        publish_beside(warehouse, wait_seconds)
    else:
        place = destination_of(warehouse).published
        receipt.not_reached.append(f"what was published of marts that are not there any more: {place}. Remove it")


@contextmanager
def _opened(warehouse: WarehouseSettings, wait_seconds: float) -> Iterator[dlt.Pipeline]:
    with one_writer(warehouse, wait_seconds), destination_of(warehouse).naming_faults():
        pipeline = open_pipeline(warehouse, wait_seconds)
        finish_pending(pipeline, warehouse)
        refuse_older_schema(pipeline, warehouse.name)
        yield pipeline


def _meant(
    who: str,
    pipeline: dlt.Pipeline,
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    connections: Sequence[str],
) -> _Meant:
    """Raises `FixConfiguration` where nobody is meant, or it cannot be told who."""
    if "@" in who and not is_address(who):
        raise FixConfiguration(f"Expected a customer's id or a whole e-mail address, got {who!r}. Nothing was changed.")
    forgotten = recalled(pipeline, settings)
    forgotten.salt = forgotten.salt or secrets.token_bytes(16)
    traces = Traces(pipeline, forgotten)
    is_known = _is_known(who, forgotten, connections)
    customers, addresses = _together(who, traces, connections)
    by_connection: dict[str, set[str]] = {}
    for customer in customers:
        by_connection.setdefault(customer.connection_id, set()).add(customer.id)
    tombstones = [forgotten.of_address(form) for address in addresses for form in sorted(forgotten.forms(address))]
    tombstones += of_records(forgotten, "customers", by_connection)
    forgotten.tombstones |= {*tombstones}
    findings = traces.find(by_connection, traces.known()[1] if is_known else {}, addresses)
    found = findings.count()
    if not customers and not found and not is_known:
        raise FixConfiguration(
            f"Expected the id or the e-mail address of a customer in {warehouse.name}, but nothing of {who!r} is "
            f"stored there.{_in_other_words(traces.under_other_rules())} Nothing was changed."
        )
    if put_aside := quarantine.count(warehouse.state_dir):
        found["load packages that were put aside, whole"] = put_aside
    if dead := _dead_letters(warehouse):
        found["dead letters of webhooks, whole"] = dead
    tombstones = [*dict.fromkeys([*tombstones, *of_findings(forgotten, findings)])]
    return _Meant(customers, tombstones, findings, Preview(customers, dict(found), is_known), forgotten)


def _drained(pipeline: dlt.Pipeline, settings: UnifiedSettings, warehouse: WarehouseSettings) -> int:
    """Load what waits in the inbox; returns how many deliveries wait on because they could not be loaded."""
    report = DrainReport()
    drain_beside(pipeline, settings, warehouse, report)
    if not report.error:
        return 0
    with opened_inbox(warehouse) as inbox:
        return inbox.contents().waiting


def _dead_letters(warehouse: WarehouseSettings) -> int:
    if not inbox_of(warehouse).exists():
        return 0
    with opened_inbox(warehouse) as inbox:
        return inbox.contents().dead


def _clear_dead_letters(warehouse: WarehouseSettings) -> None:
    """Nobody knows who is named in them."""
    if inbox_of(warehouse).exists():
        with opened_inbox(warehouse) as inbox:
            inbox.clear_dead_letters()


def _is_known(who: str, forgotten: Forgotten, connections: Sequence[str]) -> bool:
    """Whether they were forgotten before, by this address or id."""
    places = connections or {tombstone.connection_id for tombstone in forgotten.tombstones}
    return forgotten.knows_address(who) or any(forgotten.knows(place, "customers", who) for place in places)


def _together(who: str, traces: Traces, connections: Sequence[str]) -> tuple[list[Customer], list[str]]:
    """The customers that are meant, with those that share an address with one of them, and all their addresses, of some
    only hashes. Raises `FixConfiguration` where an id is that of several, or connections are named beside an address.
    """
    if connections and is_address(who):
        raise FixConfiguration(
            "Expected --connection only beside an id: an address is the same person's on every connection. Nothing was "
            "changed."
        )
    named = [each for each in traces.customers(who) if not connections or each.connection_id in connections]
    places = [each.connection_id for each in named if each.id == who]
    if len(places) > 1 and not is_address(who):
        raise FixConfiguration(
            f"Expected an id of one customer, but {len(places)} connections have one with it: {', '.join(places)}. Say "
            "which: --connection ID"
        )
    found = {(each.connection_id, each.id): each for each in named}
    addresses = dict.fromkeys([normal_address("emails", who)] if is_address(who) else [])
    waiting = [*named]
    while waiting:
        theirs = [normal_address("emails", each) for each in waiting.pop().addresses]
        for address in theirs:
            if address not in addresses:
                addresses[address] = None
                others = {(each.connection_id, each.id): each for each in traces.customers(address)}
                waiting += [each for key, each in others.items() if key not in found]
                found |= others
    return [*found.values()], [*addresses]


def _not_reached(under_other_rules: int, left_waiting: int) -> list[str]:
    waiting = (
        f"what waits in the inbox of webhooks and could not be loaded, in number {left_waiting:,}: nothing of theirs "
        "will be stored of it, but it lies there as it came; mend what ticketing drain says, then run this again"
    )
    return [
        "the helpdesk itself",
        "other warehouses: run it with --destination for each",
        "backups of the warehouse, and a server's own logs",
        "what was copied out of the warehouse, or put aside on another machine",
        "proposals, and plans of triage that were written to another place than the usual one",
        "what others wrote about the person without naming an address",
        *([f"addresses that cannot be compared.{_in_other_words(under_other_rules)}"] if under_other_rules else []),
        *([waiting] if left_waiting else []),
    ]


def _in_other_words(under_other_rules: int) -> str:
    if not under_other_rules:
        return ""
    return (
        f" {under_other_rules:,} customers are stored with their addresses dropped, or hashed with another key: only "
        "their ids can name them."
    )


def _built(report: BuildReport) -> str:
    return f"{report.models} models built again"


def _keep(receipt: Receipt, state_dir: Path) -> None:
    folder = state_dir / RECEIPTS
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"forget-{receipt.forgotten_at:%Y%m%dT%H%M%SZ}-{receipt.request_id[:8]}.json"
    receipt.lies_in = str(path)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(receipt)))
