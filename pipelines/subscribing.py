"""Webhook subscriptions at the API: made for what each helpdesk offers, listed and removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from pipelines.errors import ApiKeyRejected, OutcomeUnknown, ParameterRefused, TicketingError, UnknownId
from pipelines.settings import LARGEST_PAGE, UnifiedSettings
from pipelines.ticketing.object_api import all_fields
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.walk import walk_whole_list
from pipelines.ticketing.workspace import Target, Workspace
from pipelines.unified_api.budget import Budget
from pipelines.unified_api.capabilities import EVENTS
from pipelines.unified_api.client import Calls, UnifiedClient
from pipelines.unified_api.endpoints import ENDPOINTS, TICKETING, WEBHOOKS_PATH, Endpoint, webhook_path
from pipelines.unified_api.records import Record
from pipelines.webhooks.hook_url import require_hook_url, without_secrets
from pipelines.webhooks.subscriptions import (
    TABLES,
    Change,
    Create,
    Existing,
    Keep,
    Remove,
    Replace,
    Step,
    Wanted,
    changes,
    plan_subscriptions,
    read_existing,
    wanted_subscriptions,
)
from transforms.values import decode

Told = Callable[[str], None]

ATTEMPTS = 5
"""A person waits; but what was certainly not carried out is worth some tries."""

LOOKS = 8
"""How often a connection's subscriptions are looked at, until there is none of which nobody knows what became."""

LONGEST_WAIT_TO_LOOK = 16.0
"""Seconds. What was asked for may still be under way when its answer is lost."""


@dataclass
class SubscriptionOutcome:
    """What became of one subscription, or would. `error` says why it is not as wanted; `left` are the fields in which
    the API has its own way; `url` is where it goes, as it may be shown."""

    connection_id: str
    integration_type: str
    table: str
    event: str
    webhook_type: str
    interval: float | None
    url: str
    done: str
    left: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Polled:
    """What only a sync brings, and why; `event` None: the whole table."""

    connection_id: str
    integration_type: str
    table: str
    event: str | None
    reason: str


@dataclass
class SubscribeReport:
    """What a run did, or would do. `problems` and `skipped` are by connection; `settled` are those all of whose
    subscriptions are as wanted; `standing` are the subscriptions that there are after it."""

    is_rehearsal: bool
    outcomes: list[SubscriptionOutcome] = field(default_factory=list)
    standing: list[Existing] = field(default_factory=list)
    polled: list[Polled] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[SubscriptionOutcome]:
        return [outcome for outcome in self.outcomes if outcome.error]

    @property
    def exit_code(self) -> int:
        """0 all as wanted, 1 nothing worked or there was nothing to work on, 3 some of it failed."""
        if not (self.settled or len(self.failed) < len(self.outcomes)):
            return 1
        return 3 if self.failed or self.problems else 0


@dataclass
class UnsubscribeReport:
    """What a run removed, or would remove."""

    is_rehearsal: bool
    outcomes: list[SubscriptionOutcome] = field(default_factory=list)

    @property
    def failed(self) -> list[SubscriptionOutcome]:
        return [outcome for outcome in self.outcomes if outcome.error]

    @property
    def exit_code(self) -> int:
        """0 none is left, 1 nothing worked, 3 some of it failed."""
        if not self.failed:
            return 0
        return 3 if len(self.failed) < len(self.outcomes) else 1


def subscribe(
    settings: UnifiedSettings,
    hook_url: str,
    *,
    interval: int = 1,
    include_all: bool = False,
    is_rehearsal: bool = False,
    told: Told = lambda line: None,
) -> SubscribeReport:
    """Have all that the helpdesks offer sent to `hook_url`, once each; what is virtual every `interval` minutes.

    `include_all`: subscriptions that are newly made first send all that is there. Raises a `TicketingError` if nobody
    can be asked; what failed in part stands in the report.
    """
    require_hook_url(hook_url)
    report = SubscribeReport(is_rehearsal)
    with _client(settings) as client:
        targets = Workspace(client, settings).targets
        subscriber = _Subscriber(client, hook_url, include_all=include_all, is_rehearsal=is_rehearsal)
        for target in targets:
            told(f"looking at {target.id}")
            if target.problem:
                report.problems[target.id] = target.problem
            elif target.skipped:
                report.skipped[target.id] = target.skipped
            else:
                _see_to(target, settings, interval, subscriber, report)
    return report


def list_webhooks(settings: UnifiedSettings) -> list[Existing]:
    """The workspace's ticketing webhooks, whatever their address. Raises a `TicketingError` if they cannot be had."""
    with _client(settings) as client:
        return _Webhooks(client).list()


