"""The `ticketing` command: parses and prints, decides nothing."""

from __future__ import annotations

import gc
import logging
import math
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
import pyarrow as pa

from pipelines import console, telling, telling_triage, telling_webhooks, triage
from pipelines.build import BuildReport, build, require_project
from pipelines.check import CheckReport, check, total_forecast
from pipelines.draining import DrainReport, drain, inbox_of, opened_inbox
from pipelines.errors import FixConfiguration, ModelsFailed, TicketingError
from pipelines.explain import explain
from pipelines.following import Follower, follow
from pipelines.forget import Preview, Receipt, forget, preview
from pipelines.notifying import Ended, message_of_health, recipient, tell_of_command, tell_of_health, unwell
from pipelines.proposed import proposed_rows
from pipelines.publish import PublishReport, publish
from pipelines.repairing import watch
from pipelines.report import write_report
from pipelines.report.words import moment
from pipelines.settings import (
    UnifiedSettings,
    WarehouseSettings,
    load_triage_settings,
    load_unified_settings,
    load_warehouse_settings,
    load_webhook_settings,
    parse_moment,
)
from pipelines.status import Push, Status, cursors_in, due_tickets_in, privacy_in, status
from pipelines.subscribing import list_webhooks, subscribe, unsubscribe
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing.verdict import Kind
from pipelines.verify import Finding, VerifyReport, verify
from pipelines.warehouse.load import Pending
from pipelines.warehouse.outcome import Outcome
from pipelines.webhooks.inbox import Contents, DeadLetter
from pipelines.writeback.journal import Action, Ending
from pipelines.writeback.plan import Plan

Command = Callable[..., int | Ended]


def command(
    name: str,
    example: str,
    group: click.Group | None = None,
    *,
    once_stopped: str = "What was not loaded yet is read again by the next run.",
    is_scheduled: bool = False,
) -> Callable[[Command], click.Command]:
    """A subcommand, of `ticketing` itself or of a group of it, whose return value is the exit code and whose
    `TicketingError`s end it with a plain message; it is stopped by SIGTERM as by Ctrl-C, and says what comes then. Of
    one that `is_scheduled` and fails somebody is told who does not sit before it."""

    def end(exit_code: int, error: str, *, as_json: bool = False, **_: Any) -> Ended:
        if as_json:
            console.show_json({"exit_code": exit_code, "error": error})
        return Ended(exit_code, error)

    def leave(ended: int | Ended, *, destination: str | None = None, **_: Any) -> NoReturn:
        if isinstance(ended, int):
            sys.exit(ended)
        if is_scheduled:
            _notify(name, ended, destination)
        sys.exit(ended.exit_code)

    def register(function: Command) -> click.Command:
        @wraps(function)
        def run(**options: Any) -> None:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                ended = function(**options)
            except (FixConfiguration, ModelsFailed) as error:
                console.explain(str(error))
                ended = end(error.exit_code, str(error), **options)
            except TicketingError as error:
                console.complain(str(error))
                ended = end(error.exit_code, str(error), **options)
            except OSError as error:
                said = f"{error.strerror}: {error.filename}" if error.filename else str(error)
                console.complain(said)
                ended = end(1, said, **options)
            except (KeyboardInterrupt, click.Abort):
                console.complain(f"Stopped. {once_stopped}")
                sys.exit(130)
            except Exception as error:
                if is_scheduled:
                    _notify(name, Ended(1, f"It broke off: {type(error).__name__}."), options.get("destination"))
                raise
            leave(ended, **options)

        return (group or main).command(name, epilog=f"Example:  {example}")(run)

    return register


def _notify(name: str, ended: Ended, destination: str | None) -> None:
    """Whatever comes of telling, the command has ended as it has."""
    warehouse = None
    try:
        with suppress(FixConfiguration):  # which the command has said itself, if it is so
            warehouse = load_warehouse_settings(destination)
        tell_of_command(name, ended, warehouse)
    except Exception as error:
        why = str(error) if isinstance(error, TicketingError) else f"{type(error).__name__}."
        console.complain(f"Notifying broke off. {why}")
    except KeyboardInterrupt:
        console.complain("Nobody was notified: stopped before.")


class Number(click.FloatRange):
    """A number of a range, which `nan` is not: it is neither below nor above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not in the range {self._describe_range()}.", param, ctx)
        return number


class Ticketing(click.Group):
    """The command, whose errors of usage are JSON too where JSON was asked for."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> NoReturn:
        given = sys.argv[1:] if args is None else [*args]
        try:
            sys.exit(super().main(_text_only(given), *rest, **options | {"standalone_mode": False}))
        except click.ClickException as error:
            error.show()
            if "--json" in given:
                console.show_json({"exit_code": error.exit_code, "error": error.format_message()})
            sys.exit(error.exit_code)
        finally:
            gc.freeze()  # the interpreter would look through all that a run has left before it ends, for 0.2 s


def _text_only(arguments: list[str]) -> list[str]:
    """The arguments, none of which has bytes that are no text: no table, id, time or destination is called so."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise click.UsageError(
                f"Expected arguments in UTF-8, got {argument!a}. Set the terminal, or whatever calls this, to UTF-8."
            ) from None
    return arguments


@click.group(cls=Ticketing, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Support data from every helpdesk, through Unified.to, into your own warehouse.

    Exit codes: 0 all well, 1 nothing worked or the models could not be built, 2 configuration or usage, 3 some
    connections or objects failed and the rest loaded.
    """
    gc.set_threshold(100_000)  # of the many objects that a record makes hardly any is part of a cycle
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps memory for each of hundreds of threads


