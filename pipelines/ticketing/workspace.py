"""Which connections a run reads, and what each of them can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from pipelines.errors import ApiKeyRejected, CallsUsedUp, FixConfiguration, TicketingError
from pipelines.settings import UnifiedSettings
from pipelines.ticketing.plans import Plan, Strategy, choose_plan
from pipelines.ticketing.walk import walk_whole_list
from pipelines.unified_api.capabilities import (
    Connection,
    Integration,
    ObjectSupport,
    read_connection,
    read_integration,
)
from pipelines.unified_api.client import Calls, UnifiedClient
from pipelines.unified_api.endpoints import CONNECTIONS_PATH, ENDPOINTS, INTEGRATIONS_PATH, TICKETING, Endpoint
from pipelines.unified_api.records import Record
from transforms.shaping import Fields
from transforms.values import decode


@dataclass(frozen=True)
class Target:
    """One connection to read. `problem` says why it cannot be, `skipped` why it is left out on purpose."""

    connection: Connection
    integration: Integration | None = None
    problem: str | None = None
    skipped: str | None = None

    @property
    def id(self) -> str:
        return self.connection.id

    @property
    def is_readable(self) -> bool:
        return self.problem is None and self.skipped is None

    def support(self, endpoint: Endpoint) -> ObjectSupport | None:
        return self.integration.support.get(endpoint.support_key) if self.integration else None

    def plan(self, endpoint: Endpoint) -> Plan:
        if reason := self.not_granted(endpoint):
            return Plan(Strategy.NOT_OFFERED, reason)
        table = self.integration.support if self.integration else {}
        if not any(name.startswith(f"{TICKETING}_") for name in table):
            return Plan(Strategy.WHOLE_LIST, "the integration publishes no support table")
        if endpoint.support_key in table and table[endpoint.support_key] is None:
            return Plan(Strategy.WHOLE_LIST, "what the support table says of it cannot be read")
        return choose_plan(self.support(endpoint))

    def not_granted(self, endpoint: Endpoint) -> str | None:
        """Why an object that a connection may be made without is not to be read of this one; None if it is."""
        if endpoint.is_optional and endpoint.category not in self.connection.categories:
            return f"the connection does not have the category {endpoint.category}"
        if endpoint.is_optional and self.lacks_permission(endpoint):
            return f"the connection does not grant the permission {endpoint.permission}"
        return None

    def lacks_permission(self, endpoint: Endpoint) -> bool:
        """Whether the connection lists its permissions and the one to read this object is not among them."""
        return bool(self.connection.permissions) and endpoint.permission not in self.connection.permissions


@dataclass(frozen=True)
class Listing:
    """The workspace's connections as the API listed them, credentials included: never store them unshaped."""

    records: dict[str, Record]
    observed_at: datetime


class Workspace:
    """The ticketing connections of a workspace; asked for once, when first needed."""

    def __init__(self, client: UnifiedClient, settings: UnifiedSettings) -> None:
        self.client = client
        self.calls = Calls()
        self._wanted = list(dict.fromkeys(settings.connection_ids or []))
        self._page_size = settings.page_size
        self._with_rules = settings.privacy_by_connection().keys()

    @cached_property
    def targets(self) -> list[Target]:
        """The connections to read, those that cannot be read among them, in the order they were asked for.

        Raises `FixConfiguration` where rules of privacy name a connection that there is not: those that they are meant
        for would be stored without.
        """
        self._refuse_rules_of_nobody()
        integrations: dict[str, Integration | TicketingError | None] = {}
        known: dict[str, Target] = {}
        for identity, record in self._listing.records.items():
            connection = read_connection({name: decode(json) for name, json in record.fields.items()})
            if connection is None:
                known[identity] = Target(
                    Connection(identity), problem="The API shows this connection in a shape that cannot be read."
                )
            elif TICKETING in connection.categories:
                kind = connection.integration_type
                if kind not in integrations:
                    integrations[kind] = self._integration(kind)
                known[identity] = _target(connection, integrations[kind])
        if not self._wanted:
            return [_unless_unwell(target) for target in known.values()]
        return [known.get(identity) or _unknown(identity) for identity in self._wanted]

    def _refuse_rules_of_nobody(self) -> None:
        listed = self._listing.records.keys()
        if unknown := sorted(self._with_rules - listed):
            raise FixConfiguration(
                "Expected [sources.unified.privacy.connections] to name ticketing connections of the workspace, got "
                f"{', '.join(unknown)}. It has {', '.join(sorted(listed)) or 'none'}. Correct the id, or remove its "
                "rules. Nothing was read."
            )

    def connection_fields(self) -> list[Fields]:
        """The targets' connections as the API shows them, with the integration's support table; for shaping."""
        return [
            {**record.fields, "support": msgspec.Raw(msgspec.json.encode(_support(target)))}
            for target in self.targets
            if (record := self._listing.records.get(target.id)) is not None
        ]

    @property
    def observed_at(self) -> datetime:
        """When the connections were listed, by the server's clock."""
        return self._listing.observed_at

    @cached_property
    def _listing(self) -> Listing:
        pages = list(
            walk_whole_list(
                lambda parameters: self.client.list(
                    CONNECTIONS_PATH, {"categories": TICKETING, **parameters}, self.calls
                ),
                self._page_size,
                pages_by_offset=True,
            )
        )
        # What is no record is not even looked at: it holds credentials.
        records = {record.id: record for page in pages for record in page.records if isinstance(record, Record)}
        return Listing(records, pages[-1].served_at if pages else datetime.now(UTC))

    def _integration(self, integration_type: str) -> Integration | TicketingError | None:
        """The support table of a type, None where there is none, or what kept it from being read."""
        try:
            answer = self.client.get_json(INTEGRATIONS_PATH, {"type": integration_type}, self.calls)
        except (ApiKeyRejected, CallsUsedUp):
            raise
        except TicketingError as error:
            return error
        rows = answer if isinstance(answer, list) else []
        read = (read_integration(row) for row in rows)
        return next((found for found in read if found is not None and found.type == integration_type), None)


def _target(connection: Connection, integration: Integration | TicketingError | None) -> Target:
    if isinstance(integration, TicketingError):
        return Target(connection, problem=f"What the integration can do could not be read. {integration}")
    return Target(connection, integration)


def _unknown(connection_id: str) -> Target:
    return Target(
        Connection(connection_id),
        problem=f"The workspace has no ticketing connection {connection_id!r}. Correct or remove it in "
        "sources.unified.connection_ids; `ticketing check` lists those there are.",
    )


def _unless_unwell(target: Target) -> Target:
    connection = target.connection
    if connection.is_healthy:
        return target
    why = "paused" if connection.is_paused else f"unhealthy since {connection.last_unhealthy_at}"
    return replace(target, skipped=why)


def _support(target: Target) -> dict[str, ObjectSupport | None] | None:
    if target.integration is None:
        return None
    read = {endpoint.support_key for endpoint in ENDPOINTS.values()}
    support = target.integration.support
    return {name: row for name, row in support.items() if name in read or name.startswith(f"{TICKETING}_")}
