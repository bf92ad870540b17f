"""The connections that triage decisions are carried to: what each takes, and the calls to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from datetime import datetime

from pipelines.errors import ApiKeyRejected, CallsUsedUp, OutcomeUnknown, RequestRefused, TicketingError, UnknownId
from pipelines.settings import UnifiedSettings
from pipelines.ticketing.object_api import ObjectApi, all_fields
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.threads import Threads, with_ticket
from pipelines.ticketing.walk import walk_whole_list
from pipelines.ticketing.workspace import Target, Workspace
from pipelines.unified_api.budget import Stopped
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.endpoints import CATEGORIES, NOTES, TICKETS, Endpoint
from pipelines.unified_api.records import Listed, Record
from pipelines.writeback.live import Seen
from pipelines.writeback.plan import Value
from pipelines.writeback.planning import Categories, Writable
from transforms.shaping import NULL
from transforms.values import decode


class Desks:
    """Those of a workspace, asked for once. For threads to share once `require` has been called."""

    def __init__(self, client: UnifiedClient, settings: UnifiedSettings) -> None:
        self.calls = Calls()
        self._client = client
        self._settings = settings
        self._workspace = Workspace(client, settings)
        self._open: dict[str, Desk] = {}
        self._closed: dict[str, str] = {}

    def require(self, connection_ids: Collection[str]) -> None:
        """Find out what there is of these connections. Raises a `TicketingError` if nobody can be asked."""
        targets = {target.id: target for target in self._workspace.targets}
        for connection_id in connection_ids:
            target = targets.get(connection_id)
            if target is None:
                self._closed[connection_id] = "unknown connection: the workspace, or the settings, have none of this id"
            elif why := target.problem or target.skipped:
                self._closed[connection_id] = f"the connection is left out: {why}"
            else:
                self._open[connection_id] = Desk(self._client, target, self._settings, self.calls)

    @property
    def open_ids(self) -> Set[str]:
        """The connections at which something can be done."""
        return self._open.keys()

    def of(self, connection_id: str) -> Desk:
        """The calls to a connection. Raises `TicketingError`, which says why there are none."""
        if connection_id in self._closed:
            raise TicketingError(self._closed[connection_id])
        return self._open[connection_id]


class Desk:
    """The calls to one connection. All raise the `TicketingError` that says what stands in the way; those that write
    raise `OutcomeUnknown` where nobody can say whether it was carried out."""

    def __init__(self, client: UnifiedClient, target: Target, settings: UnifiedSettings, calls: Calls) -> None:
        self._client = client
        self._target = target
        self._settings = settings
        self._calls = calls
        self._tickets = self._api(TICKETS)
        self._notes = self._api(NOTES)
        self._threads = Threads(self._notes, settings.page_size, pages_by_offset=target.plan(NOTES).pages_by_offset)

    def _api(self, endpoint: Endpoint) -> ObjectApi:
        fields = all_fields(self._target, endpoint, include_raw=self._settings.include_raw)
        return ObjectApi(self._client, self._target, endpoint, fields, self._calls)

    def ticket(self, ticket_id: str) -> Seen:
        """A ticket, in all its fields."""
        seen = _seen(*self._tickets.get(ticket_id))
        if seen.record.id != ticket_id:
            raise UnknownId(f"The API answers for ticket {ticket_id} with another one, {seen.record.id}.")
        return seen

    def notes(self, ticket_id: str) -> list[Seen]:
        """All notes of a ticket."""
        thread = self._threads.ask(ticket_id)
        if isinstance(thread, TicketingError):
            raise thread
        if not thread.saw_the_end:
            raise RequestRefused(f"Expected to see all notes of ticket {ticket_id}, but their list did not end.")
        seen = [_seen(note, page.served_at) for page in thread.pages for note in page.records]
        return [*{each.record.id: each for each in seen}.values()]

    def change(self, ticket_id: str, fields: Mapping[str, Value], known: Collection[str]) -> Seen:
        """Change these fields of a ticket and no others; the ticket as it is then, in all fields that are `known` of
        it."""
        path = TICKETS.record_path(self._target.id, ticket_id)
        seen = _written(*self._client.change_record(path, fields, _naming(self._tickets), self._calls))
        return self._ticket_since(ticket_id) if {*known} - seen.record.fields.keys() else seen

    def _ticket_since(self, ticket_id: str) -> Seen:
        """The ticket after a change whose answer does not show all of it."""
        try:
            return self.ticket(ticket_id)
        except (TicketingError, Stopped) as error:
            raise OutcomeUnknown(f"It was changed, but what it is since could not be read: {error}") from error

    def add_note(self, ticket_id: str, text: str) -> Seen:
        """Add a note to a ticket; the note."""
        body = {"ticket_id": ticket_id, "description": text}
        path = NOTES.list_path(self._target.id)
        seen = _written(*self._client.create_record(path, body, _naming(self._notes), self._calls))
        return seen._replace(record=with_ticket(seen.record, ticket_id))

    def categories(self) -> Categories:
        """Those of the connection, if they can be read."""
        plan = self._target.plan(CATEGORIES)
        api = self._api(CATEGORIES)
        if plan.strategy is Strategy.NOT_OFFERED:
            return Categories(None)
        try:
            pages = [*walk_whole_list(api.list, self._settings.page_size, pages_by_offset=plan.pages_by_offset)]
        except (ApiKeyRejected, CallsUsedUp):
            raise
        except TicketingError:
            return Categories(None)
        listed = [record for page in pages for record in page.records if isinstance(record, Record)]
        return Categories({record.id: str(decode(record.fields.get("name", NULL)) or "") for record in listed})

    def writable(self, allowed: Collection[str]) -> Writable:
        """What can be written there, of what is allowed."""
        support = self._target.support(TICKETS)
        return Writable(
            self._target.connection.integration_type,
            allowed,
            None if support is None or not support.outbound_fields else support.outbound_fields.keys(),
            None if support is None or not support.inbound_fields else support.inbound_fields.keys(),
            self._refusal(TICKETS, is_offered=support is None or support.offers_update),
            self._note_refusal(),
        )

    def _note_refusal(self) -> str | None:
        support = self._target.support(NOTES)
        if support is not None and not support.lists_by_ticket:
            return "its notes cannot be listed by ticket, so that nobody could tell whether one was sent"
        return self._refusal(NOTES, is_offered=support is None or support.offers_create)

    def _refusal(self, endpoint: Endpoint, *, is_offered: bool) -> str | None:
        """Why an object cannot be written."""
        connection = self._target.connection
        if not is_offered:
            return f"{connection.integration_type} does not let a {endpoint.object} be written"
        if connection.permissions and endpoint.write_permission not in connection.permissions:
            return f"the connection does not grant the permission {endpoint.write_permission}"
        return None


def _naming(api: ObjectApi) -> Parameters:
    """Has the answer to a call that writes name the fields that one which reads does."""
    return {"fields": api.fields} if api.fields else {}


def _seen(listed: Listed, served_at: datetime) -> Seen:
    if not isinstance(listed, Record):
        raise RequestRefused(f"Expected a record, but {listed.reason}.")
    return Seen(listed, served_at)


def _written(listed: Listed, served_at: datetime) -> Seen:
    if not isinstance(listed, Record):
        raise OutcomeUnknown(f"Expected the record as it is now, but {listed.reason}. It may have been written.")
    return Seen(listed, served_at)