destination_option = click.option(
    "--destination",
    metavar="NAME",
    help="Where the data goes: duckdb or postgres. [env TICKETING_DESTINATION; default duckdb]",
)
wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=Number(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Queue this long behind another process that holds the warehouse.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output.")
as_of_option = click.option(
    "--as-of",
    metavar="TIME",
    help="The clock of the models (ages, open so far, at risk).  [default: the moment in which somebody looks]",
)
connection_option = click.option(
    "--connection", "connections", multiple=True, metavar="ID", help="Only this connection. Repeatable."
)
brake_option = click.option(
    "--brake",
    "largest_deletion",
    type=Number(0, 1),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Remove nothing of an object of which more than this share is gone.",
)
select_option = click.option("--select", metavar="TABLES", help="Only these tables: tickets,customers,notes,…")
tickets_option = click.option(
    "--tickets",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="Tickets in all, over four helpdesks.",
)


def sync_options(function: Command) -> Command:
    """What `sync` and `run` have in common."""
    for option in (
        json_option,
        wait_option,
        destination_option,
        click.option("--full-refresh", is_flag=True, help="Read everything again. Merges; drops nothing."),
        click.option("--until", metavar="TIME", help="Read only what was updated up to then; as --since."),
        click.option(
            "--since", metavar="TIME", help="Read what changed since then again; the cursors stay where they are."
        ),
        connection_option,
        select_option,
    ):
        function = option(function)
    return function


@command("check", "ticketing check")
@destination_option
@json_option
def check_command(destination: str | None, as_json: bool) -> int:
    """Configuration, key, connections, the plan for each object, and what the next sync will cost."""
    settings = load_unified_settings()
    warehouse = load_warehouse_settings(destination)
    with console.Progress() as progress:
        report = check(
            settings,
            cursors_in(warehouse),
            progress.tick,
            lambda now: due_tickets_in(warehouse, settings, now),
            privacy_in(warehouse),
        )
    _show_check(report, as_json)
    return report.exit_code


@command("sync", "ticketing sync --select tickets,notes", is_scheduled=True)
@sync_options
def sync_command(as_json: bool, wait_seconds: float, **reading: Any) -> Ended:
    """Bring the raw tables up to date: what is pending first, then everything new."""
    report, _ = _sync(wait_seconds, **reading)
    closing = _sync_closing(report, next_step="ticketing build")
    if as_json:
        console.show_json(_sync_result(report))
    else:
        _show_sync(report)
        console.say(closing)
    return Ended(report.exit_code, closing)


@command("reconcile", "ticketing reconcile --select tickets,notes", is_scheduled=True)
@select_option
@connection_option
@brake_option
@destination_option
@wait_option
@json_option
def reconcile_command(
    as_json: bool,
    wait_seconds: float,
    select: str | None,
    connections: tuple[str, ...],
    largest_deletion: float,
    destination: str | None,
) -> Ended:
    """Compare the source's ids with the warehouse's, and mark as deleted what is gone. Reads ids only."""
    with console.Progress() as progress:
        report = reconcile(
            load_unified_settings(),
            load_warehouse_settings(destination),
            select=_names(select),
            connections=connections,
            largest_deletion=largest_deletion,
            wait_seconds=wait_seconds,
            watcher=progress,
        )
    if as_json:
        console.show_json(_sync_result(report))
    else:
        _show_run(report, "ids read", "deleted", lambda outcome: outcome.rows_deleted)
        console.say(_reconcile_closing(report))
    return Ended(report.exit_code, _reconcile_closing(report))


@command("verify", "ticketing verify --sample 500", is_scheduled=True)
@select_option
@connection_option
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only about N records of each object.")
@click.option("--deep", "is_deep", is_flag=True, help="Compare what the records say, too, not only ids and times.")
@click.option("--repair", "repairs", is_flag=True, help="Bring into order what is found, and look again.")
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Only say how many calls it will take.")
@brake_option
@destination_option
@wait_option
@json_option
def verify_command(
    as_json: bool,
    wait_seconds: float,
    select: str | None,
    connections: tuple[str, ...],
    destination: str | None,
    **looking: Any,
) -> int | Ended:
    """Prove that the warehouse holds what the source shows: every record, its time, nothing double."""
    with console.Progress() as progress:
        report = verify(
            _settings(connections),
            load_warehouse_settings(destination),
            select=_names(select),
            wait_seconds=wait_seconds,
            told=lambda calls: progress.tell(
                f"This takes about {console.count(calls, 'call')}, and one for each record that is not shown any more."
            ),
            watcher=progress,
            **looking,
        )
    if as_json:
        console.show_json(_verify_result(report))
    elif looking["is_rehearsal"]:
        console.say(f"A look takes about {console.count(report.calls, 'call')}. Next: the same without --dry-run")
        return report.exit_code
    else:
        _show_verify(report)
        console.say(_verify_closing(report))
    return Ended(report.exit_code, _verify_closing(report))


@command("forget", "ticketing forget ann@example.com", once_stopped="Run it again: it goes on where it was.")
@click.argument("customer", metavar="CUSTOMER")
@click.option(
    "--connection", "connections", multiple=True, metavar="ID", help="Whose customer an id means, if that of several."
)
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", "is_certain", is_flag=True, help="Do not ask.")
@destination_option
@wait_option
@json_option
def forget_command(
    as_json: bool,
    wait_seconds: float,
    customer: str,
    connections: tuple[str, ...],
    is_rehearsal: bool,
    is_certain: bool,
    destination: str | None,
) -> int:
    """Remove a person, by a customer's id or an e-mail address, from all that is stored, and keep them out.

    All their tickets go, with every note in them. What others wrote stays, without the person's addresses.
    """
    settings, warehouse = load_unified_settings(), load_warehouse_settings(destination)
    if not (is_certain or is_rehearsal) and (as_json or not sys.stdin.isatty()):
        raise FixConfiguration("Expected --yes, or --dry-run, where nobody can be asked. Nothing was changed.")
    if is_rehearsal or not is_certain:
        found = preview(customer, settings, warehouse, connections=connections, wait_seconds=wait_seconds)
        if as_json:
            console.show_json({"exit_code": 0, "preview": asdict(found)})
            return 0
        _show_preview(found)
        if is_rehearsal or not click.confirm("Remove all of it, for good?", err=True):
            console.say("Nothing was changed." + (" Next: the same without --dry-run" if is_rehearsal else ""))
            return 0
    with console.Progress() as progress:
        receipt = forget(
            customer,
            settings,
            warehouse,
            connections=connections,
            wait_seconds=wait_seconds,
            told=progress.tell,
            heard=lambda done, total: progress.tick(f"dbt: {done} of {total} models and tests"),
        )
    if as_json:
        console.show_json({"exit_code": receipt.exit_code, "receipt": asdict(receipt)})
    else:
        _show_receipt(receipt)
    return receipt.exit_code


@command("build", "ticketing build", is_scheduled=True)
@as_of_option
@destination_option
@wait_option
def build_command(as_of: str | None, destination: str | None, wait_seconds: float) -> Ended:
    """Build the dbt models over the raw tables."""
    report = _build(load_warehouse_settings(destination), _moment(as_of), wait_seconds)
    _show_warnings(report)
    closing = f"Done: {_built(report)}. Next: ticketing publish, or query the schema marts"
    console.say(closing)
    return Ended(0, closing)


@command("publish", "ticketing publish", once_stopped="What was published before stays.", is_scheduled=True)
@destination_option
@wait_option
@json_option
def publish_command(destination: str | None, wait_seconds: float, as_json: bool) -> Ended:
    """Leave a copy of the marts for whoever reads: never locked, never half made, all of one moment.

    Of a DuckDB file it is another one, to be read only, with Parquet files beside it; the last three are kept, for
    who still reads them. In Postgres it is the schema `published`.
    """
    report = publish(load_warehouse_settings(destination), wait_seconds=wait_seconds)
    closing = f"Done: {_published(report)}"
    if as_json:
        console.show_json({"exit_code": 0, **asdict(report)})
    else:
        console.say(closing)
    return Ended(0, closing)


@command("run", "ticketing run --wait 600", is_scheduled=True)
@sync_options
@as_of_option
def run_command(as_json: bool, as_of: str | None, wait_seconds: float, **reading: Any) -> Ended:
    """Sync, build, publish: what a scheduler calls. Builds nothing where nothing could be read or loaded."""
    require_project()
    moment = _moment(as_of)
    report, warehouse = _sync(wait_seconds, **reading)
    closing = _sync_closing(report, next_step="query the schema marts, or ticketing status")
    if as_json:
        result = _run_result(report, warehouse, moment, wait_seconds)
        closing = result.get("error", closing)
        console.show_json(result)
        return Ended(result["exit_code"], closing)
    _show_sync(report)
    if report.exit_code != 1:
        built = _build(warehouse, moment, wait_seconds)
        _show_warnings(built)
        console.say(f"{_built(built)}.")
        console.say(_published(publish(warehouse, wait_seconds=wait_seconds)))
    else:
        console.say("Nothing could be read, so the models and what is published were left as they are.")
    console.say(closing)
    return Ended(report.exit_code, closing)


def _run_result(
    report: SyncReport, warehouse: WarehouseSettings, as_of: datetime | None, wait_seconds: float
) -> dict[str, Any]:
    """Build and publish what a sync has brought; the whole for a program, however far it came."""
    result = _sync_result(report) | {"build": None, "publish": None}
    if report.exit_code == 1:
        return result
    step = "build"
    try:
        result[step] = asdict(_build(warehouse, as_of, wait_seconds))
        step = "publish"
        result[step] = asdict(publish(warehouse, wait_seconds=wait_seconds))
    except TicketingError as error:
        result |= {"exit_code": error.exit_code, "error": str(error), step: {"error": str(error)}}
    return result


@command("status", "ticketing status")
@destination_option
@json_option
def status_command(destination: str | None, as_json: bool) -> int:
    """What is in the warehouse: rows, cursor, last success, last error and age of each object."""
    found = status(load_warehouse_settings(destination))
    _show_status(found, as_json)
    return 0


@command("notify", "ticketing notify --dry-run")
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Only print what would be sent. Needs no webhook.")
@destination_option
@wait_option
@json_option
def notify_command(is_rehearsal: bool, destination: str | None, wait_seconds: float, as_json: bool) -> int:
    """Tell a webhook what is stale, failing or has gaps at this moment; once, and again a day later while it lasts."""
    warehouse, to_whom = load_warehouse_settings(destination), recipient()
    if to_whom is None and not is_rehearsal:
        raise FixConfiguration(
            "The setting notifications.url is missing: the webhook that is told. Put it into the environment\n"
            "(export NOTIFICATIONS__URL=https://...) or into .dlt/secrets.toml:\n\n"
            '    [notifications]\n    url = "https://..."'
        )
    message = message_of_health(unwell(warehouse, wait_seconds), warehouse)
    is_told = not is_rehearsal and to_whom is not None and tell_of_health(to_whom, message, warehouse)
    if as_json:
        console.show_json({"exit_code": 0, "is_told": is_told, "message": asdict(message)})
        return 0
    for problem in message.problems:
        console.say(console.one_line(problem))
    ending = "Told." if is_told else "Nothing is sent." if is_rehearsal else "Nothing new to tell."
    console.say(f"{console.count(len(message.problems), 'object')} not well. {ending}")
    return 0


@command("explain", "ticketing explain 3b51a203335419565310285d 42")
@click.argument("connection", metavar="CONNECTION")
@click.argument("ticket", metavar="TICKET")
@destination_option
@json_option
def explain_command(connection: str, ticket: str, destination: str | None, as_json: bool) -> int:
    """Why each figure of a ticket is what it is: what happened, and the rule and the rows behind each of them.

    CONNECTION and TICKET are the ids in marts.tickets, connection_id and ticket_id.
    """
    found = explain(load_warehouse_settings(destination), connection, ticket)
    if as_json:
        console.show_json({"exit_code": 0, **asdict(found)})
    else:
        telling.tell(found)
    return 0


@command(
    "report",
    "ticketing report --out monday.html",
    once_stopped="The report of before, if there was one, is still there.",
)
@click.option(
    "--out",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The file that is written, or written anew; default: report.html beside what is published.",
)
@destination_option
def report_command(path: Path | None, destination: str | None) -> int:
    """How support does, as one HTML file to open in a browser or to send: nothing in it runs or asks the network.

    It tells of what was published last, by `ticketing publish` or `ticketing run`.
    """
    written = write_report(load_warehouse_settings(destination), path)
    reach = f"Data as of {moment(written.data_as_of)}" if written.data_as_of else "There is nothing to tell yet"
    console.say(f"Written: {console.one_line(str(written.path))}; open it in a browser. {reach}.")
    return 0


@main.group("webhooks", epilog="Example:  ticketing webhooks subscribe --url https://support.example/hook")
def webhooks_group() -> None:
    """Have the helpdesks' changes pushed: subscriptions at the API, made, listed and removed."""


@command("subscribe", "ticketing webhooks subscribe --url https://support.example/hook", webhooks_group)
@click.option("--url", "hook_url", required=True, metavar="URL", help="Where they go: the address of ticketing serve.")
@connection_option
@click.option(
    "--interval",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="MINUTES",
    help="How often the API looks where the helpdesk sends nothing by itself.",
)
@click.option("--include-all", is_flag=True, help="Subscriptions that are newly made first send all that is there.")
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Only say what would be done.")
@destination_option
@json_option
def subscribe_command(
    as_json: bool, hook_url: str, connections: tuple[str, ...], destination: str | None, **wishes: Any
) -> int:
    """Subscribe to all that each helpdesk offers, once. Says what stays on polling; changes nothing a second time."""
    warehouse = load_warehouse_settings(destination)
    with console.Progress() as progress:
        report = subscribe(_settings(connections), hook_url, told=progress.tick, **wishes)
    if as_json:
        standing = telling_webhooks.webhook_rows(report.standing)
        console.show_json({"exit_code": report.exit_code, **asdict(report), "standing": standing})
    else:
        telling_webhooks.tell_subscribed(report)
    watch(warehouse, report.standing)
    return report.exit_code


@command("list", "ticketing webhooks list", webhooks_group)
@json_option
def list_webhooks_command(as_json: bool) -> int:
    """All ticketing webhooks of the workspace, whatever their address; without its query, which may hold a token."""
    found = list_webhooks(load_unified_settings())
    if as_json:
        console.show_json({"exit_code": 0, "webhooks": telling_webhooks.webhook_rows(found)})
    else:
        telling_webhooks.tell_webhooks(found)
    return 0


@command("unsubscribe", "ticketing webhooks unsubscribe --url https://support.example/hook", webhooks_group)
@click.option("--url", "hook_url", metavar="URL", help="Those that go there.")
@click.option("--all", "is_all", is_flag=True, help="Those that go anywhere: all of the category ticketing.")
@connection_option
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Only say what would be removed.")
@json_option
def unsubscribe_command(
    as_json: bool, hook_url: str | None, is_all: bool, connections: tuple[str, ...], is_rehearsal: bool
) -> int:
    """Remove subscriptions. What they brought is left to polling."""
    if is_all == (hook_url is not None):
        raise FixConfiguration("Expected either --url or --all, got both or neither. Nothing was removed.")
    with console.Progress() as progress:
        report = unsubscribe(
            load_unified_settings(), hook_url, connections=connections, is_rehearsal=is_rehearsal, told=progress.tick
        )
    if as_json:
        console.show_json({"exit_code": report.exit_code, **asdict(report)})
    else:
        telling_webhooks.tell_unsubscribed(report)
    return report.exit_code


@command("serve", "ticketing serve --port 8080")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The port.")
@destination_option
def serve_command(host: str, port: int, destination: str | None) -> int:
    """Take webhooks in: prove each, put it on the disk, and only then acknowledge it. Ends with Ctrl-C or SIGTERM.

    It stands behind a proxy that speaks TLS, and tells of itself on /healthz, /readyz and /metrics. Several of them may
    share the port and the inbox.
    """
    from pipelines.webhooks.serving import serve

    settings, warehouse = load_webhook_settings(), load_warehouse_settings(destination)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    inbox = inbox_of(warehouse)

    def announce(address: str) -> None:
        console.say(f"Deliveries are taken on {address} into {inbox} until Ctrl-C. Next: ticketing drain --follow")

    try:
        serve(inbox, settings, host, port, announce)
    except OSError as error:
        raise FixConfiguration(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Give others: --host, --port"
        ) from error
    console.say("Ended. What was acknowledged waits in the inbox. Next: ticketing drain")
    return 0


@command("drain", "ticketing drain --follow", is_scheduled=True)
@click.option("--follow", "follows", is_flag=True, help="Go on, and build the models as often as --build-every says.")
@click.option(
    "--build-every",
    type=Number(min=1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="With --follow: the shortest time from one build of the models to the next.",
)
@click.option("--no-build", is_flag=True, help="With --follow: leave the models to others.")
@destination_option
@wait_option
@json_option
def drain_command(
    follows: bool, build_every: float, no_build: bool, destination: str | None, wait_seconds: float, as_json: bool
) -> Ended:
    """Load what waits in the inbox of webhooks, by the same shaping and load as what is polled."""
    settings, warehouse = load_unified_settings(), load_warehouse_settings(destination)
    if not follows:
        report = drain(settings, warehouse, wait_seconds=wait_seconds)
        return _tell_drained(report, as_json)
    if not no_build:
        require_project()
    follower = Follower(said=console.stamped, complained=console.complain)
    report = DrainReport()
    console.say(f"Following {inbox_of(warehouse)} until Ctrl-C.")
    with suppress(KeyboardInterrupt):
        follow(settings, warehouse, report, build_every=None if no_build else build_every, follower=follower)
    return _tell_drained(report, as_json)


@command("inbox", "ticketing inbox --replay 7 --discard 8 --discard 9")
@click.option("--replay", type=int, multiple=True, metavar="ID", help="Have this dead letter wait again. Repeatable.")
@click.option("--replay-all", is_flag=True, help="Have all of them wait again.")
@click.option("--discard", type=int, multiple=True, metavar="ID", help="Remove this dead letter for good. Repeatable.")
@click.option("--discard-all", is_flag=True, help="Remove all of them for good.")
@click.option("--show", "shown", type=int, metavar="ID", help="Print what this dead letter holds, as it came.")
@destination_option
@json_option
def inbox_command(
    replay: tuple[int, ...],
    replay_all: bool,
    discard: tuple[int, ...],
    discard_all: bool,
    shown: int | None,
    destination: str | None,
    as_json: bool,
) -> int:
    """What waits to be loaded, and the dead letters: deliveries that can be stored nowhere, with the reason."""
    if {*replay} & {*discard} or (replay_all and (discard or discard_all)) or (replay and discard_all):
        raise FixConfiguration("Expected a dead letter either to be replayed or discarded, got both. Nothing was done.")
    with opened_inbox(load_warehouse_settings(destination)) as inbox:
        letters = inbox.dead_letters()
        every = [letter.id for letter in letters]
        if unknown := {*replay, *discard, *([] if shown is None else [shown])} - {*every}:
            known = ", ".join(map(str, every)) or "none"
            raise FixConfiguration(f"Expected the id of a dead letter ({known}), got {sorted(unknown)[0]}.")
        if shown is not None:
            console.say(inbox.dead_body(shown).decode(errors="replace"))
            return 0
        replayed = inbox.replay(every if replay_all else replay)
        discarded = inbox.discard(every if discard_all else discard)
        contents, left = inbox.contents(), inbox.dead_letters()
    if as_json:
        done = {"replayed": replayed, "discarded": discarded}
        console.show_json({"exit_code": 0, **done, **asdict(contents), "dead_letters": _dead(left)})
    else:
        _show_inbox(contents, left, replayed, discarded)
    return 0


@main.group("triage", epilog="Example:  ticketing triage plan proposals.csv")
def triage_group() -> None:
    """Carry triage decisions to the helpdesks: planned, compared with what is there, sent once, and taken back."""


plan_argument = click.argument("plan_name", metavar="PLAN")
by_option = click.option("--by", "by_whom", metavar="NAME", help="Who decides, for the receipts.  [default: this user]")


@command("plan", "ticketing triage plan proposals.csv", triage_group, once_stopped="Nothing was sent.")
@click.argument("proposals", metavar="PROPOSALS", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where the plan is kept.")
@destination_option
@wait_option
@json_option
def plan_command(proposals: Path, out: Path | None, destination: str | None, wait_seconds: float, as_json: bool) -> int:
    """What proposals come to, beside the live tickets. Sends nothing.

    PROPOSALS is a file of rows (.csv, .json, .parquet) or a query over the warehouse (.sql) with the columns
    connection_id, ticket_id and any of priority, category or category_id, user_id, status, tags_add, tags_remove,
    tags_set, note, reason.
    """
    settings, triage_settings = load_unified_settings(), load_triage_settings()
    warehouse = load_warehouse_settings(destination)
    rows = proposed_rows(proposals, warehouse, wait_seconds)
    with console.Progress() as progress:
        made = triage.plan(
            rows,
            settings,
            triage_settings,
            warehouse,
            wait_seconds=wait_seconds,
            told=_tickets_told(progress, "planned"),
        )
    return _tell_planned(made, out, warehouse, wait_seconds, as_json)


@command(
    "apply",
    "ticketing triage apply 3e0029dfa6351d09",
    triage_group,
    once_stopped="What was sent stands in the journal. Run the same again: it completes the plan and repeats nothing.",
)
@plan_argument
@click.option("--yes", "is_certain", is_flag=True, help="Do not ask.")
@by_option
@destination_option
@wait_option
@json_option
def apply_command(
    plan_name: str,
    is_certain: bool,
    by_whom: str | None,
    destination: str | None,
    wait_seconds: float,
    as_json: bool,
) -> int:
    """Carry out exactly a plan; what is there is compared once more. Run it again: it repeats nothing.

    PLAN is its file or its id.
    """
    settings, triage_settings = load_unified_settings(), load_triage_settings()
    warehouse = load_warehouse_settings(destination)
    plan = triage.kept_plan(plan_name, warehouse)
    if not is_certain and (as_json or not sys.stdin.isatty()):
        raise FixConfiguration("Expected --yes where nobody can be asked. Nothing was sent.")
    if not is_certain and not click.confirm(console.one_line(f"Change {telling_triage.wanted(plan)}?"), err=True):
        console.say("Nothing was sent.")
        return 0
    with console.Progress() as progress:
        report = triage.apply(
            plan,
            settings,
            triage_settings,
            warehouse,
            by_whom=by_whom,
            wait_seconds=wait_seconds,
            told=_tickets_told(progress, "done"),
        )
    if as_json:
        console.show_json(telling_triage.applied_json(report))
    else:
        telling_triage.tell_applied(report, plan_name)
    return report.exit_code


@command("undo", "ticketing triage undo 3e0029dfa6351d09", triage_group, once_stopped="Nothing was sent.")
@plan_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where the plan is kept.")
@destination_option
@wait_option
@json_option
def undo_command(plan_name: str, out: Path | None, destination: str | None, wait_seconds: float, as_json: bool) -> int:
    """The plan that takes back what PLAN has changed, from its receipts. Sends nothing; a note cannot be unsent."""
    settings, warehouse = load_unified_settings(), load_warehouse_settings(destination)
    plan_id = triage.plan_id_of(plan_name, warehouse)
    with console.Progress() as progress:
        made = triage.undo(plan_id, settings, warehouse, told=_tickets_told(progress, "planned"))
    return _tell_planned(made, out, warehouse, wait_seconds, as_json)


@command("status", "ticketing triage status", triage_group)
@destination_option
@json_option
def triage_status_command(destination: str | None, as_json: bool) -> int:
    """The plans that were carried out from here, and what may or may not have been."""
    found = triage.status(load_warehouse_settings(destination))
    if as_json:
        console.show_json(telling_triage.status_json(found))
    else:
        telling_triage.tell_status(found)
    return 0


@command("settle", "ticketing triage settle 7 --not-sent", triage_group)
@click.argument("attempt", type=int, metavar="ATTEMPT")
@click.option("--sent/--not-sent", "was_sent", default=None, required=True, help="What the helpdesk shows.")
@click.option("--note", "record_id", metavar="ID", help="With --sent, of a note: the id that the helpdesk gave it.")
@by_option
@destination_option
def settle_command(attempt: int, destination: str | None, **found: Any) -> int:
    """Tell what became of an attempt that is held because no look can tell any more; see ticketing triage status."""
    settled = triage.settle(attempt, load_warehouse_settings(destination), **found)
    if settled.action is Action.NOTE and settled.ending is Ending.WRITTEN and settled.record_id is None:
        console.complain("Without --note ID nobody can tell which note it is: the marts take it for an agent's.")
    console.say(f"Attempt {attempt} counts as {settled.ending}. Next: ticketing triage apply {settled.plan_id}")
    return 0


@command("sandbox", "ticketing sandbox --seed 7 --tickets 500")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same world.")
@tickets_option
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="The port on 127.0.0.1.")
def sandbox_command(seed: int, tickets: int, port: int) -> int:
    """Serve a stand-in for Unified.to on this machine; no account needed. Ends with Ctrl-C."""
    from pipelines.sandbox import DEFAULT_WEBHOOK_SECRET, serve

    def announce(base_url: str) -> None:
        console.say(f"The sandbox answers on {base_url} until Ctrl-C. In another terminal:\n")
        console.say(f"    export SOURCES__UNIFIED__BASE_URL={base_url} SOURCES__UNIFIED__API_KEY=sandbox-api-key")
        console.say(f"    export WEBHOOKS__SECRET={DEFAULT_WEBHOOK_SECRET}      # signs the webhooks that it sends")
        console.say(f"    {console.UV_RUN} ticketing run")
        console.say(f"    curl -d '{{\"hours\": 8}}' {base_url}/_sandbox/live      # eight hours pass there")
        console.say(f"    {console.UV_RUN} ticketing run")

    try:
        serve(seed=seed, tickets=tickets, port=port, announce=announce)
    except OSError as error:
        raise FixConfiguration(f"Cannot listen on port {port}: {error.strerror}. Give another one: --port") from error
    return 0


@command("demo", "ticketing demo")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same world.")
@tickets_option
def demo_command(seed: int, tickets: int) -> int:
    """The whole job against a sandbox: sync, let time pass, sync again, build, four answers, and the report."""
    from pipelines.sandbox.demo import demo

    return demo(seed=seed, tickets=tickets)


def _tickets_told(progress: console.Progress, what: str) -> triage.Told:
    return lambda done, total: progress.tick(f"{done:,} of {console.count(total, 'ticket')} {what}")


def _tell_planned(
    made: Plan, out: Path | None, warehouse: WarehouseSettings, wait_seconds: float, as_json: bool
) -> int:
    refusal = triage.why_braked(made, load_unified_settings(), load_triage_settings(), warehouse, wait_seconds)
    place = triage.keep_plan(made, warehouse, out)
    if as_json:
        console.show_json(telling_triage.plan_json(made, str(place), refusal))
    else:
        telling_triage.tell_plan(made, str(out) if out else made.id, refusal)
    return 0


def _sync(
    wait_seconds: float,
    select: str | None,
    connections: tuple[str, ...],
    since: str | None,
    until: str | None,
    full_refresh: bool,
    destination: str | None,
) -> tuple[SyncReport, WarehouseSettings]:
    if full_refresh and (since is not None or until is not None):
        raise FixConfiguration(
            "Expected --since and --until, or --full-refresh, got both: the ones read a stretch of time, the other all."
        )
    first, last = _moment(since), _moment(until)
    if first and last and first >= last:
        raise FixConfiguration(f"Expected --until to be later than --since, got --since {since} --until {until}.")
    settings, warehouse = load_unified_settings(), load_warehouse_settings(destination)
    with console.Progress() as progress:
        report = sync(
            settings,
            warehouse,
            select=_names(select),
            connections=connections,
            since=first,
            until=last,
            full_refresh=full_refresh,
            wait_seconds=wait_seconds,
            watcher=progress,
        )
    return report, warehouse


def _settings(connections: tuple[str, ...]) -> UnifiedSettings:
    settings = load_unified_settings()
    if connections:
        settings.connection_ids = list(connections)
    return settings


def _tell_drained(report: DrainReport, as_json: bool) -> Ended:
    closing = _drain_closing(report)
    ended = Ended(report.exit_code, f"{closing} {report.error}" if report.error else closing)
    if report.error:
        console.complain(report.error)
    if as_json:
        objects = [outcome.row() for outcome in report.outcomes.values()]
        told = {"delivered": report.delivered, "dead": report.buried, "error": report.error, "objects": objects}
        console.show_json({"exit_code": report.exit_code, **told})
        return ended
    if report.outcomes:
        console.show_table(
            ["connection", "helpdesk", "table", "records", "gone", "rejected", "withheld"],
            [
                [
                    outcome.connection_id,
                    outcome.integration_type,
                    outcome.object,
                    outcome.rows_received,
                    outcome.rows_deleted,
                    outcome.rows_rejected,
                    outcome.rows_withheld,
                ]
                for outcome in report.outcomes.values()
            ],
        )
    console.say(closing)
    return ended


def _drain_closing(report: DrainReport) -> str:
    loaded = f"{console.count(report.delivered, 'delivery')} with {console.count(report.rows, 'record')} loaded"
    dead = f" {console.count(report.buried, 'dead letter')}: see ticketing inbox." if report.buried else ""
    next_step = "Mend what stands above and run this again." if report.error else "Next: ticketing build"
    return f"{_ended(report)}: {loaded}.{dead} {next_step}"


def _ended(report: DrainReport | SyncReport) -> str:
    """How it has ended, as its exit code says."""
    return {0: "Done", 1: "Nothing worked"}.get(report.exit_code, "Partly done")


def _dead(letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    return [
        {"id": letter.id, "received_at": letter.received_at, "bytes": letter.size, "reason": letter.reason}
        for letter in letters
    ]


def _show_inbox(contents: Contents, letters: Sequence[DeadLetter], replayed: int, discarded: int) -> None:
    if letters:
        console.show_table(
            ["dead letter", "received", "bytes", "reason"],
            [[letter.id, _minute(letter.received_at), letter.size, letter.reason] for letter in letters],
        )
    again = f" Put back: {console.count(replayed, 'dead letter')}." if replayed else ""
    gone = f" Removed: {console.count(discarded, 'dead letter')}." if discarded else ""
    next_step = " Next: ticketing drain" if contents.waiting else ""
    console.say(f"{_waiting(contents)}.{again}{gone}{next_step}")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_moment(text)


def _names(select: str | None) -> list[str]:
    """The tables that were named, none where the option was not given."""
    if select is None:
        return []
    names = [name.strip() for name in select.split(",") if name.strip()]
    if not names:
        raise FixConfiguration(f"Expected --select to name tables, got {select!r}. Example: --select tickets,notes")
    return names


def _build(warehouse: WarehouseSettings, as_of: datetime | None, wait_seconds: float) -> BuildReport:
    with console.Progress() as progress:
        return build(
            warehouse,
            as_of=as_of,
            wait_seconds=wait_seconds,
            heard=lambda done, total: progress.tick(f"dbt: {done} of {total} models and tests"),
        )


def _sync_result(report: SyncReport) -> dict[str, Any]:
    return {
        "exit_code": report.exit_code,
        "pending": report.pending.outcome,
        "pending_lies_in": str(report.pending.lies_in) if report.pending.lies_in else None,
        "quarantined": [str(place) for place in report.quarantined],
        "objects": [outcome.row() for outcome in report.outcomes],
        "inbox": {
            "delivered": report.drained.delivered,
            "dead": report.drained.buried,
            "error": report.drained.error,
        },
        "triage": {"error": report.unloaded_receipts},
    }


def _show_sync(report: SyncReport) -> None:
    _show_run(report, "rows received", "rejected", lambda outcome: outcome.rows_rejected)


def _show_run(report: SyncReport, received: str, counted: str, count: Callable[[Outcome], int]) -> None:
    if report.pending.outcome is Pending.FINISHED:
        console.say("First loaded what an earlier run had left pending.")
    if report.pending.outcome is Pending.DISCARDED:
        console.say(
            "Discarded a pending load: it was a first one, or made for another state of this warehouse. Its rows were "
            "read again."
        )
    if report.pending.outcome is Pending.QUARANTINED:
        console.complain(
            f"A load that an earlier run had left pending failed again. It lies in {report.pending.lies_in} with its "
            "reason, and what it held was read again."
        )
    console.show_table(
        ["connection", "helpdesk", "table", received, counted, "requests", "retries", "plan"],
        [
            [
                outcome.connection_id,
                outcome.integration_type,
                outcome.object,
                outcome.rows_received,
                count(outcome),
                outcome.calls.requests,
                outcome.calls.retries,
                "FAILED" if outcome.has_failed else outcome.plan,
            ]
            for outcome in report.outcomes
        ],
    )
    for outcome in report.failed:
        console.complain(f"{outcome.connection_id} {outcome.object}: {outcome.error}")
    if report.drained.error:
        console.complain(f"inbox: {report.drained.error}")
    if report.unloaded_receipts:
        console.complain(f"triage: {report.unloaded_receipts}")


def _reconcile_closing(report: SyncReport) -> str:
    deleted = sum(outcome.rows_deleted for outcome in report.outcomes)
    found = f"{console.count(deleted, 'record')} found to be gone and marked as deleted"
    found += f".{_drained(report.drained)}"
    if report.left_waiting and not report.failed:
        return f"Partly done: {found} Not loaded: {report.left_waiting}. Mend the errors above and run this again."
    if report.put_off and not report.failed:
        return f"{_not_complete(report)}; of those nothing was removed. {found} Next: raise it and run this again"
    if report.exit_code != 1 and not report.failed:
        return f"{_ended(report)}: {found} Next: ticketing build"
    of = f"{len(report.failed)} of {console.count(len(report.outcomes), 'object')} failed"
    if report.exit_code == 1:
        return f"Nothing worked: {of}. Nothing was removed. Mend what stands above and run this again."
    return f"Partly done: {of} and lost nothing; of the others {found} Mend the errors above and run this again."


def _not_complete(report: SyncReport) -> str:
    unread = console.count(len(report.put_off), "object")
    return f"Not complete: max_calls_per_run was reached before the end of {unread}"


def _show_preview(preview: Preview) -> None:
    console.show_table(
        ["connection", "customer", "name", "addresses"],
        [[each.connection_id, each.id, each.name, ", ".join(each.addresses)] for each in preview.customers],
        title="Who is meant",
    )
    console.show_table(["what is stored of them", "rows"], sorted(preview.traces.items()), title="What will be removed")
    if preview.is_known:
        console.say("They were forgotten before. What is left, or has been overlooked, is removed now.")


def _show_receipt(receipt: Receipt) -> None:
    console.show_table(["removed", "rows"], sorted(receipt.removed.items()), title=f"Receipt {receipt.request_id}")
    console.say(f"Marts: {receipt.marts}. Tombstones: {receipt.tombstones:,}, so that no sync brings them back.")
    console.say(f"Not reached from here: {'; '.join(receipt.not_reached)}.")
    console.say(f"The receipt, which names nobody, is {receipt.lies_in}.")
    forgotten = console.count(receipt.customers, "customer record")
    if receipt.left_waiting:
        waiting = console.count(receipt.left_waiting, "delivery")
        console.say(f"Partly done: {forgotten} forgotten, but {waiting} could not be loaded. Next: ticketing drain")
    else:
        console.say(f"Forgotten: {forgotten}. Next: do so in the helpdesk, too")


_GAPS_SHOWN = 20
"""So many gaps are told on the screen; all are in `sync_coverage`, and in the JSON."""


def _verify_result(report: VerifyReport) -> dict[str, Any]:
    return {
        "exit_code": report.exit_code,
        "calls_forecast": report.calls,
        "repaired": report.repaired,
        "gaps_left": report.gaps_left,
        "not_in_workspace": report.not_in_workspace,
        "looks": [[_finding(finding) for finding in look] for look in report.looks],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    columns = finding.outcome.row() | finding.verdict.columns()
    return columns | {"gaps": [asdict(gap) for gap in finding.verdict.gaps]}


def _show_verify(report: VerifyReport) -> None:
    kinds = [kind.value for kind in Kind]
    for look in report.looks:
        console.show_table(
            ["connection", "helpdesk", "table", "shown", "held", *kinds, "not yet read", "not yet marked", "requests"],
            [
                [
                    finding.outcome.connection_id,
                    finding.outcome.integration_type,
                    finding.outcome.object,
                    finding.verdict.shown,
                    finding.verdict.held,
                    *(finding.verdict.counts[kind] for kind in Kind),
                    finding.verdict.not_yet_read,
                    finding.verdict.not_yet_reconciled,
                    finding.outcome.calls.requests,
                ]
                for finding in look
            ],
        )
        gaps = [(finding.outcome, gap) for finding in look for gap in finding.verdict.gaps]
        for outcome, gap in gaps[:_GAPS_SHOWN]:
            said = f"{gap.kind.value}: {outcome.connection_id} {outcome.object} {gap.id}: {gap.cause}"
            console.say(console.one_line(said))
        if len(gaps) > _GAPS_SHOWN:
            console.say("... and more: see raw_unified.sync_coverage, or --json.")
    for finding in report.unverified:
        why = finding.outcome.error or "the calls of the run were used up (max_calls_per_run)"
        console.complain(f"{finding.outcome.connection_id} {finding.outcome.object} could not be compared: {why}")
    for connection_id in report.not_in_workspace:
        console.complain(f"{connection_id} has rows here that were not compared: the workspace has it no more.")


def _verify_closing(report: VerifyReport) -> str:
    compared = sum(finding.verdict.shown for finding in report.verified)
    of = f"{console.count(compared, 'record')} of {console.count(len(report.verified), 'object')} compared."
    if report.unverified:
        of += f" {console.count(len(report.unverified), 'object')} could not be compared."
    if report.skipped:
        of += f" {console.count(len(report.skipped), 'object')} skipped."
    newer = sum(finding.verdict.not_yet_read for finding in report.findings)
    if newer:
        of += f" {console.count(newer, 'record')} newer than the last sync."
    gone = sum(finding.verdict.not_yet_reconciled for finding in report.findings)
    if gone:
        of += f" {console.count(gone, 'record')} gone at the source since the last reconcile."
    otherwise = sum(finding.verdict.not_comparable for finding in report.findings)
    if otherwise:
        of += f" {console.count(otherwise, 'record')} stored under other rules of privacy: only ids and times compared."
    left, repaired = console.count(report.gaps_left, "gap"), console.count(report.repaired, "gap")
    if report.gaps_left and report.repaired:
        return f"{repaired} repaired, {left} left; {of} Mend what stands above and run this again."
    if report.gaps_left:
        return f"{left} found; {of} Next: ticketing verify --repair"
    if report.exit_code == 1:
        return f"Not verified: nothing was compared; {of} `ticketing check` shows what there is."
    found = f"{repaired} found and repaired" if report.repaired else "no gap"
    if report.unverified:
        return f"Partly verified: {found}; {of} Mend what stands above and run this again."
    found += ", none left" if report.repaired else ""
    return f"Verified: {found}; {of} Next: ticketing {'sync' if newer else 'reconcile' if gone else 'build'}"


def _drained(report: DrainReport) -> str:
    """What a sync has loaded of what webhooks had brought, if anything."""
    loaded = f" From the inbox {console.count(report.delivered, 'delivery')} loaded." if report.delivered else ""
    dead = f" {console.count(report.buried, 'dead letter')}: see ticketing inbox." if report.buried else ""
    return loaded + dead


def _sync_closing(report: SyncReport, next_step: str) -> str:
    rows = sum(outcome.rows_received for outcome in report.outcomes if not outcome.has_failed)
    skipped = _drained(report.drained)
    skipped += f" {console.count(len(report.skipped), 'object')} skipped." if report.skipped else ""
    rejected = sum(outcome.rows_rejected for outcome in report.outcomes)
    if rejected:
        skipped += f" {console.count(rejected, 'record')} could not be stored: see raw_unified.rejected_records."
    withheld = sum(outcome.rows_withheld for outcome in report.outcomes)
    if withheld:
        skipped += f" {console.count(withheld, 'record')} of forgotten persons withheld."
    if not report.outcomes:
        return "The workspace has no ticketing connection. Connect a helpdesk in the Unified.to console first."
    if report.left_waiting and not report.failed:
        received = f"{console.count(rows, 'row')} received, all loaded, but not {report.left_waiting}"
        return f"Partly done: {received}.{skipped} Mend the errors above and run this again."
    if report.put_off and not report.failed:
        received = f"{console.count(rows, 'row')} received, all loaded.{skipped}"
        return f"{_not_complete(report)}. {received} Next: run this again; what stays here needs a higher ceiling"
    if report.exit_code != 1 and not report.failed:
        return f"{_ended(report)}: {console.count(rows, 'row')} received, all loaded.{skipped} Next: {next_step}"
    of = f"{len(report.failed)} of {console.count(len(report.outcomes), 'object')} failed"
    if report.exit_code == 1:
        return f"Nothing worked: {of}.{skipped} Mend what stands above and run this again."
    return (
        f"Partly done: {of} and kept their cursors; of the others {console.count(rows, 'row')} received and loaded."
        f"{skipped} "
        "Mend the errors above and run this again."
    )


def _show_warnings(report: BuildReport) -> None:
    for warning in report.warnings:
        console.say(console.one_line(f"warning: {warning}"))


def _built(report: BuildReport) -> str:
    models, tests = console.count(report.models, "model"), console.count(report.tests, "test")
    return f"{models} built and {tests} passed in {console.duration(report.seconds)}"


def _published(report: PublishReport) -> str:
    marts, rows = console.count(len(report.rows), "table"), console.count(sum(report.rows.values()), "row")
    data = f", data as of {_minute(report.data_as_of)}" if report.data_as_of else ""
    return f"{marts} with {rows} published in {console.duration(report.seconds)}{data}: {report.lies_in}"


def _show_check(report: CheckReport, as_json: bool) -> None:
    if as_json:
        console.show_json({"exit_code": report.exit_code, **asdict(report)})
        return
    console.say(f"The key is good for {report.base_url}.")
    for connection in report.connections:
        health = connection.problem or (f"left out, {connection.skipped}" if connection.skipped else "healthy")
        console.show_table(
            ["table", "plan", "because", "calls", "time"],
            [
                [
                    item.table,
                    "CANNOT BE READ" if item.problem else item.plan.strategy.value,
                    item.problem or item.plan.reason,
                    item.calls_forecast,
                    None if item.seconds_forecast is None else console.duration(item.seconds_forecast),
                ]
                for item in connection.objects
            ],
            title=f"{connection.id}  {connection.integration_type}  {health}",
        )
    findings = {
        (finding.fact, finding.holds)
        for connection in report.connections
        for item in connection.objects
        for finding in item.findings
    }
    if findings:
        console.show_table(
            ["assumed of the API", "seen here"],
            [[fact, "holds" if holds else "DOES NOT HOLD"] for fact, holds in sorted(findings)],
            title="What was only assumed",
        )
    _show_privacy(report)
    calls, seconds = total_forecast(report)
    console.say(f"\nThe next sync takes about {console.count(calls, 'call')} and {console.duration(seconds)}.")
    for problem in report.problems:
        console.complain(problem)
    console.say(_check_closing(report))


def _show_privacy(report: CheckReport) -> None:
    if not report.privacy:
        console.say("\nPrivacy: every column is stored as it comes (sources.unified.privacy states no rule).")
        return
    console.show_table(
        ["connection", "table", "before it is stored", "stored otherwise", "rejected records otherwise"],
        [
            [
                item.connection_id,
                item.table,
                item.in_force or "all is kept",
                "; ".join(
                    f"{console.count(count, 'row')} under: {rules}" for rules, count in item.stored_otherwise.items()
                ),
                item.rejected_otherwise,
            ]
            for item in report.privacy
        ],
        title="Privacy",
    )
    beside = {(item.table, item.kept_beside) for item in report.privacy if item.kept_beside}
    for table, columns in sorted(beside):
        console.say(f"What is protected of {table} may stand in {', '.join(columns)} too, which are kept as they come.")
    if any(item.stored_otherwise or item.rejected_otherwise for item in report.privacy):
        console.say(
            "What is stored under other rules stays so until it changes. `ticketing sync --full-refresh` brings what "
            "the source still shows into line\nand writes the warehouse anew, `ticketing build` the marts, "
            "`ticketing publish` what readers find.\nIt does not reach rows marked as deleted, ticket_versions, "
            "rejected_records or connections that are not read any more:\nremove those by hand, by their column "
            "_privacy."
        )


def _check_closing(report: CheckReport) -> str:
    if report.exit_code == 0:
        return "All well. Next: ticketing sync"
    if report.exit_code == 1:
        return "Nothing can be read. Mend what stands above, or connect a helpdesk in the Unified.to console."
    return f"{console.count(len(report.problems), 'problem')}: mend them, or leave them: the rest can be synced."


def _show_status(found: Status, as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        console.show_json(asdict(found))
        return
    ways = {(push.connection_id, push.object): _way(push, now) for push in found.pushes}
    console.show_table(
        ["connection", "helpdesk", "table", "rows", "comes by", "cursor", "last success", "age", "last error"],
        [
            [
                item.connection_id,
                item.integration_type,
                item.object,
                item.rows,
                ways.pop((item.connection_id, item.object), "polling"),
                _minute(item.cursor),
                _minute(item.last_success_at),
                console.duration((now - item.last_success_at).total_seconds()) if item.last_success_at else None,
                item.last_error,
            ]
            for item in found.objects
        ],
    )
    for (connection_id, table), way in ways.items():
        console.say(console.one_line(f"{connection_id} {table} comes by {way}, and was never synced."))
    failing = sum(item.last_error is not None for item in found.objects)
    pending = " A load is still pending: the next ticketing sync finishes it." if found.is_pending else ""
    waiting = f" In the inbox: {_waiting(found.inbox)}." if found.inbox else ""
    console.say(
        f"{found.warehouse}: {console.count(sum(item.rows for item in found.objects), 'row')}, "
        f"{console.count(failing, 'object')} failing.{pending}{waiting}"
        + ("" if found.objects else " Nothing has been synced yet. Next: ticketing sync")
    )


def _way(push: Push, now: datetime) -> str:
    """How an object comes, and how long ago it did; what was polled in a webhook's place since then."""
    kinds = f"{' and '.join(push.types)} webhook" if push.types else "webhook"
    if push.heard_at is None:
        way = f"{kinds}, nothing yet"
    else:
        way = f"{kinds}, {console.duration((now - push.heard_at).total_seconds())} ago"
    if push.polled_until is None or (push.heard_at is not None and push.polled_until < push.heard_at):
        return way
    return f"{way}; polled until {_minute(push.polled_until)}, for {push.polled_because}"


def _waiting(contents: Contents) -> str:
    since = f", the oldest since {_minute(contents.oldest_at)}" if contents.oldest_at else ""
    waiting, dead = console.count(contents.waiting, "delivery"), console.count(contents.dead, "dead letter")
    return f"{waiting} waiting{since}; {dead}"


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
