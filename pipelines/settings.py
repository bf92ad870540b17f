"""The one place that reads configuration: dlt's own (`.dlt/config.toml`, `.dlt/secrets.toml`, environment)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeAlias

import dlt
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
    InvalidNativeValue,
)
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, configspec
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from pipelines.errors import FixConfiguration
from transforms.privacy import Action, Protection, rules_from
from transforms.values import Misfit, parse_time

DEFAULT_BASE_URL = "https://api.unified.to"
DEFAULT_DESTINATION = "duckdb"
DEFAULT_WAREHOUSE = "data/warehouse.duckdb"
POSTGRES_PORT = 5432
STATE_DIRS = Path("data")
"""Where the project keeps its own state of a warehouse that is no file."""

REPORT = "report.html"

TRIAGE_FIELDS = ("priority", "category", "user_id", "status", "tags", "note")
"""What of a ticket a triage decision may be about."""

LIBPQ_VARIABLES = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssdelegation": "PGGSSDELEGATION",
    "gssencmode": "PGGSSENCMODE",
    "gsslib": "PGGSSLIB",
    "hostaddr": "PGHOSTADDR",
    "krbsrvname": "PGKRBSRVNAME",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "service": "PGSERVICE",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "sslcert": "PGSSLCERT",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslsni": "PGSSLSNI",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""The options that a connection to Postgres may have, and where libpq finds each: dbt's profile cannot name them, so
that dbt would connect without any other one in silence."""

_PARTS_IN_OPTIONS = {
    "host": "host",
    "port": "port",
    "dbname": "database",
    "user": "username",
    "password": "password",
}
"""Parts of a connection as libpq lets them stand among the options of its URL, and as they are called here."""

_NEVER_SHOWN = {"api_key", "privacy_key", "privacy"}

NOTIFICATION_FORMATS = ("slack", "json")

LARGEST_PAGE = 100
LONGEST_LOOKBACK = 366 * 24 * 3600
MOST_AT_ONCE = 64
SHORTEST_PRIVACY_KEY = 16
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
    reread_pages: int = 1
    """Pages an object and run of a slow second look, for records that change without saying so; 0: none."""
    note_sweep_calls: int = 500
    """Open tickets whose notes are looked at though they did not change, a connection and run."""
    max_concurrency: int = 16
    """Requests in flight at once."""
    requests_per_second: float = 0
    """0: as fast as the API and the helpdesks bear."""
    max_calls_per_run: int = 0
    """Requests of a run, after which it ends and leaves the rest to the next; 0: as many as it takes."""
    privacy: dict[str, Any] | None = None
    """What is done to columns before they are stored: `hash`, `truncate N`, `drop` or `keep` by `column` or
    `table.column`; under `connections`, the same for single ones."""
    privacy_key: dlt.TSecretStrValue = ""
    """The key of hashes. Whoever has it can tell whose they are."""

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
        if not 1 <= self.max_concurrency <= MOST_AT_ONCE:
            self._refuse("max_concurrency")
        for name in ("reread_pages", "note_sweep_calls", "requests_per_second", "max_calls_per_run"):
            if not 0 <= self[name] < inf:
                self._refuse(name)
        self.earliest()
        self.protection("")
        for connection_id in self.privacy_by_connection():
            self.protection(connection_id)

    def protection(self, connection_id: str) -> Protection:
        """What is done to the columns of a connection. Raises `FixConfiguration` where the settings cannot be meant."""
        by_connection = self.privacy_by_connection()
        stated = {name: action for name, action in (self.privacy or {}).items() if name != "connections"}
        try:
            rules = rules_from(by_connection.get(connection_id, {}), rules_from(stated))
        except ValueError as error:
            raise FixConfiguration(
                f"Expected {error}. Correct it in [sources.unified.privacy] of .dlt/config.toml or in "
                'SOURCES__UNIFIED__PRIVACY. Example: emails = "hash"'
            ) from error
        is_keyed = any(rule.action is Action.HASH for columns in rules.values() for rule in columns.values())
        if is_keyed and len(self.privacy_key.strip()) < SHORTEST_PRIVACY_KEY:
            raise FixConfiguration(
                f"Columns are to be hashed, which takes a key of at least {SHORTEST_PRIVACY_KEY} characters in the "
                "setting sources.unified.privacy_key (SOURCES__UNIFIED__PRIVACY_KEY or .dlt/secrets.toml). Make one: "
                'python3 -c "import secrets; print(secrets.token_urlsafe())". Keep it: another key makes other hashes.'
            )
        return Protection(rules, self.privacy_key.strip().encode())

    def address_hash(self) -> Callable[[str], str] | None:
        """What makes of an address the hash that is stored of it; None where there is no key."""
        return self.protection("").hash if self.privacy_key.strip() else None

    def privacy_by_connection(self) -> dict[str, dict[str, Any]]:
        """What is stated for single connections, by their ids."""
        by_connection = (self.privacy or {}).get("connections", {})
        if not isinstance(by_connection, dict) or not all(isinstance(rules, dict) for rules in by_connection.values()):
            raise FixConfiguration(
                "Expected rules by connection id under [sources.unified.privacy.connections], got something else. "
                'Example: [sources.unified.privacy.connections.66d1f0] and below it emails = "keep"'
            )
        return by_connection

    def _refuse(self, name: str) -> NoReturn:
        expected, example = _FORMS[name]
        raise FixConfiguration(_wrong(name, expected, self[name], example))

    def wants(self, connection_id: str) -> bool:
        """Whether what is of a connection is to be stored."""
        return not self.connection_ids or connection_id in self.connection_ids

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