def unsubscribe(
    settings: UnifiedSettings,
    hook_url: str | None,
    *,
    connections: Collection[str] = (),
    is_rehearsal: bool = False,
    told: Told = lambda line: None,
) -> UnsubscribeReport:
    """Remove the ticketing webhooks that go to `hook_url`, None: to any address; of these connections, or of all.

    Raises a `TicketingError` if nobody can be asked; what failed in part stands in the report.
    """
    report = UnsubscribeReport(is_rehearsal)
    with _client(settings) as client:
        subscriber = _Subscriber(client, hook_url or "", is_rehearsal=is_rehearsal)
        for existing in subscriber.listed:
            is_of_these = not connections or existing.connection_id in connections
            if is_of_these and hook_url in (None, existing.hook_url):
                told(f"removing what is pushed of {existing.connection_id}")
                report.outcomes.append(
                    _outcome(subscriber.carry_out(Remove(existing)), existing.integration_type, existing.hook_url)
                )
    return report


def table_of(about: Wanted | Existing) -> str:
    """The table that it feeds; the API's own word where it is none of ours."""
    return TABLES.get(about.object_type, about.object_type)


def _client(settings: UnifiedSettings) -> UnifiedClient:
    budget = Budget(settings.max_concurrency, settings.requests_per_second)
    return UnifiedClient(settings.base_url, settings.api_key, budget=budget, attempts=ATTEMPTS)


def _see_to(
    target: Target, settings: UnifiedSettings, interval: int, subscriber: _Subscriber, report: SubscribeReport
) -> None:
    endpoints = [endpoint for endpoint in ENDPOINTS.values() if _why_none(target, endpoint) is None]
    wanted = [each for endpoint in endpoints for each in _wanted(target, endpoint, settings, interval)]
    results = subscriber.see_to(target.id, {endpoint.support_key for endpoint in endpoints}, wanted)
    report.polled += _polled(target, wanted)
    report.outcomes += [_outcome(each, target.connection.integration_type, subscriber.hook_url) for each in results]
    report.standing += [each.existing for each in results if each.existing]
    if not any(result.error for result in results):
        report.settled.append(target.id)


def _wanted(target: Target, endpoint: Endpoint, settings: UnifiedSettings, interval: int) -> list[Wanted]:
    support = target.support(endpoint)
    if support is None:
        return []
    fields = all_fields(target, endpoint, include_raw=settings.include_raw)
    return wanted_subscriptions(target.id, endpoint.support_key, support, interval, fields)


def _why_none(target: Target, endpoint: Endpoint) -> str | None:
    """Why nothing is done about the webhooks of an object, not even about those that there are; None if it is."""
    if endpoint.support_key not in TABLES:
        return "the API has no webhooks for it"
    if target.lacks_permission(endpoint):
        return f"the connection does not grant the permission {endpoint.permission}"
    if target.support(endpoint) is None:
        return "the support table does not say what is offered"
    return None


def _polled(target: Target, wanted: Sequence[Wanted]) -> list[Polled]:
    """What of all that a sync reads is not pushed."""
    pushed = {(each.object_type, each.event) for each in wanted}
    read = [each for each in ENDPOINTS.values() if target.plan(each).strategy is not Strategy.NOT_OFFERED]
    return [
        Polled(target.id, target.connection.integration_type, endpoint.table, event, reason)
        for endpoint in read
        for reason in [_why_none(target, endpoint) or "the helpdesk offers no webhook for it"]
        for event in _missing([event for event in EVENTS if (endpoint.support_key, event) not in pushed])
    ]


def _missing(events: Sequence[str]) -> Sequence[str | None]:
    return [None] if len(events) == len(EVENTS) else events


@dataclass(frozen=True)
class _Result:
    """What a step led to. `is_open`: nobody knows yet whether it was carried out."""

    step: Step
    existing: Existing | None = None
    error: str | None = None
    is_open: bool = False


def _outcome(result: _Result, integration_type: str, hook_url: str) -> SubscriptionOutcome:
    step = result.step
    about = step.existing if isinstance(step, Remove) else step.wanted
    is_left = isinstance(step, Change) and result.existing == step.existing
    return SubscriptionOutcome(
        connection_id=about.connection_id,
        integration_type=integration_type,
        table=table_of(about),
        event=about.event,
        webhook_type=about.webhook_type,
        interval=about.interval,
        url=without_secrets(hook_url),
        done=Keep.done if is_left else step.done,
        left=() if isinstance(step, Remove) or result.existing is None else (*changes(step.wanted, result.existing),),
        error=result.error,
    )


