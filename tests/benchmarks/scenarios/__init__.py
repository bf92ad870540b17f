"""The scenarios: each serves some work, lets contestants bring it, and reports what that took."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.scenarios.beside_peers import five_times, idle_network, latency
from tests.benchmarks.scenarios.draining import webhooks_draining, webhooks_to_mart
from tests.benchmarks.scenarios.fairness import connections, rate_limit
from tests.benchmarks.scenarios.flatness import memory, scattered, unchanged
from tests.benchmarks.scenarios.proof import proof
from tests.benchmarks.scenarios.pushing import webhooks, webhooks_memory
from tests.benchmarks.scenarios.rebuilding import rebuilding, rebuilding_postgres
from tests.benchmarks.scenarios.whereabouts import postgres, profile
from tests.benchmarks.scenarios.writing import writeback

Scenario = Callable[[Work, int], Report]
"""From the work and how often to repeat it."""

SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        *(idle_network, five_times, latency, rate_limit, memory),
        *(unchanged, scattered, connections, proof, postgres, profile),
        *(rebuilding, rebuilding_postgres),
        *(webhooks, webhooks_memory, webhooks_to_mart, webhooks_draining),
        writeback,
    )
}
