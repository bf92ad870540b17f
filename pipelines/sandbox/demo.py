"""The whole job in a minute, against a sandbox: the one place where the stand-in and the pipeline meet."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines import console
from pipelines.build import build
from pipelines.publish import publish
from pipelines.report import write_report
from pipelines.sandbox.server import Sandbox
from pipelines.sandbox.world import World
from pipelines.settings import DuckdbWarehouse, UnifiedSettings, state_dir_beside
from pipelines.sync import SyncReport, sync
from pipelines.ticketing.progress import Watcher
from pipelines.warehouse.outcome import Outcome
from transforms.schemas import RECORD_TABLES

DEMO_WAREHOUSE = Path("data/demo.duckdb")
HOURS_THAT_PASS = 60
_TUESDAY_MORNING = datetime(2026, 5, 26, 8, tzinfo=UTC)

_QUESTIONS = {
    "How long does a customer wait for the first reply? (median, by helpdesk)": """
        select
            integration_type as helpdesk,
            count(*) as tickets,
            count(first_reply_seconds) as answered,
            round(median(first_reply_seconds) / 3600, 1) as median_hours
        from marts.tickets
        where not is_deleted
        group by helpdesk
        order by median_hours
    """,
    "Who has the most open tickets?": """
        select customer_name as customer, integration_type as helpdesk, open_ticket_count as open_tickets,
            ticket_count as tickets
        from marts.customer_support_summary
        where open_ticket_count > 0
        order by open_ticket_count desc, ticket_count desc, customer_name
        limit 5
    """,
    "How many are answered in time? (share of first replies, those who still wait counted in)": """
        select integration_type as helpdesk, limit_seconds // 3600 as within_hours, old_enough_count as old_enough,
            cast(round(100 * answered_share) as integer) as percent
        from marts.answer_statistics
        where metric = 'first_reply' and limit_seconds in (3600, 86400)
        order by within_hours, percent desc
    """,
    "What wants action first?": """
        select integration_type as helpdesk, ticket_id as ticket, subject, score,
            list_aggregate(json_extract_string(reasons, '$[*].reason'), 'string_agg', ', ') as reasons
        from marts.triage_candidates
        order by place
        limit 5
    """,
}

_WORST = "select connection_id, ticket_id from marts.triage_candidates where place = 1"

_NEXT = """Try next:
    a conversation   {uv_run} python -c "import duckdb; print(duckdb.connect('{published}', read_only=True).sql(
                     'select transcript from marts.conversation_threads where message_count = 6').fetchone()[0])"
    why a ticket's figures are what they are
                     DESTINATION__DUCKDB__CREDENTIALS={path} {uv_run} ticketing explain {connection} {ticket}
    a sandbox        {uv_run} ticketing sandbox       and in another terminal what it prints
    your account     export SOURCES__UNIFIED__API_KEY=...       then   {uv_run} ticketing run"""


def demo(seed: int, tickets: int) -> int:
    """Sync, let time pass, sync again, build, and answer four questions. Leaves the DuckDB file to play with."""
    warehouse = _fresh_warehouse()
    started = time.monotonic()
    world = World.seeded(seed, tickets, start=_TUESDAY_MORNING)
    with Sandbox(world=world) as sandbox, console.Progress() as progress:
        settings = UnifiedSettings()
        settings.update({"api_key": sandbox.api_key, "base_url": sandbox.base_url})
        progress.tell(f"A sandbox of Unified.to answers on {sandbox.base_url} with {tickets} tickets. First sync:")
        first = sync(settings, warehouse, watcher=_PagesOnly(progress))
        progress.tell(f"In the sandbox {HOURS_THAT_PASS} hours pass ...")
        happened = sandbox.world.live(hours=HOURS_THAT_PASS)
        progress.tell("Second sync, only what changed:")
        second = sync(settings, warehouse, watcher=_PagesOnly(progress))
        as_of = sandbox.world.now
        progress.tell("dbt builds and tests the models ...")
        built = build(
            warehouse, as_of=as_of, heard=lambda done, total: progress.tick(f"dbt: {done} of {total} models and tests")
        )
        progress.tell("The marts are published, and the report is drawn ...")
        publish(warehouse)
        report = write_report(warehouse)
    _show_arrivals(first, second, happened)
    connection_id, ticket_id = _show_answers(warehouse.path)
    console.say(
        f"\nDone in {console.duration(time.monotonic() - started)}: {console.count(built.models, 'model')} built and "
        f"{console.count(built.tests, 'test')} passed over {warehouse.path}"
    )
    console.say(
        _NEXT.format(
            path=warehouse.path,
            published=warehouse.published_dir / "latest" / "support.duckdb",
            uv_run=console.UV_RUN,
            connection=connection_id,
            ticket=ticket_id,
        )
    )
    console.say(f"\nThe report that a support lead opens in the morning, for any browser: {report.path}")
    return max(first.exit_code, second.exit_code)


class _PagesOnly(Watcher):
    """A demo shows that it moves, not each of its twenty objects."""

    def __init__(self, progress: console.Progress) -> None:
        self._progress = progress

    def page_read(self, outcome: Outcome) -> None:
        self._progress.page_read(outcome)


def _fresh_warehouse() -> DuckdbWarehouse:
    """The demo's own file, without what an earlier demo left: the sandbox begins anew, and so must its warehouse."""
    warehouse = DuckdbWarehouse(DEMO_WAREHOUSE, state_dir_beside(DEMO_WAREHOUSE))
    for folder in (warehouse.state_dir, warehouse.published_dir):
        shutil.rmtree(folder, ignore_errors=True)
    for leftover in (DEMO_WAREHOUSE, DEMO_WAREHOUSE.with_suffix(".duckdb.wal")):
        leftover.unlink(missing_ok=True)
    return warehouse


def _show_arrivals(first: SyncReport, second: SyncReport, happened: dict[str, int]) -> None:
    events = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in happened.items())
    console.show_table(
        ["table", "rows read by the first sync", "requests", "by the second", "requests"],
        [[table, *_arrived(first, table), *_arrived(second, table)] for table in RECORD_TABLES],
        title=f"What arrived ({events} between the two)",
    )


def _arrived(report: SyncReport, table: str) -> tuple[int, int]:
    outcomes = [outcome for outcome in report.outcomes if outcome.object == table]
    return sum(outcome.rows_received for outcome in outcomes), sum(outcome.calls.requests for outcome in outcomes)


def _show_answers(path: Path) -> tuple[str, str]:
    """Answers the questions, and names the ticket that wants action first."""
    with duckdb.connect(str(path), read_only=True) as connection:
        for question, query in _QUESTIONS.items():
            answer = connection.execute(query).df()
            rows = answer.astype(object).where(answer.notna(), None).values.tolist()
            console.show_table([name.replace("_", " ") for name in answer.columns], rows, title=question)
        return connection.execute(_WORST).fetchall()[0]