@configspec
class WebhookSettings(BaseConfiguration):
    """Section `webhooks`: whose deliveries are taken, and how many of them are kept."""

    secret: dlt.TSecretStrValue = None  # type: ignore[assignment]
    secret_before: dlt.TSecretStrValue = ""
    """The secret before this one, for as long as deliveries that were signed with it may still come."""
    accept_sha1: bool = False
    """Whether a delivery is taken that has the older signature `sig` alone."""
    largest_body_mb: int = 8
    largest_inbox_mb: int = 2048
    """What waits to be loaded takes no more; what comes then is not acknowledged."""

    def on_resolved(self) -> None:
        """Refuse what no receiver could work with. Raises `FixConfiguration`."""
        self.secret, self.secret_before = self.secret.strip(), self.secret_before.strip()
        if not self.secret:
            raise FixConfiguration(_UNPROVEN)
        for name in ("largest_body_mb", "largest_inbox_mb"):
            if self[name] < 1:
                raise FixConfiguration(_wrong_webhooks(name, f"a whole number of at least 1, got {self[name]}"))

    @property
    def secrets(self) -> list[str]:
        """What a delivery may be signed with."""
        return [secret for secret in (self.secret, self.secret_before) if secret]


@configspec
class TriageSettings(BaseConfiguration):
    """Section `triage`: how much of a helpdesk one plan may change, and what of a ticket."""

    allowed_connections: list[str] | None = None
    """None: all that are read; an empty list: none."""
    allowed_fields: list[str] | None = None
    """None: all that can be written; an empty list: nothing."""
    max_tickets: int = 200
    """A plan about more is not carried out."""
    max_share: float = 0.5
    """Of the open tickets of a connection; a plan about more is not carried out."""
    max_failures_in_a_row: int = 5
    """After so many the rest of a plan is left."""

    __section__: ClassVar[str] = "triage"

    def on_resolved(self) -> None:
        """Refuse what cannot be meant. Raises `FixConfiguration`."""
        if odd := [id for id in self.allowed_connections or () if not isinstance(id, str)]:
            raise FixConfiguration(_wrong_triage("allowed_connections", _TRIAGE_FORMS["allowed_connections"], odd[0]))
        if unknown := [name for name in self.allowed_fields or () if name not in TRIAGE_FIELDS]:
            raise FixConfiguration(_wrong_triage("allowed_fields", _TRIAGE_FORMS["allowed_fields"], unknown[0]))
        for name in ("max_tickets", "max_failures_in_a_row"):
            if self[name] < 1:
                raise FixConfiguration(_wrong_triage(name, _TRIAGE_FORMS[name], self[name]))
        if not 0 < self.max_share <= 1:
            raise FixConfiguration(_wrong_triage("max_share", _TRIAGE_FORMS["max_share"], self.max_share))

    @property
    def fields(self) -> list[str]:
        """What of a ticket may be changed."""
        return [*TRIAGE_FIELDS] if self.allowed_fields is None else self.allowed_fields

    def allows(self, connection_id: str) -> bool:
        """Whether tickets of a connection may be changed."""
        return self.allowed_connections is None or connection_id in self.allowed_connections


