"""The one place that reads configuration: dlt's own (`.dlt/config.toml`, `.dlt/secrets.toml`, environment)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import dlt
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
)
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, configspec

from pipelines.errors import FixConfiguration
from transforms.values import Misfit, parse_time

DEFAULT_BASE_URL = "https://api.unified.to"
DEFAULT_DESTINATION = "duckdb"
DEFAULT_WAREHOUSE = "data/warehouse.duckdb"
LARGEST_PAGE = 100
LONGEST_LOOKBACK = 366 * 24 * 3600
SMALLEST_PAGE = 2
"""A walk overlaps its pages by one record, which takes a page of at least two."""


@configspec
class UnifiedSettings(BaseConfiguration):
    """Section `sources.unified`: what to read and from where."""

    api_key: dlt.TSecretStrValue = None  # type: ignore[assignment]
    base_url: str = DEFAULT_BASE_URL
    connection_ids: list[str] | None = None
    """Empty: every healthy ticketing connection of the workspace."""
    start_date: str | None = None
    """Nothing updated before this is read. ISO-8601."""
    lookback_seconds: int = 300
    page_size: int = LARGEST_PAGE
    include_raw: bool = True

    __section__: ClassVar[str] = "unified"

    def on_resolved(self) -> None:
        """Refuse what no run could work with. Raises `FixConfiguration`."""
        self.api_key = self.api_key.strip()
        if not self.api_key:
            raise FixConfiguration(_MISSING_KEY)
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise FixConfiguration(
                "The setting sources.unified.api_key has characters that no key has (it is not shown here). Copy it "
                "once more from the Unified.to console into SOURCES__UNIFIED__API_KEY or .dlt/secrets.toml."
            )
        if not SMALLEST_PAGE <= self.page_size <= LARGEST_PAGE:
            raise FixConfiguration(
                _wrong("page_size", f"a whole number from {SMALLEST_PAGE} to {LARGEST_PAGE}", self.page_size, "100")
            )
        if not 0 <= self.lookback_seconds <= LONGEST_LOOKBACK:
            expected = f"a whole number of seconds from 0 to {LONGEST_LOOKBACK}"
            raise FixConfiguration(_wrong("lookback_seconds", expected, self.lookback_seconds, "300"))
        self.earliest()

    @property
    def lookback(self) -> timedelta:
        return timedelta(seconds=self.lookback_seconds)

    def earliest(self) -> datetime | None:
        """The start date as a time in UTC, or None to read everything."""
        try:
            return parse_time(self.start_date)
        except Misfit as error:
            raise FixConfiguration(
                _wrong("start_date", "a date or time in ISO-8601", self.start_date, '"2025-01-01"')
            ) from error


@dataclass(frozen=True)
class WarehouseSettings:
    """Where the data goes and where the project keeps what lies outside the warehouse."""

    destination: str
    duckdb_path: Path
    state_dir: Path

    @property
    def name(self) -> str:
        """The warehouse as a person would name it: the file, or the destination."""
        return str(self.duckdb_path) if self.destination == "duckdb" else self.destination


def load_unified_settings() -> UnifiedSettings:
    """Resolve section `sources.unified`. Raises `FixConfiguration`, which names the setting and where it goes."""
    try:
        _refuse_unknown(dlt.config.get("sources.unified"))
        return resolve_configuration(UnifiedSettings(), sections=("sources",))
    except ConfigFieldMissingException as error:
        raise FixConfiguration(_MISSING_KEY) from error
    except ConfigValueCannotBeCoercedException as error:
        expected, example = _FORMS.get(error.field_name, ("text", '"..."'))
        shown = "something else" if error.field_name == "api_key" else error.field_value
        raise FixConfiguration(_wrong(error.field_name, expected, shown, example)) from error
    except ConfigurationException as error:
        raise FixConfiguration(f"The configuration cannot be read: {error}") from error


def _refuse_unknown(section: object) -> None:
    """A misspelt setting would be ignored in silence otherwise."""
    known = {*UnifiedSettings.get_resolvable_fields(), "state_dir"}
    unknown = sorted(set(section) - known) if isinstance(section, dict) else []
    if unknown:
        raise FixConfiguration(
            f"Expected known settings under [sources.unified] in .dlt/config.toml, got {', '.join(unknown)}. "
            f"Known are: {', '.join(sorted(known))}."
        )


def load_warehouse_settings(destination: str | None = None) -> WarehouseSettings:
    """The destination by option, `TICKETING_DESTINATION` or default, and the folder of the project's own state."""
    chosen = destination or os.environ.get("TICKETING_DESTINATION") or DEFAULT_DESTINATION
    if chosen != "duckdb":
        raise FixConfiguration(
            f"Expected the destination to be duckdb, the only one supported yet, got {chosen!r}. Leave out "
            "--destination and TICKETING_DESTINATION."
        )
    path = Path((_configured("destination.duckdb.credentials") or DEFAULT_WAREHOUSE).removeprefix("duckdb:///"))
    if str(path) == ":memory:":
        raise FixConfiguration(
            "The warehouse must be a file, got :memory:. Set DESTINATION__DUCKDB__CREDENTIALS to its path, or leave it "
            f"out for {DEFAULT_WAREHOUSE}."
        )
    state_dir = _configured("sources.unified.state_dir")
    return WarehouseSettings(chosen, path, Path(state_dir) if state_dir else state_dir_beside(path))


def state_dir_beside(path: Path) -> Path:
    """The folder of what the project keeps outside the warehouse file, one for each file."""
    return path.with_name(f"{path.name}.state")


def _configured(key: str) -> str | None:
    try:
        value: object = dlt.config.get(key)
    except ConfigurationException as error:
        raise FixConfiguration(f"The configuration cannot be read: {error}") from error
    return None if value is None else str(value)


def parse_moment(text: str) -> datetime:
    """A date or time given on the command line, in UTC. Raises `FixConfiguration`."""
    try:
        moment = parse_time(text)
    except Misfit:
        moment = None
    if moment is None:
        raise FixConfiguration(f"Expected a date or time in ISO-8601, got {text!r}. Example: 2026-01-31")
    return moment.astimezone(UTC)


_MISSING_KEY = (
    "The setting sources.unified.api_key is missing. Put the key of your Unified.to workspace into the environment\n"
    "(export SOURCES__UNIFIED__API_KEY=...) or into .dlt/secrets.toml:\n\n"
    '    [sources.unified]\n    api_key = "..."\n\n'
    "No account yet? `make demo` needs none."
)


_FORMS = {
    "connection_ids": ("a list of connection ids", '["66d1f0", "66d1f1"]'),
    "page_size": (f"a whole number from {SMALLEST_PAGE} to {LARGEST_PAGE}", "100"),
    "lookback_seconds": ("a whole number of seconds", "300"),
    "include_raw": ("true or false", "true"),
}
"""What each setting of another type than text looks like: expected, and an example."""


def _wrong(name: str, expected: str, got: object, example: str) -> str:
    return (
        f"The setting sources.unified.{name} must be {expected}, got {got!r}. Set it in .dlt/config.toml under "
        f"[sources.unified] ({name} = {example}) or as SOURCES__UNIFIED__{name.upper()}."
    )
