"""Webhook subscriptions on the terminal: what there is, what was done, and what stays on polling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipelines import console
from pipelines.subscribing import Polled, SubscribeReport, SubscriptionOutcome, UnsubscribeReport, table_of
from pipelines.unified_api.capabilities import EVENTS, NATIVE
from pipelines.unified_api.endpoints import ENDPOINTS
from pipelines.webhooks.hook_url import without_secrets
from pipelines.webhooks.subscriptions import Change, Create, Existing, Keep, Remove, Replace

_WORDS = [step.done for step in (Create, Replace, Change, Keep, Remove)]
_NEXT = "Next: the same without --dry-run"
_AGAIN = "Mend what stands above and run this again."


def webhook_rows(webhooks: Sequence[Existing]) -> list[dict[str, Any]]:
    """The webhooks for a program."""
    return [
        asdict(webhook)
        | {"fields": sorted(webhook.fields), "hook_url": without_secrets(webhook.hook_url)}
        | {"table": table_of(webhook)}
        for webhook in webhooks
    ]


def tell_webhooks(webhooks: Sequence[Existing]) -> None:
    """All there are, and how many of them send nothing."""
    console.show_table(
        ["connection", "helpdesk", "table", "event", "type", "interval", "state", "url"],
        [
            [
                webhook.connection_id,
                webhook.integration_type,
                table_of(webhook),
                webhook.event,
                webhook.webhook_type,
                None if webhook.interval is None or webhook.webhook_type == NATIVE else f"{webhook.interval:g} min",
                _state(webhook),
                without_secrets(webhook.hook_url),
            ]
            for webhook in webhooks
        ],
    )
    silent = sum(_state(webhook) != "healthy" for webhook in webhooks)
    mending = "ticketing serve" if webhooks and not silent else "ticketing webhooks subscribe --url URL"
    console.say(f"{console.count(len(webhooks), 'ticketing webhook')}, {silent:,} unhealthy or paused. Next: {mending}")


def _state(webhook: Existing) -> str:
    if webhook.is_paused:
        return "paused"
    return "healthy" if webhook.is_healthy else "UNHEALTHY"


def tell_subscribed(report: SubscribeReport) -> None:
    """Table by table how it comes, what could not be brought about, and what to do next."""
    console.show_table(
        ["connection", "helpdesk", "table", *EVENTS, "would be" if report.is_rehearsal else "done"], _rows(report)
    )
    for connection_id, reason in report.skipped.items():
        console.say(console.one_line(f"{connection_id} is left out, {reason}."))
    for fields, number in Counter(outcome.left for outcome in report.outcomes if outcome.left).items():
        console.say(f"Of {console.count(number, 'webhook')} the API has another {' and '.join(fields)} than wanted.")
    for connection_id, problem in report.problems.items():
        console.complain(f"{connection_id}: {problem}")
    _complain(report.failed)
    console.say(_subscribed(report))


def _rows(report: SubscribeReport) -> list[list[object]]:
    told: list[SubscriptionOutcome | Polled] = [*report.outcomes, *report.polled]
    connections = list(dict.fromkeys(each.connection_id for each in told))
    tables = [(connection, table) for connection in connections for table in ENDPOINTS]
    helpdesks = {(each.connection_id, each.table): each.integration_type for each in told}
    return [
        [connection, helpdesks[connection, table], table, *_ways(report, connection, table)]
        for connection, table in tables
        if (connection, table) in helpdesks
    ]


def _ways(report: SubscribeReport, connection_id: str, table: str) -> list[str]:
    """How each event of a table comes, and what was done for it."""
    own = [each for each in report.outcomes if (each.connection_id, each.table) == (connection_id, table)]
    pushed = {each.event: _way(each) for each in own if each.done != Remove.done}
    polled = {
        event: "polling"
        for each in report.polled
        if (each.connection_id, each.table) == (connection_id, table)
        for event in ([each.event] if each.event else EVENTS)
    }
    return [*((pushed | polled).get(event, "-") for event in EVENTS), _done(own) or "-"]


def _way(outcome: SubscriptionOutcome) -> str:
    if outcome.error:
        return "FAILED"
    return "native" if outcome.interval is None else f"every {outcome.interval:g} min"


def _done(outcomes: Sequence[SubscriptionOutcome]) -> str:
    counts = Counter(outcome.done for outcome in outcomes if not outcome.error)
    return ", ".join(f"{counts[word]:,} {word}" for word in _WORDS if counts[word])


def _complain(failed: Sequence[SubscriptionOutcome]) -> None:
    for outcome in failed:
        console.complain(f"{outcome.connection_id} {outcome.table} {outcome.event}: {outcome.error}")


def _subscribed(report: SubscribeReport) -> str:
    if report.exit_code == 1:
        return _nothing_worked(report)
    done, polling = _done(report.outcomes) or "nothing, no webhook is offered", _polling(report)
    if report.exit_code == 3:
        return f"Partly done: {_failures(report)}; of the others {done}.{polling} {_AGAIN}"
    if report.is_rehearsal:
        return f"Nothing was changed. It would be {done}.{polling} {_NEXT}"
    return f"Done: {done}.{polling} Next: ticketing {'serve' if report.outcomes else 'run'}"


def _nothing_worked(report: SubscribeReport) -> str:
    if report.failed or report.problems:
        return f"Nothing worked: {_failures(report)}. {_AGAIN}"
    if report.skipped:
        return "Nothing was subscribed: every connection is left out. Mend them in the Unified.to console first."
    return "The workspace has no ticketing connection. Connect a helpdesk in the Unified.to console first."


def _failures(report: SubscribeReport) -> str:
    failures = []
    if report.failed:
        failures.append(f"{len(report.failed)} of {console.count(len(report.outcomes), 'webhook')} failed")
    if report.problems:
        failures.append(f"{console.count(len(report.problems), 'connection')} could not be subscribed")
    return " and ".join(failures)


def _polling(report: SubscribeReport) -> str:
    polled = {(each.table, each.event) for each in report.polled}
    names = [
        f"{event} {table}" if event else table
        for event in (None, *EVENTS)
        for table in ENDPOINTS
        if (table, event) in polled
    ]
    return f" On polling stay {', '.join(names)}, where the table says so." if names else " Nothing stays on polling."


def tell_unsubscribed(report: UnsubscribeReport) -> None:
    """What was removed, and what could not be."""
    console.show_table(
        ["connection", "helpdesk", "table", "event", "url", "would be" if report.is_rehearsal else "done"],
        [
            [
                outcome.connection_id,
                outcome.integration_type,
                outcome.table,
                outcome.event,
                outcome.url,
                "FAILED" if outcome.error else outcome.done,
            ]
            for outcome in report.outcomes
        ],
    )
    _complain(report.failed)
    console.say(_unsubscribed(report))


def _unsubscribed(report: UnsubscribeReport) -> str:
    if not report.outcomes:
        return "There is none to remove. `ticketing webhooks list` shows those there are."
    if report.is_rehearsal:
        return f"Nothing was changed. It would be {_done(report.outcomes)}. {_NEXT}"
    if report.failed:
        failed = f"{len(report.failed)} of {console.count(len(report.outcomes), 'webhook')} failed"
        done = _done(report.outcomes)
        return f"Partly done: {failed}, {done}. {_AGAIN}" if done else f"Nothing worked: {failed}. {_AGAIN}"
    return f"Done: {_done(report.outcomes)}. Next: ticketing run, which polls for what they brought"