@configspec
class NotificationSettings(BaseConfiguration):
    """Section `notifications`: who is told when something is not well."""

    url: dlt.TSecretStrValue = ""
    """A webhook. Whoever has the address can post there. Empty: nobody is told."""
    format: str = "slack"
    """What most chats read; `json` is for a program of one's own."""

    __section__: ClassVar[str] = "notifications"

    def on_resolved(self) -> None:
        """Refuse what cannot be meant. Raises `FixConfiguration`."""
        self.url = self.url.strip()
        if self.format not in NOTIFICATION_FORMATS:
            raise FixConfiguration(
                f"The setting notifications.format must be {' or '.join(NOTIFICATION_FORMATS)}, got {self.format!r}. "
                "Set it in .dlt/config.toml under [notifications] or as NOTIFICATIONS__FORMAT."
            )


@dataclass(frozen=True)
class DuckdbWarehouse:
    """A warehouse in a DuckDB file; `state_dir` holds what the project keeps outside of it."""

    path: Path
    state_dir: Path
    destination: ClassVar[str] = "duckdb"

    @property
    def name(self) -> str:
        """The warehouse as a person would name it."""
        return str(self.path)

    @property
    def published_dir(self) -> Path:
        """The folder of what readers find."""
        return self.path.with_name(f"{self.path.name}.published")

    @property
    def report_path(self) -> Path:
        """Where the report lies that is written to no other place."""
        return self.published_dir / REPORT


