"""python -m tests.benchmarks NAME ... : measures, and prints a table."""

from __future__ import annotations

from pathlib import Path

import click

from tests.benchmarks.records import Work
from tests.benchmarks.scenarios import SCENARIOS

RESULTS = Path(__file__).parent / "results"


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice([*SCENARIOS, "all"]), metavar="NAME...")
@click.option("--repeat", type=click.IntRange(min=1), default=1, help="Runs of each contestant; medians are shown.")
@click.option("--scale", type=float, default=1.0, help="A share of the work, to try a scenario out.")
@click.option("--keep", is_flag=True, help=f"Write table and JSON into {RESULTS.name}/, beside this command.")
def main(names: tuple[str, ...], repeat: int, scale: float, keep: bool) -> None:
    """Run scenarios, one after the other. Ends with 1 if a contestant failed or left records out."""
    has_failed = False
    for name in SCENARIOS if "all" in names else names:
        report = SCENARIOS[name](Work().scaled(scale), repeat)
        has_failed = has_failed or report.has_failed
        click.echo(report.text())
        if keep:
            report.write(RESULTS)
    raise SystemExit(int(has_failed))


if __name__ == "__main__":
    main()
