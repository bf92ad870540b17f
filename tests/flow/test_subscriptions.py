"""Webhook subscriptions against the sandbox: made once, whatever befalls a request, and none of another's touched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from pipelines import subscribing
from pipelines.cli import main
from pipelines.draining import inbox_of
from pipelines.errors import ApiKeyRejected, ParameterRefused
from pipelines.sandbox import Faults, Sandbox
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.subscribing import SubscribeReport, list_webhooks, subscribe, unsubscribe
from pipelines.unified_api.budget import Budget
from pipelines.unified_api.client import UnifiedClient
from tests.clock import LeapingClock
from tests.flow.conftest import settings_for

HOOK = "https://support.example/hook?token=SECRET"
OTHER = "https://elsewhere.example/hook"


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url, headers={"authorization": f"bearer {sandbox.api_key}"}) as client:
        yield client


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribing, "Budget", partial(Budget, clock=LeapingClock()))


@pytest.fixture
def ticketing(command_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    for name, value in command_environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, group: tuple[str, ...] = ("webhooks",)) -> Result:
        ended = CliRunner().invoke(main, [*group, *arguments])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended

    return run


def shown(api: httpx.Client, url: str = HOOK) -> list[dict[str, Any]]:
    return [webhook for webhook in api.get("/unified/webhook").json() if webhook["hook_url"] == url]


def subjects(webhooks: list[dict[str, Any]]) -> Counter[tuple[str, str, str, str]]:
    return Counter(
        (each["connection_id"], each["object_type"], each["event"], each["webhook_type"]) for each in webhooks
    )


def offered(api: httpx.Client) -> Counter[tuple[str, str, str, str]]:
    """What there is to subscribe to, from the support tables alone."""
    wanted: Counter[tuple[str, str, str, str]] = Counter()
    for connection in api.get("/unified/connection?categories=ticketing").json():
        (integration,) = api.get("/unified/integration", params={"type": connection["integration_type"]}).json()
        for name, row in integration["support"].items():
            for event, kinds in row["webhook_events"].items():
                if kinds and name.startswith("ticketing_"):
                    wanted[connection["id"], name, event, "native" if "native" in kinds else "virtual"] += 1
    return wanted


def posted(sandbox: Sandbox) -> int:
    return sandbox.requests["POST /unified/webhook"]


def done(report: SubscribeReport) -> Counter[str]:
    return Counter(outcome.done for outcome in report.outcomes if not outcome.error)


def test_everything_that_is_offered_is_subscribed_to_once_and_a_second_time_makes_nothing(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    report = subscribe(settings_for(sandbox), HOOK, interval=5)
    assert report.exit_code == 0
    assert subjects(shown(api)) == offered(api)
    assert done(report) == {"created": len(shown(api))}
    assert {each["interval"] for each in shown(api) if each["webhook_type"] == "virtual"} == {5}
    before, made = shown(api), posted(sandbox)
    again = subscribe(settings_for(sandbox), HOOK, interval=5)
    assert done(again) == {"kept": made}
    assert (shown(api), posted(sandbox)) == (before, made)
    assert not sandbox.requests["PATCH /unified/webhook/{id}"]


def test_raw_is_asked_for_where_it_is_wanted_and_offered(sandbox: Sandbox, api: httpx.Client) -> None:
    subscribe(settings_for(sandbox), HOOK)
    tickets = [each for each in shown(api) if each["object_type"] == "ticketing_ticket"]
    assert tickets
    assert all({"id", "subject", "raw"} <= {*each["fields"].split(",")} for each in tickets)
    subscribe(settings_for(sandbox, include_raw=False), HOOK)
    assert not any(each["fields"] for each in shown(api))


def test_include_all_is_asked_of_new_ones_only(
    sandbox: Sandbox, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    post = UnifiedClient.post

    def watched(self: Any, path: str, body: object, calls: Any, parameters: Any = None) -> object:
        asked.append(parameters)
        return post(self, path, body, calls, parameters)

    monkeypatch.setattr(UnifiedClient, "post", watched)
    subscribe(settings_for(sandbox), HOOK, include_all=True)
    assert asked == [{"include_all": "true"}] * len(shown(api))
    asked.clear()
    api.patch(f"/unified/webhook/{shown(api)[0]['id']}", json={"is_healthy": False})
    assert done(subscribe(settings_for(sandbox), HOOK, include_all=True))["replaced"] == 1
    assert asked == [{}]


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lost_answer=1.0, max_consecutive=2),
        Faults(lost_answer=0.5, seed=3),
        Faults(lost_answer=0.2, reset=0.2, truncation=0.2, garbage=0.1, status_500=0.1, too_many=0.1, seed=5),
    ],
)
def test_no_subscription_is_made_twice_when_answers_are_lost(
    sandbox: Sandbox, api: httpx.Client, faults: Faults
) -> None:
    sandbox.faults = faults
    report = subscribe(settings_for(sandbox), HOOK)
    sandbox.faults = Faults()
    assert report.exit_code == 0, report.failed
    assert subjects(shown(api)) == offered(api)
    assert done(report) == {"created": len(shown(api))}


def test_what_the_api_does_not_list_yet_is_not_made_again(
    sandbox: Sandbox, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: list[Any] = []
    monkeypatch.setattr(subscribing._Webhooks, "list", lambda *_: nothing)
    sandbox.faults = Faults(garbage=0.3, seed=1)
    report = subscribe(settings_for(sandbox), HOOK)
    sandbox.faults = Faults()
    assert report.exit_code == 0
    assert subjects(shown(api)) == offered(api)


def test_one_that_is_there_twice_is_removed_and_others_addresses_are_never_touched(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    subscribe(settings_for(sandbox), OTHER)
    others = shown(api, OTHER)
    subscribe(settings_for(sandbox), HOOK)
    first = shown(api)[0]
    body = {
        name: first[name] for name in ("connection_id", "object_type", "event", "hook_url", "webhook_type", "fields")
    }
    surplus = api.post("/unified/webhook", json=body).json()
    assert done(subscribe(settings_for(sandbox), HOOK))["removed"] == 1
    assert surplus["id"] not in {each["id"] for each in shown(api)}
    assert subjects(shown(api)) == offered(api)
    assert unsubscribe(settings_for(sandbox), HOOK).exit_code == 0
    assert shown(api) == []
    assert shown(api, OTHER) == others


def test_another_interval_is_changed_in_place_and_another_type_made_anew(sandbox: Sandbox, api: httpx.Client) -> None:
    subscribe(settings_for(sandbox), HOOK, interval=5)
    ids = {each["id"] for each in shown(api)}
    assert done(subscribe(settings_for(sandbox), HOOK, interval=7))["changed"]
    assert {each["id"] for each in shown(api)} == ids
    assert {each["interval"] for each in shown(api) if each["webhook_type"] == "virtual"} == {7}
    native = next(each for each in shown(api) if each["webhook_type"] == "native")
    body = {name: native[name] for name in ("connection_id", "object_type", "event", "hook_url", "fields")}
    api.delete(f"/unified/webhook/{native['id']}")
    virtual = api.post("/unified/webhook", json={**body, "webhook_type": "virtual"}).json()
    assert done(subscribe(settings_for(sandbox), HOOK, interval=7))["replaced"] == 1
    assert virtual["id"] not in {each["id"] for each in shown(api)}
    assert subjects(shown(api)) == offered(api)


@pytest.mark.parametrize("faults", [Faults(), Faults(lost_answer=1.0, max_consecutive=1)])
def test_one_that_sends_nothing_is_set_going_again(sandbox: Sandbox, api: httpx.Client, faults: Faults) -> None:
    subscribe(settings_for(sandbox), HOOK)
    ill, paused = shown(api)[:2]
    api.patch(f"/unified/webhook/{ill['id']}", json={"is_healthy": False})
    api.patch(f"/unified/webhook/{paused['id']}", json={"is_paused": True})
    sandbox.faults = faults
    report = subscribe(settings_for(sandbox), HOOK)
    sandbox.faults = Faults()
    assert report.exit_code == 0
    assert done(report)["replaced"] == done(report)["changed"] == 1
    assert all(each["is_healthy"] and not each["is_paused"] for each in shown(api))
    assert subjects(shown(api)) == offered(api)


def test_what_is_not_offered_is_said_to_stay_on_polling(sandbox: Sandbox, api: httpx.Client) -> None:
    table = support_table(objects=("ticket", "note"), native=("created",), virtual=(), employees=True)
    del table["ticketing_note"]["webhook_events"]
    sandbox.world.register_integration("front", table)
    connection_id = sandbox.world.add_connection("front")
    report = subscribe(settings_for(sandbox, connection_ids=[connection_id]), HOOK)
    assert subjects(shown(api)) == {(connection_id, "ticketing_ticket", "created", "native"): 1}
    assert {(each.table, each.event) for each in report.polled} >= {
        ("tickets", "updated"),
        ("tickets", "deleted"),
        ("notes", None),
    }
    assert report.exit_code == 0


def test_a_support_table_that_cannot_be_read_takes_no_subscription_away(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.world.register_integration("front", support_table(objects=("ticket",), native=("created",), virtual=()))
    connection_id = sandbox.world.add_connection("front")
    subscribe(settings_for(sandbox, connection_ids=[connection_id]), HOOK)
    before = shown(api)
    sandbox.world.register_integration("front", support_table(objects=("ticket",)), published={})
    report = subscribe(settings_for(sandbox, connection_ids=[connection_id]), HOOK)
    assert shown(api) == before
    assert all("support table" in each.reason for each in report.polled)


def test_connections_that_are_paused_are_left_out_and_one_that_fails_stops_no_other(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    paused, refused, *_ = sandbox.world.connections()
    sandbox.world.change_connection(paused["id"], is_paused=True)
    kept = [name for name in refused["permissions"] if name != "ticketing_note_read"]
    sandbox.world.change_connection(refused["id"], permissions=kept)
    report = subscribe(settings_for(sandbox), HOOK)
    assert report.skipped == {paused["id"]: "paused"}
    assert not any(each["connection_id"] == paused["id"] for each in shown(api))
    (notes,) = [each for each in report.polled if each.connection_id == refused["id"] and each.table == "notes"]
    assert "ticketing_note_read" in notes.reason
    assert report.exit_code == 0
    unknown = subscribe(settings_for(sandbox, connection_ids=["nobody", refused["id"]]), HOOK)
    assert (unknown.exit_code, [*unknown.problems]) == (3, ["nobody"])
    assert subscribe(settings_for(sandbox, connection_ids=["nobody"]), HOOK).exit_code == 1
    for connection in sandbox.world.connections():
        sandbox.world.change_connection(connection["id"], is_paused=True)
    assert subscribe(settings_for(sandbox), HOOK).exit_code == 1


def test_fields_that_the_api_will_not_be_told_are_left_to_it(
    sandbox: Sandbox, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, patch = UnifiedClient.post, UnifiedClient.patch

    def strict(method: Callable[..., object]) -> Callable[..., object]:
        def call(self: Any, path: str, body: dict[str, object], *rest: Any) -> object:
            if "fields" in body:
                raise ParameterRefused("fields: expected nothing")
            return method(self, path, body, *rest)

        return call

    monkeypatch.setattr(UnifiedClient, "post", strict(post))
    monkeypatch.setattr(UnifiedClient, "patch", strict(patch))
    for word in ("created", "kept"):
        report = subscribe(settings_for(sandbox), HOOK)
        assert (report.exit_code, done(report)) == (0, {word: sum(offered(api).values())})
        assert {outcome.left for outcome in report.outcomes} >= {("fields",)}
    assert subjects(shown(api)) == offered(api)


def test_a_dry_run_sends_nothing(sandbox: Sandbox, api: httpx.Client) -> None:
    rehearsal = subscribe(settings_for(sandbox), HOOK, is_rehearsal=True)
    assert done(rehearsal) == {"created": sum(offered(api).values())}
    assert not posted(sandbox)
    subscribe(settings_for(sandbox), HOOK)
    before = shown(api)
    assert len(unsubscribe(settings_for(sandbox), None, is_rehearsal=True).outcomes) == len(before)
    assert shown(api) == before


def test_only_what_was_named_is_removed_and_faults_leave_none_behind(sandbox: Sandbox, api: httpx.Client) -> None:
    subscribe(settings_for(sandbox), HOOK)
    subscribe(settings_for(sandbox), OTHER)
    first = sandbox.world.connections()[0]["id"]
    unsubscribe(settings_for(sandbox), HOOK, connections=[first])
    assert {each["connection_id"] for each in shown(api)} == {row["id"] for row in sandbox.world.connections()} - {
        first
    }
    sandbox.faults = Faults(lost_answer=0.3, garbage=0.2, status_502=0.2)
    assert unsubscribe(settings_for(sandbox), HOOK).exit_code == 0
    sandbox.faults = Faults()
    assert shown(api) == []
    assert shown(api, OTHER)
    assert unsubscribe(settings_for(sandbox), None).exit_code == 0
    assert list_webhooks(settings_for(sandbox)) == []


def test_a_key_that_is_not_accepted_ends_it_all(sandbox: Sandbox) -> None:
    for run in (list_webhooks, partial(subscribe, hook_url=HOOK), partial(unsubscribe, hook_url=None)):
        with pytest.raises(ApiKeyRejected):
            run(settings_for(sandbox, api_key="wrong"))


def test_the_command_subscribes_lists_and_unsubscribes(
    sandbox: Sandbox, api: httpx.Client, ticketing: Callable[..., Result], warehouse: WarehouseSettings
) -> None:
    assert ticketing("subscribe", "--url", HOOK, "--dry-run").exit_code == 0
    assert not inbox_of(warehouse).exists()
    subscribed = ticketing("subscribe", "--url", HOOK)
    assert subscribed.exit_code == 0, subscribed.output
    last = subscribed.stdout.strip().splitlines()[-1]
    assert last.startswith(f"Done: {len(shown(api))} created. On polling stay employees, ")
    assert last.endswith("Next: ticketing serve")
    listed = ticketing("list")
    assert "https://support.example/hook" in listed.stdout
    assert "healthy" in listed.stdout
    result = json.loads(ticketing("list", "--json").stdout)
    assert len(result["webhooks"]) == len(shown(api))
    again = json.loads(ticketing("subscribe", "--url", HOOK, "--json").stdout)
    assert (again["exit_code"], {each["done"] for each in again["outcomes"]}) == (0, {"kept"})
    assert len(again["standing"]) == len(shown(api))
    assert "tickets comes by native webhook, nothing yet" in ticketing("status", group=()).stdout
    removed = ticketing("unsubscribe", "--all")
    assert removed.exit_code == 0
    assert removed.stdout.strip().splitlines()[-1].startswith("Done: ")
    assert "none to remove" in ticketing("unsubscribe", "--url", HOOK).stdout
    for ended in (subscribed, listed, removed):
        assert "SECRET" not in ended.output
        assert sandbox.api_key not in ended.output
    assert "SECRET" not in json.dumps([result, again])


@pytest.mark.parametrize(
    "arguments",
    [
        ("subscribe",),
        ("subscribe", "--url", "http://support.example/hook"),
        ("subscribe", "--url", HOOK, "--interval", "0"),
        ("unsubscribe",),
        ("unsubscribe", "--all", "--url", HOOK),
        ("fly",),
    ],
)
def test_wrong_usage_is_exit_code_2_and_asks_nobody(
    sandbox: Sandbox, ticketing: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    assert ticketing(*arguments).exit_code == 2
    assert not sandbox.requests


def test_what_fails_is_named_and_the_rest_done(sandbox: Sandbox, ticketing: Callable[..., Result]) -> None:
    first = sandbox.world.connections()[0]["id"]
    ended = ticketing("subscribe", "--url", HOOK, "--connection", first, "--connection", "nobody")
    assert ended.exit_code == 3
    assert "error: nobody: " in ended.stderr
    assert ended.stdout.strip().splitlines()[-1].startswith("Partly done: 1 connection could not be subscribed; of the")


def test_an_address_of_others_passes_for_no_line_of_the_command(
    sandbox: Sandbox, api: httpx.Client, ticketing: Callable[..., Result]
) -> None:
    body = {
        "connection_id": sandbox.world.connections()[0]["id"],
        "object_type": "ticketing_ticket",
        "event": "created",
        "hook_url": "https://evil.example/\nDone: 99 created.\x1b[2J?token=SECRET",
    }
    assert api.post("/unified/webhook", json=body).status_code == 200
    for arguments in (("list",), ("list", "--json"), ("unsubscribe", "--all")):
        ended = ticketing(*arguments)
        assert "evil.example" in ended.output
        assert not any(line.startswith("Done: 99") for line in ended.output.splitlines())
        assert "\x1b" not in ended.output
        assert "SECRET" not in ended.output


@pytest.mark.parametrize("name", ["subscribe", "list", "unsubscribe"])
def test_each_of_them_explains_itself_with_an_example(ticketing: Callable[..., Result], name: str) -> None:
    assert f"Example:  ticketing webhooks {name}" in ticketing(name, "--help").stdout