@dataclass(frozen=True)
class PostgresWarehouse:
    """A warehouse in a Postgres database; `state_dir` holds what the project keeps outside of it.

    `options` are further parameters of the connection, such as `sslmode`. Neither they nor the password are shown
    anywhere. Without a password the connection is made as libpq does without one: by trust, or from a password file.
    """

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    options: Mapping[str, str] = field(repr=False, hash=False)
    state_dir: Path
    destination: ClassVar[str] = "postgres"

    @property
    def name(self) -> str:
        """The warehouse as a person would name it."""
        return f"{self.database} on {self.host}:{self.port}"

    @property
    def published_dir(self) -> Path:
        """The folder of what readers find outside the database."""
        return self.state_dir.with_name(f"{self.state_dir.name.removesuffix('.state')}.published")

    @property
    def report_path(self) -> Path:
        """Where the report lies that is written to no other place."""
        return self.published_dir / REPORT


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes its place, whole."""
    return path.with_name(f".{path.name}.unfinished")


WarehouseSettings: TypeAlias = DuckdbWarehouse | PostgresWarehouse


@configspec(init=False)
class _PostgresCredentials(PostgresCredentials):
    """dlt's own, except that a server may ask for no password, and that a URL may be any of libpq's."""

    password: dlt.TSecretStrValue = ""

    def parse_native_representation(self, native_value: object) -> None:
        """Take a URL apart. Raises `FixConfiguration` where a piece of its password would pass for another part."""
        if isinstance(native_value, str) and native_value.count("@") > 1:
            raise FixConfiguration(_wrong_postgres("a URL with one @, got more (not shown here)"))
        super().parse_native_representation(native_value)
        options = self.query or {}
        for option, part in _PARTS_IN_OPTIONS.items():
            if option in options:
                value = str(options.pop(option))
                setattr(self, part, int(value) if part == "port" else value)


_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_NOT_IN_A_DATABASE = re.compile(r"[@%?]")
"""Where one of these stands in the place of a host or a database, a piece of a password may."""


def load_unified_settings() -> UnifiedSettings:
    """Resolve section `sources.unified`. Raises `FixConfiguration`, which names the setting and where it goes."""
    try:
        _refuse_unknown({*UnifiedSettings.get_resolvable_fields(), "state_dir"}, "unified", "sources")
        _refuse_scattered_privacy()
        return resolve_configuration(UnifiedSettings(), sections=("sources",))
    except ConfigFieldMissingException as error:
        raise FixConfiguration(_MISSING_KEY) from error
    except ConfigValueCannotBeCoercedException as error:
        expected, example = _FORMS.get(error.field_name, ("text", '"..."'))
        shown = "something else" if error.field_name in _NEVER_SHOWN else error.field_value
        raise FixConfiguration(_wrong(error.field_name, expected, shown, example)) from error
    except ConfigurationException as error:
        raise FixConfiguration(f"The configuration cannot be read: {error}") from error


def load_webhook_settings() -> WebhookSettings:
    """Resolve section `webhooks`. Raises `FixConfiguration`, which names the setting and where it goes."""
    try:
        _refuse_unknown(WebhookSettings.get_resolvable_fields(), "webhooks")
        return resolve_configuration(WebhookSettings(), sections=("webhooks",))
    except ConfigFieldMissingException as error:
        raise FixConfiguration(_UNPROVEN) from error
    except ConfigValueCannotBeCoercedException as error:
        expected = "true or false" if error.field_name == "accept_sha1" else "a whole number of at least 1"
        raise FixConfiguration(_wrong_webhooks(error.field_name, f"{expected}, got something else")) from error
    except ConfigurationException as error:
        raise FixConfiguration(f"The configuration cannot be read: {error}") from error


def load_triage_settings() -> TriageSettings:
    """Resolve section `triage`. Raises `FixConfiguration`, which names the setting and where it goes."""
    try:
        _refuse_unknown(TriageSettings.get_resolvable_fields(), "triage")
        return resolve_configuration(TriageSettings())
    except ConfigValueCannotBeCoercedException as error:
        name = error.field_name
        raise FixConfiguration(_wrong_triage(name, _TRIAGE_FORMS[name], error.field_value)) from error
    except ConfigurationException as error:
        raise FixConfiguration(f"The configuration cannot be read: {error}") from error


def load_notification_settings() -> NotificationSettings:
    """Resolve section `notifications`. Raises `FixConfiguration`, which names the setting and where it goes."""
    try:
        _refuse_unknown(NotificationSettings.get_resolvable_fields(), "notifications")
        return resolve_configuration(NotificationSettings())
    except ConfigurationException:
        raise FixConfiguration(
            "The section notifications cannot be read (not shown here). Expected url and format to be texts: see "
            "NOTIFICATIONS__URL, NOTIFICATIONS__FORMAT, .dlt/config.toml and .dlt/secrets.toml."
        ) from None


def _refuse_unknown(fields: Iterable[str], key: str, *sections: str) -> None:
    """A misspelt setting would be ignored in silence otherwise."""
    known = {*fields}
    found = [section for _, section in _places(key, *sections) if isinstance(section, dict)]
    unknown = sorted({name for section in found for name in section} - known)
    if unknown:
        raise FixConfiguration(
            f"Expected known settings under [{'.'.join((*sections, key))}] in .dlt/config.toml and .dlt/secrets.toml, "
            f"got {', '.join(unknown)}. Known are: {', '.join(sorted(known))}."
        )


def _refuse_scattered_privacy() -> None:
    """Of rules in two places one would stand alone in silence, and what the other protects would be stored as it is."""
    places = [name for name, _ in _places("privacy", "sources", "unified")]
    if len(places) > 1:
        raise FixConfiguration(
            f"Expected the rules of sources.unified.privacy in one place, got some in each of {' and '.join(places)}. "
            "Put them all into [sources.unified.privacy] of .dlt/config.toml, or all into SOURCES__UNIFIED__PRIVACY."
        )
    prefix = "SOURCES__UNIFIED__PRIVACY__"
    if single := sorted(name for name in os.environ if name.upper().startswith(prefix)):
        raise FixConfiguration(
            f"Expected all rules of privacy in one variable, got {', '.join(single)}. Write them as JSON: "
            'SOURCES__UNIFIED__PRIVACY=\'{"emails": "hash", "raw": "drop"}\''
        )


def _places(key: str, *sections: str) -> list[tuple[str, object]]:
    """Everywhere that a setting is found, with its value: the environment, then the files."""
    values = [
        (provider.name, provider.get_value(key, Any, None, *sections)[0])
        for provider in dlt.config.config_providers
        if not provider.is_empty
    ]
    return [(name, value) for name, value in values if value is not None]


def load_warehouse_settings(destination: str | None = None) -> WarehouseSettings:
    """The destination by option, `TICKETING_DESTINATION` or default, and the folder of the project's own state.

    Raises `FixConfiguration`, which names the setting and how it is written.
    """
    chosen = destination if destination is not None else os.environ.get("TICKETING_DESTINATION") or DEFAULT_DESTINATION
    if chosen == DuckdbWarehouse.destination:
        return _duckdb_warehouse()
    if chosen == PostgresWarehouse.destination:
        return _postgres_warehouse()
    raise FixConfiguration(
        f"Expected the destination to be duckdb or postgres, got {_harmless(chosen)}. Correct --destination or "
        "TICKETING_DESTINATION, or leave both out for duckdb."
    )


def readers() -> list[str]:
    """The roles of a Postgres database that may read what is built and published, as they stand in SQL."""
    return os.environ.get("TICKETING_READERS", "").split()


def _harmless(chosen: str) -> str:
    """A word as it stands; a whole URL may hold a password."""
    return repr(chosen) if re.fullmatch(r"[\w-]*", chosen) else "something else (not shown here)"


def _duckdb_warehouse() -> DuckdbWarehouse:
    path = Path((_configured("destination.duckdb.credentials") or DEFAULT_WAREHOUSE).removeprefix("duckdb:///"))
    if str(path) == ":memory:":
        raise FixConfiguration(
            "The warehouse must be a file, got :memory:. Set DESTINATION__DUCKDB__CREDENTIALS to its path, or leave it "
            f"out for {DEFAULT_WAREHOUSE}."
        )
    setting = "DESTINATION__DUCKDB__CREDENTIALS"
    _refuse_path("the DuckDB file", path.absolute(), "?#", setting)
    _refuse_path("the name of the DuckDB file", Path(path.name), ";'\"", setting)
    return DuckdbWarehouse(path, _state_dir(state_dir_beside(path)))


def _postgres_warehouse() -> PostgresWarehouse:
    credentials = _postgres_credentials()
    if not credentials.drivername.startswith("postgres"):
        raise FixConfiguration(_wrong_postgres(f"that of a Postgres database, got one of {credentials.drivername!r}"))
    if empty := [name for name in ("host", "username", "database") if not getattr(credentials, name)]:
        raise FixConfiguration(_wrong_postgres(f"complete, got no {' and no '.join(empty)}"))
    if "," in credentials.host:
        raise FixConfiguration(_wrong_postgres("that of one host, got a list of them"))
    if not _HOST.fullmatch(credentials.host):
        raise FixConfiguration(_wrong_postgres("one with the name or address of a host, got another (not shown here)"))
    if _NOT_IN_A_DATABASE.search(credentials.database):
        raise FixConfiguration(_wrong_postgres("one with the name of a database, got another (not shown here)"))
    options = {name: str(value) for name, value in credentials.get_query().items()}
    if unknown := sorted(options.keys() - LIBPQ_VARIABLES.keys()):
        known = ", ".join(LIBPQ_VARIABLES)
        raise FixConfiguration(_wrong_postgres(f"one with options of {known}; got {', '.join(unknown)}"))
    server = credentials.host if credentials.port == POSTGRES_PORT else f"{credentials.host}-{credentials.port}"
    folder = re.sub(r"[^A-Za-z0-9._-]+", "-", f"postgres-{server}-{credentials.database}.state")
    return PostgresWarehouse(
        host=credentials.host,
        port=credentials.port,
        database=credentials.database,
        username=credentials.username,
        password=credentials.password,
        options=options,
        state_dir=_state_dir(STATE_DIRS / folder),
    )


def _postgres_credentials() -> _PostgresCredentials:
    """dlt's messages are not passed on: they may quote a password that stands where another part should."""
    try:
        return resolve_configuration(_PostgresCredentials(), sections=("destination", "postgres"))
    except ConfigFieldMissingException as error:
        missing = ", ".join(error.fields)
        raise FixConfiguration(_wrong_postgres(f"complete, got no {missing}")) from None
    except ConfigValueCannotBeCoercedException as error:
        raise FixConfiguration(_wrong_postgres(f"readable, got no number for {error.field_name}")) from None
    except InvalidNativeValue:
        raise FixConfiguration(_wrong_postgres("a URL, got something else (not shown here)")) from None
    except ConfigurationException as error:
        raise FixConfiguration(f"The configuration cannot be read: {error}") from error