class _Webhooks:
    """The API's calls about webhooks."""

    def __init__(self, client: UnifiedClient) -> None:
        self._client = client
        self._calls = Calls()

    def list(self, connection_id: str | None = None) -> list[Existing]:
        """Those of the category ticketing, of one connection or of all."""
        chosen = {} if connection_id is None else {"connection_id": connection_id}
        pages = walk_whole_list(
            lambda parameters: self._client.list(WEBHOOKS_PATH, {**chosen, **parameters}, self._calls),
            LARGEST_PAGE,
            pages_by_offset=True,
        )
        records = {record.id: record for page in pages for record in page.records if isinstance(record, Record)}
        shown = [
            read_existing({name: decode(json) for name, json in record.fields.items()}) for record in records.values()
        ]
        return [each for each in shown if each is not None and each.object_type.startswith(f"{TICKETING}_")]

    def create(self, wanted: Wanted, hook_url: str, *, include_all: bool) -> Existing:
        """Raises `OutcomeUnknown` if it may have been made."""
        parameters = {"include_all": "true"} if include_all else {}
        body = wanted.body(hook_url)
        return _read(self._client.post(WEBHOOKS_PATH, body, self._calls, parameters), f"POST {WEBHOOKS_PATH}")

    def change(self, existing: Existing, due: dict[str, object]) -> Existing:
        """Raises `OutcomeUnknown` if it may have been changed."""
        path = webhook_path(existing.id)
        return _read(self._client.patch(path, due, self._calls), f"PATCH {path}")

    def remove(self, existing: Existing) -> None:
        """One that is not there any more is removed, too."""
        try:
            self._client.delete(webhook_path(existing.id), self._calls)
        except UnknownId:
            return


def _read(answer: object, call: str) -> Existing:
    existing = read_existing(answer)
    if existing is None:
        raise OutcomeUnknown(
            f"{call}: expected the subscription as it is now, got something else. Look at it: ticketing webhooks list"
        )
    return existing


def _with_those(shown: Sequence[Existing], made: Sequence[Existing | None]) -> list[Existing]:
    """What the API shows, and what it has answered to have made even if it does not show that yet."""
    known = {each.id: each for each in made if each is not None}
    return [*(known | {each.id: each for each in shown}).values()]


class _Subscriber:
    """Brings about what is wanted, whatever becomes of single requests; of a rehearsal, nothing."""

    def __init__(
        self, client: UnifiedClient, hook_url: str, *, include_all: bool = False, is_rehearsal: bool = False
    ) -> None:
        self._budget = client.budget
        self._webhooks = _Webhooks(client)
        self.hook_url = hook_url
        self._include_all = include_all
        self._is_rehearsal = is_rehearsal
        self.listed = self._webhooks.list()
        """The workspace's ticketing webhooks as they were at first."""

    def see_to(self, connection_id: str, object_types: Collection[str], wanted: Sequence[Wanted]) -> list[_Result]:
        """Have of these objects of a connection exactly what is wanted sent to the address.

        Before anything is sent again of which nobody knows whether it was carried out, the API is asked what there is.
        """
        results: dict[tuple[str, ...], _Result] = {}
        listed = self.listed
        for look in range(1, LOOKS + 1):
            own = [each for each in listed if each.connection_id == connection_id and each.object_type in object_types]
            for step in plan_subscriptions(wanted, own, self.hook_url):
                name = (step.existing.id,) if isinstance(step, Remove) else step.wanted.key
                results[name] = self.carry_out(step, results.get(name))
            if look == LOOKS or not any(result.is_open for result in results.values()):
                break
            self._budget.sleep(min(2.0**look, LONGEST_WAIT_TO_LOOK))
            try:
                shown = self._webhooks.list(connection_id)
            except TicketingError:  # what is open stays so, and says so
                break
            listed = _with_those(shown, [result.existing for result in results.values()])
        return [*results.values()]

    def carry_out(self, step: Step, earlier: _Result | None = None) -> _Result:
        """Take a step; `earlier` is what came of it, or of what it was then, before the last look."""
        if isinstance(step, Keep) and earlier is not None:
            return _Result(earlier.step, step.existing)
        if self._is_rehearsal:
            return _Result(step)
        try:
            return _Result(step, self._take(step))
        except ApiKeyRejected:
            raise
        except TicketingError as error:
            return _Result(step, error=str(error), is_open=isinstance(error, OutcomeUnknown))

    def _take(self, step: Step) -> Existing | None:
        match step:
            case Create(wanted):
                return self._create(wanted, include_all=self._include_all)
            case Change(wanted, existing):
                return self._change(existing, changes(wanted, existing))
            case Replace(wanted, existing):
                made = self._create(wanted, include_all=False)
                self._webhooks.remove(existing)
                return made
            case Remove(existing):
                self._webhooks.remove(existing)
                return None
            case Keep(_, existing):
                return existing

    def _create(self, wanted: Wanted, *, include_all: bool) -> Existing:
        """With the fields that are wanted or, where the API will not be told them, with those that it chooses."""
        try:
            return self._webhooks.create(wanted, self.hook_url, include_all=include_all)
        except ParameterRefused:
            if not wanted.fields:
                raise
        return self._webhooks.create(replace(wanted, fields=None), self.hook_url, include_all=include_all)

    def _change(self, existing: Existing, due: dict[str, object]) -> Existing:
        """In all that is due or, where the API will not be told the fields, in the rest of it."""
        try:
            return self._webhooks.change(existing, due)
        except ParameterRefused:
            if "fields" not in due:
                raise
        rest = {name: value for name, value in due.items() if name != "fields"}
        return self._webhooks.change(existing, rest) if rest else existing