def _wrong_postgres(expected: str) -> str:
    return (
        f"The connection to the warehouse, the setting destination.postgres.credentials, must be {expected}. Put it "
        "into the environment\n"
        "(export DESTINATION__POSTGRES__CREDENTIALS=postgresql://user:password@host:5432/database, with any of :/@%\n"
        "in the password written as %3A %2F %40 %25) or into .dlt/secrets.toml:\n\n"
        '    [destination.postgres.credentials]\n    host = "localhost"\n    port = 5432\n'
        '    database = "support"\n    username = "loader"\n    password = "..."'
    )


def state_dir_beside(path: Path) -> Path:
    """The folder of what the project keeps outside the warehouse file, one for each file."""
    return path.with_name(f"{path.name}.state")


def _state_dir(default: Path) -> Path:
    state_dir = Path(_configured("sources.unified.state_dir") or default)
    _refuse_path("the state folder", state_dir.absolute(), "%'", "SOURCES__UNIFIED__STATE_DIR")
    return state_dir


def _refuse_path(what: str, path: Path, unusable: str, setting: str) -> None:
    """dlt puts the paths of its files into templates and statements, DuckDB and dbt read theirs as a URL."""
    if any(c in unusable or "\ud800" <= c <= "\udfff" for c in str(path)):
        raise FixConfiguration(
            f"Expected {what} to be UTF-8 without any of {' '.join(unusable)} (dlt, DuckDB or dbt would take them for "
            f"something else), got {_without_query(path)!r}. Set {setting} to another one."
        )


def _without_query(path: Path) -> str:
    """Behind a question mark may stand a token."""
    return re.sub(r"\?.*", "?...", str(path), flags=re.DOTALL)


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


_UNPROVEN = (
    "The setting webhooks.secret is missing: the secret of your Unified.to workspace, by which deliveries are\n"
    "proven. Put it into the environment (export WEBHOOKS__SECRET=...) or into .dlt/secrets.toml:\n\n"
    '    [webhooks]\n    secret = "..."'
)


def _wrong_webhooks(name: str, expected: str) -> str:
    return (
        f"The setting webhooks.{name} must be {expected}. Set it in .dlt/config.toml under [webhooks] or as "
        f"WEBHOOKS__{name.upper()}."
    )


_TRIAGE_FORMS = {
    "allowed_connections": "a list of connection ids",
    "allowed_fields": f"a list of {', '.join(TRIAGE_FIELDS)}",
    "max_tickets": "a whole number of at least 1",
    "max_share": "a number above 0 and up to 1",
    "max_failures_in_a_row": "a whole number of at least 1",
}


def _wrong_triage(name: str, expected: str, got: object) -> str:
    return (
        f"The setting triage.{name} must be {expected}, got {got!r}. Set it in .dlt/config.toml under [triage] or as "
        f"TRIAGE__{name.upper()}."
    )


_FORMS = {
    "connection_ids": ("a list of connection ids", '["66d1f0", "66d1f1"]'),
    "page_size": (f"a whole number from {SMALLEST_PAGE} to {LARGEST_PAGE}", "100"),
    "lookback_seconds": ("a whole number of seconds", "300"),
    "include_raw": ("true or false", "true"),
    "reread_pages": ("a whole number, 0 or more", "1"),
    "note_sweep_calls": ("a whole number, 0 or more", "500"),
    "max_concurrency": (f"a whole number from 1 to {MOST_AT_ONCE}", "16"),
    "requests_per_second": ("a number, 0 or more", "20"),
    "max_calls_per_run": ("a whole number, 0 or more", "10000"),
    "privacy": ("a table of columns and actions", '{ emails = "hash" }'),
}
"""What each setting of another type than text looks like: expected, and an example."""


def _wrong(name: str, expected: str, got: object, example: str) -> str:
    return (
        f"The setting sources.unified.{name} must be {expected}, got {got!r}. Set it in .dlt/config.toml under "
        f"[sources.unified] ({name} = {example}) or as SOURCES__UNIFIED__{name.upper()}."
    )
